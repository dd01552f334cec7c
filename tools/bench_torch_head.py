"""Times of PyTorch on two threads, to put beside the library's own.

Rows of the table:
    forward 64/128     squeezenet1_1 features, batch 64, images a second, no gradients
    head epoch         one epoch of the head (BN 1024, dropout .25, 512, ReLU, BN, dropout .5, 7) on
                       786 rows of ready features, batch 64, SGD with momentum
    full step 128      one training step of squeezenet1_1 and head, everything trainable, 32 images
    depthwise          mobilenet_v2 at 16 x 3 x 224 x 224, forward (eval) and one training step:
                       a stand-in for other networks made of depthwise convolutions
The median of several runs is printed, after warming up, and the fastest beside it. Random inputs
and weights; times do not depend on them.

How to run (on a machine that does nothing else)
    pip install torch torchvision
    python tools/bench_torch_head.py [--channels-last]
"""

import statistics
import sys
import time

import torch
import torchvision
from torch import nn

THREADS = 2
LAYOUT = torch.channels_last if "--channels-last" in sys.argv else torch.contiguous_format


def timed(action, runs):
    """Median and smallest time in seconds."""
    for _ in range(2):
        action()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times), min(times)


def images(batch, side):
    return torch.randn(batch, 3, side, side).contiguous(memory_format=LAYOUT)


def head(inputs, classes=7):
    return nn.Sequential(
        nn.BatchNorm1d(inputs), nn.Dropout(0.25), nn.Linear(inputs, 512), nn.ReLU(),
        nn.BatchNorm1d(512), nn.Dropout(0.5), nn.Linear(512, classes),
    )


class WithHead(nn.Module):
    def __init__(self, body, width, classes=7):
        super().__init__()
        self.body, self.head = body, head(2 * width, classes)

    def forward(self, x):
        x = self.body(x)
        return self.head(torch.cat([x.amax((2, 3)), x.mean((2, 3))], 1))


def training_step(net, x, y):
    sgd = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    loss_of = nn.BCEWithLogitsLoss()
    net.train()

    def step():
        loss = loss_of(net(x), y)
        sgd.zero_grad()
        loss.backward()
        sgd.step()

    return step


def head_epoch(rows=786, batch=64):
    x, y = torch.rand(rows, 1024), (torch.rand(rows, 7) < 0.3).float()
    net = head(1024)
    sgd = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    loss_of = nn.BCEWithLogitsLoss()

    def epoch():
        for at in torch.randperm(rows).split(batch):
            loss = loss_of(net(x[at]), y[at])
            sgd.zero_grad()
            loss.backward()
            sgd.step()

    return epoch


def row(name, seconds, count=None):
    median, least = seconds
    rate = f"{count / median:9.1f}" if count else " " * 9
    print(f"{name:34} {median * 1e3:10.1f} {least * 1e3:10.1f} {rate}", flush=True)


def main():
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    print(f"torch {torch.__version__}, {THREADS} threads, {LAYOUT}")
    print(f"{'':34} {'median ms':>10} {'min ms':>10} {'images/s':>9}")
    body = torchvision.models.squeezenet1_1(weights=None).features.to(memory_format=LAYOUT)
    with torch.no_grad():
        body.eval()
        for side in (64, 128):
            x = images(64, side)
            row(f"squeezenet1_1 forward {side} px, 64", timed(lambda: body(x), 15), 64)
    row("head epoch, 786 rows, batch 64", timed(head_epoch(), 15), 786)
    targets = (torch.rand(64, 7) < 0.3).float()
    step = training_step(WithHead(body, 512), images(32, 128), targets[:32])
    row("squeezenet1_1 full step 128 px, 32", timed(step, 9), 32)
    depthwise = torchvision.models.mobilenet_v2(weights=None).features.to(memory_format=LAYOUT)
    x = images(16, 224)
    with torch.no_grad():
        depthwise.eval()
        row("mobilenet_v2 forward 224 px, 16", timed(lambda: depthwise(x), 7), 16)
    step = training_step(WithHead(depthwise, 1280), x, targets[:16])
    row("mobilenet_v2 full step 224 px, 16", timed(step, 5), 16)


if __name__ == "__main__":
    main()
