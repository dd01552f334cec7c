#!/usr/bin/env bash
# Compiles, tests and trains what `fastai new` makes, as a crate outside the workspace: tools/outside_crate.sh [--as-made]
#
# The manifest as a user gets it, whose path is that of these sources, is checked. It is compiled with --as-made only: without
# fastai's default features, eight crates below burn (memchr, bytes, regex-automata ..) lack features that the program `fastai` switches on, so all of burn is compiled a second
# time; and without a lock file, as a user first builds it, so that cargo takes the newest versions from the registry. Otherwise
# the crate is built offline with the workspace's lock file and the default features, and shares the target folder: then burn must
# not be compiled again, because the profile, too, is that of the workspace.
set -euo pipefail
as_made=false
case "${1:-}" in
  --as-made) as_made=true ;;
  "") ;;
  *) echo "tools/outside_crate.sh [--as-made]"; exit 2 ;;
esac
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/target}"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
folder="$scratch/cats-and-dogs"
cargo run --quiet --locked -- new "$folder"
if ! "$as_made"; then
  cp Cargo.lock rust-toolchain.toml "$folder/"
  export CARGO_NET_OFFLINE=true
fi
cd "$folder"
began=$SECONDS
if ! "$as_made"; then
  cargo check --all-targets
  echo "checked as it is made in $((SECONDS - began)) s"
  sed -i.made 's/, default-features = false, features = \["embedded-weights"\]//' Cargo.toml
  if cmp -s Cargo.toml Cargo.toml.made; then
    echo "the manifest of a new crate has another line for fastai than tools/outside_crate.sh expects"
    exit 1
  fi
fi
began=$SECONDS
cargo test 2>&1 | tee "$scratch/log"
echo "built and tested in $((SECONDS - began)) s"
if ! "$as_made" && grep -E '^ *Compiling burn' "$scratch/log"; then
  echo "the crate compiles burn again: its profile or its features are not those of the workspace"
  exit 1
fi
began=$SECONDS
cargo run --quiet
echo "trained in $((SECONDS - began)) s"
