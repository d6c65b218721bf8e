#!/usr/bin/env bash
# Installs the pre-commit hook of this clone (all its worktrees): what is staged gets formatted.
set -euo pipefail
cd "$(dirname "$0")/.."
hook=$(git rev-parse --git-path hooks)/pre-commit
text='#!/bin/sh
# Installed by ./dev hook.
cd "$(git rev-parse --show-toplevel)" && exec ./dev fmt --staged'
if [ -e "$hook" ] && ! grep -q 'Installed by ./dev hook' "$hook"; then
  echo "hook: $hook is there and not ours: call \`./dev fmt --staged\` from it" >&2
  exit 1
fi
mkdir -p "$(dirname "$hook")"
echo "$text" > "$hook"
chmod +x "$hook"
echo "hook: $hook formats what is staged before each commit"
