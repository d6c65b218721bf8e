#!/usr/bin/env python3
"""Holds a folder of ELF files to a version of glibc.

glibc.py lower VERSION FILE SYMBOL…   takes the version off the named symbols where it is newer
glibc.py check VERSION FILE…          fails, naming library and symbol, where one needs a newer glibc
"""
import sys

from elf_versions import ElfVersions, number


def newer(elf, limit):
    """Each version of glibc above the limit that the file asks for. GLIBC_ABI_… came with 2.36."""
    for library, version, index, entry in elf.needed():
        value = number(version)
        if (value is not None and value > limit) or version.startswith("GLIBC_ABI_"):
            yield library, version, index, entry


def lower(limit, path, provided):
    elf = ElfVersions(path)
    wanted = list(newer(elf, limit))
    for library, version, index, entry in wanted:
        others = set(elf.symbols_of(index)) - set(provided)
        if others:
            sys.exit(f"{path}: {', '.join(sorted(others))} ({version}) is newer and not provided")
        base = next(found for found in elf.needed() if found[0] == library and found[1] == "GLIBC_2.2.5")
        elf.rename_needed(entry, base[3])
    elf.write()


def check(limit, paths):
    faults = []
    for path in paths:
        elf = ElfVersions(path)
        for library, version, index, _ in newer(elf, limit):
            symbols = ", ".join(elf.symbols_of(index)) or "no symbol"
            faults.append(f"{path}: {symbols} needs {version} of {library}")
    return faults


def main():
    command, version, *words = sys.argv[1:]
    limit = tuple(int(part) for part in version.split("."))
    if command == "lower":
        lower(limit, words[0], words[1:])
        return 0
    faults = check(limit, words)
    print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
    return 1 if faults else 0


sys.exit(main())
