#!/usr/bin/env bash
# Writes the generated reference from the program itself; with --check it compares and fails on a difference.
# task-contract.md stands among the pages, but is written by people.
set -euo pipefail
cd "$(dirname "$0")/.."
weir=${WEIR:-$PWD/build/release/weir}
target=docs/reference
if [ "${1:-}" = --check ]; then
  target=$(mktemp -d)
  trap 'rm -rf "$target"' EXIT
fi
mkdir -p "$target/templates"
"$weir" reference --to "$target"
if [ "${1:-}" = --check ]; then
  diff -r -x task-contract.md docs/reference "$target" || {
    echo "docs: docs/reference is not what the program says: run ./dev docs" >&2
    exit 1
  }
fi
