"""Chat: a model's own chat template, whatever family it is of, on token ids.

Prompts are exactly what the template writes. Thoughts, calls and results have the model's own form, as the library
`renderers` knows it or the template shows it; where a model has no form for calls, it writes Python between fences, as
in the dialect `fenced`, inside its own template. What was sampled is never rendered again: a result is put behind it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from factory.dialects.chat_files import ChatFiles
from factory.dialects.chat_format import Format, find
from factory.dialects.chat_jinja import JinjaRenderer
from factory.dialects.chat_probe import CALL, USER, python, result
from factory.dialects.chat_reply import Reply, read_reply
from factory.dialects.chat_tokenizer import ChatTokenizer
from factory.dialects.fenced import Fenced
from factory.dialects.protocol import ParsedTrace, Tokenizer, Turn
from factory.dialects.shown import shown_output
from factory.errors import FactoryError
from factory.recipe import ChatSettings
from factory.records import PYTHON_TOOL, Mode, ToolCall

_PYTHON = "Runs Python code and returns what it prints. Variables stay from one call to the next."
_NONE_LEFT = "No Python calls are left. Finish without running more code."
SENTENCE = "sentence"
"""The effort that is told in words, not set in the template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatTurn(Turn):
    """A turn with the tokens that its results are put behind."""

    opening: list[int] = field(default_factory=list)
    generated: list[int] = field(default_factory=list)
    reply: Reply = field(default_factory=Reply)
    mode: Mode | None = None


