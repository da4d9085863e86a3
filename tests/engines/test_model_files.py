"""A model is found, complete and identified before an engine starts."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from safetensors.torch import load_file, save_file

from factory.engines import model_files
from factory.errors import FactoryError
from tests.engines import tiny_model


@pytest.fixture
def model(tiny_model_dir, tmp_path):
    return shutil.copytree(tiny_model_dir, tmp_path / "model")


def test_a_complete_directory_resolves_to_itself(model):
    files = model_files.resolve(str(model))
    assert (files.name, files.directory) == (str(model), model)
    assert len(files.revision) == 16


def test_the_revision_is_of_the_content_not_of_the_place(model, tmp_path, tiny_model_dir):
    assert model_files.content_hash(model) == model_files.content_hash(tiny_model_dir)


@pytest.mark.parametrize("change", ["weight", "template", "config", "other_model"])
def test_the_revision_changes_with_weights_template_and_configuration(model, tiny_model_dir, tmp_path, change):
    if change == "weight":
        weights = load_file(model / "model.safetensors")
        weights["model.layers.1.mlp.up_proj.weight"] *= 1.01
        save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    elif change == "template":
        (model / "chat_template.jinja").write_text("{{ messages }}")
    elif change == "config":
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1e-3}))
    else:
        model = tiny_model.write(tmp_path / "other", seed=1)
    assert model_files.content_hash(model) != model_files.content_hash(tiny_model_dir)


@pytest.mark.parametrize(
    ("absent", "named"),
    [
        ("config.json", "config.json"),
        ("tokenizer.json", "tokenizer"),
        ("chat_template.jinja", "chat template"),
        ("model.safetensors", "safetensors"),
    ],
)
def test_a_missing_part_is_named(model, absent, named):
    (model / absent).unlink()
    with pytest.raises(FactoryError, match=named) as error:
        model_files.resolve(str(model))
    assert error.value.remedy


def test_a_template_inside_the_tokenizer_configuration_counts(model):
    (model / "chat_template.jinja").unlink()
    path = model / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": "{{ messages }}"}))
    model_files.resolve(str(model))


def test_damaged_files_are_named(model):
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(weights[:-100])
    with pytest.raises(FactoryError, match="cut short"):
        model_files.resolve(str(model))
    (model / "model.safetensors").write_bytes(b"not weights at all")
    with pytest.raises(FactoryError, match="not a safetensors file"):
        model_files.resolve(str(model))
    (model / "config.json").write_text("{")
    with pytest.raises(FactoryError, match=r"config.json cannot be read"):
        model_files.resolve(str(model))


def test_a_missing_shard_is_named(model):
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(FactoryError, match=r"1 of 2 shards are missing, the first is model-00001"):
        model_files.resolve(str(model))


@pytest.mark.parametrize("name", ["/no/such/directory", "no-such-directory", "a/b/c"])
def test_what_is_neither_a_directory_nor_a_hub_name_is_said_so(name):
    with pytest.raises(FactoryError, match="there is no model directory"):
        model_files.resolve(name)


def test_a_hub_name_that_cannot_be_fetched_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FactoryError, match="cannot be fetched from the hub"):
        model_files.resolve("nobody/no-such-model", "main")


def test_a_revision_that_the_run_began_with_is_checked(model):
    found = model_files.resolve(str(model)).revision
    assert model_files.resolve(str(model), found).revision == found
    assert model_files.resolve(str(model), "main").revision == found, "a branch says nothing about a directory"
    with pytest.raises(FactoryError, match="another model than this run began with"):
        model_files.resolve(str(model), "0" * 16)


class Hub:
    """Answers `snapshot_download`: from its cache, or after so many refusals."""

    def __init__(self, directory, monkeypatch, *, refusals=(), cached=False):
        self.directory, self.refusals, self.cached, self.asked = directory, list(refusals), cached, 0
        monkeypatch.setattr("huggingface_hub.snapshot_download", self.download)
        monkeypatch.setattr("factory.store.retry.time.sleep", lambda seconds: None)

    def download(self, model, revision=None, local_files_only=False, **patterns):
        if local_files_only:
            if not self.cached:
                raise LocalEntryNotFoundError("not here")
            return str(self.directory)
        self.asked += 1
        if self.refusals:
            raise self.refusals.pop(0)
        return str(self.directory)


def refusal(status):
    error = HfHubHTTPError.__new__(HfHubHTTPError)
    OSError.__init__(error, f"{status} from the hub")
    error.response = SimpleNamespace(status_code=status)
    return error


def unreachable():
    error = LocalEntryNotFoundError("cannot find the files on the hub, and they are not here")
    error.__cause__ = ConnectionError("no route to host")
    return error


def test_a_model_that_is_here_asks_nobody(model, monkeypatch):
    hub = Hub(model, monkeypatch, cached=True)
    assert model_files.resolve("owner/name").directory == model
    assert model_files.tokenizer_file("owner/name") == model / "tokenizer.json"
    assert model_files.revision_of("owner/name") == model.name
    assert hub.asked == 0


def test_a_model_of_which_a_part_is_here_is_fetched(model, monkeypatch):
    hub = Hub(model, monkeypatch, cached=True)
    (model / "tokenizer.json").unlink()
    with pytest.raises(FactoryError, match="no tokenizer"):
        model_files.resolve("owner/name")
    assert hub.asked == 1


def test_refusals_that_pass_are_waited_for(model, monkeypatch):
    hub = Hub(model, monkeypatch, refusals=[refusal(429), refusal(503), unreachable()])
    assert model_files.resolve("owner/name").directory == model
    assert hub.asked == 4


@pytest.mark.parametrize(("status", "passing"), [(404, False), (401, False), (429, True), (500, True)])
def test_what_does_not_pass_is_said_at_once(model, monkeypatch, status, passing):
    monkeypatch.setattr(model_files, "HUB_PATIENCE_S", 0.0)
    hub = Hub(model, monkeypatch, refusals=[refusal(status)] * 10)
    with pytest.raises(FactoryError, match="cannot be fetched from the hub") as error:
        model_files.resolve("owner/name")
    assert hub.asked == 1
    assert model_files.passing(error.value) is passing
