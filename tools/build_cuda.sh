#!/usr/bin/env bash
# Builds the program with CUDA where the build cannot download LLVM: tools/build_cuda.sh [FEATURES]
#
# FEATURES are Cargo's, `cuda-nvrtc,wgpu,vulkan` unless given. With `cuda-nvrtc`, NVRTC compiles all kernels at run time, from
# CUDA C++. burn's other compiler, LLVM, is linked all the same but never called. Its build script downloads it unless
# DOCS_RS is set, which leaves its functions without definitions. So the program is linked twice: first with the
# functions undefined, to learn their names, then with a stub for each that names itself and aborts. The stubs are hidden:
# the dynamic linker would otherwise bind a graphics driver's own LLVM to them.
#
# The program is $CARGO_TARGET_DIR/debug/fastai, or target/debug/fastai. It needs a driver, NVRTC and CUDA's headers at run
# time (`fastai doctor` looks for them) and starts without any of them.
set -euo pipefail
cd "$(dirname "$0")/.."
features="${1:-cuda-nvrtc,wgpu,vulkan}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
program="${CARGO_TARGET_DIR:-target}/debug/fastai"
build() {
    DOCS_RS=1 cargo rustc --locked --bin fastai --features "$features" -- -C link-arg=-Wl,--unresolved-symbols=ignore-all "$@"
}
missing() {
    nm -D --undefined-only "$program" | awk '{ sub(/@.*/, "", $2); print $2 }' | grep -iE 'llvm|tracel|cubecl' | sort -u || true
}
build
missing >"$work/names"
{
    printf '#include <stdio.h>\n#include <stdlib.h>\n'
    while read -r name; do
        printf '__attribute__((visibility("hidden"))) void %s(void) { fputs("LLVM is not in this build: %s\\n", stderr); abort(); }\n' \
            "$name" "$name"
    done <"$work/names"
} >"$work/stubs.c"
cc -c -fPIC -w -o "$work/stubs.o" "$work/stubs.c"
build -C link-arg="$work/stubs.o"
if [ -n "$(missing)" ]; then
    echo "still undefined:" >&2
    missing >&2
    exit 1
fi
printf '%s: %s bytes, %s stubs\n' "$program" "$(stat -c %s "$program")" "$(wc -l <"$work/names")"
