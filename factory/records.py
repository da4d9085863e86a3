"""The row kinds of the factory, declared once: each dataclass is also its Arrow schema (`arrow` derives it)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Final, Literal

from factory.arrow import Int8, Int32, added, from_dict, to_dict

PYTHON_TOOL = "stateful_python_code_exec"
"""The Python tool's name in messages of OpenAI form and in the `tools` column, as in the Nemotron-Math release."""


class Record:
    """What row kinds have in common: their text can be stored, whatever a model, a cell or a page wrote.

    Python strings may hold half of a surrogate pair (from a JSON escape such as `\\ud83d`), which no UTF-8 has room
    for. It becomes U+FFFD when a record is made, so that the row in memory is the row in storage.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        for item in fields(self):  # type: ignore[arg-type]
            value = getattr(self, item.name)
            if (storable := _storable(value)) is not value:
                object.__setattr__(self, item.name, storable)


def storable_text(text: str) -> str:
    """`text` with the halves of surrogate pairs joined, and U+FFFD for a half without its other."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _storable(value: Any) -> Any:
    """`value` itself where its text can be stored as it is. Records inside it have seen to their own text."""
    if type(value) is str:
        return storable_text(value)
    if type(value) is list and value and type(value[0]) is str:
        clean = [storable_text(text) for text in value]
        return value if clean == value else clean
    if type(value) is dict and value:
        changed = {_storable(key): _storable(item) for key, item in value.items()}
        return value if changed == value else changed
    return value


