"""Golden runs with accumulated gradients and averaged weights: fastai-runtime/tests/golden/averages.json.

The head, the data, the start weights and the order are those of reference_head.py: SGD with momentum 0.9 at rate 0.1, binary
cross-entropy of tags, 6 epochs of 4 batches (64, 64, 64 and 8 rows). Cases:

    accumulate          each step takes the mean gradient of 3 batches, the last step of an epoch that of the batch that is left
    ema                 torch.optim.swa_utils.AveragedModel with use_buffers, begun with the start weights; its avg_fn has the
                        decay min(0.95, (1 + t) / (10 + t)) in step t from 0
    accumulate_ema      both
    swa                 AveragedModel without arguments over the weights after each of the last 3 epochs; then update_bn over the
                        batches of the last epoch
    average             the same of the weights after epochs 2 and 6

For every case the loss of each batch, the loss of all rows in evaluation after each epoch (of the moving average, where there is
one), and the logits of all rows at the end, in float64.

How to run
    pip install torch numpy safetensors
    python tools/reference_averages.py
"""

import json

import torch
from places import GOLDEN
from reference_head import BATCH, ROWS, Head, start_values
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim.swa_utils import AveragedModel, update_bn

EPOCHS, RATE, DECAY = 6, 0.1, 0.95


def average(kept, now, count):
    # The first call, with the start weights, copied them.
    t = count.item() - 1
    decay = min(DECAY, (1 + t) / (10 + t))
    return decay * kept + (1 - decay) * now


def train(data, weights, group, ema, ends):
    head = Head().double()
    head.load_state_dict({k: torch.tensor(v) for k, v in weights.items()}, strict=False)
    x, y = torch.tensor(data["features"]).double(), torch.tensor(data["targets_multi"]).double()
    sgd = torch.optim.SGD(head.parameters(), lr=RATE, momentum=0.9)
    averaged = AveragedModel(head, avg_fn=average, use_buffers=True) if ema else head
    if ema:
        averaged.update_parameters(head)
    mean = AveragedModel(head)
    losses, measured = [], []
    for epoch, rows in enumerate(data["order"][:EPOCHS], 1):
        head.train()
        batches = [rows[k : k + BATCH] for k in range(0, ROWS, BATCH)]
        for first in range(0, len(batches), group):
            step = batches[first : first + group]
            sgd.zero_grad()
            for batch in step:
                loss = binary_cross_entropy_with_logits(head(x[batch]), y[batch])
                (loss / len(step)).backward()
                losses.append(loss.item())
            sgd.step()
            if ema:
                averaged.update_parameters(head)
        averaged.eval()
        with torch.no_grad():
            logits = averaged(x)
        measured.append(binary_cross_entropy_with_logits(logits, y).item())
        if epoch in ends:
            mean.update_parameters(head)
    if ends:
        update_bn([x[batch] for batch in batches], mean)
        mean.eval()
        with torch.no_grad():
            logits = mean(x)
    return {"losses": losses, "measured": measured, "logits": logits.flatten().tolist()}


def main():
    data, weights = start_values()
    cases = {
        "accumulate": (3, False, []),
        "ema": (1, True, []),
        "accumulate_ema": (3, True, []),
        "swa": (1, False, [4, 5, 6]),
        "average": (1, False, [2, 6]),
    }
    golden = {name: train(data, weights, *settings) for name, settings in cases.items()}
    (GOLDEN / "averages.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
