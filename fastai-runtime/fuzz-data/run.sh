#!/bin/sh
# Runs one target with address sanitizer: fuzz-data/run.sh decode|csv SECONDS. Needs a nightly toolchain and a C++
# compiler; what `cargo fuzz run TARGET -- -max_total_time=SECONDS` does, without cargo-fuzz.
set -eu
cd "$(dirname "$0")"
target=$1
seconds=${2:-600}
triple=$(rustc +nightly -vV | sed -n 's/^host: //p')
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions=yes -Zsanitizer=address -Ccodegen-units=1" \
    cargo +nightly build --release --target "$triple" --bin "$target"
mkdir -p "target/found/$target"
seeds=$([ "$target" = decode ] && echo ../tests/golden/images || true)
exec "${CARGO_TARGET_DIR:-target}/$triple/release/$target" "target/found/$target" "corpus/$target" $seeds \
    -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=3072 -malloc_limit_mb=1100 -timeout=30 \
    -artifact_prefix="target/found/$target-"
