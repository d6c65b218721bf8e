#!/usr/bin/env bash
# clang-tidy and the house's own rules. Arguments: files (default: what differs from HEAD), or --all.
set -euo pipefail
cd "$(dirname "$0")/.."
python3 tools/check_layers.py src
python3 tools/tidy.py
build=build/${WEIR_PRESET:-release}
if [ "${1:-}" = --all ]; then
  exec python3 tools/clang_tidy.py "$build"
elif [ $# -gt 0 ]; then
  files=("$@")
else
  mapfile -t files < <(git diff --name-only --diff-filter=d HEAD -- '*.cc'; git ls-files --others --exclude-standard -- '*.cc')
fi
[ ${#files[@]} = 0 ] || python3 tools/clang_tidy.py "$build" "${files[@]}"
