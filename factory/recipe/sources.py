"""What goes in: tables of problems and forum dumps."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from factory.recipe.fields import Positive
from factory.settings import Strict, added, operational

Scalar = str | int | float | bool | None


class Columns(Strict):
    """Which columns of a table hold a problem's fields. A dot steps into a nested value: `question.body`, and with a
    number into a list: `messages.0.content`, from the end as `messages.-1.content`."""

    id: str | None = "id"
    """None: a row is called after its file and its number in it (its byte in JSON lines)."""
    problem: str | list[str] = "problem"
    """Several columns, such as a title and a body, are joined by a blank line."""
    answer: str | None = "answer"
    source: str | None = "source"
    license: str | None = "license"
    url: str | None = "url"
    user_name: str | None = "user_name"
    user_url: str | None = "user_url"


class Source(Strict):
    """One input: where it is stored, what it is, and how to read it."""

    kind: Literal["table", "stackexchange", "aops", "run"] = "table"
    path: str
    """Local path, directory, glob or URI (`s3://...`), or a hub name (`owner/name`) where `kind` is table; of a `run`
    the --out that it was given."""
    name: str | None = None
    """Value of the `source` field where a row has none; the file's stem where this is not given."""
    columns: Columns = Columns()
    what: Literal["problems", "traces", "rejects"] = added("problems")
    """Of a run: problems with a verdict, their answer the settled reference; samples, published or not, of these
    problems; or what was rejected, to be tried again."""
    version: Positive | None = added(None)
    """Of a run: the published version; the newest if none is given, which a start of the derived run then names."""
    digest: str | None = added(None)
    """Of a run: the digest of that version's manifest. Filled in, so that a run says what it was made from."""
    where: dict[str, Scalar | tuple[Scalar, ...]] = added(default_factory=dict)
    """Columns and the value, or values, that a row must have in each. Of a run these are source, min_difficulty and
    max_difficulty (the low-mode pass rate), of traces also mode, tool, task, teacher and outcome (`published`,
    `wrong_answer`, ...), of rejects source, kind, stage and reason; what does not meet them is not read. Of a table,
    other rows are rejected as `filtered_out`."""
    answer_in: Literal["boxed", "hash"] | None = added(None)
    """Where the answer stands in its column, if that holds a solution: in the last `\\boxed{}`, or behind `####`."""
    none_answers: tuple[str, ...] = added(("proof", "notfound", "not found", "N/A"))
    """What stands in the answer's column if there is no reference, in any case of letters."""
    fold_duplicates: bool = added(False)
    """Keep one of the rows whose problem is the same text, first of all one with an answer, whatever their ids."""
    ids: Literal["own", "named"] = added("own")
    """Whether the ids of rows stay as they are, or stand under `name`, as `name/7`: for sources that count from 0."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = added(None)
    """Between the fields of a .csv or .tsv file; a comma, or a tab for .tsv, where this is not given."""
    split: str | None = None
    """The split of a Hugging Face dataset (`train`); all of them where this is not given."""
    site: str | None = None
    """Host of a Stack Exchange site (`math.stackexchange.com`), for ids and urls; taken from `path` if it is there."""
    license: str | None = None
    """Licence of rows that name none themselves."""
    refuse_licenses: tuple[str, ...] = ()
    """Licences whose rows are rejected, as shell patterns (`CC BY-NC*`); `unknown` stands for rows without one."""
    max_row_mb: Positive = 16
    """A longer row is rejected, so that memory stays bounded."""
    limit: Positive | None = None
    """Read only the first rows, for a trial."""
    splits: Positive | None = operational(None)
    """Parts that a Stack Exchange dump is read in, side by side; chosen by its size where this is not given."""
