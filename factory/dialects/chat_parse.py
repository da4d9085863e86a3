"""Whole traces of the dialect `chat` read back as messages.

The prompt and the results are taken apart by what the format writes around them: the same is written with marks in
place of the words, the words are what stands where the marks stood, and they count only if writing them again gives
the same tokens.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

from factory.dialects.chat import Chat, ChatTurn
from factory.dialects.chat_reply import Reply
from factory.dialects.fenced_parse import Reader, written
from factory.dialects.protocol import ParsedTrace
from factory.records import Message, MessageToolCall, Mode, Origin

_SYSTEM, _USER = "\ufdd1", "\ufdd2"


def parse(chat: Chat, token_ids: list[int], mask: list[int] | None) -> ParsedTrace:
    """Messages of a trace. Without a mask the prompt is found, and all the rest is taken for one turn."""
    n_prompt = _prompt_length(chat, token_ids) if mask is None else _leading(mask)
    messages, mode = prompt_messages(chat, token_ids[:n_prompt])
    rest = token_ids[n_prompt:]
    if mask is None:
        mask = [Origin.PROMPT] * n_prompt + [Origin.GENERATED] * len(rest)
    if chat.tools is None:
        return _fenced(chat, messages, rest, mask[n_prompt:])
    return _native(chat, messages, mode, list(_stretches(token_ids, mask)))


def prompt_messages(chat: Chat, prompt: list[int]) -> tuple[list[Message], Mode | None]:
    """System and user of a prompt, and a mode that it is written in. What is no prompt of ours is all the user's."""
    found = _taken_apart(chat, prompt)
    if found is not None:
        return found
    return ([Message(role="user", content=chat.tokenizer.decode(prompt))] if prompt else []), None


def _taken_apart(chat: Chat, prompt: list[int]) -> tuple[list[Message], Mode | None] | None:
    text = _marked(chat, prompt)
    for mode, tool, has_system in itertools.product((*chat.efforts, None), (True, False), (False, True)):
        frame = _marked(chat, chat.render(_SYSTEM if has_system else "", _USER, mode=mode, tool=tool))
        if (words := _between(frame, text, (_SYSTEM, _USER))) is None:
            continue
        system, user = words.get(_SYSTEM, ""), words[_USER]
        if chat.render(system, user, mode=mode, tool=tool) == prompt:
            found = [Message(role="system", content=system)] if system else []
            return [*found, Message(role="user", content=user)], mode
    return None


def _native(
    chat: Chat, messages: list[Message], mode: Mode | None, stretches: list[tuple[int, list[int]]]
) -> ParsedTrace:
    problems, final, is_open = list[str](), None, True
    n_calls = n_python = n_outputs = 0
    opening, turn, unanswered = list[int](), ChatTurn(), list[str]()
    for origin, tokens in stretches:
        if origin == Origin.GENERATED:
            turn = chat.read(tokens, opening, mode)
            reply, is_open = turn.reply, tokens[-1] not in chat.stop_token_ids
            problems += reply.problems
            asked = [call.message(n_calls + n, chat.tool_name) for n, call in enumerate(reply.calls, start=1)]
            n_calls += len(asked)
            n_python += sum(call.is_python for call in reply.calls)
            unanswered = [call.id for call in asked]
            final = None if asked else reply.content or None
            if reply.content or reply.thought or asked:
                messages.append(_said(reply, asked))
            continue
        opening = tokens
        if origin == Origin.PROMPT:
            continue
        for content in _contents(chat, tokens, turn):
            n_outputs += 1
            problems += [] if unanswered else ["a result follows no call"]
            call_id = unanswered.pop(0) if unanswered else None
            messages.append(Message(role="tool", content=content, tool_call_id=call_id))
        final, is_open = None, True
    return ParsedTrace(
        messages=messages,
        n_python_calls=n_python,
        n_tool_outputs=n_outputs,
        truncated=is_open,
        problems=problems,
        final=final,
    )


def _said(reply: Reply, asked: list[MessageToolCall]) -> Message:
    return Message(
        role="assistant", content=reply.content, reasoning_content=reply.thought or None, tool_calls=asked or None
    )


