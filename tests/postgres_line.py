"""Between weir and a PostgreSQL server: hands on the messages of its protocol (its documentation, "Message Formats"),
and meddles with one COMMIT.

    line = Line(server, at=3, fault="after")    # the third: it is done, and its answer is lost
    line.url(url); line.port                    # in place of the server's
    line.commits, line.struck
"""
import signal
import socket
import struct
import threading

_BEFORE_STARTUP = (80877103, 80877104)  # SSLRequest, GSSENCRequest


class Line:
    """`fault`: `before`, the connection ends before the server has heard of the COMMIT; `after`, once it has done it; `crash`,
    the server crashes and comes back. `behind`: only COMMITs count that follow a message with these bytes."""

    def __init__(self, server, at=0, fault="none", behind=b""):
        self.server, self.at, self.fault, self.behind = server, at, fault, behind
        self.commits, self.struck, self._lock = 0, 0, threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, direct):
        return direct.replace(f":{self.server.port}/", f":{self.port}/")

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.server.port))
            except OSError:  # gone: so is this one
                client.close()
                continue
            threading.Thread(target=self._to_server, args=(client, server), daemon=True).start()
            threading.Thread(target=self._to_client, args=(server, client), daemon=True).start()

    def _to_server(self, client, server):
        try:
            while True:  # messages without a type, the last of which begins the session
                sent = _message(client, 0)
                server.sendall(sent)
                if struct.unpack("!I", sent[4:8])[0] not in _BEFORE_STARTUP:
                    break
            is_behind = not self.behind
            while True:
                sent = _message(client, 1)
                is_behind = is_behind or self.behind in sent
                is_commit = sent.startswith(b"Q") and sent[5:].rstrip(b"\0") == b"COMMIT"
                if is_commit and is_behind and self._is_the_one():
                    self._meddle(client, server, sent)
                server.sendall(sent)
        except OSError:
            pass
        finally:
            _cut(client, server)
            client.close()

    def _is_the_one(self):
        with self._lock:
            self.commits += 1
            return self.commits == self.at

    def _meddle(self, client, server, commit):
        self.struck += 1
        if self.fault == "after":
            # Its answer is read by nobody. The server does what it was told, and then finds that we are gone.
            _cut(client)
            server.sendall(commit)
            server.shutdown(socket.SHUT_WR)
            while server.recv(65536):
                pass
        elif self.fault == "crash":
            self.server.stop(signal.SIGQUIT)
            self.server.start()
        raise OSError(self.fault)

    def _to_client(self, server, client):
        try:
            while got := server.recv(65536):
                client.sendall(got)
        except OSError:
            pass
        finally:
            _cut(client)
            server.close()


def _message(sock, kind_bytes):
    head = _exactly(sock, kind_bytes + 4)
    return head + _exactly(sock, struct.unpack("!I", head[kind_bytes:])[0] - 4)


def _exactly(sock, count):
    got = b""
    while len(got) < count:
        part = sock.recv(count - len(got))
        if not part:
            raise OSError("the other side has ended")
        got += part
    return got


def _cut(*socks):
    for each in socks:
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
