"""Times of PyTorch on two threads, for the rows `kernels` and `networks` of `benches/engine.rs`: single depthwise convolutions
and batch norms with ReLU6; forward (evaluation) and one training step (SGD with momentum, everything trainable, dropout on) of
SqueezeNet 1.1 and EfficientNet-lite0 with the library's head. Batches of 16 random images, the best of some runs after a
warm-up. The batch norms are not folded.

How to run (on a machine that does nothing else); `bench_engine.py` runs both and divides
    pip install torch torchvision safetensors
    python tools/bench_torch_networks.py [kernels] [networks] [--runs N]
"""

import sys
import time

import torch
import torch.nn.functional as F
import torchvision
from bench_torch_head import THREADS, WithHead, training_step
from reference_models import Lite
from torch import nn

BATCH = 16


class LiteBody(Lite):
    def forward(self, x):
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return F.relu6(self._bn1(self._conv_head(x)))


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


def networks(runs):
    lite = LiteBody(1.0, 1.0)
    lite._fc = nn.Identity()
    squeeze = torchvision.models.squeezenet1_1(weights=None).features
    networks = {
        "squeezenet1_1": (WithHead(squeeze, 512), (64, 128, 224)),
        "efficientnet_lite0": (WithHead(lite, 1280), (128, 224)),
    }
    targets = (torch.rand(BATCH, 7) < 0.3).float()
    for name, (net, sides) in networks.items():
        for side in sides:
            x = torch.randn(BATCH, 3, side, side)
            net.eval()
            with torch.inference_mode():
                seconds = best(lambda: net(x), runs)
            print(f"{name} forward, {side} px, batch {BATCH}: {BATCH / seconds:.1f} images/s", flush=True)
            seconds = best(training_step(net, x, targets), runs)
            print(f"{name} training step, {side} px, batch {BATCH}: {BATCH / seconds:.1f} images/s", flush=True)


def main():
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    arguments = sys.argv[1:]
    runs = int(arguments.pop(arguments.index("--runs") + 1)) if "--runs" in arguments else 5
    parts = [part for part in arguments if part != "--runs"] or ["kernels", "networks"]
    for part in parts:
        {"kernels": kernels, "networks": networks}[part](runs)


if __name__ == "__main__":
    main()
