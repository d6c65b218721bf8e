"""What a disk may hold after the power went away: a model of a file system that loses what was not synced.

    disk = Disk(folder)                  what is there is lasting
    for change in changes(record): disk.apply(change)
    disk.after_power_loss(choice)        {path: bytes, or None for a folder}

The record is tests/shim/shim.c's (WEIR_SHIM_RECORD). The model is POSIX's, not that of a kind
file system such as ext4:

- The bytes and the size of a file are lasting once that file was synced (fsync, fdatasync); not
  by the sync of another file, nor of its folder, nor by its being closed or renamed.
- A name (made, linked, renamed, removed) is lasting once its folder was synced. To sync a file
  does not keep its name; to sync a folder keeps neither the bytes of its files nor its own name.
- Of all else each change may have reached the disk or not, in whatever order: a file may have its
  new name and not its bytes, be shorter, hold zeros where its bytes should be, or the first
  512-byte sectors of a write only. Two changes of one name, or of one range of one file, keep
  their order. A sector is written whole or not at all, and a rename takes place whole or not.
- What is lasting stays as it is: no bits rot, and a sync that said it is done is done.
"""
import contextlib
import dataclasses
import enum
import os
import pathlib
import random
from collections.abc import Callable, Iterator

SECTOR = 512


@dataclasses.dataclass(frozen=True)
class Change:
    call: str
    inode: int
    offset: int
    path: str
    second: str
    content: bytes


def changes(record: pathlib.Path) -> Iterator[Change]:
    text = record.read_bytes()
    at = 0
    while at < len(text):
        end = text.index(b"\n", at)
        call, inode, offset, size, paths = text[at:end].decode().split(" ", 4)
        path, _, second = paths.partition("\t")
        at = end + 1 + int(size)
        yield Change(call, int(inode), int(offset), path, second, text[end + 1:at])


class Kept(enum.Enum):
    """What becomes of a change that was not synced."""
    WHOLE = 1
    LOST = 2
    ZEROS = 3  # its size without its bytes
    TORN = 4  # its first sectors


