"""A model's tokenizer as chat templates and the library `renderers` need it: their markup becomes control tokens, the
words inside stay words.

Renderers and templates write whole messages as text and have it tokenized, so that a problem which spells `<|im_end|>`
would end its message. What comes from outside is therefore guarded before it is put into a message: a mark inside each
spelling of a control token keeps the spelling from being one. The mark is gone before the text is tokenized.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from factory.dialects.chat_files import ChatFiles
from factory.dialects.protocol import Tokenizer
from factory.dialects.tokenizer import pattern

_MARK = "\ufdd0"  # a noncharacter of Unicode: no text should hold one, and one that does gets it back
_MARKED = re.compile(f"{_MARK}({_MARK}?)")


class ChatTokenizer:
    """The tokenizer of one model with the methods of a Hugging Face tokenizer that the library calls."""

    unk_token_id = None

    def __init__(self, tokenizer: Tokenizer, files: ChatFiles) -> None:
        self.plain, self.files = tokenizer, files
        self.name_or_path = files.name
        self.all_special_tokens = list(tokenizer.control)
        self.eos_token_id = tokenizer.control.get(files.specials.get("eos_token", ""))
        self._spellings = pattern(tuple(tokenizer.control))
        self._guarded = pattern(tuple(spelling for spelling in tokenizer.control if spelling.strip()))
        self.control_ids = frozenset(tokenizer.control.values())
        self.signs = {token_id: chr(0x100000 + at) for at, token_id in enumerate(sorted(self.control_ids))}
        """A character for each control token, of a plane that nobody writes in."""
        self._left: frozenset[str] = getattr(tokenizer, "strips_left", frozenset())
        self._right: frozenset[str] = getattr(tokenizer, "strips_right", frozenset())

    def guarded(self, text: str) -> str:
        """Text that means no control token, whatever it spells."""
        text = text.replace(_MARK, _MARK + _MARK)
        return self._guarded.sub(lambda found: found[0][0] + _MARK + found[0][1:], text)

    def bare(self, text: str) -> str:
        """Text without the spellings of control tokens."""
        return self._guarded.sub("", text)

    def encode(self, text: str, **_: Any) -> list[int]:
        ids: list[int] = []
        pieces = self._spellings.split(text)  # words and control tokens in turn
        for at in range(1, len(pieces), 2):
            if pieces[at] in self._left:
                pieces[at - 1] = pieces[at - 1].rstrip()
            if pieces[at] in self._right:
                pieces[at + 1] = pieces[at + 1].lstrip()
        for at, piece in enumerate(pieces):
            ids += [self.plain.control[piece]] if at % 2 else self.plain.encode(_MARKED.sub(r"\1", piece))
        return ids

    def decode(self, token_ids: int | Sequence[int], **_: Any) -> str:
        return self.plain.decode([token_ids] if isinstance(token_ids, int) else list(token_ids))

    def convert_tokens_to_ids(self, token: str) -> int | None:
        """The id of a control token, or of another text that is one token; None if there is no such token."""
        if token in self.plain.control:
            return self.plain.control[token]
        ids = self.plain.encode(token)
        return ids[0] if len(ids) == 1 else None

    def apply_chat_template(
        self, messages: list[dict[str, Any]], *, tools: list[Any] | None = None, **settings: Any
    ) -> list[int]:
        """Token ids of a conversation as the model's own template writes it. Raises what the template raises."""
        settings = {k: v for k, v in settings.items() if k not in ("tokenize", "return_dict")}
        return self.encode(rendered(self.files, messages, tools, **settings))


def rendered(files: ChatFiles, messages: list[dict[str, Any]], tools: list[Any] | None, **settings: Any) -> str:
    """A conversation as the model's own template writes it; its date is fixed, so that prompts don't change by day."""
    from datetime import datetime

    from transformers.utils.chat_template_utils import render_jinja_template

    date = datetime(2024, 7, 26)
    dated = {"strftime_now": date.strftime, "date_string": date.strftime("%d %b %Y")}
    texts, _ = render_jinja_template(
        [messages],
        tools=tools,
        chat_template=files.template(tools=bool(tools)),
        **{**dated, **files.specials, **settings},
    )
    return str(texts[0])
