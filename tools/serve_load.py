#!/usr/bin/env python3
"""Loads `fastai serve` and measures latency and memory: python3 tools/serve_load.py PROGRAM RUN IMAGE..

Starts the server, asks for every image alone, and then sends many requests over connections that stay open. Every answer
must be the one that the image had alone. With --hostile, others send bodies that break off, garbage, image bombs and slow
bodies meanwhile, and none of that may cost a sound request its answer. Needs nothing but Python; Linux, for the memory.
"""

import argparse
import asyncio
import random
import re
import signal
import struct
import subprocess
import sys
import time
import zlib


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("run")
    parser.add_argument("images", nargs="+")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=16, help="connections that ask without pause")
    parser.add_argument("--hostile", type=int, default=0, help="clients that do harm meanwhile")
    parser.add_argument("--rounds", type=int, default=2, help="the memory after each is reported")
    parser.add_argument("--serve", default="", help="options of the server, such as '--batch 1'")
    return parser.parse_args()


def memory(pid):
    """Resident memory and its peak, MB."""
    text = open(f"/proc/{pid}/status").read()
    return tuple(int(re.search(rf"{name}:\s+(\d+)", text)[1]) / 1000 for name in ("VmRSS", "VmHWM"))


async def ask(reader, writer, body):
    head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: image/jpeg\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = int(re.search(r"content-length: (\d+)", head, re.I)[1])
    return int(head.split()[1]), await reader.readexactly(length)


def bomb():
    """A PNG that states 16,000 x 16,000 pixels."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    packed = zlib.compress(bytes(16_000 * 4), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 16_000, 16_000, 8, 2, 0, 0, 0)) + \
        chunk(b"IDAT", packed) + chunk(b"IEND", b"")


async def harm(port, image, seed, done):
    draw = random.Random(seed)
    evil = bomb()
    counts = {}
    while not done.is_set():
        kind = draw.choice(["garbage", "broken off", "bomb", "slow", "truncated", "no HTTP"])
        counts[kind] = counts.get(kind, 0) + 1
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: {len(image)}\r\n\r\n".encode()
            if kind == "garbage":
                await ask(reader, writer, draw.randbytes(5000))
            elif kind == "bomb":
                await ask(reader, writer, evil)
            elif kind == "truncated":
                await ask(reader, writer, image[: len(image) // 2])
            elif kind == "broken off":
                writer.write(head + image[:100])
                await writer.drain()
            elif kind == "no HTTP":
                writer.write(draw.randbytes(300))
                await asyncio.wait_for(reader.read(), 5)
            else:
                writer.write(head)
                for byte in image[:30]:
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(0.05)
            writer.close()
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            pass
        await asyncio.sleep(0.01)
    return counts


async def client(port, images, alone, numbers, times, wrong):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in numbers:
        which = number % len(images)
        began = time.perf_counter()
        status, body = await ask(reader, writer, images[which])
        times.append(time.perf_counter() - began)
        if status != 200 or body != alone[which]:
            wrong.append((status, body[:200]))
    writer.close()


async def main():
    args = arguments()
    images = [open(path, "rb").read() for path in args.images]
    command = [args.program, "serve", args.run, "--listen", "127.0.0.1:0", *args.serve.split()]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", server.stdout.readline())[1])
    print(" ".join(command), f"({len(images)} images, {sum(map(len, images)) / len(images) / 1000:.0f} kB each)")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    alone, times = [], []
    for image in images * max(1, 200 // len(images)):
        began = time.perf_counter()
        status, body = await ask(reader, writer, image)
        times.append(time.perf_counter() - began)
        assert status == 200, body
        alone.append(body)
    assert alone[: len(images)] == alone[-len(images) :], "an image has two answers"
    alone = alone[: len(images)]
    percentiles("one client", times, sum(times))
    print(f"memory {memory(server.pid)[0]:.0f} MB")
    failed = 0
    for round in range(args.rounds):
        times, wrong, done = [], [], asyncio.Event()
        harmful = [asyncio.create_task(harm(port, images[0], seed, done)) for seed in range(args.hostile)]
        numbers = iter(range(args.requests))
        began = time.perf_counter()
        await asyncio.gather(*(client(port, images, alone, numbers, times, wrong) for _ in range(args.clients)))
        wall = time.perf_counter() - began
        done.set()
        counts = {}
        for each in await asyncio.gather(*harmful):
            for kind, count in each.items():
                counts[kind] = counts.get(kind, 0) + count
        percentiles(f"round {round + 1}, {args.clients} clients", times, wall)
        if counts:
            print("  meanwhile: " + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
        now, peak = memory(server.pid)
        print(f"  wrong or lost: {len(wrong) + args.requests - len(times)}; memory {now:.0f} MB, peak {peak:.0f} MB")
        failed += len(wrong)
        for status, body in wrong[:3]:
            print("  ", status, body)
    status, body = await get(port, "/metrics")
    passes = dict(re.findall(r"fastai_pass_images_(sum|count) (\S+)", body.decode()))
    print(f"images per pass: {float(passes['sum']) / float(passes['count']):.2f}")
    server.send_signal(signal.SIGTERM)
    print(server.stdout.read().strip(), f"(exit code {server.wait()})")
    sys.exit(failed > 0 or server.returncode != 0)


async def get(port, path):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def percentiles(what, times, wall):
    times = sorted(times)
    at = lambda share: 1000 * times[min(len(times) - 1, int(share * len(times)))]
    print(f"{what}: {len(times)} requests in {wall:.1f} s, {len(times) / wall:.0f} a second; latency in ms: "
          f"p50 {at(.5):.1f}, p90 {at(.9):.1f}, p99 {at(.99):.1f}, p99.9 {at(.999):.1f}, most {1000 * times[-1]:.1f}")


asyncio.run(main())
