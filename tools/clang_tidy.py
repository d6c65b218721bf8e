#!/usr/bin/env python3
"""Runs clang-tidy over files of the tree, several at a time, and remembers what it found clean: it
looks again once a file, a header of ours that it includes, how it is compiled, the checks or
clang-tidy itself have changed. Fails where there is a finding.

clang_tidy.py BUILD_FOLDER FILE…    each file by itself
clang_tidy.py BUILD_FOLDER          all files that git knows, the files of a module together: most of
                                    the time goes to the headers that they share
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = "clang-tidy-19"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "weir" / "tidy"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
LARGEST_BATCH = 12  # files


def output_of(*command):
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True).stdout


class Tree:
    """What files are made of: themselves and every header of ours below them. What stands in <>
    belongs to packages; their versions are the distribution's and cmake/deps.lock's."""

    def __init__(self, build):
        self.build = build
        self.flags = {}
        for entry in json.loads((build / "compile_commands.json").read_text()):
            self.flags[pathlib.Path(entry["file"])] = self.flags_of(shlex.split(entry["command"]))
        self.contents = {}
        self.base = [output_of(PROGRAM, "--version"), (ROOT / ".clang-tidy").read_text(), (ROOT / "cmake/deps.lock").read_text()]

    @staticmethod
    def flags_of(words):
        """How to read the file. Warnings are the compiler's to tell, and its precompiled header is GCC's."""
        flags = ["-w"]
        for at, word in enumerate(words):
            if re.match(r"-[DI]|-std=", word):
                flags.append(word)
            elif word == "-isystem":
                flags += words[at : at + 2]
        return flags

    def content(self, path):
        if path not in self.contents:
            text = path.read_text()
            found = []
            for name in INCLUDE.findall(text):
                for place in (ROOT / "src", path.parent, self.build / "generated"):
                    if (place / name).is_file():
                        found.append((place / name).resolve())
                        break
            self.contents[path] = (text, found)
        return self.contents[path]

    def key(self, paths):
        """Equal in every checkout of the same content."""
        seen = set()
        waiting = list(paths)
        while waiting:
            here = waiting.pop()
            if here not in seen:
                seen.add(here)
                waiting.extend(self.content(here)[1])
        digest = hashlib.sha256()
        flags = " ".join(self.flags[paths[0]]).replace(str(self.build), "BUILD").replace(str(ROOT), "ROOT")
        for part in (*self.base, str(len(paths)), flags, *(self.content(each)[0] for each in sorted(seen))):
            digest.update(hashlib.sha256(part.encode()).digest())
        return digest.hexdigest()

    def all_batches(self):
        """Files of one module that are compiled alike, in equal parts."""
        groups = {}
        for name in output_of("git", "ls-files", "*.cc").split():
            path = ROOT / name
            if path in self.flags:
                key = (name.split("/")[1], name.endswith("_test.cc"), *self.flags[path])
                groups.setdefault(key, []).append(path)
        for group in groups.values():
            parts = -(-len(group) // LARGEST_BATCH)
            for part in range(parts):
                yield group[part::parts]


def look(tree, paths):
    """The findings as text; empty where there are none."""
    key = tree.key(paths)
    clean, apart = CACHE / f"{key}.clean", CACHE / f"{key}.apart"
    if clean.exists():
        clean.touch()  # what nobody has asked for in a while may be thrown away
        return ""
    if not apart.exists():
        findings, is_readable = run(tree, paths, key)
        if not findings:
            clean.touch()
            return ""
        if is_readable or len(paths) == 1:
            return findings
        apart.touch()  # two of them have something of the same name
    half = len(paths) // 2
    return look(tree, paths[:half]) + look(tree, paths[half:])


def run(tree, paths, key):
    """Findings, and whether the compiler could read the files."""
    source, options = paths[0], []
    if len(paths) > 1:
        source = tree.build / "tidy" / f"{key}.cc"
        source.parent.mkdir(exist_ok=True)
        source.write_text("".join(f'#include "{path}"\n' for path in paths))
        options = ["--checks=-bugprone-suspicious-include"]
    command = [PROGRAM, "--quiet", f"--config-file={ROOT / '.clang-tidy'}", *options, str(source), "--", *tree.flags[paths[0]]]
    done = subprocess.run(command, text=True, capture_output=True, cwd=ROOT)
    if done.returncode == 0:
        return "", True
    return done.stdout or done.stderr, "clang-diagnostic-error" not in done.stdout


def main():
    tree = Tree(pathlib.Path(sys.argv[1]).resolve())
    CACHE.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) > 2:
        batches = [[path] for path in ((ROOT / name).resolve() for name in sys.argv[2:]) if path in tree.flags]
    else:
        batches = sorted(tree.all_batches(), key=len, reverse=True)
    jobs = int(os.environ.get("WEIR_JOBS") or os.cpu_count())
    has_findings = False
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(look, tree, batch) for batch in batches]):
            if done.result():
                has_findings = True
                print(done.result(), flush=True)
    print(f"clang-tidy: {sum(map(len, batches))} files, {'findings above' if has_findings else 'clean'}")
    return 1 if has_findings else 0


sys.exit(main())
