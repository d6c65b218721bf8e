"""Reads .flow files into cases and writes expected parts back. It knows the text, not weir.

README.md beside this file says what a .flow file holds. Every fault is told with file:line; a file
with a fault is not run at all."""
import dataclasses
import difflib
import pathlib
import re
import shlex

NOTHING = "(nothing)"
ANYTHING = "..."
DIVIDER = "----"

# The words after a directive, and whether it is followed by what it is expected to give.
COMMANDS = ("apply", "run", "retry", "weir", "query", "warehouse", "catalog", "files")
KILLED = ("apply", "run", "retry")  # done twice, and killed at their writes
SETUP = ("file", "remove", "env")
MODIFIERS = ("exit", "again")
DIRECTIVES = ("case", *SETUP, *COMMANDS, *MODIFIERS)
WITH_SQL = ("query", "warehouse", "catalog")


class FlowFaults(Exception):
    """What is wrong with the text of a file: a list of `file:line: message`."""

    def __init__(self, faults):
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclasses.dataclass
class Step:
    line: int  # of the directive, from 1
    directive: str
    words: str
    body: list[str] = dataclasses.field(default_factory=list)  # without its indentation
    has_body: bool = False
    body_begin: int = 0  # index of the first line of the expected part, and behind its last one
    body_end: int = 0
    status: int = 0
    status_line: int | None = None  # index of the `exit` line
    again: str = ""  # why a second run may write

    def arguments(self):
        return shlex.split(self.words)


@dataclasses.dataclass
class Case:
    line: int
    title: str
    steps: list[Step] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class FlowFile:
    path: pathlib.Path
    lines: list[str]
    preamble: list[Step]
    cases: list[Case]


class Parser:
    def __init__(self, path: pathlib.Path, text: str, must_expect: bool):
        self.path, self.must_expect = path, must_expect
        self.lines = text.splitlines()
        self.faults: list[str] = []
        self.preamble: list[Step] = []
        self.cases: list[Case] = []
        self.last: Step | None = None  # what a body or a modifier belongs to

    def fault(self, line: int, message: str):
        self.faults.append(f"{self.path}:{line}: {message}")

    def parse(self) -> FlowFile:
        index = 0
        while index < len(self.lines):
            text = self.lines[index]
            if text.startswith("#"):
                self.last = None
            elif text.startswith((" ", "\t")):
                self.fault(index + 1, "a line that belongs to no directive: bodies follow theirs, two spaces in")
            elif text.strip():
                index = self.directive(index)
                continue
            index += 1
        self.check_whole()
        if self.faults:
            raise FlowFaults(self.faults)
        return FlowFile(self.path, self.lines, self.preamble, self.cases)

    def directive(self, index: int) -> int:
        """Takes the directive at this index with its body; gives the index of the next line."""
        word, _, words = self.lines[index].partition(" ")
        step = Step(index + 1, word, words.strip())
        end = self.take_body(step, index + 1)
        if word not in DIRECTIVES:
            near = difflib.get_close_matches(word, DIRECTIVES, 1)
            self.fault(step.line, f"unknown directive '{word}'" + (f": did you mean '{near[0]}'?" if near else
                                                                    f": there are {', '.join(DIRECTIVES)}"))
        elif word in MODIFIERS:
            self.modifier(step)
        elif word == "case":
            self.case(step)
        else:
            self.step(step)
        return end

    def take_body(self, step: Step, index: int) -> int:
        """Indented lines, and empty ones between them. What is two spaces in loses these two."""
        end = index
        for at in range(index, len(self.lines)):
            if self.lines[at].startswith("  "):
                end = at + 1
            elif self.lines[at].strip():
                if self.lines[at].startswith((" ", "\t")):
                    self.fault(at + 1, "bodies stand two spaces in")
                    end = at + 1
                    continue
                break
        step.body = [line[2:] for line in self.lines[index:end]]
        step.has_body = end > index
        step.body_begin, step.body_end = index, end
        return end

    def modifier(self, step: Step):
        target = self.last
        if step.has_body:
            self.fault(step.line, f"'{step.directive}' has no body")
        if target is None or target.directive not in COMMANDS or target.directive in ("catalog", "files"):
            self.fault(step.line, f"'{step.directive}' follows a command of weir")
        elif step.directive == "exit":
            if not re.fullmatch(r"[0-9]{1,3}", step.words):
                self.fault(step.line, f"'exit {step.words}': one number from 0 to 255")
            else:
                target.status, target.status_line = int(step.words), step.line - 1
        elif target.directive not in ("run", "retry"):
            self.fault(step.line, "'again' follows a run or retry")
        elif not step.words:
            self.fault(step.line, "'again' says why the same run writes once more")
        else:
            target.again = step.words

    def case(self, step: Step):
        self.last = None
        if not step.words:
            self.fault(step.line, "a case has a title: a claim, such as `case a number that is none is rejected`")
        if step.has_body:
            self.fault(step.line, "'case' has no body: its steps follow, not indented")
        for other in self.cases:
            if other.title == step.words:
                self.fault(step.line, f"the case of line {other.line} has the same title")
        self.cases.append(Case(step.line, step.words))

    def step(self, step: Step):
        self.last = step
        if not self.cases and step.directive not in SETUP:
            self.fault(step.line, f"'{step.directive}' stands before the first case: only {', '.join(SETUP)} may")
        (self.cases[-1].steps if self.cases else self.preamble).append(step)
        if step.directive in WITH_SQL:
            self.check_sql(step)
        else:
            self.check_words(step)
        if step.directive in COMMANDS and not step.has_body and self.must_expect:
            self.fault(step.line, f"'{step.directive}' has no expectation: write what it gives, `{NOTHING}` where "
                                  "that is nothing; --rewrite fills it in")

    def check_words(self, step: Step):
        try:
            words = step.arguments()
        except ValueError as problem:
            self.fault(step.line, f"'{step.directive} {step.words}': {problem}")
            return
        least, most = {"file": (1, 2), "remove": (1, 1), "env": (1, 1), "apply": (0, 0), "run": (1, 99), "retry": (1, 1),
                       "weir": (1, 99), "files": (1, 1)}[step.directive]
        if not least <= len(words) <= most:
            self.fault(step.line, f"'{step.directive}' takes {least}{'' if least == most else ' or more'} "
                                  f"word{'' if most == 1 else 's'}, not '{step.words}'")
        elif step.directive == "file" and len(words) == 2 and not re.fullmatch(r"as=[a-z0-9+-]+", words[1]):
            self.fault(step.line, f"'{words[1]}': after a file's name only as=ENCODING may stand")
        elif step.directive == "env" and not re.fullmatch(r"[A-Z_]+=.*", words[0]):
            self.fault(step.line, f"'env {step.words}': write NAME=value")
        if step.has_body and step.directive in ("remove", "env"):
            self.fault(step.line, f"'{step.directive}' has no body")

    def check_sql(self, step: Step):
        """SQL stands behind the directive, or in the body above a divider."""
        has_divider = DIVIDER in step.body
        if step.words and has_divider:
            self.fault(step.line, f"SQL behind '{step.directive}' and above '{DIVIDER}': one of them")
        elif not step.words and not has_divider:
            if not step.body or self.must_expect:
                self.fault(step.line, f"'{step.directive}' has no SQL: behind it, or in the body above '{DIVIDER}'")
            else:
                step.words, step.body, step.has_body = "\n".join(step.body), [], False
                step.body_begin = step.body_end
        elif has_divider:
            at = step.body.index(DIVIDER)
            step.words = "\n".join(step.body[:at])
            step.body = step.body[at + 1:]
            step.body_begin += at + 1
            step.has_body = bool(step.body)

    def check_whole(self):
        if not self.cases:
            self.fault(max(1, len(self.lines)), "a file without a case")
        for case in self.cases:
            commands = [step for step in case.steps if step.directive in COMMANDS]
            is_firm = any(step.has_body and step.body != [ANYTHING] for step in commands)
            if not commands or (self.must_expect and not is_firm):
                self.fault(case.line, f"case '{case.title}' expects nothing, so it cannot fail")


