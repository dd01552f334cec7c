#!/usr/bin/env bash
# Packs every crate as for the registry, without compiling them, and checks what is inside: sources and licences, no tests, no sample data.
set -euo pipefail
cd "$(dirname "$0")/.."
target="${CARGO_TARGET_DIR:-$HOME/target}"
rm -rf "$target/package"
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
  printf '%-24s %4d files %6d kB\n' "$name" "$(wc -l <<<"$files")" "$(($(stat -c %s "$crate") / 1000))"
done
for wanted in fastai-runtime-*/NOTICE fastai-runtime-*/weights/squeezenet1_1.safetensors fastai-0*/NOTICE fastai-0*/README.md; do
  crate="${wanted%%/*}"
  # The version is any: the name is a pattern.
  # shellcheck disable=SC2086
  files="$(tar -tzf "$target"/package/$crate.crate)"
  grep -q "/${wanted#*/}\$" <<<"$files" || { echo "$wanted is missing"; failed=1; }
done
exit "$failed"
