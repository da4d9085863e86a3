"""Conversations to token ids, as the reference renderer of harmony writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from factory.dialects.harmony_message import CONSTRAIN, HarmonyMessage, HarmonyTokens
from factory.dialects.harmony_prompt import DeveloperContent, SystemContent


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message of a conversation. `role` is system, developer, user, assistant, or the name of a tool."""

    role: str
    content: str | SystemContent | DeveloperContent
    recipient: str | None = None
    channel: str | None = None
    content_type: str | None = None
    """`json`, `code`, or with the mark `<|constrain|>` before the word."""


def render(
    tokens: HarmonyTokens,
    conversation: Sequence[Said],
    *,
    next_role: str | None = None,
    keep_analysis: bool = False,
    training: bool = False,
) -> list[int]:
    """Token ids of a conversation, then the opening of `next_role`'s message.

    What the assistant thought before its first final message is dropped once its last message is final, as it is at
    inference, unless `keep_analysis`. `training` ends a last final message with `<|return|>`, which is what the model
    is to write, instead of the `<|end|>` of history.
    """
    kept = list(conversation) if keep_analysis else drop_analysis(conversation)
    calls_functions = any(isinstance(s.content, DeveloperContent) and s.content.functions for s in conversation)
    messages = [message(tokens, said, calls_functions=calls_functions) for said in kept]
    ids = tokens.join(messages)
    if training and kept and kept[-1].role == "assistant" and kept[-1].channel == "final":
        ids[-1] = tokens.return_
    return ids + ([tokens.start, *tokens.tokenizer.encode(next_role)] if next_role else [])


def message(tokens: HarmonyTokens, said: Said, *, calls_functions: bool = False) -> HarmonyMessage:
    """One message with its header spelled as the reference does: the recipient stands before the channel."""
    encode = tokens.tokenizer.encode
    header = encode(said.role)
    header += encode(f" to={said.recipient}") if said.recipient else []
    header += [tokens.channel, *encode(said.channel)] if said.channel else []
    if said.content_type:
        constrained = said.content_type.startswith(CONSTRAIN)
        word = said.content_type.removeprefix(CONSTRAIN)
        header += [*encode(" "), tokens.constrain, *encode(word)] if constrained else encode(f" {word}")
    match said.content:
        case SystemContent():
            text = said.content.render(calls_functions=calls_functions)
        case DeveloperContent():
            text = said.content.render()
        case str():
            text = said.content
    calls = said.role == "assistant" and said.recipient is not None
    return HarmonyMessage(header, encode(text), end=tokens.call if calls else tokens.end)


def drop_analysis(conversation: Sequence[Said]) -> list[Said]:
    """The conversation without the thoughts before the first final message, if the assistant's last word is final."""
    spoken = [said for said in conversation if said.role == "assistant"]
    if not spoken or spoken[-1].channel != "final":
        return list(conversation)
    first = next(i for i, said in enumerate(conversation) if said.channel == "final")
    return [said for i, said in enumerate(conversation) if i >= first or said.channel != "analysis"]
