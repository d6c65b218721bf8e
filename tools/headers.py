#!/usr/bin/env python3
"""Every public header (src/<module>/*.h) compiles by itself. Arguments: build folder, compiler."""
import concurrent.futures
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
build, compiler = pathlib.Path(sys.argv[1]), sys.argv[2]


def flags_of(module):
    """The flags with which a file of that module is compiled, without its precompiled header."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if f"/src/{module}/" not in entry["file"]:
            continue
        words = shlex.split(entry["command"])
        kept, skip = [], False
        for word in words:
            if skip:
                skip = False
            elif word in ("-include", "-o", "-c", "-MF", "-MT"):
                skip = True
            elif word.startswith(("-I", "-D", "-std")):
                kept.append(word)
            elif word == "-isystem":
                kept.append(word)
            elif kept and kept[-1] == "-isystem":
                kept.append(word)
        return kept
    return None


def check(header):
    flags = flags_of(header.relative_to(ROOT / "src").parts[0])
    if flags is None:
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".cc") as file:
        file.write(f'#include "{header.relative_to(ROOT / "src")}"\n')
        file.flush()
        run = subprocess.run([compiler, "-fsyntax-only", *flags, file.name], text=True, capture_output=True)
    return None if run.returncode == 0 else f"{header.relative_to(ROOT)} does not compile by itself:\n{run.stderr[:800]}"


headers = sorted(ROOT.glob("src/*/*.h"))
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    faults = [fault for fault in pool.map(check, headers) if fault]
print("\n".join(faults) or f"{len(headers)} headers stand by themselves")
sys.exit(1 if faults else 0)
