#!/bin/sh
# Fuzzes what comes from outside: tools/fuzz.sh TARGET [libFuzzer options]. TARGET is text or mutated (the language), prepared
# (summaries of data), csv, decode (images, and the transforms of what was decoded), safetensors or torch_file. Needs the nightly compiler and a C++ compiler,
# nothing else; what it finds is left in the crate's fuzz/artifacts, what it learns in the folder FUZZ_CORPUS (default: a
# temporary one).
#
#   tools/fuzz.sh text -max_total_time=600
#   tools/fuzz.sh decode -max_total_time=600
#   tools/fuzz.sh text -merge=1 fastai-dsl/fuzz/corpus/text "$FUZZ_CORPUS"     # keep what adds coverage
set -eu
target=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
# Further seeds, address sanitizer where dependencies have unsafe code, and limits. `cfg(fuzzing)` switches off checksums of the
# image decoders, but in proc-macro2 also the places of tokens, which the language needs.
seeds=
sanitizer=
fuzzing=
limits="-timeout=10 -rss_limit_mb=2048"
case "$target" in
text | mutated | prepared) fuzz=$root/fastai-dsl/fuzz ;;
*)
    fuzz=$root/fastai-runtime/fuzz
    sanitizer=-Zsanitizer=address
    fuzzing='--cfg fuzzing'
    limits="-timeout=30 -rss_limit_mb=3072 -malloc_limit_mb=1100 -max_len=65536"
    case "$target" in
    decode) seeds=$root/fastai-runtime/tests/golden/images ;;
    torch_file) seeds=$root/fastai-runtime/tests/golden/torch ;;
    esac
    ;;
esac
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$fuzz/target}/fuzz$sanitizer"
RUSTFLAGS="$fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Clink-dead-code -Cdebug-assertions -Coverflow-checks -Ccodegen-units=1 $sanitizer" \
    cargo +nightly build --quiet --release --manifest-path "$fuzz/Cargo.toml" --target "$(rustc -vV | sed -n 's/^host: //p')" --bin "$target"
mkdir -p "$fuzz/artifacts"
binary=$(echo "$CARGO_TARGET_DIR"/*/release/"$target")
case " $* " in
*" -merge=1 "*) exec "$binary" "$@" ;;
esac
corpus=${FUZZ_CORPUS:-$(mktemp -d)}
exec "$binary" $limits -artifact_prefix="$fuzz/artifacts/" "$@" "$corpus" "$fuzz/corpus/$target" $seeds
