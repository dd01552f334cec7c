"""Images a second of PyTorch on two threads, for the rows of `benches/engine.rs`: forward (evaluation) and one training step
(SGD with momentum, everything trainable, dropout on) of SqueezeNet 1.1 and EfficientNet-lite0 with the library's head, batches
of 16 random images, the best of five after a warm-up. The batch norms are not folded.

How to run (on a machine that does nothing else)
    pip install torch torchvision safetensors
    python tools/bench_torch_networks.py
    cargo bench --profile dev -p fastai-runtime --bench engine
"""

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


def best(action):
    action()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
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
                seconds = best(lambda: net(x))
            print(f"{name} forward, {side} px, batch {BATCH}: {BATCH / seconds:.1f} images/s", flush=True)
            seconds = best(training_step(net, x, targets))
            print(f"{name} training step, {side} px, batch {BATCH}: {BATCH / seconds:.1f} images/s", flush=True)


if __name__ == "__main__":
    main()
