"""Golden losses and gradients of smoothed and mixed labels: fastai-runtime/tests/golden/mixed_labels.json.

PyTorch computes them in float64 from float32 logits. `partners` and `shares` say how images are
mixed: image i counts `shares[i]`, its partner the rest. Cases:

    smoothed            cross_entropy(label_smoothing = 0.1)
    smoothed_weighted   the same with a weight a class
    mixed               cross_entropy of the mixed one-hot labels
    mixed_smoothed      the same with label_smoothing = 0.1
    mixed_weighted      sum over both labels of share * weight * -log p, divided by the sum of
                        share * weight: with one share for all this is what mixing two weighted
                        losses would give if each were divided by the weights of both
    tags                binary_cross_entropy_with_logits of the mixed tags
    tags_weighted       the same with a weight a tag, in the mean over all cells

How to run
    pip install torch
    python tools/reference_mixed_labels.py
"""

import json

import torch
import torch.nn.functional as F
from places import GOLDEN


def main():
    torch.manual_seed(3)
    logits = (torch.randn(6, 4) * 3).double()
    labels = torch.tensor([0, 3, 1, 1, 2, 0])
    tags = (torch.rand(6, 4) < 0.4).double()
    partners = torch.tensor([3, 1, 0, 5, 2, 4])
    shares = torch.tensor([0.9, 0.5, 0.75, 1.0, 0.625, 0.55]).double()
    weights = torch.tensor([0.5, 2.0, 1.25, 0.25]).double()

    def mixed(targets):
        return shares[:, None] * targets + (1 - shares[:, None]) * targets[partners]

    one_hot = mixed(F.one_hot(labels, 4).double())

    def mixed_weighted(x):
        parts = one_hot * weights
        return -(parts * F.log_softmax(x, 1)).sum() / parts.sum()

    def of_tags(x, weight=None):
        return F.binary_cross_entropy_with_logits(x, mixed(tags), weight=weight)

    cases = {
        "smoothed": lambda x: F.cross_entropy(x, labels, label_smoothing=0.1),
        "smoothed_weighted": lambda x: F.cross_entropy(x, labels, weights, label_smoothing=0.1),
        "mixed": lambda x: F.cross_entropy(x, one_hot),
        "mixed_smoothed": lambda x: F.cross_entropy(x, one_hot, label_smoothing=0.1),
        "mixed_weighted": mixed_weighted,
        "tags": of_tags,
        "tags_weighted": lambda x: of_tags(x, weights),
    }
    found = {
        "logits": logits.flatten().tolist(),
        "labels": labels.tolist(),
        "tags": [bool(tag) for tag in tags.flatten().tolist()],
        "partners": partners.tolist(),
        "shares": shares.tolist(),
        "weights": weights.tolist(),
        "cases": {},
        "torch": torch.__version__,
    }
    for name, loss_of in cases.items():
        x = logits.clone().requires_grad_()
        loss = loss_of(x)
        loss.backward()
        found["cases"][name] = {"loss": loss.item(), "gradient": x.grad.flatten().tolist()}
    (GOLDEN / "mixed_labels.json").write_text(json.dumps(found, indent=1) + "\n")
    print({name: case["loss"] for name, case in found["cases"].items()})


if __name__ == "__main__":
    main()
