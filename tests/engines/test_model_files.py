"""A model is found, complete and identified before an engine starts."""

from __future__ import annotations

import json
import shutil

import pytest
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
    assert model_files.context_window(model) == 2048


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
