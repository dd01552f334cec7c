"""Golden logits of EfficientNet-lite0 with its published weights: fastai-runtime/tests/golden/lite0.safetensors.

Inputs and the network are those of reference_models.py, in float64; WEIGHTS is the published file, as safetensors or as
PyTorch's. Every eighth logit is kept, as SIZE/logits.

How to run
    pip install torch torchvision safetensors
    python tools/reference_lite0.py WEIGHTS
"""

import os
import sys

import torch
from reference_models import GOLDEN, SIZES, Lite, formula
from safetensors.torch import load_file, save_file


def main(path):
    state = load_file(path) if path.endswith(".safetensors") else torch.load(path, weights_only=True)
    net = Lite(1.0, 1.0)
    net.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    net = net.double().eval()
    with torch.inference_mode():
        logits = {f"{size}/logits": net(formula(1, *sides)).flatten()[::8].float().clone() for size, sides in SIZES.items()}
    save_file(logits, os.path.join(GOLDEN, "lite0.safetensors"))


if __name__ == "__main__":
    main(sys.argv[1])
