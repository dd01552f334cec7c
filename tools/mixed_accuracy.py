"""What `precision: mixed` reaches beside `f32`, over seeds.

Dogs-vs-cats: the head on cached activations, then two epochs of everything with rates in the ratio .01 : .1 : 1, then test-time
augmentation. Runs of one seed begin with the same weights and see the same augmented images in the same order. The interval is
that of the mean paired difference (95 %, Student's t).

A CPU computes in 16-bit floats on request (`FASTAI_SOFTWARE_HALF`), with burn's operations: the rounding is that of a card
without units that add in 32 bits, the speed says nothing.

How to run
    python tools/mixed_accuracy.py DATA [--networks squeezenet1_1,efficientnet_lite0] [--seeds 3] [--program PATH] [--json FILE]
"""

import json
import math
import os
import pathlib
import statistics
import tempfile

from run_recipe import metric_of, run_recipe, usage_of

# Quantiles .975 of Student's t for 1, 2, .. degrees of freedom.
STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]


def scores(args, network, precision, half, seed):
    """Accuracy of the last epoch and with test-time augmentation, and the seconds of the run."""
    steps = "precompute(on); fit(0.01, 1, cycle_len = 2); precompute(off); unfreeze(); fit([0.00001, 0.0001, 0.001], 2, cycle_len = 1); tta();"
    text = (
        f"Mixed {{ task: single_label, data: folders {{ root: {json.dumps(str(args.data / 'dogscats'))}, batch: 32 }}, "
        f"transforms: side_on {{ size: {args.size} }}, model: {network}, metrics: [accuracy], precision: {precision}, train: {{ {steps} }} }}\n"
    )
    os.environ.pop("FASTAI_SOFTWARE_HALF", None)
    if half:
        os.environ["FASTAI_SOFTWARE_HALF"] = half
    with tempfile.TemporaryDirectory() as folder:
        _, summary = run_recipe(args.program, text, folder, seed)
    if summary.get("half") != half:
        raise SystemExit(f"the run computed in {summary.get('half')}, not in {half}")
    return {"plain": metric_of(summary["final"], "accuracy"), "tta": metric_of(summary["tta"], "accuracy"), "seconds": summary["seconds"]}


def main():
    usage = usage_of(__doc__, 3)
    usage.add_argument("data", type=pathlib.Path, metavar="DATA")
    usage.add_argument("--networks", type=lambda s: s.split(","), default=["squeezenet1_1", "efficientnet_lite0"])
    usage.add_argument("--halves", type=lambda s: s.split(","), default=["bf16", "f16"])
    usage.add_argument("--size", type=int, default=64)
    args = usage.parse_args()
    args.program, args.data, everything = args.program.resolve(), args.data.resolve(), []
    print(f"{'network':<20}{'':<6}{'accuracy: f32':>14}{'mixed':>8}{'difference':>22}{'TTA: f32':>12}{'mixed':>8}{'difference':>22}")
    for network in args.networks:
        full = [scores(args, network, "f32", None, seed) for seed in range(1, args.seeds + 1)]
        for half in args.halves:
            mixed = [scores(args, network, "mixed", half, seed) for seed in range(1, args.seeds + 1)]
            line = f"{network:<20}{half:<6}"
            for kind, width in (("plain", 14), ("tta", 12)):
                before, after = ([run[kind] for run in runs] for runs in (full, mixed))
                apart = [b - a for a, b in zip(before, after, strict=True)]
                mean, reach = statistics.mean(apart), math.nan
                if len(apart) > 1:
                    reach = STUDENT[len(apart) - 2] * statistics.stdev(apart) / math.sqrt(len(apart))
                line += f"{statistics.mean(before):>{width}.4f}{statistics.mean(after):>8.4f}{f'{mean:+.4f} +- {reach:.4f}':>22}"
            print(line, flush=True)
            everything.append({"network": network, "half": half, "f32": full, "mixed": mixed})
    if args.json:
        args.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