class File:
    def __init__(self, content=b""):
        self.lasting = bytes(content)
        self.now = bytearray(content)
        self.pending: list[tuple[int, bytes | None]] = []  # (offset, bytes), or (new size, None)

    def write(self, offset: int, content: bytes):
        put(self.now, offset, content)
        self.pending.append((offset, content))

    def resize(self, size: int):
        cut(self.now, size)
        self.pending.append((size, None))

    def sync(self):
        self.lasting, self.pending = bytes(self.now), []

    def after_power_loss(self, choice: "Choice") -> bytes:
        content = bytearray(self.lasting)
        for offset, piece in self.pending:
            kept = choice.of_bytes()
            if kept is Kept.LOST:
                continue
            if piece is None:
                cut(content, offset)
            elif kept is Kept.ZEROS:
                cut(content, max(len(content), offset + len(piece)))
            elif kept is Kept.TORN:
                put(content, offset, piece[:choice.up_to(len(piece) // SECTOR) * SECTOR])
            else:
                put(content, offset, piece)
        return bytes(content)


def put(content: bytearray, offset: int, piece: bytes):
    if len(content) < offset and piece:
        content.extend(bytes(offset - len(content)))
    content[offset:offset + len(piece)] = piece


def cut(content: bytearray, size: int):
    del content[size:]
    content.extend(bytes(size - len(content)))


class Folder:
    def __init__(self):
        self.lasting: dict[str, File | Folder] = {}
        self.now: dict[str, File | Folder] = {}
        self.pending: list[Edit] = []

    def sync(self):
        for edit in list(self.pending):
            edit.last()


@dataclasses.dataclass(eq=False)
class Edit:
    """A change of names that takes place whole or not: (folder, leaf, what it names then)."""
    parts: list[tuple[Folder, str, File | Folder | None]]

    def make(self):
        for folder, leaf, node in self.parts:
            set_name(folder.now, leaf, node)
            if self not in folder.pending:
                folder.pending.append(self)

    def last(self):
        for folder, leaf, node in self.parts:
            set_name(folder.lasting, leaf, node)
            if self in folder.pending:
                folder.pending.remove(self)


def set_name(names: dict, leaf: str, node):
    if node is None:
        names.pop(leaf, None)
    else:
        names[leaf] = node


class Choice:
    """What is kept of what was not synced. Of names each edit is asked for once."""

    def __init__(self, names: Callable[[], bool], content: Callable[[], Kept], up_to=lambda most: most):
        self.of_name, self.of_bytes, self.up_to = names, content, up_to


def nothing() -> Choice:
    return Choice(lambda: False, lambda: Kept.LOST)


def names_only() -> Choice:
    """A file system that writes its journal and is late with the data."""
    return Choice(lambda: True, lambda: Kept.LOST)


def names_and_sizes() -> Choice:
    return Choice(lambda: True, lambda: Kept.ZEROS)


def bytes_only() -> Choice:
    return Choice(lambda: False, lambda: Kept.WHOLE)


def everything() -> Choice:
    return Choice(lambda: True, lambda: Kept.WHOLE)


def at_random(seed) -> Choice:
    """A part of the names, and of the bytes, that is large for some seeds and small for others."""
    dice = random.Random(str(seed))
    names, content = dice.random(), dice.random()

    def of_bytes():
        return Kept.WHOLE if dice.random() < content else dice.choice((Kept.LOST, Kept.ZEROS, Kept.TORN))
    return Choice(lambda: dice.random() < names, of_bytes, lambda most: dice.randint(0, most))


class Disk:
    def __init__(self, root: pathlib.Path):
        self.root = str(pathlib.Path(root).resolve())
        self.inodes: dict[int, File] = {}
        self.top = self.load(self.root)

    def load(self, path: str) -> Folder:
        folder = Folder()
        for entry in os.scandir(path):
            if entry.is_dir(follow_symlinks=False):
                node = self.load(entry.path)
            else:
                node = self.inodes[entry.inode()] = File(pathlib.Path(entry.path).read_bytes())
            folder.now[entry.name] = folder.lasting[entry.name] = node
        return folder

    def place(self, path: str) -> tuple[Folder, str]:
        inside = pathlib.PurePath(path).relative_to(self.root).parts
        folder = self.top
        for leaf in inside[:-1]:
            folder = folder.now[leaf]
        return folder, inside[-1]

    def node(self, path: str) -> File | Folder:
        if path == self.root:
            return self.top
        folder, leaf = self.place(path)
        return folder.now[leaf]

    def edit(self, *parts):
        Edit([(*self.place(path), node) for path, node in parts]).make()

    def apply(self, change: Change):
        call = change.call
        if call == "create":
            self.inodes[change.inode] = File()
            self.edit((change.path, self.inodes[change.inode]))
        elif call in ("mkdir", "mkdirat"):
            self.edit((change.path, Folder()))
        elif call in ("link", "linkat"):
            self.edit((change.second, self.node(change.path)))
        elif call in ("rename", "renameat", "renameat2"):
            self.edit((change.second, self.node(change.path)), (change.path, None))
        elif call in ("unlink", "unlinkat", "remove", "rmdir"):
            self.edit((change.path, None))
        elif call in ("fsync", "fdatasync"):
            self.synced(change).sync()
        elif call != "said":
            self.change_bytes(change, self.inodes[change.inode])

    def synced(self, change: Change) -> File | Folder:
        """By its path where that is a folder's: a file's may be gone, and its inode a new folder's."""
        with contextlib.suppress(KeyError, AttributeError):
            if isinstance(node := self.node(change.path), Folder):
                return node
        return self.inodes[change.inode]

    def change_bytes(self, change: Change, file: File):
        if change.call == "write":
            file.write(change.offset, change.content)
        elif change.call == "content":
            if file.now != change.content:
                file.resize(0)
                file.write(0, change.content)
        elif change.call in ("ftruncate", "ftruncate64"):
            file.resize(change.offset)
        elif change.call in ("fallocate", "fallocate64"):
            file.resize(max(change.offset, len(file.now)))
        else:
            raise ValueError(f"the model knows no '{change.call}'")

    def after_power_loss(self, choice: Choice) -> dict[str, bytes | None]:
        fate: dict[int, bool] = {}
        found: dict[str, bytes | None] = {}
        seen: dict[int, bytes] = {}  # two names of a file have the same bytes

        def is_kept(edit: Edit) -> bool:
            if id(edit) not in fate:
                fate[id(edit)] = choice.of_name()
            return fate[id(edit)]

        def visit(folder: Folder, base: str):
            names = dict(folder.lasting)
            for edit in folder.pending:
                if is_kept(edit):
                    for part, leaf, node in edit.parts:
                        if part is folder:
                            set_name(names, leaf, node)
            for leaf, node in sorted(names.items()):
                path = f"{base}{leaf}"
                if isinstance(node, Folder):
                    found[path] = None
                    visit(node, path + "/")
                else:
                    if id(node) not in seen:
                        seen[id(node)] = node.after_power_loss(choice)
                    found[path] = seen[id(node)]
        visit(self.top, "")
        return found


def write_out(state: dict[str, bytes | None], folder: pathlib.Path):
    for path, content in state.items():
        if content is None:
            (folder / path).mkdir(parents=True, exist_ok=True)
        else:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)


def read_in(folder: pathlib.Path) -> dict[str, bytes | None]:
    """The same of a folder that is there."""
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
            for path in sorted(folder.rglob("*"))}
