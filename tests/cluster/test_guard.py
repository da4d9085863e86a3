"""A worker's guard: what it makes of the cloud's notices and of a lost cluster. The metadata services are fakes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from factory.cluster import guard
from tests.conftest import ROOT
from tests.web import serving


class Metadata(BaseHTTPRequestHandler):
    """Speaks as much of both metadata services as the guard reads; `server.answers` maps a path to status and body."""

    def do_PUT(self) -> None:
        asked = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self._send(200 if asked else 400, "a-token")

    def do_GET(self) -> None:
        allowed = self.headers.get("X-aws-ec2-metadata-token") == "a-token" or self.headers.get("Metadata-Flavor")
        status, body = self.server.answers.get(self.path, (404, "")) if allowed else (401, "")
        self._send(status, body)

    def _send(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def metadata(monkeypatch) -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Metadata)
    server.answers = {}
    monkeypatch.setenv(guard.AWS_ENDPOINT_VARIABLE, f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv(guard.GOOGLE_ENDPOINT_VARIABLE, f"127.0.0.1:{server.server_port}")
    with serving(server):
        yield server


AWS_PATH = "/latest/meta-data/spot/instance-action"
GOOGLE_PATH = "/computeMetadata/v1/instance/preempted"


def aws_action(seconds: float) -> str:
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    return json.dumps({"action": "terminate", "time": f"{end:%Y-%m-%dT%H:%M:%SZ}"})


def test_aws_gives_a_notice_with_its_end(metadata):
    assert guard.aws_notice() is None
    metadata.answers[AWS_PATH] = (200, aws_action(120))
    assert 110 < guard.aws_notice() <= 120
    metadata.answers[AWS_PATH] = (200, aws_action(-30))
    assert guard.aws_notice() == 0


def test_google_gives_a_notice_without_its_end(metadata):
    metadata.answers[GOOGLE_PATH] = (200, "FALSE")
    assert guard.google_notice() is None
    metadata.answers[GOOGLE_PATH] = (200, "TRUE")
    assert guard.google_notice() == guard.GOOGLE_NOTICE_S


@pytest.mark.parametrize(
    "answer", [(500, ""), (200, "no json"), (200, "[]"), (200, '{"action": "terminate"}'), (200, '{"time": 5}')]
)
def test_an_answer_that_cannot_be_read_is_no_notice(metadata, answer):
    metadata.answers[AWS_PATH] = answer
    with pytest.raises(guard.MetadataUnavailable):
        guard.aws_notice()


def test_a_metadata_service_that_is_away_is_no_notice(monkeypatch):
    monkeypatch.setenv(guard.AWS_ENDPOINT_VARIABLE, "http://127.0.0.1:1")
    with pytest.raises(guard.MetadataUnavailable):
        guard.aws_notice()


def test_a_raylet_is_found_by_its_name(tmp_path):
    for number, name in enumerate(["python", "gcs_server"]):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "comm").write_text(name + "\n")
    assert not guard.raylet_is_up(tmp_path)
    (tmp_path / "77").mkdir()
    (tmp_path / "77" / "comm").write_text("raylet\n")
    assert guard.raylet_is_up(tmp_path)


class Machine:
    """A machine of which a test says what holds, and which notes what was done to it."""

    def __init__(self) -> None:
        self.notice: float | None = None
        self.metadata, self.raylet, self.drains = True, True, True
        self.done: list[str] = []
        self.guard = guard.NodeGuard(self._notice, lambda: self.raylet, self._drain, self._off, 900.0, last_raylet=0.0)

    def _notice(self) -> float | None:
        if not self.metadata:
            raise guard.MetadataUnavailable("away")
        return self.notice

    def _drain(self, seconds: float) -> bool:
        self.done.append(f"drain {seconds:.0f}")
        return self.drains

    def _off(self) -> None:
        self.done.append("off")


def test_a_machine_without_a_notice_is_left_alone():
    machine = Machine()
    for now in range(0, 10_000, 5):
        machine.guard.look(now)
    assert machine.done == []


def test_a_notice_drains_once_and_again_only_where_ray_refused():
    machine = Machine()
    machine.notice, machine.drains = 118.0, False
    machine.guard.look(0)
    machine.notice, machine.drains = 113.0, True
    machine.guard.look(5)
    machine.guard.look(10)
    assert machine.done == ["drain 118", "drain 113"]


def test_a_lost_cluster_powers_the_machine_off_after_its_time():
    machine = Machine()
    machine.guard.look(100)
    machine.raylet = False
    machine.guard.look(999)
    machine.raylet = True  # the head came back, or `ray up` started Ray again
    machine.guard.look(1000)
    machine.raylet = False
    machine.guard.look(1899)
    assert machine.done == []
    machine.guard.look(1900)
    assert machine.done == ["off"]


def test_power_off_that_was_refused_is_tried_again():
    machine = Machine()
    machine.raylet = False
    for now in range(0, 1801, 100):
        machine.guard.look(now)
    assert machine.done == ["off", "off"]


def test_a_metadata_service_that_is_away_is_named_once(capsys):
    machine = Machine()
    machine.metadata = False
    for now in range(5):
        machine.guard.look(now)
    assert capsys.readouterr().out.count("cannot read the cloud's notice") == 1
    assert machine.done == []


def test_the_program_drains_with_rays_own_command(metadata, tmp_path, monkeypatch):
    """The real process against a fake metadata service, with a `ray` on the path that notes how it is called."""
    metadata.answers[AWS_PATH] = (200, aws_action(100))
    called = tmp_path / "called"
    ray = tmp_path / "ray"
    ray.write_text(f'#!/bin/sh\necho "$@" >> {called}.part && mv {called}.part {called}\n')
    ray.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    command = [sys.executable, "-m", "factory.cluster.guard", "--cloud", "aws", "--poll-s", "0.05"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        while not called.exists():
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.kill()
        said = process.communicate()[0]
    words = called.read_text().split()
    assert words[0] == "drain-node"
    assert 80 <= int(words[words.index("--deadline-remaining-seconds") + 1]) < 100
    assert "draining its node" in said


@pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20")  # Serve's, at import
def test_ray_has_that_command_with_these_options(monkeypatch):
    from ray.scripts.scripts import drain_node

    commands: list[list[str]] = []
    monkeypatch.setattr(guard, "_run", lambda command: bool(commands.append(command)) or True)
    assert guard.drain(0.0)
    known = {option for parameter in drain_node.params for option in parameter.opts}
    assert {word for word in commands[0] if word.startswith("--")} <= known
    reasons = next(p for p in drain_node.params if "--reason" in p.opts)
    assert commands[0][commands[0].index("--reason") + 1] in reasons.type.choices
    assert int(commands[0][-1]) > 0  # Ray refuses a deadline that has passed
