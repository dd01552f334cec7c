"""Golden losses of every optimizer: fastai-runtime/tests/golden/optimizers.json.

30 steps of SqueezeNet 1.1 with a linear head, its body frozen, partly frozen and unfrozen, with a rate and a weight decay a
layer group; PyTorch's optimizers, and timm's LAMB without its own clipping of the global norm. One case clips the gradients
by value, and one moves the rate and AdamW's first beta in PyTorch's `OneCycleLR`.

    weights    the body: examples/data/squeezenet1_1.safetensors, with LIFT added to the biases of its last two convolutions;
               the head, BatchNorm1d(1024) and Linear(1024, 5) after the concat pool [max, avg]: as in reference_training.py
    images     32 of 40 px in batches of 8, in order; with u, 12 numbers an image of `unit_noise("images")`,
               x[c,h,w] = (.5 + .45 u0) (u[1 + c] + (1 + u4) sin((.3 + .25 u5) h + 3 u[6 + c])
                                         + (1 + u9) cos((.3 + .25 u10) w + .2 u11 h))
    labels     class (7 * n + 3) % 5
    one cycle  the language's numbers; a cycle of 30 batches that never reaches its end is one of 31 of OneCycleLR, whose
               climb ends a batch early

Why these. A comparison over 30 steps needs a network in which a difference stays as small as rounding made it, and a random
body under batch norms is none: float32 and float64 part by 7e-4 to 2e-2. SqueezeNet's body has weights that were trained and
no batch norms. What is left of chaos are features that are 0 in all images of a batch but one, which the head's batch norm
blows up, whatever the one is; hence the raised biases, which make all features positive, and images of different contrast, so
that features differ by more than they are rounded. A hidden layer of the head is a ReLU before a batch norm, too; hence none.
The body's rates are a third and less of those at which rounding begins to show, the first group's above the second's because
its effect is smaller. The decays, far from those of a training run, are such that a wrong one shows in the losses.

For every case the settings and the loss before each step, in float64. Printed is how far, relative to the loss, it is off

    in float32
    with 3x3 convolutions as inexact as Winograd's: errors of 2e-6 of an image's largest output
    if the rate, or the decay, of one group that trains were a tenth larger: the least over the groups

The first two have to be well below the test's 1e-4 (they are at most 5e-6 and 4e-5), the others above it (at least 2e-4).

How to run
    pip install torch torchvision timm safetensors
    python tools/reference_optimizers.py [CASE ..]      (all without names; the others' entries stay)
"""

import copy
import functools
import json
import sys

import torch
import torchvision
from places import GOLDEN, SQUEEZENET
from reference_models import unit_noise
from reference_training import start
from timm.optim import Lamb
from torch import nn
from torch_side import pooled, weights_of

IMAGES, SIDE, BATCH, STEPS, CLASSES, LIFT = 32, 40, 8, 30, 5, 1000.0
FIRST_OF_SECOND_GROUP = 5
FROZEN = {"frozen": 2, "partly frozen": 1, "unfrozen": 0}
ROUGH = 2e-6
# The language's name and parameters, which are PyTorch's.
OPTIMIZERS = {
    "sgd": {"sgd": {"momentum": 0.9, "nesterov": False}},
    "nesterov": {"sgd": {"momentum": 0.9, "nesterov": True}},
    "adam": {"adam": {"betas": [0.9, 0.99], "eps": 1e-3}},
    "adamw": {"adamw": {"betas": [0.9, 0.999], "eps": 1e-3}},
    "rmsprop": {"rmsprop": {"alpha": 0.95, "eps": 1e-3, "momentum": 0.5}},
    "lamb": {"lamb": {"betas": [0.9, 0.999], "eps": 1e-3}},
}
MAKERS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "lamb": functools.partial(Lamb, max_grad_norm=None),
}
# Of each layer group, earliest first.
LRS = {
    "sgd": [3e-6, 1e-6, 1e-3],
    "nesterov": [3e-6, 1e-6, 1e-3],
    "adam": [1e-5, 3e-6, 1e-3],
    "adamw": [1e-5, 3e-6, 1e-3],
    "rmsprop": [5e-6, 1e-6, 3e-4],
    "lamb": [2e-5, 5e-6, 1e-3],
}
WDS = {
    "sgd": [300.0, 200.0, 1.0],
    "nesterov": [300.0, 200.0, 1.0],
    "adam": [3.0, 2.0, 1.0],
    "adamw": [500.0, 400.0, 10.0],
    "rmsprop": [3.0, 2.0, 1.0],
    "lamb": [3.0, 2.0, 0.3],
}
ONE_CYCLE = {"pct_start": 0.3, "div": 25.0, "div_final": 1e4, "moms": [0.95, 0.85, 0.95]}