def _contents(chat: Chat, tokens: list[int], turn: ChatTurn) -> list[str]:
    """The results that stand in a stretch of tool output; the whole stretch if it is none of ours."""
    marks = [chr(0xFDD1 + at) for at in range(min(len(turn.reply.calls), 16) or 1)]
    frame, text = _marked(chat, chat.bridge(marks, turn)), _marked(chat, tokens)
    for mark in marks:  # templates that write results as JSON escape them
        frame = frame.replace(json.dumps(mark)[1:-1], mark)
    words = _between(frame, text, marks)
    if words is None:
        return [chat.tokenizer.decode(tokens)]
    contents = [words[mark] for mark in marks]
    unescaped = [_from_json(content) for content in contents]
    return unescaped if chat.bridge(unescaped, turn) == tokens != chat.bridge(contents, turn) else contents


def _fenced(chat: Chat, messages: list[Message], rest: list[int], mask: list[int]) -> ParsedTrace:
    """A trace whose calls stand between fences, inside one message of the assistant's."""
    reader = Reader(chat.tool_name)
    for message in messages:
        reader.speak(message.role, message.content)
    ended = bool(rest) and rest[-1] in chat.stop_token_ids
    body = rest[:-1] if ended else rest
    reader.read(written(chat.fenced.stretches(body, mask[: len(body)])), ended=ended)
    reader.truncated = reader.truncated or not ended
    return reader.parsed()


def _stretches(token_ids: list[int], mask: list[int]) -> Iterator[tuple[int, list[int]]]:
    start = 0
    for origin, same in itertools.groupby(mask):
        stop = start + len(list(same))
        yield origin, token_ids[start:stop]
        start = stop


def _leading(mask: list[int]) -> int:
    return next((n for n, origin in enumerate(mask) if origin != Origin.PROMPT), len(mask))


def _prompt_length(chat: Chat, token_ids: list[int]) -> int:
    """How many of the tokens are the prompt, where no mask says it: the shortest beginning that is one."""
    openings = {tuple(_opening(chat, mode)) for mode in (None, *chat.efforts)}
    lengths = {len(opening) for opening in openings}
    ends = (
        end
        for end in range(1, len(token_ids) + 1)
        if any(tuple(token_ids[max(0, end - n) : end]) in openings for n in lengths)
    )
    found = (end for end in itertools.islice(ends, 8) if _taken_apart(chat, token_ids[:end]) is not None)
    return next(found, 0)


def _opening(chat: Chat, mode: Mode | None) -> list[int]:
    """The last control token of a prompt, and what follows it."""
    prompt = chat.render("", "a", mode=mode, tool=False)
    is_control = chat.chat_tokenizer.control_ids.__contains__
    return prompt[max((n for n, i in enumerate(prompt) if is_control(i)), default=0) :]


def _marked(chat: Chat, token_ids: list[int]) -> str:
    """Text in which each control token is one character of its own, so that words which spell one are told from it."""
    text, signs = list[str](), chat.chat_tokenizer.signs
    for is_control, same in itertools.groupby(token_ids, chat.chat_tokenizer.control_ids.__contains__):
        ids = list(same)
        text += [signs[i] for i in ids] if is_control else [chat.tokenizer.decode(ids)]
    return "".join(text)


def _between(frame: str, text: str, marks: tuple[str, ...] | list[str]) -> dict[str, str] | None:
    """What stands in `text` where `frame` has its marks; None if the rest is not the same."""
    present = sorted((mark for mark in marks if mark in frame), key=frame.index)
    words: dict[str, str] = {}
    for at, mark in enumerate(present):
        before, _, frame = frame.partition(mark)
        if not text.startswith(before):
            return None
        text = text[len(before) :]
        if at + 1 < len(present):
            until = frame[: frame.index(present[at + 1])]
            content, found, _ = text.partition(until)
            if not found:
                return None
            words[mark], text = content, text[len(content) :]
        elif text.endswith(frame):
            words[mark] = text[: len(text) - len(frame)]
        else:
            return None
    return words


def _from_json(content: str) -> str:
    try:
        value = json.loads(f'"{content}"')
    except ValueError:
        return content
    return str(value)
