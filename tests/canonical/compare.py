"""Compares the Python implementation with the vectors, and with both of C++ over random rows.

    compare.py vectors DOC            every vector, and that the page shows them all
    compare.py random TOOL [COUNT [SEED]]
"""

import decimal
import json
import pathlib
import random
import string
import subprocess
import sys

import canonical
import typed

HERE = pathlib.Path(__file__).parent


def check_vectors(page: pathlib.Path) -> None:
    vectors = json.loads((HERE / "vectors.json").read_text())
    text = page.read_text()
    assert len(vectors) > 60
    for vector in vectors:
        row = typed.row_of(vector["row"])
        got = canonical.canonical_bytes(row).hex()
        assert got == vector["bytes"], f"{vector['about']}: {got}, not {vector['bytes']}"
        got = canonical.canonical_hash(row)
        assert got == vector["hash"], f"{vector['about']}: {got}, not {vector['hash']}"
        assert vector["sql"] == typed.struct_to_sql(vector["row"]), vector["about"]
        assert vector["hash"] in text, f"{page} does not show '{vector['about']}'"
    print(f"{len(vectors)} vectors agree")


class RandomRow:
    def __init__(self, seed: int):
        self.random = random.Random(seed)

    def number(self) -> dict:
        digits = self.random.randint(1, 38)
        scale = self.random.choice([0, 0, self.random.randint(0, digits)])
        unscaled = self.random.randint(-(10**digits) + 1, 10**digits - 1)
        if self.random.random() < 0.3:
            unscaled = unscaled // 10**(digits // 2) * 10**(digits // 2)
        value = decimal.Decimal(unscaled).scaleb(-scale, decimal.Context(prec=60))
        return {"number": f"{value:f}"}

    def text(self) -> str:
        letters = string.ascii_letters + " '\"\\\n\täß東🛩\u0301"
        size = self.random.choice([0, 1, 5, 12, 13, 40, 200])
        return "".join(self.random.choice(letters) for _ in range(size))

    def float_text(self) -> str:
        return self.random.choice([
            lambda: repr(self.random.gauss(0, 1)), lambda: repr(self.random.uniform(-1e300, 1e300)),
            lambda: "nan", lambda: "inf", lambda: "-inf", lambda: "-0.0", lambda: "5e-324",
            lambda: repr(float(self.random.randint(-10**6, 10**6)))])()

    def scalar(self, kind: str) -> dict:
        if kind == "number":
            return self.number()
        return {kind: {
            "boolean": lambda: self.random.random() < 0.5,
            "float": self.float_text,
            "text": self.text,
            "blob": lambda: self.random.randbytes(self.random.choice([0, 3, 20])).hex(),
            "date": lambda: self.random.randint(-719162, 2932896),
            "time": lambda: self.random.randint(0, 86399999999),
            "timestamp": lambda: self.random.randint(-62135596800000000, 253402300799999999),
            "uuid": lambda: "%08x-%04x-%04x-%04x-%012x" % tuple(
                self.random.getrandbits(4 * n) for n in (8, 4, 4, 4, 12)),
        }[kind]()}

    KINDS = ["number", "boolean", "float", "text", "blob", "date", "time", "timestamp", "uuid"]

    def value(self, kind: str, depth: int):
        if self.random.random() < 0.15:
            return None
        if kind == "list":
            # Elements of one kind; numbers get one scale, as DuckDB gives them one type.
            inner = self.kind(depth + 1)
            return {"list": [self.element(inner, depth + 1) for _ in range(self.random.randint(0, 4))]}
        if kind == "struct":
            return {"struct": self.fields(depth + 1, self.random.randint(1, 4))}
        if kind == "map":
            keys = {self.text() for _ in range(self.random.randint(0, 4))}
            inner = self.kind(2)
            return {"map": [[{"text": key}, self.element(inner, 2)] for key in sorted(keys)]}
        return self.scalar(kind)

    def element(self, kind: str, depth: int):
        if kind == "number":
            return {"number": str(self.random.randint(-10**20, 10**20))}
        if kind in ("list", "struct", "map"):
            return {"list": [{"text": self.text()} for _ in range(self.random.randint(0, 3))]}
        return self.value(kind, depth)

    def kind(self, depth: int) -> str:
        nested = ["list", "struct", "map"] if depth < 2 else []
        return self.random.choice(self.KINDS + nested)

    def fields(self, depth: int, count: int) -> dict:
        # DuckDB folds the case of names: two that differ only there cannot be in one struct.
        names = {}
        for _ in range(count):
            name = "".join(self.random.choice("abcxyz_ ä東") for _ in range(self.random.randint(1, 6)))
            names[name] = self.value(self.kind(depth), depth)
        return names


def check_random(tool: str, count: int, seed: int) -> None:
    rows = [RandomRow(seed + i).fields(0, 1 + i % 12) for i in range(count)]
    lines = "".join(json.dumps({"row": row, "sql": typed.struct_to_sql(row)}) + "\n" for row in rows)
    done = subprocess.run([tool], input=lines, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers = done.stdout.splitlines()
    assert len(answers) == count, f"{len(answers)} answers for {count} rows"
    for i, (row, answer) in enumerate(zip(rows, answers)):
        expected = canonical.canonical_hash(typed.row_of(row))
        writer, duckdb = answer.split()
        assert writer == expected == duckdb, (
            f"seed {seed + i}: Python {expected}, CanonicalWriter {writer}, DuckDB {duckdb}\n"
            f"{json.dumps(row)}\n{typed.struct_to_sql(row)}")
    print(f"{count} random rows agree")


if __name__ == "__main__":
    if sys.argv[1] == "vectors":
        check_vectors(pathlib.Path(sys.argv[2]))
    else:
        check_random(sys.argv[2], int((sys.argv[3:] or ["2000"])[0]), int((sys.argv[4:] or ["1"])[0]))
