"""A web server that answers what it is told: for the refusals and accidents that a real one has on bad days only."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field


@dataclass
class Answer:
    """One response. `cut` drops the connection in the middle of the body, as a dying server does."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    cut: bool = False


def models(*names, **entry):
    """The answer to GET /v1/models."""
    return Answer(body=json.dumps({"data": [{"id": name} | entry for name in names]}))


def events(*choices, cut=False, done=True):
    """A stream of server-sent events, one choice in each."""
    lines = [f"data: {json.dumps({'choices': [choice]})}\n\n" for choice in choices]
    return Answer(body="".join(lines) + ("data: [DONE]\n\n" if done and not cut else ""), cut=cut)


class Stub:
    """Serves the answers of each path in order, the last one forever, and keeps what it was asked."""

    def __init__(self, **answers: list[Answer]):
        self.answers = {f"/v1/{path}": list(given) for path, given in answers.items()}
        self.requests: list[tuple[str, dict[str, str], dict]] = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error):
        self._server.close()

    async def _serve(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            path = head[0].split()[1]
            self.requests.append((path, headers, json.loads(body or "{}")))
            given = self.answers[path]
            answer = given.pop(0) if len(given) > 1 else given[0]
            data = answer.body.encode()
            length = len(data) + (1000 if answer.cut else 0)
            lines = [f"HTTP/1.1 {answer.status} X", f"Content-Length: {length}", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in answer.headers.items()]
            writer.write("\r\n".join([*lines, "", ""]).encode() + data)
            await writer.drain()
        finally:
            writer.close()

    def asked(self, path):
        return [body for asked, _, body in self.requests if asked == f"/v1/{path}"]
