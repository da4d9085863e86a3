"""Guards one preemptible machine, beside its raylet: `python -m factory.cluster.guard --cloud aws`.

* The cloud announces that it takes the machine away: its node is drained, so that engines hand over their requests
  before the end, and nothing new is placed here. (Ray's own autoscaler does not read these notices.)
* The machine has lost its cluster (no raylet for `--orphan-minutes`): it powers itself off. A head that is lost takes
  the autoscaler with it, and nobody else would end machines that are billed by the second.

Knows the standard library alone, so that it runs whatever becomes of the rest.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

POLL_S = 5.0  # AWS announces two minutes ahead, Google half a minute: five seconds cost little of either
HTTP_TIMEOUT_S = 2.0
ORPHAN_MINUTES = 15.0  # longer than a head that restarts, far shorter than a night
POWER_OFF = "sudo shutdown -h now"
DRAIN_MARGIN_S = 5  # the deadline that Ray hears is a little before the cloud's

AWS_ENDPOINT_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"  # the name that AWS's own libraries read
GOOGLE_ENDPOINT_VARIABLE = "GCE_METADATA_HOST"  # likewise Google's
GOOGLE_NOTICE_S = 30.0  # Google tells that the end is near, not when


class MetadataUnavailable(Exception):
    """The metadata service did not answer, or not in a form that is known: this says nothing about the machine."""


def aws_notice() -> float | None:
    """Seconds until AWS reclaims this spot instance; None while there is no notice.

    Source: the instance metadata service's `spot/instance-action` (404 without a notice), with a session token.
    """
    base = os.environ.get(AWS_ENDPOINT_VARIABLE, "http://169.254.169.254").rstrip("/")
    token = _http(f"{base}/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, method="PUT")
    headers = {"X-aws-ec2-metadata-token": token or ""}
    action = _http(f"{base}/latest/meta-data/spot/instance-action", headers)
    if action is None:
        return None
    try:
        end = datetime.fromisoformat(json.loads(action)["time"].replace("Z", "+00:00"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MetadataUnavailable(f"unreadable spot notice {action[:200]!r}") from error
    return max(0.0, (end - datetime.now(UTC)).total_seconds())


def google_notice() -> float | None:
    """Seconds until Google stops this spot or preemptible machine; None while there is no notice.

    Source: the metadata server's `instance/preempted`, which turns to TRUE half a minute before the end.
    """
    host = os.environ.get(GOOGLE_ENDPOINT_VARIABLE, "metadata.google.internal")
    url = f"http://{host}/computeMetadata/v1/instance/preempted"
    return GOOGLE_NOTICE_S if _http(url, {"Metadata-Flavor": "Google"}) == "TRUE" else None


CLOUDS: Mapping[str, Callable[[], float | None]] = {"aws": aws_notice, "google": google_notice}


def raylet_is_up(proc: Path = Path("/proc")) -> bool:
    """Whether a raylet runs on this machine."""
    for name in proc.glob("[0-9]*/comm"):
        try:
            if name.read_text().strip() == "raylet":
                return True
        except OSError:  # the process ended meanwhile
            continue
    return False


def drain(seconds: float) -> bool:
    """Tell Ray that this machine ends in so many seconds; whether Ray has taken it."""
    deadline = max(1, int(seconds) - DRAIN_MARGIN_S)
    command = ["ray", "drain-node", "--reason", "DRAIN_NODE_REASON_PREEMPTION"]
    command += ["--reason-message", "the cloud reclaims this machine", "--deadline-remaining-seconds", str(deadline)]
    return _run(command)


@dataclass(slots=True)
class NodeGuard:
    """One look at a time, so that a test can hold the clock. What it does to the machine is handed in."""

    notice: Callable[[], float | None]
    raylet_is_up: Callable[[], bool]
    drain: Callable[[float], bool]
    power_off: Callable[[], object]
    orphan_s: float
    last_raylet: float  # when a raylet was last seen, or the guard began
    drained: bool = False
    silent: bool = False  # the metadata service did not answer at the last look

    def look(self, now: float) -> None:
        """Drain on a notice; power off where no raylet was seen for `orphan_s` seconds of the monotonic clock `now`."""
        if not self.drained:
            self._read_notice()
        if self.raylet_is_up():
            self.last_raylet = now
        elif now - self.last_raylet >= self.orphan_s:
            log(f"no raylet for {now - self.last_raylet:.0f} s: powering off")
            self.power_off()
            self.last_raylet = now  # where that was refused, try again after the same time

    def _read_notice(self) -> None:
        try:
            seconds = self.notice()
        except MetadataUnavailable as error:
            if not self.silent:  # once, not every five seconds
                log(f"cannot read the cloud's notice: {error}")
            self.silent = True
            return
        self.silent = False
        if seconds is not None:
            log(f"the cloud reclaims this machine in {seconds:.0f} s: draining its node")
            self.drained = self.drain(seconds)  # one that failed is tried again at the next look


def log(line: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} guard: {line}", flush=True)


def main() -> None:
    arguments = _arguments()
    guard = NodeGuard(
        notice=CLOUDS[arguments.cloud],
        raylet_is_up=raylet_is_up,
        drain=drain,
        power_off=lambda: _run(shlex.split(arguments.power_off)),
        orphan_s=60 * arguments.orphan_minutes,
        last_raylet=time.monotonic(),
    )
    log(f"watching {arguments.cloud}'s notices and the raylet")
    while True:
        guard.look(time.monotonic())
        time.sleep(arguments.poll_s)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m factory.cluster.guard", description=__doc__.split("\n\n")[0])
    parser.add_argument("--cloud", choices=sorted(CLOUDS), required=True, help="whose notices to read")
    parser.add_argument(
        "--orphan-minutes", type=float, default=ORPHAN_MINUTES, help="without a raylet for this long: power off"
    )
    parser.add_argument("--power-off", default=POWER_OFF, help="the command that ends the machine")
    parser.add_argument("--poll-s", type=float, default=POLL_S, help="seconds between two looks")
    return parser.parse_args()


def _http(url: str, headers: Mapping[str, str], method: str = "GET") -> str | None:
    """The body of an answer; None for 404."""
    request = urllib.request.Request(url, headers=dict(headers), method=method)
    try:
        with urllib.request.urlopen(request, timeout=HTTP_TIMEOUT_S) as answer:
            return str(answer.read().decode()).strip()
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise MetadataUnavailable(f"{url}: HTTP {error.code}") from error
    except (OSError, ValueError) as error:
        raise MetadataUnavailable(f"{url}: {error}") from error


def _run(command: list[str]) -> bool:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        log(f"{command[0]}: {error}")
        return False
    if done.returncode:
        log(f"{shlex.join(command)} ended with status {done.returncode}: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.returncode == 0


if __name__ == "__main__":
    main()
