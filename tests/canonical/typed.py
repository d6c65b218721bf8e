"""Rows as the test vectors write them: JSON with one key that names the type. Also their SQL."""

import datetime
import decimal
import uuid

import canonical


def to_python(value):
    if value is None:
        return None
    (kind, content), = value.items()
    if kind == "boolean":
        return content
    if kind == "number":
        return decimal.Context(prec=60).create_decimal(content)
    if kind == "float":
        return float(content)
    if kind == "text":
        return content
    if kind == "blob":
        return bytes.fromhex(content)
    if kind == "date":
        return canonical.EPOCH.date() + datetime.timedelta(days=content)
    if kind == "time":
        return (canonical.EPOCH + datetime.timedelta(microseconds=content)).time()
    if kind == "timestamp":
        return canonical.EPOCH + datetime.timedelta(microseconds=content)
    if kind == "uuid":
        return uuid.UUID(content)
    if kind == "list":
        return [to_python(each) for each in content]
    if kind == "struct":
        return canonical.Struct({name: to_python(each) for name, each in content.items()})
    if kind == "map":
        return {to_python(key): to_python(each) for key, each in content}
    raise ValueError(f"unknown kind {kind}")


def row_of(typed: dict) -> dict:
    return {name: to_python(value) for name, value in typed.items()}


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def name_of(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def number_to_sql(text: str) -> str:
    whole, _, fraction = text.lstrip("-").partition(".")
    if not fraction:
        return f"CAST({quote(text)} AS HUGEINT)"
    digits = len(whole.lstrip("0")) + len(fraction)
    return f"CAST({quote(text)} AS DECIMAL({max(digits, 1)},{len(fraction)}))"


def to_sql(value) -> str:
    """A DuckDB expression of that type and value."""
    if value is None:
        return "NULL"
    (kind, content), = value.items()
    if kind == "boolean":
        return "true" if content else "false"
    if kind == "number":
        return number_to_sql(content)
    if kind == "float":
        return f"CAST({quote(content)} AS DOUBLE)"
    if kind == "text":
        return "''" if content == "" else " || ".join(
            "chr(0)" if part == "\0" else quote(part) for part in _split_nul(content))
    if kind == "blob":
        return f"unhex({quote(content)})"
    if kind == "date":
        return f"(DATE '1970-01-01' + CAST({content} AS INTEGER))"
    if kind == "time":
        return f"CAST(make_timestamp({content}) AS TIME)"
    if kind == "timestamp":
        return f"CAST(make_timestamp({content}) AS TIMESTAMPTZ)"
    if kind == "uuid":
        return f"CAST({quote(content)} AS UUID)"
    if kind == "list":
        return "[" + ", ".join(map(to_sql, content)) + "]"
    if kind == "struct":
        return struct_to_sql(content)
    if kind == "map":
        keys = ", ".join(to_sql(key) for key, _ in content)
        return f"map([{keys}], [{', '.join(to_sql(each) for _, each in content)}])"
    raise ValueError(f"unknown kind {kind}")


def struct_to_sql(fields: dict) -> str:
    return "struct_pack(" + ", ".join(
        f"{name_of(name)} := {to_sql(value)}" for name, value in fields.items()) + ")"


def _split_nul(text: str) -> list[str]:
    parts = []
    for i, part in enumerate(text.split("\0")):
        if i > 0:
            parts.append("\0")
        if part:
            parts.append(part)
    return parts
