"""Times of PyTorch on two threads, for the rows `kernels` of `benches/engine.rs`: single depthwise convolutions, and batch norms
with ReLU6. Batches of 16 random images, the best of some runs after a warm-up. Whole networks: `bench_networks.py`.

How to run (on a machine that does nothing else); `bench_engine.py` runs both and divides
    pip install torch
    python tools/bench_torch_kernels.py [--runs N]
"""

import sys
import time

import torch
import torch.nn.functional as F

BATCH = 16
# As in benches/engine.rs: channels, side, kernel, stride; channels, side.
DEPTHWISE = [(32, 112, 3, 1), (96, 112, 3, 2), (240, 28, 5, 1), (240, 28, 5, 2)]
NORMS = [(32, 112), (240, 28)]


def best(action, runs):
    action()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def kernels(runs):
    def row(name, action):
        print(f"{name}, batch {BATCH}: {best(action, runs) * 1e3:.2f} ms", flush=True)

    for channels, side, kernel, stride in DEPTHWISE:
        x = torch.rand(BATCH, channels, side, side)
        weight = torch.rand(channels, 1, kernel, kernel)
        name = f"depthwise {kernel}x{kernel} stride {stride}, {channels} x {side} x {side}"

        def forward():
            return F.conv2d(x, weight, stride=stride, padding=kernel // 2, groups=channels)

        def both():
            x.grad = weight.grad = None
            forward().sum().backward()

        with torch.inference_mode():
            row(f"{name}, forward", forward)
        x.requires_grad_(), weight.requires_grad_()
        row(f"{name}, forward and backward", both)
    for channels, side in NORMS:
        x = torch.rand(BATCH, channels, side, side).requires_grad_()
        weight, bias = torch.rand(channels).requires_grad_(), torch.rand(channels).requires_grad_()

        def step():
            x.grad = weight.grad = bias.grad = None
            F.relu6(F.batch_norm(x, None, None, weight, bias, training=True, eps=1e-3)).sum().backward()

        row(f"batch norm and ReLU6, {channels} x {side} x {side}, forward and backward", step)


def main():
    torch.manual_seed(0)
    torch.set_num_threads(2)
    kernels(int(sys.argv[sys.argv.index("--runs") + 1]) if "--runs" in sys.argv else 5)


if __name__ == "__main__":
    main()
