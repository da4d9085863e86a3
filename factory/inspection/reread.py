"""Read published tokens again: are messages, answer, prompt and identity of a row what its tokens say?"""

from __future__ import annotations

from typing import Any

from factory import recipe
from factory.arrow import to_dict
from factory.dialects import dialect
from factory.dialects.protocol import Dialect
from factory.dialects.tokenizer import HfTokenizer
from factory.engines import model_files
from factory.inspection.redo import key_of, name_of
from factory.programs.call_budget import told
from factory.programs.effects import seed_of
from factory.programs.traces import final_answer
from factory.prompts.loader import prompt
from factory.prompts.promise import python_tool
from factory.records import uid_of

RELEASED_ROLES = ("user", "assistant", "tool")  # what the system was told is in the tokens only


def reread(settings: dict[str, Any], rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(key, difference) of each row; an empty difference where row and tokens agree. `settings` are the run's recipe.

    Raises `FactoryError` if the teacher's tokenizer is not to be had here.
    """
    if not rows:
        return []
    teacher = recipe.Teacher.model_validate(settings["teacher"])
    whole = teacher.dialect == "chat"
    tokenizer = HfTokenizer(model_files.tokenizer_file(teacher.model, teacher.revision, whole_chat=whole))
    promise = python_tool(recipe.SandboxSettings.model_validate(settings["sandbox"]))
    chat = dialect(teacher.dialect, tokenizer, promise, teacher.chat)
    # runs before the tool's description followed the recipe
    older = dialect(teacher.dialect, tokenizer, chat=teacher.chat)
    solve = recipe.Solve.model_validate(settings["solve"])
    return [(name_of(row), difference(row, chat, solve) and difference(row, older, solve)) for row in rows]


def difference(row: dict[str, Any], chat: Dialect, solve: recipe.Solve) -> str:
    """The first thing in which a published row and its tokens differ, in words; empty if they agree."""
    if len(row["mask"]) != len(row["token_ids"]):
        return "the mask is not as long as the tokens"
    parsed = chat.parse(row["token_ids"], row["mask"])
    said = [to_dict(message) for message in parsed.messages if message.role in RELEASED_ROLES]
    key = key_of(row)
    if uid_of(key, row["token_ids"]) != row["uid"]:
        return "the uid is that of other tokens"
    if said != row["messages"]:
        at = next(
            (i for i, pair in enumerate(zip(said, row["messages"], strict=False)) if pair[0] != pair[1]), len(said)
        )
        return f"message {at} of {len(row['messages'])} is not what the tokens say"
    if final_answer(parsed) != row["predicted_answer"]:
        return f"the tokens answer {final_answer(parsed)!r}, the row {row['predicted_answer']!r}"
    words = prompt(solve.sampling.prompt)
    if words.fingerprint == row["prompt_fingerprint"]:  # or it has been worded differently since
        system = told(solve.sampling, seed_of(solve.seed, key), tool=key.tool)
        asked = chat.prompt(words.render({"problem": row["problem"]}), mode=key.mode, tool=key.tool, system=system)
        if asked != row["token_ids"][: row["n_prompt_tokens"]]:
            return "the prompt is not that of the row's problem, mode and tool"
    return ""
