#!/usr/bin/env python3
"""Fails where a file includes a module that src/LAYERS does not allow it."""
import pathlib
import re
import sys

src = pathlib.Path(sys.argv[1])
allowed: dict[str, set[str]] = {}
for line in (src / "LAYERS").read_text().splitlines():
    if not line or line.startswith("#"):
        continue
    module, below = (part.split() for part in line.split(":"))
    names = set(allowed) if below == ["*"] else set(below)
    if names - set(allowed):
        # A module that does not exist yet may stand in a list; one that comes later may not.
        sys.exit(f"LAYERS: {module[0]} uses {names - set(allowed)} before it is declared")
    allowed[module[0]] = names

failures = 0
for path in sorted([*src.rglob("*.h"), *src.rglob("*.cc")]):
    here = path.relative_to(src).parts
    if here[0] not in allowed:
        sys.exit(f"{path}: module {here[0]} is not in LAYERS")
    is_test = path.stem.endswith("_test") or here[0] == "testing"
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'#include "([a-z0-9_/]+)\.h"', line)
        if not found:
            continue
        there = found[1].split("/")
        other = there[0] != here[0]
        if other and there[0] not in allowed[here[0]] and not (is_test and there[0] == "testing"):
            why = f"{here[0]} may not include {there[0]}"
        elif len(there) > 2 and here[0] != "app" and here[:2] != tuple(there[:2]) and other:
            why = f"{'/'.join(there[:2])} is private: only app/ and its own module name it"
        else:
            continue
        print(f"{path}:{number}: {why}")
        failures += 1
sys.exit(1 if failures else 0)
