#!/usr/bin/env bash
# Runs a built program on a machine with a GPU and measures it: tools/gpu_check.sh PROGRAM OUT [DEVICE] [DATA]
#
# PROGRAM is the `fastai` of tools/build_cuda.sh, plain or packed by xz. OUT receives figures.json and the logs. DEVICE is what
# `--device` takes, `cuda` unless given. DATA is a folder with data for examples/dogs_vs_cats.recipe, optional; its
# weights are searched as always ($FASTAI_WEIGHTS). Every part has a limit of time and a failure of one does not stop the others; all
# of them end within $LIMIT seconds, 480 unless given. Much of a first run chooses and compiles kernels: they are kept, so another run
# of this script gets further. Needs no network. Where PyTorch is installed, it does the same steps on the same card
# (tools/bench_torch_gpu.py).
set -uo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
program="$(realpath "${1:?the program}")"
out="${2:?a folder for the results}"
device="${3:-cuda}"
data="${4:-}"
mkdir -p "$out"
out="$(realpath "$out")"
cd "$root" || exit
if [ "${program%.xz}" != "$program" ]; then
    xz -dc "$program" >"$out/fastai"
    program="$out/fastai"
fi
chmod +x "$program"
export FASTAI_WEIGHTS="${FASTAI_WEIGHTS:-$root/examples/data}" FASTAI_CACHE="$out/cache"
figures="$out/figures.jsonl"
: >"$figures"
part() { # NAME SECONDS COMMAND..: the command's time and exit code are a figure, its output a log
    local name="$1" limit="$2" began ended code=0 left=$((${LIMIT:-480} - SECONDS))
    shift 2
    if [ "$left" -lt 5 ]; then
        printf '{"part": "%s", "skipped": "no time left"}\n' "$name" | tee -a "$figures"
        return
    fi
    [ "$limit" -le "$left" ] || limit="$left"
    began=$(date +%s.%N)
    timeout "$limit" "$@" >"$out/$name.log" 2>&1 || code=$?
    ended=$(date +%s.%N)
    printf '{"part": "%s", "exit": %d, "seconds": %.2f}\n' "$name" "$code" "$(awk "BEGIN { print $ended - $began }")" | tee -a "$figures"
}
nvidia-smi >"$out/nvidia-smi.log" 2>&1 || true
part doctor 60 "$program" doctor
part quickstart_cold 120 "$program" run examples/quickstart.recipe --device "$device" --out "$out/quickstart" --seed 1
part quickstart_warm 60 "$program" run examples/quickstart.recipe --device "$device" --out "$out/quickstart_warm" --seed 1
for mode in forward train; do
    part "resnet50_$mode" 150 "$program" bench --device "$device" --arch resnet50 --batch 64 --size 224 --mode "$mode" --json
done
part resnet50_mixed 150 "$program" bench --device "$device" --arch resnet50 --batch 64 --size 224 --mode train --precision mixed --json
if python3 -c 'import torch' 2>/dev/null; then
    part torch 120 python3 tools/bench_torch_gpu.py resnet50 64 224
fi
part quickstart_cpu 120 "$program" run examples/quickstart.recipe --device cpu --out "$out/quickstart_cpu" --seed 1
if [ -n "$data" ]; then
    part dogs_vs_cats 180 "$program" run examples/dogs_vs_cats.recipe --device "$device" --out "$out/dogs_vs_cats" \
        --set "data.root=\"$data\""
    part dogs_vs_cats_mixed 180 "$program" run examples/dogs_vs_cats.recipe --device "$device" --out "$out/dogs_vs_cats_mixed" \
        --set "data.root=\"$data\"" --set precision=mixed
fi
python3 - "$out" <<'PYTHON'
import json
import pathlib
import sys

out = pathlib.Path(sys.argv[1])
result = {"parts": [json.loads(line) for line in open(out / "figures.jsonl")]}
for summary in sorted(out.glob("*/summary.json")):
    run = json.loads(summary.read_text())
    stages = [{k: s.get(k) for k in ("text", "seconds", "images_per_s")} for s in run.get("stages", [])]
    result[summary.parent.name] = {k: run.get(k) for k in ("status", "device", "half", "seconds", "final", "tta")} | {"stages": stages}
for log in sorted(out.glob("resnet50_*.log")):
    text = log.read_text()
    result[log.stem] = json.loads(text[text.index("{") :]) if "\n}" in text else text.splitlines()[-3:]
for log in out.glob("torch.log"):
    result["torch"] = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
(out / "figures.json").write_text(json.dumps(result, indent=1))
print(json.dumps(result, indent=1))
PYTHON
rm -f "$figures"