class Mode(StrEnum):
    """Reasoning effort asked of the teacher (Nemotron-Math, section 2.1)."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


STRONGEST_FIRST = (Mode.HIGH, Mode.MEDIUM, Mode.LOW)


def tool_name(tool: bool) -> str:
    """A sample with or without Python, as keys, directories and counts spell it."""
    return "python" if tool else "none"


class JournalRow(Record):
    """A row of the journal: `store.kinds` says where each kind of them is stored and whose it is."""

    __slots__ = ()


class Origin:
    """Who wrote a token: the values of `Trace.mask`."""

    PROMPT = 0
    GENERATED = 1
    TOOL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution(Record):
    """What a share-alike licence asks to be kept: licence, page, author."""

    license: str | None = None
    url: str | None = None
    user_name: str | None = None
    user_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Post(Record):
    """One contribution to a thread, as Markdown with its LaTeX untouched."""

    id: str
    text: str
    score: Int32 = 0
    accepted: bool = False
    comments: list[str] = field(default_factory=list)
    attribution: Attribution = field(default_factory=Attribution)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread(Record):
    """A forum discussion: a first post that may state problems, and the replies."""

    id: str
    source: str
    title: str = ""
    question: Post
    answers: list[Post] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    duplicate_of: list[str] = field(default_factory=list)
    position: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour(Record):
    """A benchmark problem close to a training problem, with every signal that was measured on the pair."""

    benchmark: str
    id: str
    cosine: float
    verdict: str
    signals: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem(Record):
    """A self-contained problem; `answer` is the reference the source gives, None if it gives none."""

    id: str
    text: str
    answer: str | None = None
    source: str = ""
    attribution: Attribution = field(default_factory=Attribution)
    contributors: list[Attribution] = field(default_factory=list)  # whose replies the reference answer was read from
    neighbours: list[Neighbour] = field(default_factory=list)
    steps: dict[str, str] = field(default_factory=dict)  # raw model text of each curation step
    position: str = ""  # file and line or byte it was read from


@dataclass(frozen=True, slots=True, kw_only=True)
class CuratedThread(JournalRow):
    """The ending of a thread that states problems: those that continue. What else was found is a reject of its own."""

    thread_id: str
    source: str = ""
    problems: list[Problem]
    n_found: Int32  # problems that the thread states, rejected ones included


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCall(Record):
    name: str
    arguments: str  # JSON text, as in the OpenAI chat format


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageToolCall(Record):
    id: str
    type: str = "function"
    function: FunctionCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Record):
    """One chat message in OpenAI form; `reasoning_content` holds what the model thought before it spoke."""

    role: str
    content: str = ""
    reasoning_content: str | None = None
    tool_calls: list[MessageToolCall] | None = None
    tool_call_id: str | None = None


CellStatus = Literal["ok", "error", "timeout", "memory", "disk", "killed", "malformed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall(Record):
    """One executed call: what ran, what came back and how long it took (seconds of wall time)."""

    code: str
    status: CellStatus
    stdout: str = ""
    stderr: str = ""
    state_lost: bool = False
    seconds: float = 0.0


SOLVE: Final = "solve"
TEACHER: Final = "teacher"
"""What a sample is drawn for, and by which role's model, where nothing else is said."""
EVALUATE: Final = "evaluate"
STUDENT: Final = "student"
"""The same of a sample that measures a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleKey:
    """The deterministic identity of one sample inside a run.

    `task` is the program that draws it and `teacher` the role whose model does, so that two of either can sample one
    problem in one run. A key that names neither is spelled as before there were others, and so keeps its seed and uid.
    """

    problem_id: str
    mode: Mode
    tool: bool
    sample: Int32
    task: str = SOLVE
    teacher: str = TEACHER

    def __str__(self) -> str:
        name = f"{self.problem_id}/{self.mode}/{tool_name(self.tool)}/{self.sample}"
        usual = (self.task, self.teacher) == (SOLVE, TEACHER)
        return name if usual else f"{name}/task={self.task}/teacher={self.teacher}"

    @staticmethod
    def of(row: Mapping[str, Any]) -> SampleKey:
        """The key of a stored row, whatever else it holds. `KEY_COLUMNS` are what it needs."""
        values = {name: row[name] for name in KEY_COLUMNS if name in row}
        return SampleKey(**{**values, "mode": Mode(row["mode"])})


KEY_COLUMNS = tuple(field.name for field in fields(SampleKey))


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRow(JournalRow):
    """What a trace and its turns have in common: the sample that was drawn, and at which attempt."""

    problem_id: str
    mode: Mode
    tool: bool
    sample: Int32
    attempt: Int32 = 0
    task: str = added(SOLVE)
    teacher: str = added(TEACHER)

    @property
    def key(self) -> SampleKey:
        return SampleKey(
            problem_id=self.problem_id,
            mode=self.mode,
            tool=self.tool,
            sample=self.sample,
            task=self.task,
            teacher=self.teacher,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace(SampleRow):
    """One finished sample: exactly the tokens that the model saw and said, and what is known about them.

    `token_ids` and `mask` have equal length; `mask` holds an `Origin` per token. `messages`, `answer` and the counts
    are views of them. `uid` identifies the content, so that a verdict names the very trace it judged.
    """

    uid: str = ""
    token_ids: list[Int32]
    mask: list[Int8]
    messages: list[Message]
    answer: str | None
    finish_reason: str  # stop | length | calls | wall_time | repetition | context | error
    tool_calls: list[ToolCall] = field(default_factory=list)
    n_prompt_tokens: Int32 = 0
    n_generated_tokens: Int32 = 0
    n_tool_tokens: Int32 = 0
    n_regenerated_tokens: Int32 = 0  # generated twice because an engine died
    seconds: float = 0.0
    seed: int = 0
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: Int32 = 0
    engine: str = ""
    model: str = ""
    model_revision: str = ""
    dialect: str = ""
    prompt_fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement(Record):
    """One sample compared with the settled reference. `equal` is what counts: None while nobody could decide.

    `symbolic` is the rules' own verdict and `judge` that of the model, where it was asked; `majority` tells whether the
    sample votes with the winning class, for the samples that were drawn to settle the reference.
    """

    mode: Mode
    tool: bool
    sample: Int32
    uid: str
    answer: str | None
    equal: bool | None
    method: str
    symbolic: bool | None = None
    judge: bool | None = None
    majority: bool | None = None
    n_generated_tokens: Int32 = 0
    task: str = added(SOLVE)
    teacher: str = added(TEACHER)
    rule: str | None = added(None)
    """The rule that gave `symbolic`, also where the judge counts; None in rows older than this field."""

    def key(self, problem_id: str) -> SampleKey:
        """The key of the judged sample; the problem is the verdict's."""
        return SampleKey(
            problem_id=problem_id,
            mode=self.mode,
            tool=self.tool,
            sample=self.sample,
            task=self.task,
            teacher=self.teacher,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime(Record):
    """Pass statistics of one problem in one mode, with or without Python (the release's `metadata` field)."""

    mode: Mode
    tool: bool
    count: Int32
    passed: Int32

    @property
    def accuracy(self) -> float:
        return self.passed / self.count if self.count else 0.0

    @property
    def name(self) -> str:
        return f"reason_{self.mode}_{'with_tool' if self.tool else 'no_tool'}"


ReferenceChange = Literal["kept", "filled", "replaced"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(JournalRow):
    """A problem that survived: its settled reference, the verdict on every sample, and where the votes went."""

    problem: Problem
    reference: str
    original_reference: str | None
    changed_to_majority: bool
    votes: dict[str, int]  # representative answer of each equivalence class -> samples in it
    regimes: list[Regime]
    judgements: list[Judgement]
    difficulty: float  # low-mode pass rate, 0 (hard) to 1 (easy)

    @property
    def reference_change(self) -> ReferenceChange:
        """What the vote did to the source's answer: left it, gave one if there was none, or put another there."""
        if not self.changed_to_majority:
            return "kept"
        return "filled" if self.original_reference is None else "replaced"

    @property
    def reference_votes(self) -> int:
        """Samples of the vote that are equal to the settled reference."""
        return sum(judgement.majority is not None and judgement.equal is True for judgement in self.judgements)

    @property
    def vote_share(self) -> float | None:
        """The winning answer's votes over all votes; None if no sample gave an answer."""
        return max(self.votes.values()) / sum(self.votes.values()) if self.votes else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject(JournalRow):
    """A rejected row: stage, reason, detail, and the row itself as JSON."""

    id: str
    kind: str  # thread | problem | trace; of a dump also file, post, comment and link
    stage: str
    reason: str
    detail: str = ""
    row: str = ""
    position: str = ""
    source: str = ""

    @staticmethod
    def of(row: Thread | Problem, stage: str, reason: str, detail: str = "") -> Reject:
        """A thread or problem that leaves at `stage`, kept whole."""
        return Reject(
            id=row.id,
            kind=type(row).__name__.lower(),
            stage=stage,
            reason=reason,
            detail=detail,
            row=json.dumps(to_dict(row), ensure_ascii=False),
            position=row.position,
            source=row.source,
        )

    @property
    def whole(self) -> Thread | Problem | None:
        """The rejected thread or problem itself, if it was kept; what was refused unread is not one."""
        kinds: dict[str, type[Thread] | type[Problem]] = {"thread": Thread, "problem": Problem}
        try:
            return from_dict(kinds[self.kind], json.loads(self.row))
        except (KeyError, ValueError, TypeError, AttributeError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedTurn(SampleRow):
    """One turn of a sample that has not ended yet, so that a long trace survives the worker that draws it.

    `token_ids` and `mask` are what this turn added: the prompt where `turn` is 0, then what was generated, then the
    tool output. Turns 0..k of one key and attempt, put together, are the trace so far.
    """

    turn: Int32
    token_ids: list[Int32]
    mask: list[Int8]
    tool_calls: list[ToolCall] = field(default_factory=list)
    n_regenerated_tokens: Int32 = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply(JournalRow):
    """One answered question to the curator or the judge: `owner` is the thread or problem that it was asked for."""

    owner: str
    key: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation(JournalRow):
    """Something that is said about a stored trace and never rewrites it: a score, a vote, a class.

    `uid` is the trace's, `owner` its problem's id. `name` says what was looked at (`reward`, `topic`) and becomes a
    column of the published row; `value`, `text` or both are the finding. `model`, `revision` and `license` are those of
    the model that found it, empty if none did.
    """

    owner: str
    uid: str
    name: str
    value: float | None = None
    text: str | None = None
    model: str = ""
    revision: str = ""
    license: str = ""

    def __post_init__(self) -> None:
        Record.__post_init__(self)  # not super(): slots made another class of this one
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise ValueError(f"an annotation is named by small letters, digits and _, not {self.name!r}")
        if self.value is None and self.text is None:
            raise ValueError(f"the annotation {self.name!r} of {self.uid!r} has neither a value nor a text")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSample(Record):
    """A sample of another run, as a program over stored samples reads it.

    `problem` has the reference that the other run settled; `judgement` is None for a sample that its verdict does not
    name, and `outcome` says whether it was published, or why not.
    """

    id: str
    source: str = ""
    problem: Problem
    trace: Trace
    judgement: Judgement | None = None
    outcome: str = ""
    position: str = ""


def uid_of(key: SampleKey, token_ids: list[int]) -> str:
    """A content hash of one sample: equal exactly when key and tokens are equal."""
    digest = hashlib.blake2b(str(key).encode(), digest_size=16)
    digest.update(b"\0" + ",".join(map(str, token_ids)).encode())
    return digest.hexdigest()
