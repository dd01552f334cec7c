"""Golden outputs of SqueezeNet 1.1 for the tests: fastai-runtime/tests/golden/squeezenet1_1.safetensors.

The network is torchvision.models.squeezenet1_1 with the weights of
examples/data/squeezenet1_1.safetensors (float16, widened without change), eval mode, all
computed in float64 and stored as float32.

The input is a formula that both sides can evaluate (in float64, then cast to float32):
    x[n,c,h,w] = 1.5 * sin(0.13 * h + 0.7 * c + n) + 0.8 * cos(0.09 * w * (c + 1) - 0.05 * h)

Keys, for each case SIZE in 64 (2 x 3 x 64 x 64), 224 (1 x 3 x 224 x 224),
203x257 (1 x 3 x 203 x 257, height first):
    input_SIZE    first 8 values of the flat input, to check the formula
    logits_SIZE   [n, 1000]   output of the whole network (it ends with ReLU and average pool)
    pooled_SIZE   [n, 1024]   features.12 pooled over the map: 512 maxima, then 512 averages
    means_SIZE    [13]        mean of the output of features.0 .. features.12, to find a wrong layer
    shape_SIZE    [13, 2]     height and width after features.0 .. features.12 (int64)

How to run
    pip install torch torchvision safetensors
    python tools/reference_squeezenet.py
"""

import json
import os

import torch
import torchvision
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
WEIGHTS = os.path.join(HERE, "..", "examples", "data", "squeezenet1_1.safetensors")
GOLDEN = os.path.join(HERE, "..", "fastai-runtime", "tests", "golden")
FORMULA = "1.5*sin(0.13*h + 0.7*c + n) + 0.8*cos(0.09*w*(c+1) - 0.05*h)"
CASES = {"64": (2, 64, 64), "224": (1, 224, 224), "203x257": (1, 203, 257)}


def formula(batch, height, width):
    n, c, h, w = torch.meshgrid(
        *(torch.arange(k, dtype=torch.float64) for k in (batch, 3, height, width)), indexing="ij"
    )
    x = 1.5 * torch.sin(0.13 * h + 0.7 * c + n) + 0.8 * torch.cos(0.09 * w * (c + 1) - 0.05 * h)
    return x.float()


def main():
    half = load_file(WEIGHTS)
    single = torchvision.models.squeezenet1_1(weights=None).eval()
    single.load_state_dict({k: v.float() for k, v in half.items()})
    net = torchvision.models.squeezenet1_1(weights=None).eval().double()
    net.load_state_dict({k: v.double() for k, v in half.items()})
    out = {}
    for name, case in CASES.items():
        x32 = formula(*case)
        x, means, shapes = x32.double(), [], []
        with torch.no_grad():
            for layer in net.features:
                x = layer(x)
                means.append(x.mean())
                shapes.append(x.shape[2:])
            pooled = torch.cat([x.amax((2, 3)), x.mean((2, 3))], 1)
            logits = net.classifier(x).flatten(1)
            drift = (single(x32).double() - logits).abs().max().item()
        out[f"input_{name}"] = x32.flatten()[:8].clone()
        out[f"logits_{name}"] = logits.float()
        out[f"pooled_{name}"] = pooled.float()
        out[f"means_{name}"] = torch.stack(means).float()
        out[f"shape_{name}"] = torch.tensor([list(s) for s in shapes])
        best = logits.topk(3).indices.tolist()
        print(f"{name}: largest logit {logits.max():.4f}, top {best}, float32 run differs {drift:.1e}")
    save_file(out, os.path.join(GOLDEN, "squeezenet1_1.safetensors"))
    about = {
        "input": FORMULA,
        "input_note": "computed in float64, cast to float32; n, c, h, w count from 0",
        "cases": CASES,
        "pooled": "512 maxima then 512 averages of features.12",
    }
    with open(os.path.join(GOLDEN, "squeezenet1_1.json"), "w", encoding="utf-8") as f:
        json.dump(about, f, indent=1)


if __name__ == "__main__":
    main()
