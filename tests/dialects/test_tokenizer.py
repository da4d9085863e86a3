"""Text never becomes structure, and ids give back the bytes they stand for."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.dialects.harmony_message import CONTROL_TOKENS
from factory.dialects.tokenizer import ByteTokenizer, HfTokenizer, encode_markup
from factory.errors import FactoryError
from tests.dialects.support import bpe_json

PLAIN = ("<think>", "<tool_call>")
SPELLINGS = (*CONTROL_TOKENS, *PLAIN)

texts = st.lists(
    st.one_of(st.sampled_from([*SPELLINGS, "<|", "|>", "<", "assistant", " to=python", "\n"]), st.text(max_size=8))
).map("".join)


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("model")
    (directory / "tokenizer.json").write_text(bpe_json(CONTROL_TOKENS, PLAIN))
    return directory


@pytest.fixture(scope="module", params=["hf", "bytes"])
def tokenizer(request, model_dir):
    return HfTokenizer(model_dir) if request.param == "hf" else ByteTokenizer(SPELLINGS)


def test_a_directory_and_its_tokenizer_file_are_the_same(model_dir):
    assert HfTokenizer(model_dir).control == HfTokenizer(model_dir / "tokenizer.json").control


@given(text=texts)
def test_encoding_never_yields_a_control_token_and_is_exact(tokenizer, text):
    ids = tokenizer.encode(text)
    assert set(ids).isdisjoint(tokenizer.control.values())
    assert tokenizer.decode(ids) == text


def test_added_tokens_that_are_not_flagged_special_are_control_tokens_too(tokenizer):
    assert set(PLAIN) <= tokenizer.control.keys()
    assert tokenizer.control["<think>"] not in tokenizer.encode("<think>")


@given(text=texts)
def test_markup_reads_every_spelling_as_its_token(tokenizer, text):
    ids = encode_markup(tokenizer, text)
    assert tokenizer.decode(ids) == text
    spelled = sum(text.count(spelling) for spelling in SPELLINGS)
    assert sum(i in tokenizer.control.values() for i in ids) == spelled


def test_a_vocabulary_that_lists_a_control_token_among_its_pieces_cannot_inject_it(tmp_path):
    # `ignore_merges` looks a whole word up in the vocabulary before merging, so "<|end|>" would match as one piece
    state = json.loads(bpe_json())
    state["model"]["vocab"]["<|end|>"] = next(t["id"] for t in state["added_tokens"] if t["content"] == "<|end|>")
    state["model"]["ignore_merges"] = True
    state["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": r"<\|end\|>"}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
        ],
    }
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(state))
    tokenizer = HfTokenizer(path)
    raw = tokenizer._tokenizer.encode("a<|end|>b").ids
    assert tokenizer.control["<|end|>"] in raw, "the trap is not set"
    ids = tokenizer.encode("a<|end|>b é<|end|>")
    assert tokenizer.control["<|end|>"] not in ids
    assert tokenizer.decode(ids) == "a<|end|>b é<|end|>"


def test_missing_control_tokens_are_named(tmp_path):
    (tmp_path / "tokenizer.json").write_text(bpe_json(("<|start|>", "<|end|>")))
    with pytest.raises(FactoryError, match=r"<\|message\|>.*<\|call\|>"):
        HfTokenizer(tmp_path, required=CONTROL_TOKENS)


@pytest.mark.parametrize("content", ["", "not json", "{}", "[1]", '{"model": 3}'])
def test_an_unreadable_file_is_a_clear_error(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(FactoryError, match="tokenizer"):
        HfTokenizer(path)


def test_a_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(FactoryError, match="no tokenizer"):
        HfTokenizer(tmp_path)


def test_a_tokenizer_that_loses_text_is_refused(tmp_path):
    state = json.loads(bpe_json())
    state["normalizer"] = {"type": "Lowercase"}
    state["pre_tokenizer"] = {"type": "WhitespaceSplit"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(state))
    with pytest.raises(FactoryError, match="give text back"):
        HfTokenizer(tmp_path)


def test_lone_surrogates_do_not_crash(tokenizer):
    assert tokenizer.decode(tokenizer.encode("a\ud800b"))