def read(path: pathlib.Path, must_expect: bool = True) -> FlowFile:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise FlowFaults([f"{path}:1: {problem}"]) from None
    return Parser(path, text, must_expect).parse()


def matches(expected: list[str], found: list[str]) -> bool:
    """Line by line; a line `...` stands for any number of lines."""
    if expected == [NOTHING]:
        return not found
    pattern = "".join("(?:.*\n)*" if line == ANYTHING else re.escape(line) + "\n" for line in expected)
    return re.fullmatch(pattern, "".join(line + "\n" for line in found)) is not None


def difference(expected: list[str], found: list[str]) -> str:
    lines = difflib.unified_diff(expected, found or [NOTHING], "expected", "found", lineterm="", n=2)
    return "\n".join(list(lines)[2:])


@dataclasses.dataclass
class Change:
    """What a step gives instead of what is expected."""
    step: Step
    body: list[str]
    status: int


def rewritten(flow: FlowFile, changes: list[Change]) -> str:
    """The file's text with other expected parts; all else stays as it is."""
    lines = list(flow.lines)
    for change in sorted(changes, key=lambda each: -each.step.line):
        step = change.step
        exit_line = [f"exit {change.status}"] if change.status != 0 else []
        if step.status_line is not None:
            lines[step.status_line:step.status_line + 1] = exit_line
        body = ["  " + line if line else "" for line in change.body or [NOTHING]]
        if step.directive in WITH_SQL and not flow.lines[step.line - 1].partition(" ")[2] and \
                flow.lines[step.body_begin - 1].strip() != DIVIDER:
            body.insert(0, "  " + DIVIDER)
        if step.status_line is None:
            body += exit_line
        lines[step.body_begin:step.body_end] = body
    return "\n".join(lines) + "\n"
