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

Samples of a tensor are 64 of its numbers, every (count // 64)-th from the first (all, if it has fewer).

Keys, for each network NET:
    NET/SIZE/logits    logits 0, 8, 16, .. in evaluation; SIZE is 224, 299, or 203x257 (height first; every rule of padding
                       shows there), one image
    NET/SIZE/UNIT      samples of the output of three units, activation and residual included
    NET/cutN/features  samples of the concat pool [max, avg] of the body without its last N modules, at 203x257
    NET/trainN/loss    cross-entropy at three points of training: before, after one and after two steps of SGD at .001,
                       without momentum, on four images of 64 px (107 px for the inceptions), labels 3, 10, 17, 24;
                       number i of the images is 2 u, u as for a tensor called "images N"
    NET/trainN/NAME    samples of the first step's gradient of the first and the last convolution, and of one between
                       for convnext_tiny (NAME ends with `.weight`), and of the running statistics of the first and the last batch norm after both steps

Where two values of a pool's window, or a value and an activation's corner, are as close as float32's rounding, the
gradient goes elsewhere: that changes the first convolution's gradient by whole thousandths, in PyTorch's own float32
as well. So few activations are near 0: in training 3 (VGG: 2) is added to the bias of every norm. And there are three
trials N, of which one has to agree in everything.

    NET/depthN/..      the same as NET/trainN/.. with stochastic depth: the k-th block that has it, from 0, multiplies its
                       branch of image n by 0 if u < 0 and by 1 + u if not, u number n of a tensor called "depth k"

    NET/bf16_0/..      the same as NET/train0/.. by PyTorch's automatic mixed precision: float32 with `torch.autocast` to
                       bfloat16. How far it is from NET/train0/.. is how far 16 bits may be. In mixed.safetensors, for MIXED

Dropout is off, and stochastic depth elsewhere.

lite0.safetensors holds NET/SIZE/logits of EfficientNet-lite0 with its published weights, as SIZE/logits; WEIGHTS is the published
file, as safetensors or as PyTorch's.

How to run
    pip install torch torchvision safetensors
    python tools/reference_models.py [NET ..]               (all without names; the others' entries stay)
    python tools/reference_models.py --mixed                (mixed.safetensors)
    python tools/reference_models.py --lite0 WEIGHTS        (lite0.safetensors)
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from places import GOLDEN
from safetensors.torch import load_file, save_file
from torch import nn
from torch_side import pooled, weights_of
from torchvision.ops import StochasticDepth

TRIALS = 3
MIXED = ("resnet18", "resnext50_32x4d", "densenet121", "mobilenet_v3_large", "efficientnet_b0", "convnext_tiny")
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


class Conv(nn.Module):
    """Cadene's BasicConv2d."""

    def __init__(self, cin, cout, kernel, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=0.001, momentum=0.1)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


def across(cin, cout, n=7):
    return Conv(cin, cout, (1, n), padding=(0, n // 2))


def down(cin, cout, n=7):
    return Conv(cin, cout, (n, 1), padding=(n // 2, 0))


def pool():
    return nn.AvgPool2d(3, 1, 1, count_include_pad=False)


class Branches(nn.Module):
    """Modules called branch0, branch1, ..; their outputs side by side."""

    def __init__(self, *branches):
        super().__init__()
        self.count = len(branches)
        for i, branch in enumerate(branches):
            self.add_module(f"branch{i}", nn.Sequential(*branch) if isinstance(branch, tuple) else branch)

    def forward(self, x):
        return torch.cat([getattr(self, f"branch{i}")(x) for i in range(self.count)], 1)


class ConvOrPool(nn.Module):
    def __init__(self, cin, cout, pool_first):
        super().__init__()
        self.conv, self.pool_first = Conv(cin, cout, 3, 2), pool_first

    def forward(self, x):
        both = [F.max_pool2d(x, 3, 2), self.conv(x)]
        return torch.cat(both if self.pool_first else both[::-1], 1)


class InceptionC(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch0 = Conv(1536, 256, 1)
        self.branch1_0, self.branch1_1a, self.branch1_1b = Conv(1536, 384, 1), across(384, 256, 3), down(384, 256, 3)
        self.branch2_0, self.branch2_1, self.branch2_2 = Conv(1536, 384, 1), down(384, 448, 3), across(448, 512, 3)
        self.branch2_3a, self.branch2_3b = across(512, 256, 3), down(512, 256, 3)
        self.branch3 = nn.Sequential(pool(), Conv(1536, 256, 1))

    def forward(self, x):
        one, two = self.branch1_0(x), self.branch2_2(self.branch2_1(self.branch2_0(x)))
        one, two = [self.branch1_1a(one), self.branch1_1b(one)], [self.branch2_3a(two), self.branch2_3b(two)]
        return torch.cat([self.branch0(x), *one, *two, self.branch3(x)], 1)


class InceptionV4(nn.Module):
    """With the names of Cadene's pretrained-models."""

    def __init__(self):
        super().__init__()
        four_a = Branches(
            (Conv(160, 64, 1), Conv(64, 96, 3)),
            (Conv(160, 64, 1), across(64, 64), down(64, 64), Conv(64, 96, 3)),
        )
        a = lambda: Branches(  # noqa: E731
            Conv(384, 96, 1),
            (Conv(384, 64, 1), Conv(64, 96, 3, padding=1)),
            (Conv(384, 64, 1), Conv(64, 96, 3, padding=1), Conv(96, 96, 3, padding=1)),
            (pool(), Conv(384, 96, 1)),
        )
        reduction_a = Branches(
            Conv(384, 384, 3, 2),
            (Conv(384, 192, 1), Conv(192, 224, 3, padding=1), Conv(224, 256, 3, 2)),
            nn.MaxPool2d(3, 2),
        )
        b = lambda: Branches(  # noqa: E731
            Conv(1024, 384, 1),
            (Conv(1024, 192, 1), across(192, 224), down(224, 256)),
            (Conv(1024, 192, 1), down(192, 192), across(192, 224), down(224, 224), across(224, 256)),
            (pool(), Conv(1024, 128, 1)),
        )
        reduction_b = Branches(
            (Conv(1024, 192, 1), Conv(192, 192, 3, 2)),
            (Conv(1024, 256, 1), across(256, 256), down(256, 320), Conv(320, 320, 3, 2)),
            nn.MaxPool2d(3, 2),
        )
        self.features = nn.Sequential(
            Conv(3, 32, 3, 2), Conv(32, 32, 3), Conv(32, 64, 3, padding=1),
            ConvOrPool(64, 96, True), four_a, ConvOrPool(192, 192, False),
            *(a() for _ in range(4)), reduction_a, *(b() for _ in range(7)), reduction_b,
            *(InceptionC() for _ in range(3)),
        )  # fmt: skip
        self.last_linear = nn.Linear(1536, 1000)

    def forward(self, x):
        return self.last_linear(self.features(x).mean((2, 3)))


class Scaled(nn.Module):
    """A residual block of InceptionResNetV2: branches, a 1x1 convolution with a bias, its output scaled."""

    def __init__(self, scale, cin, cout, *branches, relu=True):
        super().__init__()
        self.scale, self.relu, self.count = scale, relu, len(branches)
        for i, branch in enumerate(branches):
            self.add_module(f"branch{i}", nn.Sequential(*branch) if isinstance(branch, tuple) else branch)
        self.conv2d = nn.Conv2d(cin, cout, 1)

    def forward(self, x):
        y = torch.cat([getattr(self, f"branch{i}")(x) for i in range(self.count)], 1)
        y = self.conv2d(y) * self.scale + x
        return F.relu(y) if self.relu else y


class InceptionResNetV2(nn.Module):
    """With the names of Cadene's pretrained-models."""

    def __init__(self):
        super().__init__()
        self.conv2d_1a, self.conv2d_2a = Conv(3, 32, 3, 2), Conv(32, 32, 3)
        self.conv2d_2b = Conv(32, 64, 3, padding=1)
        self.conv2d_3b, self.conv2d_4a = Conv(64, 80, 1), Conv(80, 192, 3)
        self.mixed_5b = Branches(
            Conv(192, 96, 1),
            (Conv(192, 48, 1), Conv(48, 64, 5, padding=2)),
            (Conv(192, 64, 1), Conv(64, 96, 3, padding=1), Conv(96, 96, 3, padding=1)),
            (pool(), Conv(192, 64, 1)),
        )
        block35 = lambda: Scaled(  # noqa: E731
            0.17, 128, 320,
            Conv(320, 32, 1),
            (Conv(320, 32, 1), Conv(32, 32, 3, padding=1)),
            (Conv(320, 32, 1), Conv(32, 48, 3, padding=1), Conv(48, 64, 3, padding=1)),
        )  # fmt: skip
        self.repeat = nn.Sequential(*(block35() for _ in range(10)))
        self.mixed_6a = Branches(
            Conv(320, 384, 3, 2),
            (Conv(320, 256, 1), Conv(256, 256, 3, padding=1), Conv(256, 384, 3, 2)),
            nn.MaxPool2d(3, 2),
        )
        block17 = lambda: Scaled(  # noqa: E731
            0.1, 384, 1088, Conv(1088, 192, 1), (Conv(1088, 128, 1), across(128, 160), down(160, 192))
        )
        self.repeat_1 = nn.Sequential(*(block17() for _ in range(20)))
        self.mixed_7a = Branches(
            (Conv(1088, 256, 1), Conv(256, 384, 3, 2)),
            (Conv(1088, 256, 1), Conv(256, 288, 3, 2)),
            (Conv(1088, 256, 1), Conv(256, 288, 3, padding=1), Conv(288, 320, 3, 2)),
            nn.MaxPool2d(3, 2),
        )
        block8 = lambda scale, relu: Scaled(  # noqa: E731
            scale, 448, 2080,
            Conv(2080, 192, 1), (Conv(2080, 192, 1), across(192, 224, 3), down(224, 256, 3)),
            relu=relu,
        )  # fmt: skip
        self.repeat_2 = nn.Sequential(*(block8(0.2, True) for _ in range(9)))
        self.block8 = block8(1.0, False)
        self.conv2d_7b = Conv(2080, 1536, 1)
        self.last_linear = nn.Linear(1536, 1000)

    def forward(self, x):
        x = F.max_pool2d(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x))), 3, 2)
        x = F.max_pool2d(self.conv2d_4a(self.conv2d_3b(x)), 3, 2)
        x = self.repeat_1(self.mixed_6a(self.repeat(self.mixed_5b(x))))
        x = self.conv2d_7b(self.block8(self.repeat_2(self.mixed_7a(x))))
        return self.last_linear(x.mean((2, 3)))


def tv(name, **options):
    return lambda: getattr(torchvision.models, name)(weights=None, **options)


def resnet(name, last, blocks, make=None):
    """Network, units and the modules whose outputs they are, first and last convolution, first and last norm.

    `last` is the number of a block's last convolution, `blocks` counts those of the last stage.
    """
    units = {f"{block}.conv{last}": block for block in ("layer1.1", "layer3.0", "layer4.1")}
    final = f"layer4.{blocks - 1}."
    return make or tv(name), units, ["conv1", f"{final}conv{last}"], ["bn1", f"{final}bn{last}"]


def resnext101_32x4d():
    from torchvision.models.resnet import Bottleneck, ResNet

    return ResNet(Bottleneck, [3, 4, 23, 3], groups=32, width_per_group=4)


def lite(width, depth, blocks):
    middle = [blocks // 8, blocks // 2]
    units = {f"_blocks.{n}._project_conv": f"_blocks.{n}" for n in middle} | {"_conv_head": "_bn1"}
    return lambda: Lite(width, depth), units, ["_conv_stem", "_conv_head"], ["_bn0", "_bn1"]


def vgg(name, last):
    units = {"features.3": "features.5", "features.17": "features.19", f"features.{last}": f"features.{last + 2}"}
    return tv(name), units, ["features.0", f"features.{last}"], ["features.1", f"features.{last + 1}"]


def densenet(name, last):
    f = "features."
    units = {
        f + "denseblock1.denselayer2.conv2": f + "denseblock1.denselayer2.conv2",
        f + "transition2.norm": f + "transition2.relu",
        f + "norm5": f + "norm5",
    }
    final = f"{f}denseblock4.denselayer{last}.conv2"
    return tv(name), units, [f + "conv0", final], [f + "norm0", f + "norm5"]


NETWORKS = {
    "efficientnet_lite0": lite(1.0, 1.0, 16),
    "efficientnet_lite1": lite(1.0, 1.1, 21),
    "efficientnet_lite2": lite(1.1, 1.2, 21),
    "resnet18": resnet("resnet18", 2, 2),
    "resnet34": resnet("resnet34", 2, 3),
    "resnet50": resnet("resnet50", 3, 3),
    "resnet101": resnet("resnet101", 3, 3),
    "resnet152": resnet("resnet152", 3, 3),
    "resnext50_32x4d": resnet("resnext50_32x4d", 3, 3),
    "resnext101_32x4d": resnet("", 3, 3, resnext101_32x4d),
    "resnext101_64x4d": resnet("resnext101_64x4d", 3, 3),
    "wide_resnet50_2": resnet("wide_resnet50_2", 3, 3),
    "vgg16_bn": vgg("vgg16_bn", 40),
    "vgg19_bn": vgg("vgg19_bn", 49),
    "densenet121": densenet("densenet121", 16),
    "densenet161": densenet("densenet161", 24),
    "densenet169": densenet("densenet169", 32),
    "densenet201": densenet("densenet201", 32),
    "mobilenet_v2": (
        tv("mobilenet_v2"),
        {"features.1.conv.1": "features.1", "features.8.conv.2": "features.8", "features.18.0": "features.18"},
        ["features.0.0", "features.18.0"],
        ["features.0.1", "features.18.1"],
    ),
    "mobilenet_v3_large": (
        tv("mobilenet_v3_large"),
        {
            "features.1.block.1.0": "features.1",
            "features.5.block.3.0": "features.5",
            "features.14.block.3.0": "features.14",
            "features.16.0": "features.16",
        },
        ["features.0.0", "features.16.0"],
        ["features.0.1", "features.16.1"],
    ),
    "efficientnet_b0": (
        tv("efficientnet_b0"),
        {
            "features.1.0.block.2.0": "features.1.0",
            "features.3.1.block.3.0": "features.3.1",
            "features.8.0": "features.8",
        },
        ["features.0.0", "features.8.0"],
        ["features.0.1", "features.8.1"],
    ),
    "convnext_tiny": (
        tv("convnext_tiny"),
        {
            "features.1.0.block.5": "features.1.0",
            "features.4.1": "features.4.1",
            "features.7.2.block.5": "features.7.2",
        },
        ["features.0.0", "features.1.0.block.0", "features.7.2.block.5"],
        [],
    ),
    "inception_v4": (
        InceptionV4,
        {
            "features.2.conv": "features.2",
            "features.6.branch3.1.conv": "features.6.branch3",
            "features.20.branch2_3b.conv": "features.20.branch2_3b",
        },
        ["features.0.conv", "features.20.branch3.1.conv"],
        ["features.0.bn", "features.20.branch3.1.bn"],
    ),
    "inception_resnet_v2": (
        InceptionResNetV2,
        {"repeat.3.conv2d": "repeat.3", "mixed_7a.branch0.1.conv": "mixed_7a.branch0", "conv2d_7b.conv": "conv2d_7b"},
        ["conv2d_1a.conv", "conv2d_7b.conv"],
        ["conv2d_1a.bn", "conv2d_7b.bn"],
    ),
}
# Modules that are left out at the end of a body, and the last one that stays.
CUTS = {
    "mobilenet_v2": {1: "features.17", 11: "features.7"},
    "mobilenet_v3_large": {1: "features.15", 9: "features.7"},
    "efficientnet_lite0": {1: "_blocks.15", 5: "_blocks.11"},
    "efficientnet_b0": {1: "features.7"},
    "convnext_tiny": {1: "features.6", 2: "features.5"},
    "resnet34": {1: "layer3"},
    "vgg19_bn": {1: "features.39", 2: "features.26"},
    "densenet121": {1: "features.denseblock4", 2: "features.transition3", 3: "features.denseblock3"},
    "inception_v4": {3: "features.17"},
    "inception_resnet_v2": {2: "repeat_2", 5: "mixed_6a"},
}
# The rates of stochastic depth of each network.
RATES = {}
# What follows these modules in their units.
AFTER = {"_bn1": F.relu6}


def build(name, lift):
    """The network in float64, filled, without dropout."""
    net = NETWORKS[name][0]().double()
    RATES[net] = [module.p for module in net.modules() if isinstance(module, StochasticDepth)]
    for module in net.modules():
        if isinstance(module, (nn.Dropout, StochasticDepth)):
            module.p = 0.0
    with torch.no_grad():
        fill(net, lift)
    return net


def evaluation(name):
    net, out, seen = build(name, 0.0).eval(), {}, {}
    modules = dict(net.named_modules())
    for unit, path in NETWORKS[name][1].items():
        after = AFTER.get(path, lambda y: y)
        hook = lambda m, i, y, unit=unit, after=after: seen.__setitem__(unit, samples(after(y)))  # noqa: E731
        modules[path].register_forward_hook(hook)
    for cut, path in CUTS.get(name, {}).items():
        hook = lambda m, i, y, cut=cut: out.__setitem__(f"{name}/cut{cut}/features", samples(pooled(y)))  # noqa: E731
        modules[path].register_forward_hook(hook)
    # 203x257 comes last, and its features stay.
    for size, sides in SIZES.items():
        with torch.no_grad():
            logits = net(formula(1, *sides))
        out[f"{name}/{size}/logits"] = logits.flatten()[::8].float().clone()
        out.update({f"{name}/{size}/{unit}": y for unit, y in seen.items()})
        print(f"{name} {size}: largest logit {logits.abs().max():.4g}", flush=True)
    return out


def leave_out(net):
    """Replaces stochastic depth by factors that both sides know."""
    # Blocks with a shortcut call the module, in the order of the network; others have it and do not.
    called = []
    hooks = [m.register_forward_hook(lambda m, *_: called.append(m)) for m in net.modules() if isinstance(m, StochasticDepth)]
    was = net.training
    with torch.no_grad():
        net.eval()(torch.zeros(1, 3, 64, 64, dtype=torch.float64))
    net.train(was)
    for hook in hooks:
        hook.remove()
    used = [m for m in called if torchvision_rate(net, m) > 0]
    for k, module in enumerate(used):
        u = unit_noise(f"depth {k}", 4).astype(np.float32)
        factors = torch.from_numpy(np.where(u < 0, 0, 1 + u)).double().reshape(4, 1, 1, 1)
        module.forward = lambda x, factors=factors: x * factors


def torchvision_rate(net, module):
    """The rate that torchvision gave the module, before `build` switched it off."""
    return RATES[net][[m for m in net.modules() if isinstance(m, StochasticDepth)].index(module)]


def training(name, trial, kind="train"):
    net, out = build(name, 2.0 if name.startswith("vgg") else 3.0).train(), {}
    modules, prefix = dict(net.named_modules()), f"{name}/{kind}{trial}"
    if kind == "depth":
        leave_out(net)
    if kind == "bf16_":
        net = net.float()
    _, _, convs, norms = NETWORKS[name]
    side = 107 if name.startswith("inception") else 64
    x = 2 * unit_noise(f"images {trial}", 4 * 3 * side * side)
    x = torch.from_numpy(x).float().double().reshape(4, 3, side, side)
    x = x.to(next(net.parameters()).dtype)
    labels = torch.tensor([3, 10, 17, 24])
    optimizer, losses = torch.optim.SGD(net.parameters(), lr=0.001), []
    for step in range(3):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=kind == "bf16_"):
            loss = F.cross_entropy(net(x), labels)
        losses.append(loss.item())
        if step == 2:
            break
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            out.update({f"{prefix}/{c}.weight": samples(modules[c].weight.grad) for c in convs})
        optimizer.step()
        if step == 1:
            for norm in norms:
                out[f"{prefix}/{norm}.running_mean"] = samples(modules[norm].running_mean)
                out[f"{prefix}/{norm}.running_var"] = samples(modules[norm].running_var)
    out[f"{prefix}/loss"] = torch.tensor(losses)
    print(f"{prefix}: losses {losses}", flush=True)
    return out


def lite0(path):
    net = Lite(1.0, 1.0)
    net.load_state_dict(weights_of(path))
    net = net.double().eval()
    with torch.inference_mode():
        logits = {f"{size}/logits": net(formula(1, *sides)).flatten()[::8].float().clone() for size, sides in SIZES.items()}
    save_file(logits, GOLDEN / "lite0.safetensors")


def main():
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["--lite0"]:
        return lite0(sys.argv[2])
    if "--mixed" in sys.argv:
        found = {}
        for name in MIXED:
            found.update(training(name, 0, "bf16_"))
        return save_file(found, GOLDEN / "mixed.safetensors")
    path = GOLDEN / "models.safetensors"
    wanted = sys.argv[1:] or list(NETWORKS)
    torch.manual_seed(0)
    found = load_file(path) if path.exists() else {}
    for name in wanted:
        found = {k: v for k, v in found.items() if not k.startswith(f"{name}/")}
        found.update(evaluation(name))
        for trial in range(TRIALS):
            found.update(training(name, trial))
            if name in ("efficientnet_b0", "convnext_tiny"):
                found.update(training(name, trial, "depth"))
        save_file(found, path)


if __name__ == "__main__":
    main()
