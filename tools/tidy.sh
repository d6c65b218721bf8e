#!/usr/bin/env bash
# clang-tidy and the house's own rules. Arguments: files (default: what differs from HEAD, or all with --all).
set -euo pipefail
cd "$(dirname "$0")/.."
python3 tools/check_layers.py src
python3 tools/tidy.py
if [ "${1:-}" = --all ]; then
  mapfile -t files < <(git ls-files 'src/*.cc')
elif [ $# -gt 0 ]; then
  files=("$@")
else
  mapfile -t files < <(git diff --name-only HEAD -- 'src/*.cc')
fi
[ ${#files[@]} = 0 ] || clang-tidy-19 -p build/release --quiet "${files[@]}"