class Head(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.layers = nn.ModuleList([nn.ModuleDict({"norm": nn.BatchNorm1d(inputs), "linear": nn.Linear(inputs, CLASSES)})])
        with torch.no_grad():
            for key, tensor in self.state_dict().items():
                if not key.endswith("num_batches_tracked"):
                    tensor.copy_(start(f"head.{key}", tensor.shape))

    def forward(self, x):
        return self.layers[0]["linear"](self.layers[0]["norm"](x))


def images():
    u = torch.from_numpy(unit_noise("images", IMAGES * 12)).reshape(IMAGES, 12, 1, 1, 1)
    c, h, w = torch.meshgrid(*(torch.arange(k, dtype=torch.float64) for k in (3, SIDE, SIDE)), indexing="ij")
    of_channel = lambda first: u[:, first : first + 3, 0]  # noqa: E731
    down = (1 + u[:, 4]) * torch.sin((0.3 + 0.25 * u[:, 5]) * h + 3 * of_channel(6))
    across = (1 + u[:, 9]) * torch.cos((0.3 + 0.25 * u[:, 10]) * w + 0.2 * u[:, 11] * h)
    return ((0.5 + 0.45 * u[:, 0]) * (of_channel(1) + down + across)).float()


def squeezenet():
    net = torchvision.models.squeezenet1_1(weights=None)
    net.load_state_dict(weights_of(SQUEEZENET))
    last = net.features[-1]
    with torch.no_grad():
        for layer in (last.expand1x1, last.expand3x3):
            layer.bias += LIFT
    return net.features


def roughen(body):
    generator = torch.Generator().manual_seed(0)

    def add_errors(layer, _, output):
        largest = (output - layer.bias.reshape(1, -1, 1, 1)).abs().amax((1, 2, 3), keepdim=True).detach()
        return output + ROUGH * largest * torch.randn(output.shape, generator=generator, dtype=output.dtype)

    for layer in body.modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3) and layer.stride == (1, 1):
            layer.register_forward_hook(add_errors)


def train(case, body, x, dtype=torch.float64, rough=False):
    body, head, x = copy.deepcopy(body).to(dtype), Head(1024).to(dtype), x.to(dtype)
    y = (7 * torch.arange(IMAGES) + 3) % CLASSES
    if rough:
        roughen(body)
    groups = [body[:FIRST_OF_SECOND_GROUP], body[FIRST_OF_SECOND_GROUP:], head]
    settings = list(zip(groups, case["lrs"], case["wds"]))[case["first"] :]
    for group in groups[: case["first"]]:
        group.requires_grad_(False)
    ((name, parameters),) = case["optimizer"].items()
    optimizer = MAKERS[name](
        [{"params": list(group.parameters()), "lr": lr, "weight_decay": wd} for group, lr, wd in settings], **parameters
    )
    schedule = one_cycle(optimizer, case) if case["course"] != "cycles" else None
    losses = []
    for step in range(STEPS):
        at = slice(step * BATCH % IMAGES, step * BATCH % IMAGES + BATCH)
        maps = body(x[at])
        assert maps.min() > 0, "a feature that is 0"
        loss = nn.functional.cross_entropy(head(pooled(maps)), y[at])
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        if case["clip_value"]:
            nn.utils.clip_grad_value_([p for group, _, _ in settings for p in group.parameters()], case["clip_value"])
        optimizer.step()
        if schedule:
            schedule.step()
    return losses


def one_cycle(optimizer, case):
    cycle = case["course"]["one_cycle"]
    most, least, _ = cycle["moms"]
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=case["lrs"][case["first"] :],
        total_steps=STEPS + 1,
        pct_start=(cycle["pct_start"] * STEPS + 1) / (STEPS + 1),
        cycle_momentum=True,
        base_momentum=least,
        max_momentum=most,
        div_factor=cycle["div"],
        final_div_factor=cycle["div_final"] / cycle["div"],
    )


def cases():
    def case(optimizer, frozen, clip_value=None, course="cycles"):
        return {
            "optimizer": OPTIMIZERS[optimizer],
            "course": course,
            "lrs": LRS[optimizer],
            "wds": WDS[optimizer],
            "first": FROZEN[frozen],
            "clip_value": clip_value,
        }

    for optimizer in OPTIMIZERS:
        for frozen in FROZEN:
            yield f"{optimizer}, {frozen}", case(optimizer, frozen)
    yield "nesterov, frozen, clipped", case("nesterov", "frozen", clip_value=0.01)
    yield "adamw, unfrozen, one cycle", case("adamw", "unfrozen", course={"one_cycle": ONE_CYCLE})


def a_tenth_more(case, key):
    """The case with the rate or the decay of one group that trains a tenth larger, for each such group."""
    for group in range(case["first"], 3):
        yield {**case, key: [1.1 * value if at == group else value for at, value in enumerate(case[key])]}


def main():
    torch.set_num_threads(1)  # the order of sums is fixed
    path = GOLDEN / "optimizers.json"
    found = json.loads(path.read_text()) if sys.argv[1:] else {}
    body, x = squeezenet(), images()
    for name, case in cases():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        losses = train(case, body, x)

        def differs(other, losses=losses, **how):
            return max(abs(a - b) / b for a, b in zip(train(other, body, x, **how), losses))

        first, last = losses[0], losses[-1]
        print(
            f"{name}: {first:.4f} -> {last:.4f}; float32 differs by {differs(case, dtype=torch.float32):.1e}, "
            f"rough convolutions by {differs(case, rough=True):.1e}, "
            f"a rate by at least {min(map(differs, a_tenth_more(case, 'lrs'))):.1e}, "
            f"a decay by {min(map(differs, a_tenth_more(case, 'wds'))):.1e}",
            flush=True,
        )
        found[name] = {**case, "losses": losses}
    order = [name for name, _ in cases() if name in found]
    path.write_text(json.dumps({name: found[name] for name in order}, indent=1))


if __name__ == "__main__":
    main()
