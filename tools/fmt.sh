#!/usr/bin/env bash
# clang-format over the C++ of the repository. --check fails on a difference and changes nothing; --staged takes what is
# staged and stages it again.
set -euo pipefail
cd "$(dirname "$0")/.."

# Formats what is staged. Where a file has changes that are not staged, those stay out of the commit:
# its staged part is only checked.
format_staged() {
  local faults=0 file
  for file in "$@"; do
    git show ":$file" | clang-format-19 --assume-filename="$file" --dry-run --Werror 2> /dev/null && continue
    if git diff --quiet -- "$file"; then
      clang-format-19 -i "$file"
      git add -- "$file"
      echo "fmt: formatted $file"
    else
      echo "fmt: $file: what is staged is not formatted, and there are unstaged changes: ./dev fmt, then stage it again" >&2
      faults=1
    fi
  done
  return $faults
}

if [ "${1:-}" = --staged ]; then
  mapfile -t -d '' files < <(git diff --cached --name-only --diff-filter=ACMR -z -- '*.h' '*.cc')
  format_staged "${files[@]}"
  exit
fi
mapfile -t -d '' files < <(git ls-files -z '*.h' '*.cc')
if [ "${1:-}" = --check ]; then
  clang-format-19 --dry-run --Werror "${files[@]}"
else
  clang-format-19 -i "${files[@]}"
fi
