"""Columns and values as the tests write them: types are weir's texts, values are what JSON can hold.

    bigint integer double float boolean varchar     as they are
    decimal(p,s)                                     text with exactly s digits after the point
    date, timestamp                                  2026-01-31, 2026-01-31T12:00:00.000001Z (UTC)
    blob                                             base64
    T[], struct(a T, b T), map(varchar, T)           list, object, object

Every reader's rows are brought into this form before they are compared, so that equal means equal to
the last digit. This module is also imported inside Spark's process, and needs nothing but Python.
"""
import base64
import contextlib
import dataclasses
import datetime as dt
import decimal
import random

WIDE = decimal.Context(prec=77)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
TO_SPARK = {"bigint": "bigint", "integer": "int", "double": "double", "float": "float", "boolean": "boolean",
            "varchar": "string", "date": "date", "timestamp": "timestamp", "blob": "binary"}


@dataclasses.dataclass(frozen=True)
class Type:
    """Its name is list, struct or map for a nested one; fields are its parts, by name."""
    name: str
    fields: tuple[tuple[str, "Type"], ...] = ()
    precision: int = 0
    scale: int = 0

    @property
    def element(self) -> "Type":
        return self.fields[-1][1]

    def spark(self) -> str:
        """As Spark writes it, in SQL and in simpleString()."""
        if self.name == "decimal":
            return f"decimal({self.precision},{self.scale})"
        if self.name == "list":
            return f"array<{self.element.spark()}>"
        if self.name == "map":
            return "map<" + ",".join(part.spark() for _, part in self.fields) + ">"
        if self.name == "struct":
            return "struct<" + ",".join(f"{name}:{part.spark()}" for name, part in self.fields) + ">"
        return TO_SPARK[self.name]


def parts_of(text: str) -> list[str]:
    """What stands between the commas of the outermost parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += character in "("
        depth -= character in ")"
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def parse(text: str) -> Type:
    text = text.strip()
    if text.endswith("[]"):
        return Type("list", (("element", parse(text[:-2])),))
    name, _, inside = text.partition("(")
    inside = inside.rpartition(")")[0]
    if name == "decimal":
        precision, scale = map(int, inside.split(","))
        return Type("decimal", precision=precision, scale=scale)
    if name == "struct":
        named = [part.partition(" ") for part in parts_of(inside)]
        return Type("struct", tuple((part, parse(kind)) for part, _, kind in named))
    if name == "map":
        key, value = parts_of(inside)
        return Type("map", (("key", parse(key)), ("value", parse(value))))
    if name not in TO_SPARK:
        raise ValueError(f"there is no type '{text}'")
    return Type(name)


def types_of(schema) -> dict[str, Type]:
    """Of a schema as the protocol writes it: [{"name": …, "type": …, "nullable": …}, …]."""
    return {column["name"]: parse(column["type"]) for column in schema}


def columns(**types: str) -> list[dict]:
    return [{"name": name, "type": text, "nullable": True} for name, text in types.items()]


def from_text(kind: Type, value):
    """The Python value of one in JSON, as Spark and Arrow take it."""
    if value is None:
        return None
    match kind.name:
        case "decimal":
            return decimal.Decimal(value)
        case "date":
            return dt.date.fromisoformat(value)
        case "timestamp":
            return dt.datetime.fromisoformat(value.replace("Z", "+00:00"))
        case "blob":
            return base64.b64decode(value)
        case "double" | "float":
            return float(value)
        case "list":
            return [from_text(kind.element, item) for item in value]
        case "struct":
            return {name: from_text(part, value[name]) for name, part in kind.fields}
        case "map":
            return {key: from_text(kind.element, item) for key, item in value.items()}
    return value


def to_text(kind: Type, value):
    """The JSON form of a value that Spark or Arrow gave."""
    if value is None:
        return None
    match kind.name:
        case "decimal":
            # Spark hands out 1E-10 with two zeros more; a value that is not one of the type stays as it is.
            with contextlib.suppress(decimal.InvalidOperation):
                exact = value.quantize(decimal.Decimal(1).scaleb(-kind.scale), context=WIDE)
                value = exact if exact == value else value
            return f"{value:f}"
        case "date":
            return value.isoformat()
        case "timestamp":
            moment = value if value.tzinfo else value.replace(tzinfo=dt.timezone.utc)
            return moment.astimezone(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ").zfill(27)
        case "blob":
            return base64.b64encode(bytes(value)).decode()
        case "list":
            return [to_text(kind.element, item) for item in value]
        case "struct":
            return {name: to_text(part, value[name]) for name, part in kind.fields}
        case "map":
            pairs = value.items() if isinstance(value, dict) else value
            return {key: to_text(kind.element, item) for key, item in sorted(pairs)}
    return value


WORDS = ["", " ", "a", "Ø", "naïve", "日本", "x\ty", "line\nbreak", 'quo"te', "back\\slash", "a=b", "%41", "__null__", "𝄞"]


def random_value(kind: Type, dice: random.Random, nulls: float = 0.1):
    """Edges as likely as the common; never a not-a-number, which is not equal to itself."""
    if dice.random() < nulls:
        return None
    match kind.name:
        case "bigint":
            return dice.choice([0, -1, 2**63 - 1, -2**63, dice.randrange(-1000, 1000)])
        case "integer":
            return dice.choice([0, 2**31 - 1, -2**31, dice.randrange(-1000, 1000)])
        case "double":
            return dice.choice([0.0, 1e300, -1e-300, 0.1, dice.random()])
        case "float":  # Exact in 32 bits.
            return dice.choice([0.0, 2.0**100, -0.5, dice.randrange(-2**20, 2**20) / 64])
        case "boolean":
            return dice.random() < 0.5
        case "varchar":
            return dice.choice(WORDS) if dice.random() < 0.3 else f"w{dice.randrange(10**6)}"
        case "decimal":
            most = 10**kind.precision - 1
            digits = dice.choice([0, 1, -1, most, -most, dice.randrange(-most, most)])
            return to_text(kind, decimal.Context(prec=kind.precision + 1).scaleb(decimal.Decimal(digits), -kind.scale))
        case "date":
            days = dice.choice([0, -1, -100_000, -150_000, -719_162, 2_000_000, dice.randrange(20_000)])
            return to_text(kind, dt.date(1970, 1, 1) + dt.timedelta(days=days))
        case "timestamp":
            micros = dice.choice([0, -1, 1, -10**15, -10**16, -5 * 10**16, dice.randrange(2 * 10**15)])
            return to_text(kind, EPOCH + dt.timedelta(microseconds=micros))
        case "blob":
            return base64.b64encode(dice.randbytes(dice.randrange(6))).decode()
        case "list":
            # Spark's upsert fails on a null in a list, unless told otherwise: arrays_test.
            return [random_value(kind.element, dice, 0) for _ in range(dice.randrange(4))]
        case "struct":
            return {name: random_value(part, dice) for name, part in kind.fields}
        case "map":
            keys = sorted({f"k{dice.randrange(10)}" for _ in range(dice.randrange(4))})
            return {key: random_value(kind.element, dice) for key in keys}
    raise ValueError(kind)
