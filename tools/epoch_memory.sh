#!/bin/sh
# Peak memory of an epoch of loading for 1,000, 3,000 and 10,000 images (Linux); fails if it grows with them. See fastai-runtime/examples/epoch_memory.rs.
set -eu
cd "$(dirname "$0")/.."
exec cargo run --quiet -p fastai-runtime --example epoch_memory
