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

import torch
import torchvision
from places import GOLDEN, SQUEEZENET
from reference_models import formula
from safetensors.torch import save_file
from torch_side import pooled, weights_of

FORMULA = "1.5*sin(0.13*h + 0.7*c + n) + 0.8*cos(0.09*w*(c+1) - 0.05*h)"
CASES = {"64": (2, 64, 64), "224": (1, 224, 224), "203x257": (1, 203, 257)}


def main():
    weights = weights_of(SQUEEZENET)
    single = torchvision.models.squeezenet1_1(weights=None).eval()
    single.load_state_dict(weights)
    net = torchvision.models.squeezenet1_1(weights=None).eval().double()
    net.load_state_dict(weights)
    out = {}
    for name, case in CASES.items():
        x = formula(*case)
        x32, means, shapes = x.float(), [], []
        with torch.no_grad():
            for layer in net.features:
                x = layer(x)
                means.append(x.mean())
                shapes.append(x.shape[2:])
            features = pooled(x)
            logits = net.classifier(x).flatten(1)
            drift = (single(x32).double() - logits).abs().max().item()
        out[f"input_{name}"] = x32.flatten()[:8].clone()
        out[f"logits_{name}"] = logits.float()
        out[f"pooled_{name}"] = features.float()
        out[f"means_{name}"] = torch.stack(means).float()
        out[f"shape_{name}"] = torch.tensor([list(s) for s in shapes])
        best = logits.topk(3).indices.tolist()
        print(f"{name}: largest logit {logits.max():.4f}, top {best}, float32 run differs {drift:.1e}")
    save_file(out, GOLDEN / "squeezenet1_1.safetensors")
    about = {
        "input": FORMULA,
        "input_note": "computed in float64, cast to float32; n, c, h, w count from 0",
        "cases": CASES,
        "pooled": "512 maxima then 512 averages of features.12",
    }
    (GOLDEN / "squeezenet1_1.json").write_text(json.dumps(about, indent=1))


if __name__ == "__main__":
    main()
