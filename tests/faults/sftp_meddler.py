"""Between sshd and OpenSSH's own sftp-server, as the subsystem of sftp_server.Server: hands on packets as they are, and
misbehaves at those that a script names.

    Subsystem sftp python3 sftp_meddler.py FOLDER

FOLDER/script.json is the script: {"fault", "where", "first", "times", "is_plain", "victim"}; `where` is a kind of
request (see KINDS), `first` its number that is struck first, `times` how many are struck from there on. FOLDER/log gets
a line for each request, FOLDER/struck one for each that was struck: all sessions of a test count together. `is_plain`
hides the extensions, as servers do that are not OpenSSH. `victim` is the file that changes under its reader.
"""
import json
import os
import pathlib
import select
import signal
import struct
import subprocess
import sys

SERVER = "/usr/lib/openssh/sftp-server"
KINDS = {3: "open", 4: "close", 5: "read", 6: "write", 7: "lstat", 8: "fstat", 9: "setstat", 11: "opendir", 12: "readdir",
         13: "remove", 14: "mkdir", 16: "realpath", 17: "stat", 18: "rename"}
STATUS, HANDLE, DATA, NAME, ATTRIBUTES = 101, 102, 103, 104, 105
HAS_SIZE = 1

# What is answered in place of the server, and nothing happens there.
INSTEAD = {
    "failure": (4, "Failure"),
    "denied": (3, "Permission denied"),
    "no_such_file": (2, "No such file"),
    "bad_message": (5, "Bad message"),
    "no_connection": (6, "No connection"),
    "connection_lost": (7, "Connection lost"),
    "unsupported": (8, "Operation unsupported"),
    "no_space": (14, "No space on filesystem"),
    "quota": (15, "Quota exceeded"),
    "rude": (4, "\x1b[31mred\r\nweir: all is well\x07 \x00 \u202e" + "long " * 3000),
    "end_of_file": (1, "End of file"),
    "nonsense_status": (4_000_000_000, "?"),
}
# The request does not come to the server; the channel ends, the line is cut, or nothing more is heard.
BEFORE = ("end_before", "cut_before", "hang_before")
# The same after the server has done what was asked for; and answers that are not as the server gave them.
AFTER = ("end_after", "cut_after", "hang_after", "half_packet", "failure_after")
ANSWERS = ("wrong_id", "old_id", "flood", "wrong_kind", "too_long", "no_length", "cut_short", "late")
READS = ("half_data", "empty_data", "too_much_data")
STATS = ("size_more", "size_less", "no_attributes")
LISTS = ("one_by_one", "backwards", "twice", "no_names", "dots", "odd_names", "ghost", "as_link")
CHANGES = ("grows", "shrinks", "replaced", "touched", "vanishes")


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack(">I", len(raw)) + raw


def framed(body):
    return struct.pack(">I", len(body)) + body


def status(request, code, words):
    return bytes([STATUS]) + request + struct.pack(">I", code) + text(words) + text("")


def take_text(raw, at):
    size = struct.unpack_from(">I", raw, at)[0]
    return raw[at + 4:at + 4 + size], at + 4 + size


def skip_attributes(raw, at):
    flags = struct.unpack_from(">I", raw, at)[0]
    return at + 4 + 8 * bool(flags & 1) + 8 * bool(flags & 2) + 4 * bool(flags & 4) + 8 * bool(flags & 8)


def names_of(body):
    """Of a NAME answer: leaf, long line and attributes of each entry."""
    found, at = [], 9
    for _ in range(struct.unpack_from(">I", body, 5)[0]):
        leaf, at = take_text(body, at)
        line, at = take_text(body, at)
        end = skip_attributes(body, at)
        found.append((leaf, line, body[at:end]))
        at = end
    return found


def names(request, entries):
    return bytes([NAME]) + request + struct.pack(">I", len(entries)) + b"".join(text(leaf) + text(line) + rest
                                                                               for leaf, line, rest in entries)


def with_size(attributes, change):
    """A size that is another one; of entries without one nothing is changed."""
    flags, size = struct.unpack_from(">IQ", attributes + bytes(12))
    if not flags & HAS_SIZE or size < 2:
        return attributes
    return attributes[:4] + struct.pack(">Q", size + change) + attributes[12:]


