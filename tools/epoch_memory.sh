#!/bin/sh
# Peak memory of an epoch of loading for 1,000, 3,000 and 10,000 images (Linux); fails if it grows with them. See fastai-runtime/examples/epoch_memory.rs.
set -eu
cd "$(dirname "$0")/.."
# Of the whole workspace, or burn would be compiled again with other features.
cargo build --quiet --workspace --example epoch_memory
exec "${CARGO_TARGET_DIR:-target}/debug/examples/epoch_memory"
