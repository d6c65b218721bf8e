#!/usr/bin/env python3
"""The house's own rules over src/: names that say nothing and calls that are banned outside base/ and
app/. Fails where one is broken. The guides for length (file, function, parameters) are told, not
refused."""
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
GUIDE_FUNCTION_LINES = 70
GUIDE_PARAMETERS = 5
# Source is formatted, so a definition starts with its name at the depth of a namespace or a class, and
# ends with the first brace that closes at that depth.
OPENS = re.compile(r"^(?: {0,4})(?!namespace|class|struct|enum|union|else|if|for|while|switch|do\b|return|[}#/])[^;=]*[\w:~>)\]]\(.*$")
NOT_A_NAME = re.compile(r"^\s*(?:if|for|while|switch|return|WEIR_|EXPECT_|ASSERT_)")


def functions(lines):
    """Each function definition: line number, name, lines, parameters."""
    at = 0
    while at < len(lines):
        line = lines[at]
        indent = len(line) - len(line.lstrip())
        head, end = definition_head(lines, at) if OPENS.match(line) and not NOT_A_NAME.match(line) else (None, at)
        if head is None:
            at += 1
            continue
        if not lines[end].rstrip().endswith("}"):  # else it stands on one line
            close = " " * indent + "}"
            while end + 1 < len(lines) and lines[end].rstrip() not in (close, close + ";"):
                end += 1
        name = re.search(r"(operator\S+|[\w:~]+)\(", head)
        if name:
            yield at + 1, name.group(1), end - at + 1, parameters(head[name.end() - 1 :])
        at = end + 1


def definition_head(lines, at):
    """The text from a name to the brace that opens its body; nothing where none does."""
    text = ""
    for number in range(at, min(at + 12, len(lines))):
        text += lines[number].split("//")[0].strip() + " "
        outside = text  # of parentheses, where a default may be `= {}`
        while re.search(r"\([^()]*\)", outside):
            outside = re.sub(r"\([^()]*\)", "", outside)
        if ";" in outside.split("{")[0]:
            return None, at
        if text.count("(") == text.count(")") and "{" in outside:
            return text, number
    return None, at


def parameters(text):
    """How many stand between the first parenthesis and its partner."""
    depth = 0
    commas = 0
    for place, character in enumerate(text):
        depth += character in "(<[{"
        depth -= character in ")>]}" and text[place - 1] != "-"
        commas += character == "," and depth == 1
        if depth == 0:
            return commas + 1 if text[1:place].strip() else 0
    return 0


def tell_lengths(name, lines):
    if len(lines) > GUIDE_LINES:
        print(f"{name}: {len(lines)} lines (guide: {GUIDE_LINES})")
    if 'R"sql(' in "".join(lines):
        return  # one long statement is not one long function
    for number, function, length, takes in functions(lines):
        if length > GUIDE_FUNCTION_LINES:
            print(f"{name}:{number}: {function} has {length} lines (guide: {GUIDE_FUNCTION_LINES})")
        if takes > GUIDE_PARAMETERS:
            print(f"{name}:{number}: {function} takes {takes} parameters (guide: {GUIDE_PARAMETERS})")


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
        if not is_test:
            tell_lengths(name, lines)
        for number, line in enumerate(lines, 1):
            if module in ("base", "app") or is_test or "NOLINT" in line:
                continue
            for pattern, instead in BANNED.items():
                if re.search(pattern, line.split("//")[0]):
                    print(f"{name}:{number}: banned: {instead}")
                    faults += 1
    return 1 if faults else 0


sys.exit(main())
