"""Golden training run of the classifier head: fastai-runtime/tests/golden/head.{safetensors,json}.

The head is BatchNorm1d(128), Linear(128, 64), ReLU, BatchNorm1d(64), Linear(64, 7). It is the
head of the library with smaller widths (1024 and 512 there) to keep the file small, and
with dropout OFF (p = 0), so that no random number is drawn while training.

Data: 200 rows of non-negative features; 0/1 targets [200, 7] and class numbers [200].
Order: `order` holds the row numbers of 8 epochs; batches of 64, the last of an epoch has 8 rows
(4 batches an epoch, 30 steps = 7 epochs and 2 batches).
Optimizer: SGD, momentum 0.9, no dampening, no Nesterov. Batch norm: eps 1e-5, momentum 0.1,
the running variance collects the unbiased variance.

    case multi    mean BCE with logits, constant rate 0.1
    case single   mean cross entropy, rates of `single.lrs` (cosine with restarts: 4 batches an
                  epoch, cycle_len 1, cycle_mult 2, base 0.05, first batch at 1/100), weight decay
                  1e-4 (added to the gradient of every parameter after clipping), gradient
                  clipped to a global norm of 0.5 (factor 0.5 / (norm + 1e-6), at most 1)

Everything is computed in float64 from float32 inputs and stored as float32.

Keys: `features`, `targets_multi`, `targets_single`, `order`; start weights `bn0.weight`,
`bn0.bias`, `lin0.weight` (torch layout [out, in]), `lin0.bias`, `bn1.*`, `lin1.*`; per case
`CASE.losses` [30], `CASE.grad_norms` [30] (before clipping), `CASE.eval` [200, 7] (logits of all
rows in eval mode at the end) and the final weights and running statistics as `CASE.lin0.weight`,
`CASE.bn0.running_mean`, `CASE.bn0.running_var` and so on. The json file repeats losses and rates,
and gives the sum of every final tensor.

How to run
    pip install torch numpy safetensors
    python tools/reference_head.py
"""

import json
import math

import numpy as np
import torch
from places import GOLDEN
from safetensors.numpy import save_file
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

ROWS, FEATURES, HIDDEN, CLASSES, BATCH, STEPS = 200, 128, 64, 7, 64, 30


def start_values():
    """Data, order and start weights, all from one seeded numpy generator."""
    rng = np.random.default_rng(20180709)
    features = np.abs(rng.normal(0.0, 1.0, (ROWS, FEATURES))) * rng.uniform(0.2, 2.0, FEATURES)
    plan = rng.normal(0.0, 1.0, (FEATURES, CLASSES))
    score = (features - features.mean(0)) @ plan + rng.normal(0.0, 4.0, (ROWS, CLASSES))
    data = {
        "features": features.astype(np.float32),
        "targets_multi": (score > 3.0).astype(np.float32),
        "targets_single": score.argmax(1).astype(np.int64),
        "order": np.stack([rng.permutation(ROWS) for _ in range(8)]).astype(np.int64),
    }
    widths = {"0": (FEATURES, HIDDEN), "1": (HIDDEN, CLASSES)}
    weights = {}
    for k, (inputs, outputs) in widths.items():
        weights[f"bn{k}.weight"] = rng.uniform(0.8, 1.2, inputs)
        weights[f"bn{k}.bias"] = rng.normal(0.0, 0.1, inputs)
        weights[f"lin{k}.weight"] = rng.normal(0.0, math.sqrt(2 / inputs), (outputs, inputs))
        weights[f"lin{k}.bias"] = rng.normal(0.0, 0.01, outputs)
    return data, {k: v.astype(np.float32) for k, v in weights.items()}


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.bn0, self.lin0 = nn.BatchNorm1d(FEATURES), nn.Linear(FEATURES, HIDDEN)
        self.bn1, self.lin1 = nn.BatchNorm1d(HIDDEN), nn.Linear(HIDDEN, CLASSES)

    def forward(self, x):
        return self.lin1(self.bn1(torch.relu(self.lin0(self.bn0(x)))))


def cosine_rates(base, batches, cycle_len, cycle_mult):
    """STEPS rates of the annealing with warm restarts."""
    length, place, rates = batches * cycle_len, 0, []
    for step in range(STEPS):
        factor = 0.5 * (1 + math.cos(math.pi * place / length))
        if step < length / 20:
            factor = 0.01
        place += 1
        if place == length:
            place, length = 0, length * cycle_mult
        rates.append(base * factor)
    return rates


def train(data, weights, target, loss_of, rates, decay, clip, dtype):
    head = Head().to(dtype)
    head.load_state_dict({k: torch.tensor(v) for k, v in weights.items()}, strict=False)
    x = torch.tensor(data["features"]).to(dtype)
    y = torch.tensor(data[target])
    y = y.to(dtype) if y.is_floating_point() else y
    sgd = torch.optim.SGD(head.parameters(), lr=1.0, momentum=0.9, weight_decay=decay)
    batches = [rows[k : k + BATCH] for rows in data["order"] for k in range(0, ROWS, BATCH)]
    losses, norms = [], []
    for rows, rate in zip(batches, rates):
        sgd.param_groups[0]["lr"] = rate
        loss = loss_of(head(x[rows]), y[rows])
        sgd.zero_grad()
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(head.parameters(), clip).item())
        sgd.step()
        losses.append(loss.item())
    head.eval()
    with torch.no_grad():
        outputs = head(x).numpy()
    state = {k: v.numpy() for k, v in head.state_dict().items() if "num_batches" not in k}
    return np.array(losses), np.array(norms), outputs, state


def main():
    data, weights = start_values()
    rates = cosine_rates(0.05, 4, 1, 2)
    cases = {
        "multi": ("targets_multi", binary_cross_entropy_with_logits, [0.1] * STEPS, 0.0, math.inf),
        "single": ("targets_single", cross_entropy, rates, 1e-4, 0.5),
    }
    stored = dict(data, **weights)
    about = {"head": [FEATURES, HIDDEN, CLASSES], "dropout": 0, "batch": BATCH, "cases": {}}
    for name, settings in cases.items():
        losses, norms, outputs, state = train(data, weights, *settings, torch.float64)
        small = train(data, weights, *settings, torch.float32)
        stored[f"{name}.losses"] = losses
        stored[f"{name}.grad_norms"] = norms
        stored[f"{name}.lrs"] = np.array(settings[2])
        stored[f"{name}.eval"] = outputs
        stored.update({f"{name}.{k}": v for k, v in state.items()})
        about["cases"][name] = {
            "target": settings[0],
            "momentum": 0.9,
            "weight_decay": settings[3],
            "clip": None if math.isinf(settings[4]) else settings[4],
            "lrs": settings[2],
            "losses": losses.tolist(),
            "grad_norms": norms.tolist(),
            "sums": {k: float(v.sum()) for k, v in state.items()},
        }
        worst = np.abs(small[0] - losses).max(), np.abs(small[2] - outputs).max()
        print(f"{name}: loss {losses[0]:.5f} -> {losses[-1]:.5f}, gradient norm {norms.min():.3f}"
              f"..{norms.max():.3f}; a float32 run differs by {worst[0]:.1e} (loss), {worst[1]:.1e} (logits)")
    keep = {k: v if v.dtype == np.int64 else v.astype(np.float32) for k, v in stored.items()}
    save_file(keep, GOLDEN / "head.safetensors")
    (GOLDEN / "head.json").write_text(json.dumps(about, indent=1))


if __name__ == "__main__":
    main()
