"""What the scripts share that compute beside this program with PyTorch: published weights, the library's head, batches, rates."""

import math

import torch
from torch import nn


def weights_of(path):
    """The tensors of a file in 32 bits, of safetensors or of PyTorch."""
    # Its import would count in what bench_peers.py measures.
    from safetensors.torch import load_file

    state = load_file(path) if str(path).endswith(".safetensors") else torch.load(path, weights_only=True)
    return {name: tensor.float() for name, tensor in state.items()}


def pooled(maps):
    """The concat pool: the largest number of each channel, then the means."""
    return torch.cat([maps.amax((2, 3)), maps.mean((2, 3))], 1)


def head(inputs, outputs, dropout=(0.25, 0.5)):
    """Kaiming normal weights, biases 0."""
    net = nn.Sequential(
        nn.BatchNorm1d(inputs), nn.Dropout(dropout[0]), nn.Linear(inputs, 512), nn.ReLU(),
        nn.BatchNorm1d(512), nn.Dropout(dropout[1]), nn.Linear(512, outputs),
    )  # fmt: skip
    for module in net:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            nn.init.zeros_(module.bias)
    return net


class WithHead(nn.Module):
    """A body that gives maps of `channels` channels, with the head behind it."""

    def __init__(self, body, channels, outputs):
        super().__init__()
        self.body, self.head = body, head(2 * channels, outputs)

    def forward(self, x):
        return self.head(pooled(self.body(x)))


def batches(n, size):
    """The numbers of `n` images in random order; a last batch of one joins the one before, as in the library."""
    found = list(torch.randperm(n).split(size))
    if len(found) > 1 and len(found[-1]) == 1:
        found[-2:] = [torch.cat(found[-2:])]
    return found


def factors(cycles, per_epoch):
    """The factor of the rate in every batch of cosine cycles of so many epochs; a hundredth in a twentieth of the first cycle."""
    step, warm = 0, cycles[0] * per_epoch / 20
    for length in cycles:
        count = length * per_epoch
        for place in range(count):
            yield 0.01 if step < warm else 0.5 * (1 + math.cos(math.pi * place / count))
            step += 1
