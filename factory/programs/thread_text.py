"""What the curator model sees of a thread: its first post, and the replies as numbered blocks.

Source: the raw format of OpenMathReasoning's discussions (arXiv 2504.16891), which Nemotron-Math shares.
"""

from __future__ import annotations

from collections.abc import Iterator

from factory.records import Post, Thread

BYTES_PER_TOKEN = 3


def question_text(thread: Thread) -> str:
    """The first post, below its title if it has one."""
    return "\n\n".join(part for part in (thread.title, thread.question.text.strip()) if part)


def discussion_text(thread: Thread, max_tokens: int) -> str:
    """The replies in their order, each headed "Post k:", until the next one would exceed `max_tokens` (estimated).

    Comments stand below the post that they belong to; those on the first post come first, as it is not part of this.
    """
    blocks: list[str] = []
    size = 0
    for block in _blocks(thread):
        size += len(block.encode()) + 2
        if size > max_tokens * BYTES_PER_TOKEN:
            break
        blocks.append(block)
    return "\n\n".join(blocks) or "(no replies)"


def _blocks(thread: Thread) -> Iterator[str]:
    if thread.question.comments:
        yield _comments(thread.question)
    for number, post in enumerate(thread.answers, 1):
        accepted = " (accepted)" if post.accepted else ""
        yield "\n".join(filter(None, [f"Post {number}{accepted}:", post.text.strip(), _comments(post)]))


def _comments(post: Post) -> str:
    return "\n".join(f"Comment: {comment.strip()}" for comment in post.comments)
