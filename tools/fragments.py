#!/usr/bin/env python3
"""Changelog fragments. Each file of changelog.d/ is <topic>.<feature|fix>.md and holds sentences; and a branch that
changes what the program says of itself (docs/reference) brings one. Argument: the branch to compare
with (default: main); where git does not know it, only the fragments themselves are checked."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
NAME = re.compile(r"[a-z0-9][a-z0-9-]*\.(feature|fix)\.md")
SEEN_BY_USERS = "docs/reference/"
LONGEST_LINE = 160


def faults_of(path):
    name = f"changelog.d/{path.name}"
    if not NAME.fullmatch(path.name):
        return [f"{name}: the name is <topic>.feature.md or <topic>.fix.md, of a-z, 0-9 and -"]
    text = path.read_text().strip()
    if not text.endswith((".", "!", "`")) or len(text.split()) < 4:
        return [f"{name}: say in a sentence what changes for a user"]
    if re.match(r"#|[-*] ", text):
        return [f"{name}: plain sentences, no heading and no list: the changelog makes those"]
    return [f"{name}:{number}: longer than {LONGEST_LINE}" for number, line in enumerate(text.splitlines(), 1)
            if len(line) > LONGEST_LINE]


def git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, text=True, capture_output=True)


def changed_since(branch):
    base = git("merge-base", "HEAD", branch)
    if base.returncode != 0:
        return []
    committed = git("diff", "--name-only", base.stdout.strip(), "--")
    return committed.stdout.splitlines()


def main():
    branch = sys.argv[1] if len(sys.argv) > 1 else "main"
    faults = [fault for path in sorted((ROOT / "changelog.d").glob("[!.]*")) for fault in faults_of(path)]
    changed = changed_since(branch)
    seen = [name for name in changed if name.startswith(SEEN_BY_USERS)]
    new = git("ls-files", "--others", "--exclude-standard", "changelog.d").stdout.splitlines()
    if seen and not new and not any(name.startswith(("changelog.d/", "CHANGELOG.md")) for name in changed):
        faults.append(f"{seen[0]} differs from {branch}, and changelog.d/ says nothing of it: add a fragment")
    print("\n".join(faults) or "the fragments are whole")
    return 1 if faults else 0


sys.exit(main())