class Meddler:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.script = json.loads((self.folder / "script.json").read_text())
        log = self.folder / "log"
        self.seen = log.read_text().split().count(self.script["where"]) if log.exists() else 0
        self.log = open(log, "a", buffering=1)
        self.struck = open(self.folder / "struck", "a", buffering=1)
        self.server = subprocess.Popen([SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pending, self.held, self.queue = {}, None, []

    # The two directions

    def run(self):
        asked, answered = b"", b""
        while True:
            ready = select.select([0, self.server.stdout], [], [], 0.02 if self.held else None)[0]
            if not ready:
                self.release()
            if 0 in ready:
                piece = os.read(0, 1 << 16)
                if not piece:
                    return self.end()
                asked = self.each(asked + piece, self.on_request)
            if self.server.stdout in ready:
                piece = os.read(self.server.stdout.fileno(), 1 << 16)
                if not piece:
                    return self.end()
                answered = self.each(answered + piece, self.on_answer)

    @staticmethod
    def each(stream, handle):
        while len(stream) >= 4:
            size = struct.unpack_from(">I", stream)[0]
            if len(stream) < 4 + size:
                break
            handle(stream[4:4 + size])
            stream = stream[4 + size:]
        return stream

    def to_server(self, body):
        self.server.stdin.write(framed(body))
        self.server.stdin.flush()

    @staticmethod
    def to_client(body):
        Meddler.raw_to_client(framed(body))

    @staticmethod
    def raw_to_client(raw):
        while raw:
            raw = raw[os.write(1, raw):]

    # Ends

    def end(self):
        self.server.kill()
        os._exit(0)

    def cut(self):
        """The line itself, not the channel alone: its sshd dies."""
        pid = os.getpid()
        while pid > 1:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text()
            name, rest = fields[fields.index("(") + 1:fields.rindex(")")], fields[fields.rindex(")") + 2:].split()
            if name.startswith("sshd"):
                os.kill(pid, signal.SIGKILL)
                break
            pid = int(rest[1])
        self.end()

    def hang(self):
        while os.read(0, 1 << 16):
            pass
        self.end()

    # Requests

    def strikes(self, kind):
        if kind != self.script["where"]:
            return None
        self.seen += 1
        nth = self.seen - self.script["first"]
        if not 0 <= nth < self.script["times"]:
            return None
        self.struck.write(f"{kind}\n")
        return self.script["fault"]

    def on_request(self, body):
        if body[0] == 1:
            return self.to_server(body)
        kind = KINDS.get(body[0]) or take_text(body, 5)[0].decode().partition("@")[0]
        self.log.write(f"{kind}\n")
        if kind == "readdir" and self.queue:
            return self.to_client(names(body[1:5], [self.queue.pop(0)]))
        fault, request = self.strikes(kind), body[1:5]
        if fault in INSTEAD:
            return self.to_client(status(request, *INSTEAD[fault]))
        if fault in BEFORE:
            return {"end": self.end, "cut": self.cut, "hang": self.hang}[fault.partition("_")[0]]()
        if fault in CHANGES:
            self.change(fault)
        elif fault:
            self.pending[request] = fault
        self.to_server(body)

    def change(self, how):
        victim = pathlib.Path(self.script["victim"])
        if not victim.exists():
            return
        if how == "grows":
            with open(victim, "ab") as file:
                file.write(b"900,9.00\n")
        elif how == "shrinks":
            os.truncate(victim, victim.read_bytes().rindex(b"\n", 0, -10) + 1)
        elif how == "replaced":  # as many bytes, another time
            content = bytearray(victim.read_bytes())
            content[-2:-1] = b"7"
            victim.write_bytes(content)
        elif how == "touched":
            os.utime(victim, (1_600_000_000, 1_600_000_000))
        else:
            victim.unlink()

    # Answers

    def on_answer(self, body):
        if body[0] == 2:
            return self.to_client(body[:5] if self.script.get("is_plain") else body)
        fault = self.pending.pop(body[1:5], None)
        if fault is None:
            self.to_client(body)
            return self.release()
        answer = getattr(self, fault, None)
        if answer is not None:
            answer(body)
        elif fault in LISTS:
            self.listing(fault, body)
        elif fault in STATS:
            self.attributes(fault, body)
        else:
            raise ValueError(fault)

    def release(self):
        if self.held:
            held, self.held = self.held, None
            self.to_client(held)

    def end_after(self, _body):
        self.end()

    def cut_after(self, _body):
        self.cut()

    def hang_after(self, _body):
        self.hang()

    def half_packet(self, body):
        raw = framed(body)
        self.raw_to_client(raw[:len(raw) // 2])
        self.end()

    def failure_after(self, body):
        self.to_client(status(body[1:5], *INSTEAD["failure"]))

    def wrong_id(self, body):
        self.to_client(body[:1] + struct.pack(">I", 0xFFFFFFF0) + body[5:])

    def old_id(self, body):
        """The answer to a request that was answered already."""
        self.to_client(body[:1] + struct.pack(">I", 1) + body[5:])

    def flood(self, body):
        """Answers that nobody asked for, for as long as they are taken."""
        try:
            while True:
                self.to_client(body[:1] + struct.pack(">I", 0xFFFFFFF0) + body[5:])
        except OSError:
            self.end()

    def wrong_kind(self, body):
        kind = {STATUS: HANDLE, HANDLE: DATA, DATA: NAME, NAME: ATTRIBUTES, ATTRIBUTES: STATUS}[body[0]]
        self.to_client(bytes([kind]) + body[1:5] + struct.pack(">I", 0) + body[9:])

    def too_long(self, body):
        self.raw_to_client(struct.pack(">I", 0x7FFFFFFF) + body)

    def no_length(self, body):
        self.raw_to_client(struct.pack(">I", 0) + body)

    def cut_short(self, body):
        """A packet that is whole, and whose fields are not."""
        self.to_client(body[:7])

    def late(self, body):
        """Behind the answer that comes after it."""
        self.release()
        self.held = body

    def data_of(self, body):
        return take_text(body, 5)[0] if body[0] == DATA else None

    def half_data(self, body):
        data = self.data_of(body)
        self.to_client(body if data is None else body[:5] + text(data[:(len(data) + 1) // 2]))

    def empty_data(self, body):
        self.to_client(bytes([DATA]) + body[1:5] + text(b""))

    def too_much_data(self, body):
        data = self.data_of(body)
        self.to_client(body if data is None else body[:5] + text(data + b"9,9.99\n"))

    def attributes(self, fault, body):
        def lie(attributes):
            if fault == "no_attributes":
                return struct.pack(">I", 0)
            return with_size(attributes, 1 if fault == "size_more" else -1)
        if body[0] == ATTRIBUTES:
            body = body[:5] + lie(body[5:])
        elif body[0] == NAME:
            body = names(body[1:5], [(leaf, line, lie(rest)) for leaf, line, rest in names_of(body)])
        self.to_client(body)

    def listing(self, fault, body):
        request = body[1:5]
        if body[0] != NAME:
            return self.to_client(body)
        entries = names_of(body)
        file = next((rest for leaf, _, rest in entries if leaf.endswith(b".csv")), entries[0][2])
        odd = [b"../../etc/passwd.csv", b"/etc/passwd.csv", b"a/b.csv", b"", b"\xff\xfe.csv", b"a\nb.csv.done", b"x\x00.csv",
               b"\x1b[2J.csv.done", b".weir-tmp-0.csv", b"n" * 5000 + b".csv"]
        if fault == "one_by_one":
            self.queue = entries[1:]
            return self.to_client(names(request, entries[:1]))
        changed = {"backwards": entries[::-1], "twice": entries * 2, "no_names": [], "dots": entries[:0] + [(b".", b".", entries[0][2])],
                   "odd_names": entries + [(leaf, b"", file) for leaf in odd],
                   "ghost": entries + [(b"ghost.csv", b"", file), (b"ghost.csv.done", b"", file)],
                   "as_link": [(leaf, line, b"\0\0\0\x04\0\0\xa1\xff" if rest == file else rest) for leaf, line, rest in entries]}[fault]
        self.to_client(names(request, changed))
        if fault in ("no_names", "dots"):
            self.lists_on(request, changed)

    def lists_on(self, _request, changed):
        """The folder never ends."""
        self.on_request = lambda body: self.to_client(names(body[1:5], changed)) if body[0] == 12 else Meddler.on_request(self, body)


if __name__ == "__main__":
    Meddler(sys.argv[1]).run()
