"""The symbol versions that an x86-64 ELF file asks of others (or defines), read and changed in place."""
import pathlib
import struct

DT_STRTAB, DT_SYMTAB, DT_VERSYM, DT_VERDEF, DT_VERDEFNUM, DT_VERNEED, DT_VERNEEDNUM = \
    5, 6, 0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
PT_LOAD, PT_DYNAMIC = 1, 2
SHT_GNU_VERSYM = 0x6FFFFFFF


class ElfVersions:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.data = bytearray(self.path.read_bytes())
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{path}: no 64-bit little-endian ELF file")
        table, = self.read("<Q", 0x20)
        size, count = self.read("<HH", 0x36)
        self.loads, self.dynamic = [], {}
        for index in range(count):
            kind, _, offset, address, _, in_file = self.read("<IIQQQQ", table + index * size)
            if kind == PT_LOAD:
                self.loads.append((address, offset, in_file))
            elif kind == PT_DYNAMIC:
                for at in range(offset, offset + in_file, 16):
                    tag, value = self.read("<QQ", at)
                    self.dynamic.setdefault(tag, value)

    def read(self, form, at):
        return struct.unpack_from(form, self.data, at)

    def place(self, tag):
        """Where in the file what a dynamic tag points to begins."""
        address = self.dynamic[tag]
        for start, offset, length in self.loads:
            if start <= address < start + length:
                return address - start + offset
        raise ValueError(f"{self.path}: address {address:#x} is in no segment of the file")

    def text(self, at):
        start = self.place(DT_STRTAB) + at
        return self.data[start:self.data.index(0, start)].decode()

    def needed(self):
        """Each version asked for: (library, version, index, place of its entry)."""
        if DT_VERNEED not in self.dynamic:
            return
        at = self.place(DT_VERNEED)
        for _ in range(self.dynamic[DT_VERNEEDNUM]):
            _, count, file, first, following = self.read("<HHIII", at)
            entry = at + first
            for _ in range(count):
                _, _, index, name, to_next = self.read("<IHHII", entry)
                yield self.text(file), self.text(name), index, entry
                entry += to_next
            at += following

    def symbols_of(self, index):
        """Names of the symbols that ask for the version with that index."""
        symbols, versions = self.place(DT_SYMTAB), self.place(DT_VERSYM)
        names = []
        for at in range(self.symbol_count()):
            version, = self.read("<H", versions + at * 2)
            if version & 0x7FFF == index:
                names.append(self.text(self.read("<I", symbols + at * 24)[0]))
        return names

    def symbol_count(self):
        """No dynamic tag says it; the section of the symbols' versions has one entry each."""
        table, = self.read("<Q", 0x28)
        size, count = self.read("<HH", 0x3A)
        for index in range(count):
            kind, = self.read("<I", table + index * size + 4)
            if kind == SHT_GNU_VERSYM:
                return self.read("<Q", table + index * size + 0x20)[0] // 2
        raise ValueError(f"{self.path}: no section with the versions of symbols")

    def rename_needed(self, entry, like):
        """Makes the entry ask for the same version as the entry `like`."""
        hash_, _, _, name, _ = self.read("<IHHII", like)
        struct.pack_into("<I", self.data, entry, hash_)
        struct.pack_into("<I", self.data, entry + 8, name)

    def hide_defined(self, is_hidden):
        """Nobody finds the defined versions for which is_hidden(name) any more; their names."""
        hidden = []
        at = self.place(DT_VERDEF)
        for _ in range(self.dynamic[DT_VERDEFNUM]):
            _, _, _, _, hash_, first, following = self.read("<HHHHIII", at)
            name = self.text(self.read("<I", at + first)[0])
            if is_hidden(name):
                struct.pack_into("<I", self.data, at + 8, hash_ ^ 0xFFFFFFF)
                hidden.append(name)
            at += following
        return hidden

    def write(self):
        self.path.write_bytes(self.data)


def number(version):
    """`GLIBC_2.34` as something to compare; None for what is no version of glibc by number."""
    if not version.startswith("GLIBC_2."):
        return None
    return tuple(int(part) for part in version.removeprefix("GLIBC_").split("."))
