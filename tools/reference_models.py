"""Golden outputs of the networks for the tests: fastai-runtime/tests/golden/models.safetensors.

Networks are torchvision's, or written below where their home is elsewhere. Everything is computed in float64 and stored as
float32. Weights and inputs are formulas that both sides evaluate, so no weight file is needed:

    input     x[n,c,h,w] = 1.5 * sin(0.13 * h + 0.7 * c + n) + 0.8 * cos(0.09 * w * (c + 1) - 0.05 * h), cast to float32
    weights   number i of the tensor called NAME is u = splitmix64(fnv1a64(NAME) + (i + 1) * 0x9E3779B97F4A7C15) >> 40,
              scaled to [-1, 1); then, cast to float32,
                  running_var            1 + u / 2
                  running_mean, bias     u / 10
                  weight of a norm       1 + u / 4
                  other weights          u * sqrt(6 / fan_in), fan_in the product of all sides but the first
              In training, 3 is added to the bias of every norm: an activation that is 0 but for rounding changes
              gradients by whole percents, in PyTorch's own float32 too, and so there are few of them.

Samples of a tensor are 64 of its numbers, every (count // 64)-th from the first (all, if it has fewer).

Keys, for each network NET:
    NET/SIZE/logits    logits 0, 8, 16, .. in evaluation; SIZE is 224, 299, or 203x257 (height first), one image
    NET/SIZE/UNIT      samples of the output of three units, activation and residual included
    NET/train/loss     cross-entropy at three points of training: before, after one and after two steps of SGD at .001,
                       without momentum, on four images of 64 px (75 px for the inceptions), labels 3, 10, 17, 24
    NET/train/NAME     samples of the first step's gradient of the first and the last convolution (NAME ends with
                       `.weight`), and of the running statistics of the first and the last norm after both steps
Dropout and stochastic depth are off.

How to run
    pip install torch torchvision safetensors
    python tools/reference_models.py [NET ..]      (all without names; the others' entries stay)
"""

import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from safetensors.torch import load_file, save_file
from torch import nn

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fastai-runtime", "tests", "golden")
SIZES = {"224": (224, 224), "299": (299, 299), "203x257": (203, 257)}


def formula(batch, height, width):
    n, c, h, w = torch.meshgrid(
        *(torch.arange(k, dtype=torch.float64) for k in (batch, 3, height, width)), indexing="ij"
    )
    x = 1.5 * torch.sin(0.13 * h + 0.7 * c + n) + 0.8 * torch.cos(0.09 * w * (c + 1) - 0.05 * h)
    return x.float().double()


def unit_noise(name, count):
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1.0


def fill(net, lift=0.0):
    norms = {name for name, module in net.named_modules() if isinstance(module, nn.BatchNorm2d)}
    for name, tensor in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        u = unit_noise(name, tensor.numel())
        if name.endswith("running_var"):
            u = 1 + u / 2
        elif name.endswith("running_mean") or name.endswith("bias"):
            u = u / 10 + (lift if name.endswith("bias") and name.rsplit(".", 1)[0] in norms else 0)
        elif tensor.dim() == 1:
            u = 1 + u / 4
        else:
            u = u * np.sqrt(6 / np.prod(tensor.shape[1:]))
        tensor.copy_(torch.from_numpy(u.astype(np.float32)).double().reshape(tensor.shape))


