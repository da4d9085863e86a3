"""The few calls of the Hugging Face Hub that an upload makes, answered over a socket as the Hub answers them.

Large files are stored by their SHA-256 before any commit names them; a commit is a list of JSON lines. `fail_after`
makes the server die, as far as the client can tell, after so many stored files.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.web import serving


class HubStub:
    """One dataset repository. `files` maps paths to contents, `stored` SHA-256 to contents, `commits` is their log."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.large: set[str] = set()
        self.stored: dict[str, bytes] = {}
        self.commits: list[dict] = []
        self.uploads = 0
        self.fail_after: int | None = None
        self.refuse = False
        self.time_outs: list[bool] = []  # of the next commits: not answered, after it was made or without
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator[HubStub]:
        with serving(self._server):
            yield self

    def tree(self) -> list[dict]:
        return [self._entry(path, data) for path, data in sorted(self.files.items())]

    def _entry(self, path: str, data: bytes) -> dict:
        entry = {"type": "file", "path": path, "size": len(data), "oid": blob_id(data)}
        if path in self.large:
            pointer = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
            return entry | {"lfs": pointer, "oid": "0" * 40}
        return entry

    def commit(self, lines: list[dict]) -> dict:
        log = {"summary": "", "added": [], "deleted": []}
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                log["summary"] = value["summary"]
            elif line["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
                log["added"].append(value["path"])
            elif line["key"] == "lfsFile":
                self.files[value["path"]] = self.stored[value["oid"]]
                self.large.add(value["path"])
                log["added"].append(value["path"])
            elif line["key"] == "deletedFile":
                del self.files[value["path"]]
                log["deleted"].append(value["path"])
        self.commits.append(log)
        oid = f"{len(self.commits):040x}"
        return {"success": True, "commitOid": oid, "commitUrl": f"{self.endpoint}/datasets/me/traces/commit/{oid}"}


def blob_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: HubStub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if "/tree/" in self.path:
            self._reply(self.hub.tree())
        else:
            self._reply({"id": "me/traces", "sha": "0" * 40, "siblings": []})

    def do_PUT(self) -> None:
        data = self._body()
        self.hub.uploads += 1
        if self.hub.fail_after is not None and self.hub.uploads > self.hub.fail_after:
            self._reply({"error": "gone"}, 403)
            return
        self.hub.stored[self.path.rsplit("/", 1)[1]] = data
        self._reply({})

    def do_POST(self) -> None:
        body = self._body()
        if self.hub.refuse:
            self._reply({"error": "You have read but not write access."}, 403)
        elif self.path == "/api/repos/create":
            url = f"{self.hub.endpoint}/datasets/me/traces"
            self._reply({"url": url, "name": "me/traces"})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            self._reply(
                {"files": [{"path": f["path"], "uploadMode": _mode(f["path"]), "shouldIgnore": False} for f in files]}
            )
        elif self.path.endswith("/info/lfs/objects/batch"):
            self._reply({"transfer": "basic", "objects": [self._object(o) for o in json.loads(body)["objects"]]})
        elif "/commit/" in self.path and self.hub.time_outs:
            if self.hub.time_outs.pop(0):
                self.hub.commit([json.loads(line) for line in body.splitlines()])
            self._reply({"error": "Gateway Time-out"}, 504)
        elif "/commit/" in self.path:
            self._reply(self.hub.commit([json.loads(line) for line in body.splitlines()]))
        else:
            self._reply({"errors": [], "warnings": []})  # the check of a card's header

    def _object(self, wanted: dict) -> dict:
        answer = {"oid": wanted["oid"], "size": wanted["size"]}
        if wanted["oid"] in self.hub.stored:
            return answer  # nothing to do: the Hub has it
        return answer | {"actions": {"upload": {"href": f"{self.hub.endpoint}/put/{wanted['oid']}", "header": {}}}}

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _reply(self, value: object, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _mode(path: str) -> str:
    return "lfs" if path.endswith(".parquet") else "regular"
