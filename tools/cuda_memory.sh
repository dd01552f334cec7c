#!/usr/bin/env bash
# What a run does on a card with little memory: tools/cuda_memory.sh PROGRAM
#
# PROGRAM is what `tools/build_cuda.sh fastai-runtime/cuda-nvrtc` builds. It trains a head behind a frozen SqueezeNet on a driver that runs no kernel
# (tools/null_cuda) and hands out so many bytes of memory, and then all of the network: with enough, batches are whole; with less, the
# trial step before a fit fails, or, where it passes, the fit itself, and the run goes on in a new process with batches in more parts,
# until they fit; with next to none, it ends with what to lower. Losses mean nothing. $CUDA_PATH names NVRTC (lib) and the headers
# (include), see tools/cuda_kernels.sh.
set -euo pipefail
program="$(realpath "${1:?the program that tools/build_cuda.sh built}")"
cd "$(dirname "$0")/.."
cuda="${CUDA_PATH:?the folder with NVRTC (lib) and the headers (include)}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cc -O1 -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$work/libcuda.so.1" tools/null_cuda/driver.c -lpthread
ln -s libcuda.so.1 "$work/libcuda.so"
export LD_LIBRARY_PATH="$work:$cuda/lib" CUDA_PATH="$cuda" FASTAI_SELF_TEST=off XDG_CACHE_HOME="$work/cache"
# recipe STEPS
recipe() {
    cat >"$work/memory.recipe" <<EOF
Memory {
    task: multi_label,
    data: csv { root: "$PWD/examples/data/globe", labels: "train_v2.csv", images: "train-jpg", suffix: ".jpg", valid: indices("valid.txt") },
    transforms: top_down { size: 128 },
    model: squeezenet1_1 { weights: "$PWD/examples/data/squeezenet1_1.safetensors" },
    metrics: [f2],
    report: off,
    train: { $1 },
}
EOF
}
in_fits=0
# run MEGABYTES STATUS TEXT [OPTION..]: the run ends with that status and says that; an empty TEXT stands for no parts. No two runs
# have the same memory, which names their folder.
run() {
    local said tried status=0
    said="$(NULL_CUDA_MEMORY="$(($1 * 1000000))" "$program" run "$work/memory.recipe" --smoke --device cuda --out "$work/$1" "${@:4}" 2>&1)" || status=$?
    if [ "$status" != "$2" ] || { [ -n "$3" ] && ! grep -q "$3" <<<"$said"; } || { [ -z "$3" ] && grep -q " parts" <<<"$said"; }; then
        printf '%s MB: ended with %s instead of %s, or did not say "%s":\n%s\n' "$1" "$status" "$2" "$3" "$said" >&2
        exit 1
    fi
    # A fit begins with the header of its table, after the trial step.
    tried="$(awk '/trn_loss/ { begun = 1 } /for a batch in fewer than/ { all++; fits += begun; begun = 0 }
        END { print all + 0, fits + 0 }' <<<"$said")"
    in_fits=$((in_fits + ${tried#* }))
    printf '%5s MB: %s (new processes: %s, of them for a fit: %s)\n' "$1" \
        "$(grep -o "in [0-9]* parts[^;]*\|failed: .*" <<<"$said" | tail -n 1 | grep . || echo "whole batches")" "${tried% *}" "${tried#* }"
}
echo "the head:"
recipe "fit(1e-3, 1);"
run 20000 0 ""
run 140 0 " parts"
run 90 0 " parts"
run 20 1 "Its memory was probably too small"
echo "all of the network:"
recipe "unfreeze(); fit(1e-3, 1);"
run 560 0 ""
for megabytes in 300 280 265 250 235 220 200 180 160 120; do
    run "$megabytes" 0 " parts"
done
echo "all of the network, whose state is kept after every batch:"
for megabytes in 290 255 225 190 150; do
    run "$megabytes" 0 " parts" --snapshot-every 0
done
if [ "$in_fits" = 0 ]; then
    echo "memory ran out in trial steps alone, so nothing was learned of fits that run out of it" >&2
    exit 1
fi