def samples(tensor):
    flat = tensor.detach().flatten()
    return flat[:: max(1, flat.numel() // 64)][:64].float().clone()


class SameConv(nn.Conv2d):
    """TensorFlow's SAME padding."""

    def forward(self, x):
        pads = []
        for size, k, s in zip(reversed(x.shape[2:]), reversed(self.kernel_size), reversed(self.stride)):
            total = max((-(-size // s) - 1) * s + k - size, 0)
            pads += [total // 2, total - total // 2]
        return self._conv_forward(F.pad(x, pads), self.weight, self.bias)


class LiteBlock(nn.Module):
    def __init__(self, cin, cout, kernel, stride, expansion):
        super().__init__()
        wide = cin * expansion
        self.skip = stride == 1 and cin == cout
        if expansion > 1:
            self._expand_conv, self._bn0 = SameConv(cin, wide, 1, bias=False), lite_norm(wide)
        self._depthwise_conv, self._bn1 = SameConv(wide, wide, kernel, stride, groups=wide, bias=False), lite_norm(wide)
        self._project_conv, self._bn2 = SameConv(wide, cout, 1, bias=False), lite_norm(cout)

    def forward(self, x):
        y = x
        if hasattr(self, "_expand_conv"):
            y = F.relu6(self._bn0(self._expand_conv(y)))
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.skip else y


def lite_norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.1)


class Lite(nn.Module):
    """EfficientNet-lite with the names of its published PyTorch weights."""

    def __init__(self, width, depth):
        super().__init__()
        self._conv_stem, self._bn0 = SameConv(3, 32, 3, 2, bias=False), lite_norm(32)
        blocks, cin = [], 32
        table = [
            (3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3),
            (5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1),
        ]  # fmt: skip
        for i, (kernel, stride, expansion, cout, repeats) in enumerate(table):
            wide = cout * width
            cout = max(8, int(wide + 4) // 8 * 8)
            cout += 8 if cout < 0.9 * wide else 0
            if i not in (0, 6):
                repeats = int(np.ceil(repeats * depth))
            for n in range(repeats):
                blocks.append(LiteBlock(cin, cout, kernel, stride if n == 0 else 1, expansion))
                cin = cout
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = SameConv(cin, 1280, 1, bias=False), lite_norm(1280)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x):
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x)))
        return self._fc(x.mean((2, 3)))


def tv(name, **options):
    return lambda: getattr(torchvision.models, name)(weights=None, **options)


def resnet(name, last, blocks):
    """Network, units and the modules whose outputs they are, first and last convolution, first and last norm.

    `last` is the number of a block's last convolution, `blocks` counts those of the last stage.
    """
    units = {f"{block}.conv{last}": block for block in ("layer1.1", "layer3.0", "layer4.1")}
    final = f"layer4.{blocks - 1}."
    return tv(name), units, ["conv1", f"{final}conv{last}"], ["bn1", f"{final}bn{last}"]


NETWORKS = {
    "efficientnet_lite0": (
        lambda: Lite(1.0, 1.0),
        {"_blocks.1._project_conv": "_blocks.1", "_blocks.6._project_conv": "_blocks.6", "_conv_head": "_bn1"},
        ["_conv_stem", "_conv_head"],
        ["_bn0", "_bn1"],
    ),
    "resnet18": resnet("resnet18", 2, 2),
    "resnet34": resnet("resnet34", 2, 3),
    "resnet50": resnet("resnet50", 3, 3),
}
# The output of these modules is before the unit's activation.
AFTER = {("efficientnet_lite0", "_bn1"): F.relu6}


def reference(name):
    make, units, convs, norms = NETWORKS[name]
    net = make().double()
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        fill(net)
    out, seen = {}, {}
    modules = dict(net.named_modules())
    hooks = []
    for unit, path in units.items():
        after = AFTER.get((name, path), lambda y: y)
        hook = lambda m, i, y, unit=unit, after=after: seen.__setitem__(unit, samples(after(y)))  # noqa: E731
        hooks.append(modules[path].register_forward_hook(hook))
    net.eval()
    for size, sides in SIZES.items():
        with torch.no_grad():
            logits = net(formula(1, *sides))
        out[f"{name}/{size}/logits"] = logits.flatten()[::8].float().clone()
        out.update({f"{name}/{size}/{unit}": y for unit, y in seen.items()})
        print(f"{name} {size}: largest logit {logits.abs().max():.4g}", flush=True)
    for hook in hooks:
        hook.remove()
    with torch.no_grad():
        fill(net, lift=3.0)
    net.train()
    side = 75 if name.startswith("inception") else 64
    x, labels = formula(4, side, side), torch.tensor([3, 10, 17, 24])
    optimizer, losses = torch.optim.SGD(net.parameters(), lr=0.001), []
    for step in range(3):
        loss = F.cross_entropy(net(x), labels)
        losses.append(loss.item())
        if step == 2:
            break
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            out.update({f"{name}/train/{c}.weight": samples(modules[c].weight.grad) for c in convs})
        optimizer.step()
        if step == 1:
            for norm in norms:
                out[f"{name}/train/{norm}.running_mean"] = samples(modules[norm].running_mean)
                out[f"{name}/train/{norm}.running_var"] = samples(modules[norm].running_var)
    out[f"{name}/train/loss"] = torch.tensor(losses)
    print(f"{name}: losses {losses}", flush=True)
    return out


def main():
    torch.set_num_threads(1)
    path = os.path.join(GOLDEN, "models.safetensors")
    wanted = sys.argv[1:] or list(NETWORKS)
    torch.manual_seed(0)
    found = load_file(path) if os.path.exists(path) else {}
    for name in wanted:
        found = {k: v for k, v in found.items() if not k.startswith(f"{name}/")}
        found.update(reference(name))
    save_file(found, path)


if __name__ == "__main__":
    main()
