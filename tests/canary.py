"""Secrets that a test works with, and the places where they must not turn up: what weir says, and every file
below its project when the test ends, as they are or encoded.

    canary.watch(PASSWORD)                       # from now on, in this process
    canary.check_text("what weir said", text)    # weir_project.Project does both for its programs
    canary.check_folder(folder, but=["home"])    # raises AssertionError
"""
import base64
import pathlib
import urllib.parse

_watched: dict[str, list[bytes]] = {}
_PIECE = 1 << 24


def forms(secret: str) -> list[bytes]:
    """The secret as it may stand in a text."""
    raw = secret.encode()
    found = {raw, urllib.parse.quote(secret, safe="").encode(), urllib.parse.quote_plus(secret).encode(), raw.hex().encode(),
             raw.hex().upper().encode()}
    for before in range(3):  # Within a longer text in Base64: what does not depend on the bytes beside it.
        coded = base64.b64encode(b"\0" * before + raw)
        core = coded[before + 1 if before else 0:(before + len(raw)) * 4 // 3]
        found |= {core, core.replace(b"+", b"-").replace(b"/", b"_")}
    return sorted(found, key=len, reverse=True)


def watch(*secrets: str) -> None:
    for secret in secrets:
        assert len(secret) >= 8, "too short: it stands in other words"
        _watched.setdefault(secret, forms(secret))


def _check(place: str, content: bytes) -> None:
    for secret, each_form in _watched.items():
        for form in each_form:
            if form in content:
                at = content.index(form)
                around = content[max(0, at - 60):at + len(form) + 20]
                raise AssertionError(f"the secret {secret!r} stands in {place}: {around!r}")


def check_text(place: str, text: str) -> None:
    if _watched:
        _check(place, text.encode(errors="replace"))


def check_folder(folder, but=()) -> None:
    """All files below it; `but` are names relative to it that hold secrets, as everybody knows."""
    folder = pathlib.Path(folder)
    if not _watched or not folder.exists():
        return
    longest = max(len(form) for each_form in _watched.values() for form in each_form)
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if not path.is_file() or path.is_symlink() or any(name.is_relative_to(each) for each in but):
            continue
        with open(path, "rb") as file:
            rest = b""
            while piece := file.read(_PIECE):
                _check(str(path), rest + piece)
                rest = piece[-longest:]
