#!/usr/bin/env bash
# Compiles and tests what `fastai new` makes, as a crate outside the workspace. It shares the target folder, so burn must not
# be compiled again: its profile is that of the workspace, and so are the versions and, here, the features of fastai.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/target}"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
folder="$scratch/cats-and-dogs"
cargo run --quiet --locked -- new "$folder"
# Without the default features, as it is made, burn's dependencies would have other features than in the workspace.
sed -i.made 's/, default-features = false, features = \["embedded-weights"\]//' "$folder/Cargo.toml"
if cmp -s "$folder/Cargo.toml" "$folder/Cargo.toml.made"; then
  echo "the manifest of a new crate has another line for fastai than $0 expects"
  exit 1
fi
cp Cargo.lock "$folder/"
cd "$folder"
began=$SECONDS
cargo test --offline 2>&1 | tee "$scratch/log"
echo "built and tested in $((SECONDS - began)) s"
if grep -E '^ *Compiling burn' "$scratch/log"; then
  echo "the crate compiles burn again: its profile or its features are not those of the workspace"
  exit 1
fi
began=$SECONDS
cargo run --quiet --offline
echo "trained in $((SECONDS - began)) s"
