"""Audit: a sound dataset passes, and each kind of damage is found and named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from factory.cli import app
from factory.errors import FactoryError
from factory.inspection.audit import audit, render
from factory.records import Mode
from factory.store.manifest import Manifest, latest
from factory.store.publish import publish
from factory.store.run import Run
from tests.store.rows import problem, trace, verdict
from tests.store.test_publish import SETTINGS, VIEW, a_run, journal
from tests.store.test_run import recipe


def tamper(run: Run, **changes) -> None:
    """A new manifest version with other contents."""
    manifest = latest(run.store)
    assert isinstance(manifest, Manifest)
    changed = replace(manifest, version=manifest.version + 1, **changes)
    run.store.write(changed.key, changed.to_bytes())


def test_a_sound_dataset_passes_and_damage_is_found(tmp_path):
    run = a_run(tmp_path, 10)
    shards = publish(run, SETTINGS, VIEW).shards
    found = audit(run.uri, answers=30, cells=3)
    assert found.sound, render(found)
    assert found.checked["answers are right when compared again"] == 30
    assert found.checked["tokens and mask have one length"] == 96
    ran = found.checked["traces had their tool cells run again"]
    assert ran == 3 or "not run again" in render(found)
    assert not [notice for notice in found.notices if "cell" in notice and "not run" not in notice]

    tamper(run, shards=[*shards, shards[0]])
    twice = audit(run.uri, answers=0, cells=0)
    assert "no key is there twice" in twice.faults
    assert "generated = published + rejected traces" in twice.faults

    tamper(run, shards=[replace(shards[0], mode="low"), *shards[1:]])
    assert "rows are in the file of their mode, tool and length" in audit(run.uri, answers=0, cells=0).faults

    tamper(run, shards=shards)
    data = bytearray(run.store.read(shards[0].key))
    data[len(data) // 2] ^= 1
    run.store.write(shards[0].key, bytes(data))
    run.store.delete(shards[1].key)
    broken = audit(run.uri, answers=0, cells=0)
    assert broken.examples["files have their size and checksum"] == [shards[0].key]
    assert broken.examples["files are there"] == [shards[1].key]
    result = CliRunner().invoke(app, ["audit", run.uri, "--answers", "0", "--cells", "0"])
    assert result.exit_code == 1
    assert "NOT SOUND" in result.output


def test_rows_that_contradict_themselves_are_found(tmp_path):
    run = Run.open(str(tmp_path), recipe())
    of = problem("p1")
    miscounted = replace(trace("p1", n_tokens=20), n_generated_tokens=3)
    wrong = trace("p1", Mode.HIGH, answer="8")
    lying = verdict(of, [miscounted, wrong])
    lying = replace(lying, judgements=[replace(j, equal=True) for j in lying.judgements])
    other_output = trace("p1", Mode.LOW, True)
    call = replace(other_output.tool_calls[0], stdout="8\n")
    other_output = replace(other_output, tool_calls=[call])
    right = verdict(of, [other_output])
    lying = replace(lying, judgements=[*lying.judgements, *right.judgements])
    journal(run, [miscounted, wrong, other_output, lying])
    publish(run, SETTINGS, VIEW)
    found = audit(run.uri)
    assert found.examples["answers are right when compared again"] == ["p1/high/none/0"]
    assert found.faults["the mask has as many tokens of each origin as the row says"] == 1
    assert found.faults["rows have six regimes, and passed in their own"] == 2
    if "not run again" not in render(found):
        assert any("cell 0 was ok" in notice for notice in found.notices)


def test_nothing_to_audit(tmp_path):
    run = Run.open(str(tmp_path), recipe())
    with pytest.raises(FactoryError, match="nothing is published"):
        audit(run.uri)
