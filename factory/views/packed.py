"""packed: traces put together into sequences of a fixed length, one table for each length bucket.

A trace goes to the bucket of the smallest edge that it fits, by its length in the tokens that are written; one that is
longer than the last edge is left out, never cut. Tables are named by their edge ("16k"), files are
`data/16k/train-00000-<12 hex digits>.parquet` and `data/16k/test-...`, and `manifest.json` lists them with their rows.
A pack never mixes splits. Packs are in a stable random order; one partition of the journal is packed by itself.

`layout=trainer`, which `factory/training/` reads. A row is a pack:

| column | type | |
|---|---|---|
| `input_ids` | list<int32> | the traces one after another, nothing between them; at most `pack_length` tokens |
| `labels` | list<int32> | the id where there is loss, else -100; not shifted; -100 at the first token of each trace |
| `doc_starts` | list<int32> | where each trace begins; the first is 0 |
| `seq_lengths` | list<int32> | the length of each trace; sums to the length of `input_ids` |
| `uids` | list<string> | the traces |
| `problem_ids` | list<string> | their problems |

The schema's metadata has `pack_length`, `edge`, `layout` and `tokenizer` ("as published" or the student's name).
A trainer must keep traces apart: attention by `doc_starts` (position ids that start again, no cache object), recurrent
state reset there.

`layout=megatron`: Megatron-Bridge's packed Parquet, `*.idx.parquet`: `input_ids` list<int32>, `loss_mask` list<int8>,
`seq_start_id` list<int32>. Its mask belongs to the label: it is shifted by one to the left within each trace and 0 at a
trace's end, because of a trace a:b the runtime takes ids[a:b-1] as input, ids[a+1:b] as labels and loss_mask[a:b-1].
With context parallelism each trace is padded by `pad_id` to a multiple of `multiple_of` plus one token, so the files
depend on the parallel layout; the metadata says for which one they were made.

`layout=continued`: for long-context continued pretraining (UltraLong): whole traces, joined by the tokens of
`separator` spelled as text, with `doc_starts` and `seq_lengths` but neither labels nor a mask, since attention runs
over everything. Two traces of one problem are never in one pack: the first would tell the second's answer.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field

from factory.errors import FactoryError
from factory.store.ids import hash_of
from factory.store.shape import bucket_of
from factory.views.funnel import Funnel
from factory.views.packing import best_fit
from factory.views.problem import MESSAGES, TOKENS, Ids, SolvedProblem
from factory.views.student import Tokens, tokenizer_of
from factory.views.training_rows import TokenOptions, tokenised, tokens_of
from factory.views.view import Inputs, Row, Table, View

_INTS, _TEXTS = pa.list_(pa.int32()), pa.list_(pa.string())
_COLUMNS = {
    "trainer": {"input_ids": _INTS, "labels": _INTS, "doc_starts": _INTS, "seq_lengths": _INTS},
    "megatron": {"input_ids": _INTS, "loss_mask": pa.list_(pa.int8()), "seq_start_id": _INTS},
    "continued": {"input_ids": _INTS, "doc_starts": _INTS, "seq_lengths": _INTS},
}
_IDS = {"uids": _TEXTS, "problem_ids": _TEXTS}


class PackedOptions(TokenOptions):
    """Options of `packed`."""

    layout: Literal["trainer", "megatron", "continued"] = "trainer"
    """For the factory's trainer, for Megatron-Bridge, or joined without a mask for continued pretraining."""
    edges: list[int] = Field(default_factory=lambda: [16384, 32768, 65536, 131072], min_length=1)
    """Upper edges of the length buckets, in tokens."""
    packs: int = Field(1, ge=1)
    """Pack length as a multiple of the bucket's edge; longer packs are fuller and share a step's fixed cost."""
    multiple_of: int = Field(1, ge=1)
    """megatron: lcm(2 * CP, CP * TP) of the parallel layout; each trace is padded to a multiple of it plus one."""
    pad_id: int | None = None
    """megatron: the id of the end-of-sequence token, which pads; needed where `multiple_of` is above 1."""
    separator: str = "<s>"
    """continued: plain text between two traces, not a reserved token."""


class _Document(NamedTuple):
    uid: str
    problem: str
    tokens: Tokens

    @property
    def ids(self) -> Ids:
        return self.tokens.ids


class Packed(View[PackedOptions]):
    """Published traces packed by length bucket, with the border of every trace, as trainers take them."""

    name = "packed"
    options = PackedOptions

    def reads(self, options: PackedOptions) -> Sequence[str]:
        return MESSAGES if options.student is not None and options.render == "template" else TOKENS

    def tables(self, options: PackedOptions, inputs: Inputs) -> Mapping[str, Table]:
        _check(options)
        tokens_of(options, inputs)
        columns = _COLUMNS[options.layout] | ({} if options.layout == "megatron" else _IDS)
        suffix = ".idx.parquet" if options.layout == "megatron" else ".parquet"
        return {
            bucket_of(edge, options.edges): Table(
                pa.schema(list(columns.items()), metadata=_metadata(options, edge)), suffix
            )
            for edge in sorted(options.edges)
        }

    def rows(
        self, problems: Iterable[SolvedProblem], options: PackedOptions, inputs: Inputs, funnel: Funnel
    ) -> Iterator[Row]:
        buckets: dict[int, list[_Document]] = defaultdict(list)
        separator = _separator(options, inputs)
        for problem, sample, tokens in tokenised(problems, options, inputs, funnel):
            edge = next((edge for edge in sorted(options.edges) if _room(tokens, options) <= edge), None)
            if edge is None:
                funnel.leave(f"over_{bucket_of(max(options.edges), options.edges)}")
            else:
                funnel.use()
                buckets[edge].append(_Document(sample.uid, problem.id, tokens))
        for edge, documents in sorted(buckets.items()):
            yield from _packs(documents, edge, options, separator, funnel)

    def says(self, options: PackedOptions, funnel: Funnel) -> list[str]:
        lines = []
        for edge in sorted(options.edges):
            table = bucket_of(edge, options.edges)
            if packs := funnel.notes[f"{table}: packs"]:
                room, tokens = packs * edge * options.packs, funnel.notes[f"{table}: tokens"]
                traces = funnel.notes[f"{table}: traces"]
                lines.append(
                    f"{table}: {traces:,} traces in {packs:,} packs of {edge * options.packs:,} tokens; "
                    f"{tokens / room:.1%} filled, {room - tokens:,} tokens of room wasted"
                )
        return lines


