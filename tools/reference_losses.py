"""Golden losses and gradients of every loss: fastai-runtime/tests/golden/losses.json.

PyTorch, torchvision and timm compute them in float64 from float32 logits. Cases:

    focal_classes        mean of (1 - p)^gamma * F.cross_entropy(reduction="none"), gamma 2
    focal_classes_half   the same with gamma 0.5, whose power has no derivative at 0
    focal_weighted       the same with a weight a class, divided by the sum of the labels' weights
    focal_zero           gamma 0: F.cross_entropy with weights
    focal_mixed          the losses of both labels of a mixed image in their shares
    bce_classes          timm.loss.BinaryCrossEntropy(smoothing=0)
    bce_smoothed         timm.loss.BinaryCrossEntropy(smoothing=0.1)
    focal_tags           torchvision.ops.sigmoid_focal_loss(alpha=-1, gamma=2, reduction="mean")
    focal_tags_alpha     the same with alpha 0.25
    focal_tags_weighted  the same with a weight a tag, in the mean over all cells
    asymmetric           timm.loss.AsymmetricLossMultiLabel(reduction="mean")
    asymmetric_plain     the same without clip, gamma_neg 3, gamma_pos 0
    mse, huber, l1       F.mse_loss, F.huber_loss(delta=0.7), F.l1_loss of the first column

`set` is the loss of the set in evaluation: without smoothing and mixing.

How to run
    pip install torch torchvision timm
    python tools/reference_losses.py
"""

import json

import torch
import torch.nn.functional as F
from places import GOLDEN
from timm.loss import AsymmetricLossMultiLabel, BinaryCrossEntropy
from torchvision.ops import sigmoid_focal_loss


def main():
    torch.manual_seed(5)
    logits = (torch.randn(8, 4) * 3).float()
    # A confident hit, a confident mistake, and logits beyond the range of a float32 probability.
    logits[0] = torch.tensor([12.0, -9.0, -8.0, -7.0])
    logits[1] = torch.tensor([-11.0, 10.0, 1.0, 0.0])
    logits[2] = torch.tensor([-3.0, 40.0, -2.0, 0.5])
    logits = logits.double()
    labels = torch.tensor([0, 3, 1, 1, 2, 0, 3, 2])
    tags = (torch.rand(8, 4) < 0.4).double()
    tags[2, 1] = 1.0
    partners = torch.tensor([3, 1, 0, 5, 2, 4, 7, 6])
    shares = torch.tensor([0.9, 0.5, 0.75, 1.0, 0.625, 0.55, 0.8, 0.7]).double()
    weights = torch.tensor([0.5, 2.0, 1.25, 0.25]).double()
    numbers = torch.tensor([10.0, -11.3, -3.0, 0.25, 4.0, -2.0, 1.0, 0.5]).double()

    def focal(x, y, gamma, weight=None, share=None):
        loss = F.cross_entropy(x, y, reduction="none")
        # The probability of the other classes, which is exact where that of the label is almost 1.
        others = F.softmax(x, 1).masked_fill(F.one_hot(y, 4).bool(), 0.0).sum(1)
        count = (torch.ones_like(loss) if weight is None else weight[y]) * (1 if share is None else share)
        return (others**gamma * loss * count).sum(), count.sum()

    def of_classes(gamma, weight=None):
        def loss(x):
            total, count = focal(x, labels, gamma, weight)
            return total / count

        return loss

    def focal_mixed(x):
        own, a = focal(x, labels, 2.0, weights, shares)
        other, b = focal(x, labels[partners], 2.0, weights, 1 - shares)
        return (own + other) / (a + b)

    def asymmetric(x, **settings):
        # timm computes in float32: its `.float()` must not round here.
        single, torch.Tensor.float = torch.Tensor.float, torch.Tensor.double
        try:
            return AsymmetricLossMultiLabel(**settings, reduction="mean")(x, tags)
        finally:
            torch.Tensor.float = single

    cases = {
        "focal_classes": of_classes(2.0),
        "focal_classes_half": of_classes(0.5),
        "focal_weighted": of_classes(2.0, weights),
        "focal_zero": lambda x: F.cross_entropy(x, labels, weights),
        "focal_mixed": focal_mixed,
        "bce_classes": lambda x: BinaryCrossEntropy(smoothing=0.0)(x, labels),
        "bce_smoothed": lambda x: BinaryCrossEntropy(smoothing=0.1)(x, labels),
        "focal_tags": lambda x: sigmoid_focal_loss(x, tags, alpha=-1, gamma=2, reduction="mean"),
        "focal_tags_alpha": lambda x: sigmoid_focal_loss(x, tags, alpha=0.25, gamma=2, reduction="mean"),
        "focal_tags_weighted": lambda x: (sigmoid_focal_loss(x, tags, alpha=-1, gamma=2) * weights).mean(),
        "asymmetric": lambda x: asymmetric(x, gamma_neg=4, gamma_pos=1, clip=0.05),
        "asymmetric_plain": lambda x: asymmetric(x, gamma_neg=3, gamma_pos=0, clip=0.0, eps=1e-30),
        "l1": lambda x: F.l1_loss(x[:, 0], numbers),
        "mse": lambda x: F.mse_loss(x[:, 0], numbers),
        "huber": lambda x: F.huber_loss(x[:, 0], numbers, delta=0.7),
    }
    plain = {"focal_mixed": of_classes(2.0, weights), "bce_smoothed": cases["bce_classes"]}
    golden = {
        "logits": logits.flatten().tolist(),
        "labels": labels.tolist(),
        "tags": tags.bool().flatten().tolist(),
        "partners": partners.tolist(),
        "shares": shares.tolist(),
        "weights": weights.tolist(),
        "numbers": numbers.tolist(),
        "cases": {},
    }
    for name, loss in cases.items():
        x = logits.clone().requires_grad_()
        value = loss(x)
        value.backward()
        golden["cases"][name] = {
            "loss": value.item(),
            "gradient": x.grad.flatten().tolist(),
            "set": plain.get(name, loss)(logits).item(),
        }
        assert x.grad.isfinite().all(), name
    (GOLDEN / "losses.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
