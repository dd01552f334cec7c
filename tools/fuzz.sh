#!/bin/sh
# Fuzzes the language: tools/fuzz.sh text|mutated [libFuzzer options]. Needs the nightly compiler and a C++ compiler, nothing
# else; what it finds is left in fastai-dsl/fuzz/artifacts, what it learns in the folder FUZZ_CORPUS (default: a temporary one).
#
#   tools/fuzz.sh text -max_total_time=600
#   tools/fuzz.sh mutated -max_total_time=600
#   tools/fuzz.sh text -merge=1 fastai-dsl/fuzz/corpus/text "$FUZZ_CORPUS"     # keep what adds coverage
set -eu
target=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
fuzz=$root/fastai-dsl/fuzz
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$fuzz/target}/fuzz"
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Clink-dead-code \
-Cdebug-assertions -Coverflow-checks -Ccodegen-units=1" \
    cargo +nightly build --quiet --release --manifest-path "$fuzz/Cargo.toml" --target "$(rustc -vV | sed -n 's/^host: //p')" --bin "$target"
mkdir -p "$fuzz/artifacts"
binary=$(echo "$CARGO_TARGET_DIR"/*/release/"$target")
case " $* " in
*" -merge=1 "*) exec "$binary" "$@" ;;
esac
corpus=${FUZZ_CORPUS:-$(mktemp -d)}
exec "$binary" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$fuzz/artifacts/" "$@" "$corpus" "$fuzz/corpus/$target"
