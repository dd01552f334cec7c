#!/usr/bin/env bash
# Compiles CUDA kernels without a card: tools/cuda_kernels.sh PROGRAM [NETWORK..]
#
# PROGRAM is what tools/build_cuda.sh builds; NETWORK are architectures, resnet50 unless given. Each evaluates and trains, in
# 32 bits and mixed, on a driver that runs no kernel (tools/null_cuda): burn makes the source of every kernel that a card would
# run, NVRTC compiles them, ptxas assembles them, and the sizes of launches are held to the card's. $ARCH is the compute
# capability, 90 unless given; $BATCH and $SIZE are 64 and 224. Results and times mean nothing.
#
# `tools/build_cuda.sh fastai-runtime/cuda-nvrtc` builds a program that has one kernel for each operation: a network takes minutes.
# The usual one tries all candidates among which it would choose, and NVRTC takes seconds for each kernel of a matrix product, an
# hour and more for a network: $WORK is a folder that keeps what is compiled for another call.
#
# NVRTC, its headers and ptxas need no card and no driver; all of one version:
#   pip install nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cuda-crt nvidia-cuda-cccl nvidia-cuda-nvcc
# $CUDA_PATH names the folder with lib, include and, for ptxas, bin: `nvidia/cu13` below pip's site-packages.
set -euo pipefail
program="$(realpath "${1:?the program that tools/build_cuda.sh built}")"
shift
[ "$#" -gt 0 ] || set -- resnet50
cd "$(dirname "$0")/.."
arch="${ARCH:-90}"
cuda="${CUDA_PATH:?the folder with NVRTC (lib) and the headers (include)}"
ptxas="${PTXAS:-$cuda/bin/ptxas}"
[ -x "$ptxas" ] || { echo "no ptxas at $ptxas: name it in \$PTXAS"; exit 2; }
if [ -n "${WORK:-}" ]; then
    mkdir -p "$WORK"
    work="$(realpath "$WORK")"
else
    work="$(mktemp -d)"
    trap 'rm -rf "$work"' EXIT
fi
cc -O1 -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$work/libcuda.so.1" tools/null_cuda/driver.c -lpthread
ln -sf libcuda.so.1 "$work/libcuda.so"
# burn would measure how fast the card could be, to end its choice early; here no clock says so.
printf '[autotune]\nlevel = "full"\n' >"$work/cubecl.toml"
export LD_LIBRARY_PATH="$work:$cuda/lib" CUDA_PATH="$cuda" NULL_CUDA_ARCH="$arch" FASTAI_SELF_TEST=off XDG_CACHE_HOME="$work/cache"
printf '%-22s%-9s%-7s%9s%9s%9s%11s%11s%9s\n' network work floats kernels launches memory registers spilling seconds
failed=0
for network in "$@"; do
    for what in forward train; do
        for floats in f32 mixed; do
            [ "$what $floats" != "forward mixed" ] || continue
            export NULL_CUDA_OUT="$work/$network-$what-$floats"
            mkdir -p "$NULL_CUDA_OUT"
            began="$SECONDS"
            if ! (cd "$work" && "$program" bench --device cuda --arch "$network" --mode "$what" --precision "$floats" --batch "${BATCH:-64}" \
                --size "${SIZE:-224}" --runs 1) >"$NULL_CUDA_OUT/said" 2>&1; then
                echo "$network, $what, $floats failed:"
                tail -n 5 "$NULL_CUDA_OUT/said"
                failed=1
            fi
            took=$((SECONDS - began))
            : >"$NULL_CUDA_OUT/assembled"
            for ptx in "$NULL_CUDA_OUT"/*.ptx; do
                [ -e "$ptx" ] || continue
                target="$(sed -n 's/^\.target \([a-z0-9_]*\).*/\1/p' "$ptx")"
                if ! "$ptxas" -v "-arch=$target" -o /dev/null "$ptx" >>"$NULL_CUDA_OUT/assembled" 2>&1; then
                    echo "$network, $what, $floats: ptxas refuses $(grep -m1 -o '\.entry [A-Za-z0-9_]*' "$ptx")"
                    tail -n 2 "$NULL_CUDA_OUT/assembled"
                    failed=1
                fi
            done
            awk -v head="$(printf '%-22s%-9s%-7s' "$network" "$what" "$floats")" -v took="$took" \
                -v memory="$(cat "$NULL_CUDA_OUT/memory" 2>/dev/null || echo 0)" '
                FILENAME ~ /launches$/ { launches += $2 }
                /Used [0-9]+ registers/ { kernels++; match($0, /Used [0-9]+/); n = substr($0, RSTART + 5, RLENGTH - 5) + 0; if (n > most) most = n }
                /bytes spill stores/ { match($0, /[0-9]+ bytes spill stores/); if (substr($0, RSTART) + 0 > 0) spilling++ }
                END { printf "%s%9d%9d%6d MB%11d%11d%9d\n", head, kernels, launches, memory / 1e6, most, spilling, took }' \
                "$NULL_CUDA_OUT/assembled" "$NULL_CUDA_OUT/launches"
        done
    done
done
exit "$failed"
