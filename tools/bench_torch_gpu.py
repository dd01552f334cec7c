#!/usr/bin/env python3
"""Measures PyTorch on a network: `python3 tools/bench_torch_gpu.py ARCH BATCH SIZE [DEVICE]`, the other side of `fastai bench --device`.

The work is that of `fastai bench`: evaluation (`forward`) and a training step with every parameter trainable (`train`), in PyTorch's
layouts and with torch.compile, in 32 bits and with autocast to bfloat16. DEVICE is `cuda` unless given. Prints a line of JSON for each
combination: median and best seconds of RUNS runs after WARM untimed ones, images per second, and peak memory on a GPU. A combination
that fails is a line with `error`. Needs torch and torchvision.
"""

import contextlib
import json
import statistics
import sys
import time

import torch
import torchvision

WARM, RUNS = 3, 10


def measure(arch, batch, size, device, layout, compiled, mixed, mode):
    network = getattr(torchvision.models, arch)().to(device)
    images = torch.randn(batch, 3, size, size, device=device)
    labels = torch.arange(batch, device=device) % 10
    if layout == "channels_last":
        network, images = network.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    network.train(mode == "train")
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-6, momentum=0.9)
    work = torch.compile(network) if compiled else network
    cast = torch.autocast(device, dtype=torch.bfloat16) if mixed else contextlib.nullcontext()
    synchronize = torch.cuda.synchronize if device == "cuda" else lambda: None

    def run():
        if mode == "forward":
            with torch.inference_mode(), cast:
                work(images)
        else:
            optimizer.zero_grad(set_to_none=True)
            with cast:
                loss = torch.nn.functional.cross_entropy(work(images), labels)
            loss.backward()
            optimizer.step()
        synchronize()

    for _ in range(WARM):
        run()
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds)
    row = {"median": median, "best": min(seconds), "images_per_s": batch / median}
    if device == "cuda":
        row["peak_bytes"] = torch.cuda.max_memory_allocated()
        torch.cuda.reset_peak_memory_stats()
    return row


def main():
    arch, batch, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    device = sys.argv[4] if len(sys.argv) > 4 else "cuda"
    for mode in ["forward", "train"]:
        for layout, compiled in [("eager", False), ("channels_last", False), ("channels_last", True)]:
            for mixed in [False, True]:
                name = {"torch": torch.__version__, "arch": arch, "batch": batch, "size": size, "device": device, "mode": mode}
                name |= {"layout": layout, "compile": compiled, "mixed": mixed}
                try:
                    row = measure(arch, batch, size, device, layout, compiled, mixed, mode)
                except Exception as error:  # what a machine lacks is a finding, not the end
                    row = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
                print(json.dumps(name | row), flush=True)


if __name__ == "__main__":
    main()
