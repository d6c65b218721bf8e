#!/usr/bin/env python3
"""The house's own rules over src/: names that say nothing, calls that are banned outside base/ and
app/, and long files (told, not refused). Fails where a rule is broken."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
BANNED = {  # pattern: what to use instead
    r"\bsystem_clock::now\b": "take a Clock",
    r"\b(?:std::)?rand\(\)": "take a Random",
    r"\bgetenv\(": "take an Environment",
    r"\bFIXME\b": "mend it, or write TODO",
    r"\bstd::regex\b": "base/pattern.h",
    r"\bsystem\(": "base/process.h",
}
NAMES = re.compile(r"(utils|helpers|common|manager)\.(h|cc)$")
GUIDE_LINES = 500


def main():
    faults = 0
    files = subprocess.run(["git", "ls-files", "src/*.h", "src/*.cc"], cwd=ROOT, text=True, capture_output=True, check=True)
    for name in files.stdout.split():
        path = ROOT / name
        if NAMES.search(name):
            print(f"{name}: the name says nothing of what it holds")
            faults += 1
        module = name.split("/")[1]
        is_test = name.endswith("_test.cc") or module == "testing"
        lines = path.read_text().splitlines()
        if len(lines) > GUIDE_LINES and not is_test:
            print(f"{name}: {len(lines)} lines (guide: {GUIDE_LINES})")
        for number, line in enumerate(lines, 1):
            if module in ("base", "app") or is_test or "NOLINT" in line:
                continue
            for pattern, instead in BANNED.items():
                if re.search(pattern, line.split("//")[0]):
                    print(f"{name}:{number}: banned: {instead}")
                    faults += 1
    return 1 if faults else 0


sys.exit(main())
