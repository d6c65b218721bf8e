"""The canonical form of a row, version 1, written from docs/format/canonical.md alone.

Standard library only, so that a Spark job can carry it along. Values are Python's own: bool, int,
Decimal, float, str, bytes, date, time, datetime (without a zone: UTC), UUID, list or tuple, Struct,
and dict for a map. A Spark Row is taken as a struct.
"""

import datetime
import decimal
import hashlib
import math
import struct
import uuid

VERSION = b"\x01"
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MICROSECOND = datetime.timedelta(microseconds=1)
LEAST_NUMBER = -(1 << 127)
GREATEST_NUMBER = (1 << 127) - 1


class Struct(dict):
    """Fields by name; a plain dict is a map."""


def unsigned(number: int) -> bytes:
    """LEB128: seven bits a byte, lowest first, the top bit says that more follow."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def signed(number: int) -> bytes:
    """Zig-zag: 0, −1, 1, −2 become 0, 1, 2, 3."""
    return unsigned(number * 2 if number >= 0 else -number * 2 - 1)


def prefixed(content: bytes) -> bytes:
    return unsigned(len(content)) + content


def number(unscaled: int, scale: int) -> bytes:
    while scale > 0 and unscaled % 10 == 0:
        unscaled //= 10
        scale -= 1
    if not LEAST_NUMBER <= unscaled <= GREATEST_NUMBER:
        raise ValueError(f"{unscaled} is beyond 128 bits")
    size = 1
    while not -(1 << (8 * size - 1)) <= unscaled < 1 << (8 * size - 1):
        size += 1
    return b"i" + unsigned(scale) + prefixed(unscaled.to_bytes(size, "big", signed=True))


def decimal_number(value: decimal.Decimal) -> bytes:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{value} is no number")
    unscaled = int("".join(map(str, digits))) * (-1 if sign else 1)
    if exponent > 0:
        unscaled *= 10**exponent
        exponent = 0
    return number(unscaled, -exponent)


def floating(value: float) -> bytes:
    if math.isnan(value):
        return b"f" + bytes.fromhex("7ff8000000000000")
    return b"f" + struct.pack(">d", 0.0 if value == 0 else value)


def microseconds_of_day(value: datetime.time) -> int:
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return seconds * 1_000_000 + value.microsecond


def instant(value: datetime.datetime) -> int:
    if value.tzinfo is None:
        value = value.replace(tzinfo=datetime.timezone.utc)
    return (value - EPOCH) // MICROSECOND


def fields(row: dict) -> list[bytes]:
    """Name and value of each field that is not NULL, sorted by the bytes of the name."""
    named = sorted((name.encode(), value) for name, value in row.items() if value is not None)
    return [prefixed(name) + encode(value) for name, value in named]


def encode(value) -> bytes:
    if hasattr(value, "asDict"):
        value = Struct(value.asDict())
    if value is None:
        return b"n"
    if isinstance(value, bool):
        return b"b\x01" if value else b"b\x00"
    if isinstance(value, int):
        return number(value, 0)
    if isinstance(value, decimal.Decimal):
        return decimal_number(value)
    if isinstance(value, float):
        return floating(value)
    if isinstance(value, str):
        return b"t" + prefixed(value.encode())
    if isinstance(value, (bytes, bytearray)):
        return b"x" + prefixed(bytes(value))
    if isinstance(value, datetime.datetime):
        return b"s" + signed(instant(value))
    if isinstance(value, datetime.date):
        return b"d" + signed((value - EPOCH.date()).days)
    if isinstance(value, datetime.time):
        return b"h" + unsigned(microseconds_of_day(value))
    if isinstance(value, uuid.UUID):
        return b"u" + value.bytes
    if isinstance(value, (list, tuple)):
        return b"l" + unsigned(len(value)) + b"".join(map(encode, value))
    if isinstance(value, Struct):
        parts = fields(value)
        return b"r" + unsigned(len(parts)) + b"".join(parts)
    if isinstance(value, dict):
        pairs = sorted((encode(key), encode(item)) for key, item in value.items())
        return b"m" + unsigned(len(pairs)) + b"".join(key + item for key, item in pairs)
    raise TypeError(f"the canonical form has no {type(value).__name__}")


def canonical_bytes(row: dict) -> bytes:
    return VERSION + b"".join(fields(row))


def canonical_hash(row: dict) -> str:
    return hashlib.sha256(canonical_bytes(row)).hexdigest()[:32]
