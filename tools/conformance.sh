#!/usr/bin/env bash
# Holds a device to the references: tools/conformance.sh DEVICE [TEST..]
#
# DEVICE is what `--device` takes: cpu, cuda, cuda:1, wgpu, vulkan, metal, remote:ws://box:7600; or `served`, which starts
# `fastai serve-device` for the CPU. A served CPU computes by burn's operations, as GPUs do, and not by fastai-kernels. The tests are those of the networks, the training
# steps and whole runs (test programs `models`, `training` and `engine` of fastai-runtime), on that device, each error
# within the device's bound (fastai-runtime/tests/device.rs). TEST limits them to tests whose names contain one of the words.
# Ends with a table of all compared cases: how many, the worst error, and its bound.
#
# Software graphics adapters count as well. Without the choice among kernels, which takes them long (20 minutes did not do for one
# training step), on Linux:
#   export VK_DRIVER_FILES="$(tools/software_gpu.sh)" FEATURES=fastai-runtime/wgpu
#   tools/conformance.sh wgpu resnet18 squeezenet
# CUDA where the build cannot download LLVM: FEATURES=cuda-nvrtc tools/conformance.sh cuda (see tools/build_cuda.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
device="${1:?a device, as for --device}"
shift
word="${device%%:*}"
case "$word" in
cpu) features= ;;
served) features="${FEATURES:-remote}" ;;
*) features="${FEATURES:-$word}" ;;
esac
FASTAI_TEST_RECORD="$(mktemp)"
server=
end() {
    rm -f "$FASTAI_TEST_RECORD"
    [ -z "$server" ] || kill "$server" || true
}
trap end EXIT
if [ "$word" = served ]; then
    # Builds the program too; `cargo build` would compile burn anew, with the features of fewer packages.
    cargo test --workspace --locked --features "$features" --test program --no-run
    coproc SERVER { exec "${CARGO_TARGET_DIR:-target}/debug/fastai" serve-device --device cpu --listen 127.0.0.1:0; }
    server="$SERVER_PID"
    read -r line <&"${SERVER[0]}"
    device="${line##* }"
fi
export FASTAI_TEST_RECORD FASTAI_TEST_DEVICE="$device" FASTAI_SOFTWARE_GPU=1
# Whole runs and GPUs' memory are shared by tests that run at once.
threads=1
[ "$word" = cpu ] && threads="$(nproc)"
status=0
cargo test --workspace --locked --features "$features" --test models --test training --test engine --no-fail-fast \
    -- --test-threads "$threads" "$@" || status=$?
if ! command -v python3 >/dev/null; then
    echo "no table: it needs python3"
    exit "$status"
fi
python3 - "$FASTAI_TEST_RECORD" "$device" <<'PYTHON'
import collections
import json
import re
import sys

groups = collections.defaultdict(list)
for line in open(sys.argv[1]):
    case = json.loads(line)
    # Numbers of trials, steps and layers part cases of one kind.
    name = re.sub(r"\d+$|(?<=train)\d|step \d+", "", case["case"]).split("/")[0].split(":")[0]
    groups[name].append((case["error"] / case["bound"], case["error"], case["bound"], case["case"]))
print(f"{'on ' + sys.argv[2]:32} cases   worst error   bound    where")
for name, cases in sorted(groups.items()):
    _, error, bound, where = max(cases)
    print(f"{name:32} {len(cases):5}   {error:11.1e}   {bound:.0e}   {where}")
print(f"{'all':32} {sum(map(len, groups.values())):5}   worst share of a bound: {max((max(c)[0] for c in groups.values()), default=0):.2f}")
PYTHON
exit "$status"
