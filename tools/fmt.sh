#!/usr/bin/env bash
# clang-format over the C++ of the repository; with --check it fails on a difference, with --staged it takes what is staged.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
  --staged) mapfile -t files < <(git diff --cached --name-only --diff-filter=AM -- '*.h' '*.cc') ;;
  *) mapfile -t files < <(git ls-files '*.h' '*.cc') ;;
esac
[ ${#files[@]} = 0 ] && exit 0
if [ "${1:-}" = --check ]; then
  clang-format-19 --dry-run --Werror "${files[@]}"
else
  clang-format-19 -i "${files[@]}"
fi
