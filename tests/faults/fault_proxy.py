"""Between weir and an HTTP server: hands on requests and answers as they are, so signatures hold, and misbehaves
at those that a script names.

    with FaultProxy(server.port, Script("lost", "put", every=3)) as proxy:
        proxy.endpoint; proxy.struck
"""
import dataclasses
import http.client
import http.server
import socket
import threading
import time


@dataclasses.dataclass(frozen=True)
class Script:
    fault: str  # one of FAULTS
    where: str  # get, head, list, put, delete, delete_many, begin_upload, part, end_upload
    every: int = 3  # of those requests; the first that is struck is number `first`
    first: int = 1


def _error(code, message="as the script says"):
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'.encode()


# What is answered in place of the server, and nothing happens there.
INSTEAD = {
    "503": (503, _error("SlowDown", "Please reduce your request rate.")),
    "500": (500, _error("InternalError")),
    "502_html": (502, b"<html><body><h1>502 Bad Gateway</h1></body></html>"),
    "504_empty": (504, b""),
    "429": (429, _error("TooManyRequestsException")),
    "400_timeout": (400, _error("RequestTimeout", "Your socket connection to the server was not read from or written to")),
}
# What happens after the server has done what was asked for.
AFTER = ("lost", "500_after", "half", "half_head", "slow", "no_http")
FAULTS = (*INSTEAD, "reset", "409", *AFTER)


def kind_of(method, path):
    query = path.partition("?")[2]
    if "list-type" in query:
        return "list"
    if "partNumber" in query:
        return "part"
    if "uploads" in query:
        return "begin_upload"
    if "uploadId" in query:
        return "end_upload" if method == "POST" else "drop_upload"
    return "delete_many" if method == "POST" else method.lower()


class FaultProxy:
    def __init__(self, port, script=None):
        self.port, self.script = port, script
        self.seen, self.struck, self._lock = 0, 0, threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except (OSError, http.client.HTTPException):
                    self.close_connection = True

            def do_any(self):
                outer._serve(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_any

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def _fault(self, method, path):
        script = self.script
        if script is None or kind_of(method, path) != script.where:
            return None
        with self._lock:
            self.seen += 1
            if self.seen < script.first or (self.seen - script.first) % script.every:
                return None
            self.struck += 1
        return script.fault

    def _serve(self, asked):
        body = asked.rfile.read(int(asked.headers.get("Content-Length") or 0))
        fault = self._fault(asked.command, asked.path)
        if fault == "reset":
            return self._cut(asked)
        if fault == "409":
            return self._give(asked, 409, [("Content-Type", "application/xml")], _error("ConditionalRequestConflict"))
        if fault in INSTEAD:
            status, text = INSTEAD[fault]
            return self._give(asked, status, [("Content-Type", "application/xml")], text)
        status, headers, text = self._ask(asked, body)
        if fault == "lost":
            return self._cut(asked)
        if fault == "500_after":
            return self._give(asked, *INSTEAD["500"][:1], [("Content-Type", "application/xml")], INSTEAD["500"][1])
        if fault == "no_http":
            asked.wfile.write(b"\x15\x03\x01\x00\x02\x02\x50 this is no HTTP\r\n\r\n")
            return self._cut(asked)
        self._give(asked, status, headers, text, fault)

    def _ask(self, asked, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest(asked.command, asked.path, skip_host=True, skip_accept_encoding=True)
            for name, value in asked.headers.items():
                if name.lower() not in ("connection", "expect"):
                    connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            text = answer.read()
            length = answer.getheader("Content-Length")
            headers = [(name, value) for name, value in answer.getheaders()
                       if name.lower() not in ("content-length", "transfer-encoding", "connection", "keep-alive")]
            # Of HEAD the length that a body would have.
            return answer.status, headers + ([("Content-Length", length)] if asked.command == "HEAD" and length else []), text
        finally:
            connection.close()

    def _give(self, asked, status, headers, text, fault=None):
        asked.send_response_only(status)
        for name, value in headers:
            asked.send_header(name, value)
        if asked.command != "HEAD" and status not in (204, 304):
            asked.send_header("Content-Length", str(len(text)))
        elif asked.command == "HEAD":
            text = b""
        if fault == "half_head":
            asked._headers_buffer = [b"".join(asked._headers_buffer)[:-20]]
            asked.flush_headers()
            return self._cut(asked)
        asked.end_headers()
        if fault == "half" and text:
            asked.wfile.write(text[:len(text) // 2])
            return self._cut(asked)
        if fault == "slow":
            for at in range(0, min(len(text), 20)):
                asked.wfile.write(text[at:at + 1])
                asked.wfile.flush()
                time.sleep(0.005)  # what is tested: an answer in many pieces
            text = text[20:]
        asked.wfile.write(text)

    def _cut(self, asked):
        asked.close_connection = True
        asked.wfile.flush()
        # A reset, not an end: whoever waits for an answer is told at once.
        asked.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        asked.connection.close()
