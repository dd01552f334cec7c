#!/usr/bin/env bash
# Packs every crate as for the registry, checks what is inside (sources and licences, no tests, no sample data), compiles what was
# packed, and makes its documentation as docs.rs does.
set -euo pipefail
cd "$(dirname "$0")/.."
target="${CARGO_TARGET_DIR:-$HOME/target}"
mkdir -p "$target"
target="$(cd "$target" && pwd)"
rm -rf "$target/package"
# Cargo's warning of `no documentation, homepage or repository` is left out until there is a URL: CONTRIBUTING.md, Releases.
CARGO_TARGET_DIR="$target" cargo package --workspace --no-verify --allow-dirty --offline --quiet 2> >(grep -v 'is not included in the published package\|no documentation, homepage\|^  |\|= note: see\|^$' >&2 || true)
failed=0
# A crate packs only what is in its own folder, and a link would be a text file where git makes none (Windows).
cmp examples/data/squeezenet1_1.safetensors fastai-runtime/weights/squeezenet1_1.safetensors || failed=1
links="$(git ls-files -s | grep '^120000' | grep -v 'LICENSE-\|NOTICE' || true)"
[ -z "$links" ] || { echo "links in the repository: $links"; failed=1; }
for crate in "$target"/package/*.crate; do
  name="$(basename "$crate" .crate)"
  files="$(tar -tzf "$crate" | sed "s#^$name/##")"
  stray="$(grep -E '^(tests|examples|benches|tools|fuzz)/' <<<"$files" || true)"
  [ -z "$stray" ] || { echo "$name: packs $(head -3 <<<"$stray" | tr '\n' ' ')"; failed=1; }
  for wanted in Cargo.toml LICENSE-MIT LICENSE-APACHE src/; do
    grep -q "^$wanted" <<<"$files" || { echo "$name: packs no $wanted"; failed=1; }
  done
  # Links in most crates, which cargo follows. Where git made text files of them, their paths would be packed instead.
  for text in $(grep -x 'LICENSE-MIT\|LICENSE-APACHE\|NOTICE' <<<"$files"); do
    tar -xzOf "$crate" "$name/$text" | cmp -s - "$text" || { echo "$name: its $text is not the repository's"; failed=1; }
  done
  printf '%-24s %4d files %6d kB\n' "$name" "$(wc -l <<<"$files")" "$(($(stat -c %s "$crate") / 1000))"
done
for wanted in fastai-runtime-*/NOTICE fastai-runtime-*/weights/squeezenet1_1.safetensors fastai-data-*/NOTICE fastai-0*/NOTICE fastai-0*/README.md; do
  crate="${wanted%%/*}"
  # The version is any: the name is a pattern.
  # shellcheck disable=SC2086
  files="$(tar -tzf "$target"/package/$crate.crate)"
  grep -q "/${wanted#*/}\$" <<<"$files" || { echo "$wanted is missing"; failed=1; }
done
[ "$failed" = 0 ] || exit 1

# What was packed, as a workspace whose crates take each other for those of the registry. Versions, compiler and profile are those
# of the repository, so that the crates below are not compiled again.
unpacked="$target/package/unpacked"
mkdir "$unpacked"
cp Cargo.lock rust-toolchain.toml "$unpacked/"
printf '[workspace]\nresolver = "3"\nmembers = ["fastai*"]\n\n[patch.crates-io]\n' > "$unpacked/Cargo.toml"
for crate in "$target"/package/*.crate; do
  # Packed files are dated 2006, by which cargo would take them for those that it has compiled before.
  tar -xzmf "$crate" -C "$unpacked"
  folder="$(basename "$crate" .crate)"
  name="${folder%%-[0-9]*}"
  # No crate depends on the facade.
  [ "$name" = fastai ] || printf '%s = { path = "%s" }\n' "$name" "$folder" >> "$unpacked/Cargo.toml"
done
awk '/^\[/ { inside = /^\[profile/ } inside' Cargo.toml >> "$unpacked/Cargo.toml"
cd "$unpacked"
export CARGO_TARGET_DIR="$target" CARGO_NET_OFFLINE=true
began=$SECONDS
cargo check --quiet --workspace
echo "what was packed compiles, $((SECONDS - began)) s"

# The options that `[package.metadata.docs.rs]` of a packed manifest says, one a line.
docs_rs_options() {
  awk '/^\[/ { inside = $0 == "[package.metadata.docs.rs]"; next }
    !inside { next }
    $0 == "no-default-features = true" { print "--no-default-features" }
    /^features = / { listed = 1 }
    listed {
      line = $0
      while (match(line, /"[^"]*"/)) {
        print "--features=" substr(line, RSTART + 1, RLENGTH - 2)
        line = substr(line, RSTART + RLENGTH)
      }
    }
    /\]$/ { listed = 0 }' "$1"
}

documented=0
for manifest in */Cargo.toml; do
  grep -qx '\[package.metadata.docs.rs\]' "$manifest" || continue
  folder="$(dirname "$manifest")"
  mapfile -t options < <(docs_rs_options "$manifest")
  began=$SECONDS
  DOCS_RS=1 RUSTDOCFLAGS="--cfg docsrs -D warnings" \
    cargo doc --quiet --no-deps --lib --package "${folder%%-[0-9]*}" "${options[@]}"
  echo "$folder: documentation with ${options[*]}, $((SECONDS - began)) s"
  documented=$((documented + 1))
done
[ "$documented" -gt 0 ] || { echo "no packed manifest says how docs.rs documents its crate"; exit 1; }
