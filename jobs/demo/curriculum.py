"""What each of the demo's models is taught: its tasks, and what its tokenizer is built on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from jobs.demo import corpus, curator_tasks, judge_tasks
from jobs.demo.corpus import Task
from jobs.demo.tokenizer import Fixed, fixed_sentences, opening_sentences, prompt_segments


@dataclass(frozen=True, slots=True)
class Curriculum:
    """`tasks` gives each task's weight; `texts(seed)` is what words are counted in."""

    tasks: Mapping[Task, float]
    texts: Callable[[int], Iterator[str]]
    fixed: Fixed
    positions: int = 2048


def curriculum(name: str) -> Curriculum:
    """The `teacher`'s, or that of the `curator`, which also plays the judge."""
    if name == "teacher":
        return Curriculum({corpus.solve_task: 1.0}, lambda seed: corpus.texts(seed, 4000), Fixed(fixed_sentences()))
    tasks = {**curator_tasks.TASKS, **judge_tasks.TASKS}
    names = [*curator_tasks.PROMPTS, *judge_tasks.PROMPTS]
    sentences = [*opening_sentences(), *(segment for name in names for segment in prompt_segments(name))]
    return Curriculum(tasks, curator_tasks.texts, Fixed(sentences, curator_tasks.WORDS), positions=1024)
