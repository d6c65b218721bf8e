"""Between weir and any server: hands on every byte, counts them, and calls `at_strike` once as many went one way as a test says.

    tap = Tap(server_port)
    tap.arm(UP, 4096, lambda: os.kill(pid, signal.SIGKILL))
    ... tap.port; tap.bytes[UP]; tap.has_struck
    tap.reset()    # every connection that is open now
"""
import select
import socket
import threading

UP, DOWN = "up", "down"  # to the server, and from it


class Tap:
    def __init__(self, port):
        self.server_port = port
        self.bytes = {UP: 0, DOWN: 0}
        self.has_struck, self._strike, self._lock = False, None, threading.Lock()
        self._open = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, way, after_bytes, at_strike):
        """What went before does not count. None in place of a way: never."""
        with self._lock:
            self.bytes = {UP: 0, DOWN: 0}
            self.has_struck, self._strike = False, way and (way, after_bytes, at_strike)

    def close(self):
        self._listener.close()

    def reset(self):
        """How many connections both ends lost, with a reset and not an end."""
        with self._lock:
            ends = list(self._open)
        for end in ends:
            try:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                end.shutdown(socket.SHUT_RD)  # wakes who waits for it; the close that follows is a reset
            except OSError:
                pass
        return len(ends) // 2

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.server_port))
            except OSError:
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client, server):
        ways = {client: (server, UP), server: (client, DOWN)}
        with self._lock:
            self._open |= set(ways)
        try:
            while True:
                for end in select.select(list(ways), [], [])[0]:
                    other, way = ways[end]
                    data = end.recv(1 << 14)
                    if not data:
                        return
                    for part in self._parts(way, data):
                        other.sendall(part)
        except OSError:
            pass
        finally:
            with self._lock:
                self._open -= set(ways)
            client.close()
            server.close()

    def _parts(self, way, data):
        """The bytes up to the strike, and those after it."""
        with self._lock:
            before = self.bytes[way]
            self.bytes[way] += len(data)
            strikes = self._strike and self._strike[0] == way and before + len(data) >= self._strike[1]
            if not strikes:
                return [data]
            (_, after, at_strike), self._strike = self._strike, None
        return self._around(data, max(0, after - before), at_strike)

    def _around(self, data, cut, at_strike):
        yield data[:cut]
        self.has_struck = True
        at_strike()
        yield data[cut:]
