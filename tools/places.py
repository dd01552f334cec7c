"""Where things lie in this repository."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "fastai-runtime" / "tests" / "golden"
LANGUAGE_GOLDEN = ROOT / "fastai-dsl" / "tests" / "golden"
GLOBE = ROOT / "examples" / "data" / "globe"
SQUEEZENET = ROOT / "examples" / "data" / "squeezenet1_1.safetensors"
PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "fastai"
