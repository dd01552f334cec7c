#!/usr/bin/env bash
# Packs the program with its licences, manual pages and completions: tools/pack_release.sh TARGET FOLDER_OF_PROGRAM OUT
set -euo pipefail
cd "$(dirname "$0")/.."
target="$1" built="$2" out="$3"
suffix=""
[ ! -f "$built/fastai.exe" ] || suffix=".exe"
program="$built/fastai$suffix"
version="$("$program" --version | cut -d ' ' -f 2)"
name="fastai-$version-$target"
mkdir -p "$out"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
folder="$scratch/$name"
mkdir -p "$folder/man" "$folder/completions"
cp "$program" README.md LANGUAGE.md JSON.md CHANGELOG.md SECURITY.md NOTICE LICENSE-MIT LICENSE-APACHE "$folder/"
"$program" man --out "$folder/man" > "$scratch/log"
for shell in bash zsh fish powershell elvish; do
  "$program" completions "$shell" > "$folder/completions/fastai.$shell"
done
if [ -n "$suffix" ]; then
  archive="$name.zip"
  (cd "$scratch" && 7z a -bso0 "$archive" "$name")
else
  archive="$name.tar.gz"
  tar -C "$scratch" -czf "$scratch/$archive" "$name"
fi
mv "$scratch/$archive" "$out/"
sums() { if command -v sha256sum > "$scratch/log"; then sha256sum "$@"; else shasum -a 256 "$@"; fi; }
(cd "$out" && sums "$archive" > "$archive.sha256")
echo "$out/$archive"
