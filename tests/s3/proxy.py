"""A proxy between an S3 client and its server that breaks what passes through it, by plan or at random from a seed.

It reads whole requests and answers, so that it can do what networks and servers really do: answer 503, wait, hang up
before or after the server has acted, cut a body short. Signed requests stay valid, because headers pass unchanged.
"""

from __future__ import annotations

import http.client
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

from tests.web import serving

Fault = Literal[
    "slow_down",  # 503 SlowDown, nothing done
    "error",  # 500 InternalError, nothing done
    "delay",  # a pause, then all goes well
    "reset",  # the connection closes before the server hears of the request
    "lost",  # the server acts, and the connection closes before its answer is sent
    "truncate",  # the server acts, and half of the answer's body arrives
]
FAULTS: tuple[Fault, ...] = ("slow_down", "error", "delay", "reset", "lost", "truncate")
_SLOW_DOWN = b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>'
_INTERNAL = b'<?xml version="1.0"?><Error><Code>InternalError</Code><Message>Try again.</Message></Error>'


@dataclass
class Planned:
    """A fault for the next `times` requests of a method whose path contains `path`."""

    fault: Fault
    method: str
    path: str
    times: int


class FaultyProxy:
    """Listens at `endpoint`. `happened` counts the faults.

    `seen` holds (method, path, status) of every request, `headers` its (method, path, headers).
    """

    def __init__(
        self, upstream: str, *, seed: int = 0, rates: Mapping[Fault, float] | None = None, pause_s: float = 0.3
    ) -> None:
        address = urlsplit(upstream)
        self.host, self.port, self.pause_s = address.hostname or "", address.port or 80, pause_s
        self.rates = dict(rates or {})
        self.before: Callable[[str, str], None] | None = None  # called with method and path before the server is
        self.happened: Counter[str] = Counter()
        self.seen: list[tuple[str, str, int]] = []
        self.headers: list[tuple[str, str, dict[str, str]]] = []
        self._random, self._lock, self._planned = random.Random(seed), threading.Lock(), list[Planned]()
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def plan(self, fault: Fault, method: str = "", path: str = "", times: int = 1) -> None:
        with self._lock:
            self._planned.append(Planned(fault, method, path, times))

    def fault_for(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for planned in self._planned:
                if planned.times and planned.method in ("", method) and planned.path in path:
                    planned.times -= 1
                    return planned.fault
            draw = self._random.random()
            for fault, rate in self.rates.items():
                draw -= rate
                if draw < 0:
                    return fault
            return None

    def note(self, method: str, path: str, status: int, fault: Fault | None) -> None:
        with self._lock:
            self.seen.append((method, path, status))
            if fault:
                self.happened[fault] += 1

    @contextmanager
    def running(self) -> Iterator[FaultyProxy]:
        with serving(self._server):
            yield self


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is killed hangs up on us: nothing to tell."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultyProxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.proxy.headers.append((self.command, self.path, dict(self.headers.items())))
        fault = self.proxy.fault_for(self.command, self.path)
        if fault in ("slow_down", "error", "reset"):
            self.proxy.note(self.command, self.path, 503 if fault == "slow_down" else 500, fault)
            self._refuse(fault)
            return
        if fault == "delay":
            time.sleep(self.proxy.pause_s)
        if self.proxy.before:
            self.proxy.before(self.command, self.path)
        status, headers, answer = self._forward(body)
        self.proxy.note(self.command, self.path, status, fault)
        if fault == "lost" or status == 0:
            self._hang_up()
            return
        self._answer(status, headers, answer[: len(answer) // 2] if fault == "truncate" else answer)
        if fault == "truncate":
            self._hang_up()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_any

    def _refuse(self, fault: Fault) -> None:
        if fault == "reset":
            self._hang_up()
            return
        text = _SLOW_DOWN if fault == "slow_down" else _INTERNAL
        headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(text)))]
        self._answer(503 if fault == "slow_down" else 500, headers, b"" if self.command == "HEAD" else text)

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body of the server's answer; status 0 if the server is down."""
        server = http.client.HTTPConnection(self.proxy.host, self.proxy.port, timeout=60)
        try:
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("expect", "connection"):
                    server.putheader(name, value)
            server.endheaders(body)
            answer = server.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except (OSError, http.client.HTTPException):
            return 0, [], b""
        finally:
            server.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        lowered = {name.lower() for name, _ in headers}
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        if "content-length" not in lowered:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(2)

    def log_message(self, format: str, *args: object) -> None:
        pass