class Chat:
    """The chat format of one model over its tokenizer, which knows the directory that it came from."""

    name = "chat"

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        python_description: str = "",
        settings: ChatSettings | None = None,
        tool_name: str = PYTHON_TOOL,
    ) -> None:
        directory = getattr(tokenizer, "directory", None)
        if directory is None:
            raise FactoryError(
                "the dialect chat needs the files of a model, not its tokenizer alone",
                why="the chat template lies beside the tokenizer",
                remedy="give the directory of a model",
            )
        settings = settings or ChatSettings()
        self.tokenizer, self.tool_name = tokenizer, tool_name
        self.chat_tokenizer = ChatTokenizer(tokenizer, ChatFiles.read(directory))
        self.format: Format = find(self.chat_tokenizer, settings.family)
        self.efforts = _efforts(self.format, settings.effort)
        self.tools = [python(python_description or _PYTHON)] if self.format.has_tools else None
        words = {"python_description": Fenced.describe(python_description)} if python_description else {}
        self.fenced = Fenced(tokenizer, **words)
        self._renderers: dict[str, Any] = {}
        self.stop_token_ids = list(
            dict.fromkeys([*self.renderer(None).get_stop_token_ids(), *self.chat_tokenizer.files.ends])
        )
        self.fenced.stop_token_ids = self.stop_token_ids
        for mode in (None, *self.efforts):
            self._check(mode)

    @staticmethod
    def describe(python: str) -> str:
        """What the tool's description says of Python; how it is called, the model's own format says."""
        return f"{_PYTHON} {python}"

    @staticmethod
    def read_text(text: str) -> tuple[ParsedTrace, bool]:
        """Refused: which format a transcript is in, only the files of its model tell."""
        raise FactoryError(
            "a transcript in a model's own chat format cannot be read without the model",
            why="every family marks messages, thoughts and calls in another way",
            remedy="read it as fenced or harmony where it is in one of these",
        )

    def prompt(self, user: str, *, mode: Mode | None, tool: bool, system: str = "") -> list[int]:
        """What the template writes for `system`, a sentence of effort and the user's message, with Python or without.

        Raises `FactoryError` for a mode that the recipe gives no effort where others have one.
        """
        sentence = str(self.effort(mode).get(SENTENCE, ""))
        words = self.fenced.python_description if tool and self.tools is None else ""
        told = "\n\n".join(filter(None, [system, sentence, words]))
        return self.render(told, user, mode=mode, tool=tool)

    def turn(self, generated: list[int], *, opening: list[int] | None = None, mode: Mode | None = None) -> Turn:
        """The calls that the turn makes, in the model's own form."""
        return self.fenced.turn(generated) if self.tools is None else self.read(generated, opening or [], mode)

    def turn_end(self) -> Any:
        """None if control tokens end a turn; a watch for the closing fence where calls stand between fences."""
        return self.fenced.turn_end() if self.tools is None else None

    def tool_output(self, *calls: ToolCall, turn: Turn | None = None, calls_left: int | None = None) -> list[int]:
        """The results in the model's own form, and the opening of its next turn."""
        if self.tools is None:
            return self.fenced.tool_output(*calls, calls_left=calls_left)
        contents = [shown_output(call) for call in calls]
        if calls_left is not None and calls_left <= 0:
            contents[-1] = f"{contents[-1].rstrip()}\n\n{_NONE_LEFT}"
        return self.bridge(contents, turn if isinstance(turn, ChatTurn) else ChatTurn())

    def parse(self, token_ids: list[int], mask: list[int] | None = None) -> ParsedTrace:
        """Messages of a whole trace in OpenAI form."""
        from factory.dialects.chat_parse import parse

        return parse(self, token_ids, mask)

    def effort(self, mode: Mode | None) -> Mapping[str, Any]:
        """What the recipe, or the family, sets for a mode; nothing if the model knows no efforts."""
        if mode is None or not self.efforts:
            return {}
        if mode not in self.efforts:
            raise FactoryError(
                f"{self.chat_tokenizer.files.name}: nothing tells the model to think with {mode.value} effort",
                why=f"the family {self.format.family} has {len(self.format.efforts)} efforts; told apart are "
                + ", ".join(m.value for m in self.efforts),
                remedy=f"say it in the recipe: chat: {{effort: {{{mode.value}: {{sentence: Think briefly.}}}}}}",
            )
        return self.efforts[mode]

    def renderer(self, mode: Mode | None) -> Any:
        """The renderer in a mode's effort. Raises `FactoryError` for a setting that the family does not have."""
        settings = {key: value for key, value in self.effort(mode).items() if key != SENTENCE}
        key = json.dumps(settings, sort_keys=True)
        if key not in self._renderers:
            try:
                self._renderers[key] = self.format.make(settings)
            except Exception as error:
                raise FactoryError(
                    f"the chat family {self.format.family} cannot be set to {settings}",
                    why=" ".join(str(error).split()),
                    remedy="set what the model's template knows, or tell the effort in a sentence",
                ) from None
        return self._renderers[key]

    def render(self, system: str, user: str, *, mode: Mode | None, tool: bool) -> list[int]:
        """The prompt of a system message, if there is one, and a user's."""
        guarded = self.chat_tokenizer.guarded
        if system and not self._takes_system:
            system, user = "", f"{system}\n\n{user}"
        messages = [{"role": "system", "content": guarded(system)}] if system else []
        messages.append({"role": "user", "content": guarded(user)})
        tools = self.tools if tool else None
        ids: list[int] = self.renderer(mode).render_ids(messages, tools=tools, add_generation_prompt=True)
        return ids

    def read(self, generated: list[int], opening: list[int], mode: Mode | None) -> ChatTurn:
        """A turn in the model's own form. `opening` are the tokens before it, which may open a thought."""
        reply = read_reply(self.renderer(mode), self.chat_tokenizer, generated, opening, self.tools)
        first, *more = [call.turn for call in reply.calls] or [Turn()]
        return ChatTurn(
            code=first.code,
            malformed=first.malformed,
            more=tuple(more),
            opening=opening,
            generated=generated,
            reply=reply,
            mode=mode,
        )

    def bridge(self, contents: list[str], turn: ChatTurn) -> list[int]:
        """Tokens that show results behind a turn. A turn that the library can't follow is taken for a plain call."""
        ids = [*turn.reply.call_ids, *[None] * len(contents)]
        results = [result(self.chat_tokenizer.guarded(content), ids[at]) for at, content in enumerate(contents)]
        if isinstance(renderer := self.renderer(turn.mode), JinjaRenderer):
            return renderer.bridge(results, self.tools or [])
        for before, said in ((turn.opening, turn.generated), self._plain_call(turn.mode)):
            for bridging in (renderer, self.renderer(None)):  # some refuse beside an effort that is told to the user
                bridged = bridging.bridge_to_next_turn(before, said, results, tools=self.tools) if before else None
                if bridged is not None:
                    return list(bridged.token_ids[len(before) + len(said) :])
        raise FactoryError(f"the chat family {self.format.family} has no form for the result of a call")

    def _plain_call(self, mode: Mode | None) -> tuple[list[int], list[int]]:
        """A prompt and a turn that calls Python, as the family writes them."""
        renderer = self.renderer(mode)
        prompt = renderer.render_ids([USER], tools=self.tools, add_generation_prompt=True)
        whole = renderer.render_ids([USER, CALL], tools=self.tools)
        start = next((n for n, pair in enumerate(zip(prompt, whole, strict=False)) if pair[0] != pair[1]), len(prompt))
        said = whole[start:]
        end = next((n + 1 for n, i in enumerate(said) if i in self.stop_token_ids), len(said))
        return prompt, said[:end] if said[end - 1] in self.stop_token_ids else [*said, self.stop_token_ids[0]]

    @cached_property
    def _takes_system(self) -> bool:
        """Whether the template has a place for a system message; some raise, some drop it."""
        render = self.renderer(None).render_ids
        try:
            with_system = render([{"role": "system", "content": "Be brief."}, USER], add_generation_prompt=True)
        except Exception:  # templates raise errors of their own
            return False
        return bool(with_system != render([USER], add_generation_prompt=True))

    def _check(self, mode: Mode | None) -> None:
        """Raise `FactoryError` where a prompt, or a result, cannot be written in a mode."""
        for tool in (False, True):
            try:
                self.prompt("2 + 2?", mode=mode, tool=tool)
            except FactoryError:
                raise
            except Exception as error:
                raise FactoryError(
                    f"the chat format of {self.chat_tokenizer.files.name} cannot write a prompt",
                    why=" ".join(str(error).split()) or type(error).__name__,
                ) from None
        if self.tools is not None:
            self.bridge(["4"], ChatTurn(mode=mode))


def _efforts(format: Format, told: Mapping[Mode, Mapping[str, Any]]) -> dict[Mode, Mapping[str, Any]]:
    """What each mode sets: what the recipe says, else the family's own, the weakest to the strongest."""
    if told:
        return dict(told)
    own = format.efforts
    modes = list(Mode) if len(own) == len(Mode) else [Mode.LOW, Mode.HIGH]
    return dict(zip(modes, own, strict=True)) if own else {}
