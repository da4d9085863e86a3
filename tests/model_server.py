"""A server of the completions API whose model follows a script: it sees words, and speaks harmony in token ids."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from factory.dialects.harmony import Harmony
from factory.dialects.tokenizer import HfTokenizer, encode_markup
from tests.conftest import ROOT
from tests.web import serving

MODEL = ROOT / "jobs" / "demo" / "teacher"

Script = Callable[[str], str]
"""What the model says at the end, given the words of the user."""


class ModelServer(ThreadingHTTPServer):
    """`asked` lists what users said, in the order in which it came."""

    daemon_threads = True

    def __init__(self, script: Script, model: Path = MODEL) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script, self.model = script, str(model)
        self.tokenizer = HfTokenizer(model)
        self.dialect = Harmony(self.tokenizer)
        self.asked: list[str] = []
        self._lock = threading.Lock()

    @property
    def teacher(self) -> dict[str, Any]:
        """The recipe's section for a role that this server plays."""
        url = f"http://127.0.0.1:{self.server_address[1]}"
        return {"model": self.model, "dialect": "harmony", "engine": {"kind": "endpoint", "url": url}}

    def complete(self, prompt: list[int]) -> list[int]:
        words = next(m.content for m in reversed(self.dialect.parse(prompt).messages) if m.role == "user")
        with self._lock:
            self.asked.append(words)
        return encode_markup(self.tokenizer, f"<|channel|>final<|message|>{self.script(words)}<|return|>")


class _Handler(BaseHTTPRequestHandler):
    server: ModelServer

    def do_GET(self) -> None:
        self._answer(json.dumps({"data": [{"id": self.server.model, "max_model_len": 100_000}]}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        choice = {"token_ids": self.server.complete(body["prompt"]), "finish_reason": "stop"}
        self._answer(f"data: {json.dumps({'choices': [choice]})}\n\ndata: [DONE]\n\n")

    def _answer(self, text: str) -> None:
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(OSError):  # who asked is gone
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def model_server(script: Script) -> Iterator[ModelServer]:
    server = ModelServer(script)
    with serving(server):
        yield server
