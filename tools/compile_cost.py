#!/usr/bin/env python3
"""What a recipe costs at `cargo check`: a crate with 20 recipes over one with none, and the clean build of the language.

    python3 tools/compile_cost.py [--clean]

Uses a temporary crate that depends on fastai-dsl and fastai-macros (no burn) and its own target folder. Each crate is checked
five times after a touch, without incremental compilation; the smallest time counts. `--clean` also measures a clean build of both crates on all cores.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

from places import ROOT

RECIPE = """recipe! {
    /// Which tags fit this chip?
    pub Planet%d {
        task: multi_label,
        data: csv { root: "data/planet", labels: "train_v2.csv", images: "train-jpg", suffix: ".jpg", valid: random(0.2) },
        transforms: top_down { size: 64, max_zoom: 1.05 },
        model: squeezenet1_1 { dropout: 0.5 },
        metrics: [f2, log_loss],
        clip: 1.0,
        train: {
            let lr = lr_find(or = 0.2);
            for size in [64, 128, 256] {
                resize(size);
                freeze();
                fit(lr, 3, cycle_len = 1, cycle_mult = 2);
                unfreeze();
                fit([lr / 9, lr / 3, lr], 3, cycle_len = 1, cycle_mult = 2);
                save("{size}");
            }
            tta();
        },
    }
}
"""


def crate(folder, recipes):
    (folder / "src").mkdir(parents=True)
    (folder / "Cargo.toml").write_text(
        f"""[package]
name = "cost{recipes}"
version = "0.0.0"
edition = "2024"
[dependencies]
fastai-dsl = {{ path = "{ROOT}/fastai-dsl" }}
fastai-macros = {{ path = "{ROOT}/fastai-macros" }}
[workspace]
"""
    )
    macro = (ROOT / "tests/ui/facade.rs").read_text().split("\n\n", 1)[1]
    (folder / "src/lib.rs").write_text(macro + "\n".join(RECIPE % i for i in range(recipes)))


def check(folder, target):
    (folder / "src/lib.rs").touch()
    before = time.monotonic()
    subprocess.run(["cargo", "check", "--quiet"], cwd=folder, env=os.environ | {"CARGO_TARGET_DIR": str(target), "CARGO_INCREMENTAL": "0"}, check=True)
    return time.monotonic() - before


def main():
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        target = pathlib.Path(os.environ.get("COST_TARGET", scratch / "target"))
        times = {}
        for recipes in (0, 20):
            folder = scratch / f"cost{recipes}"
            crate(folder, recipes)
            first = check(folder, target)
            if recipes == 0 and "--clean" in sys.argv and "COST_TARGET" not in os.environ:
                print(f"clean check of fastai-dsl, fastai-macros and what they need: {first:.1f} s")
            times[recipes] = min(check(folder, target) for _ in range(5))
        each = (times[20] - times[0]) / 20 * 1000
        print(f"no recipe {times[0]:.2f} s, 20 recipes {times[20]:.2f} s: {each:.0f} ms a recipe")
        return 0 if each < 150 else 1


if __name__ == "__main__":
    sys.exit(main())