def _packs(
    documents: list[_Document], edge: int, options: PackedOptions, separator: Ids, funnel: Funnel
) -> Iterator[Row]:
    """The packs of one bucket, in an order that depends on their content alone."""
    table, capacity = bucket_of(edge, options.edges), edge * options.packs
    unmasked = options.layout == "continued"
    lengths = [_room(document.tokens, options) + len(separator) for document in documents]
    owners = [document.problem for document in documents] if unmasked else None
    # the last document of a pack needs no separator after it
    packs = [[documents[i] for i in sorted(pack)] for pack in best_fit(lengths, capacity + len(separator), owners)]
    for pack in sorted(packs, key=lambda pack: (hash_of(pack[0].uid), pack[0].uid)):
        values = _LAYOUTS[options.layout](pack, options, separator)
        funnel.note(f"{table}: packs")
        funnel.note(f"{table}: traces", len(pack))
        funnel.note(f"{table}: tokens", sum(len(document.ids) for document in pack))
        funnel.note(f"{table}: tokens with loss", sum(int(document.tokens.learnt.sum()) for document in pack))
        ids = {"uids": [document.uid for document in pack], "problem_ids": [document.problem for document in pack]}
        yield Row(table, values | ids)


def _for_trainer(pack: list[_Document], options: PackedOptions, separator: Ids) -> dict[str, Any]:
    lengths = [len(document.ids) for document in pack]
    return {
        "input_ids": np.concatenate([document.ids for document in pack]),
        "labels": np.concatenate([document.tokens.labels for document in pack]),
        "doc_starts": _starts(lengths),
        "seq_lengths": np.asarray(lengths, np.int32),
    }


def _for_megatron(pack: list[_Document], options: PackedOptions, separator: Ids) -> dict[str, Any]:
    ids, masks = list[Ids](), list[Any]()
    for document in pack:
        padding = _room(document.tokens, options) - len(document.ids)
        ids.append(np.append(document.ids, np.full(padding, options.pad_id or 0, np.int32)))
        masks.append(np.append(document.tokens.learnt[1:], np.zeros(padding + 1, np.bool_)).astype(np.int8))
    return {
        "input_ids": np.concatenate(ids),
        "loss_mask": np.concatenate(masks),
        "seq_start_id": _starts([len(one) for one in ids]),
    }


def _for_continued(pack: list[_Document], options: PackedOptions, separator: Ids) -> dict[str, Any]:
    lengths = [len(document.ids) for document in pack]
    pieces = [piece for document in pack for piece in (document.ids, separator)][:-1]
    return {
        "input_ids": np.concatenate(pieces),
        "doc_starts": _starts([length + len(separator) for length in lengths]),
        "seq_lengths": np.asarray(lengths, np.int32),
    }


_LAYOUTS = {"trainer": _for_trainer, "megatron": _for_megatron, "continued": _for_continued}


def _starts(lengths: Sequence[int]) -> Ids:
    return np.asarray(np.cumsum([0, *lengths[:-1]]), np.int32)


def _room(tokens: Tokens, options: PackedOptions) -> int:
    """The tokens that a trace takes in a pack, padding included."""
    n, k = len(tokens.ids), options.multiple_of
    return n if k == 1 else -(-(n - 1) // k) * k + 1


def _separator(options: PackedOptions, inputs: Inputs) -> Ids:
    if options.layout != "continued":
        return np.zeros(0, np.int32)
    source = inputs.recipe.get("teacher") or {}
    name = options.student or options.teacher or source.get("model")
    if name is None:
        raise FactoryError(
            "no tokenizer to write the separator in", remedy="name the tokens' own: --set teacher=MODEL_DIRECTORY"
        )
    tokenizer = tokenizer_of(name, source.get("revision") if name == source.get("model") else None)
    return np.asarray(tokenizer.encode(options.separator), np.int32)


def _metadata(options: PackedOptions, edge: int) -> dict[str, str]:
    values: dict[str, Any] = {
        "layout": options.layout,
        "edge": edge,
        "pack_length": edge * options.packs,
        "tokenizer": options.student or "as published",
    }
    if options.layout == "megatron":
        values |= {"pad_seq_to_mult": options.multiple_of, "pad_id": options.pad_id, "mask_of": "label"}
    if options.layout == "continued":
        values["separator"] = options.separator
    return {name: json.dumps(value) for name, value in values.items()}


def _check(options: PackedOptions) -> None:
    if options.multiple_of > 1 and (options.layout != "megatron" or options.pad_id is None):
        raise FactoryError(
            "multiple_of pads the traces of Megatron-Bridge's packs",
            why="another layout keeps traces as they are" if options.layout != "megatron" else "pad_id says with what",
            remedy="give layout=megatron and pad_id, the student's end-of-sequence id, or leave multiple_of out",
        )
    if min(options.edges) < 1 or len(set(options.edges)) < len(options.edges):
        raise FactoryError(f"edges {options.edges} are no bucket edges", remedy="give different lengths above 0")
