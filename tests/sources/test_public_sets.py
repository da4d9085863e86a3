"""The recipes of docs/sources.md read the public sets: three rows of our own in the layout of each."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from factory.recipe import Source
from factory.records import Problem
from factory.sources import read, splits

PAGE = Path(__file__).parents[2] / "docs" / "sources.md"
RECIPES = dict(re.findall(r"^### ([^\n]+)\n(?:[^`\n]+\n)*```yaml\n(.*?)```", PAGE.read_text(), re.M | re.S))

TEXTS = ["How much is 2+5?", "Solve 3x=4.", "Show that 9 is odd."]
BOXED = [r"It is $\boxed{7}$.", r"So $x=\boxed{\frac{4}{3}}$.", "It leaves 1 when halved."]
NUMINA = {"source": "olympiads", "problem_is_valid": "Yes", "solution_is_valid": "Yes", "synthetic": False}


def turns(text, **first):
    return [{"role": "user", "content": text, **first}]


def rows_of(name):
    """The rows of a set, and the answers that are expected; a problem that must not come is left out there."""
    plain = ["7", r"\frac{4}{3}", None]
    if name == "OpenMathReasoning":
        more = {
            "problem_source": "aops_c4",
            "generated_solution": "s",
            "generation_model": "m",
            "inference_mode": "cot",
        }
        kinds = [("7", "has_answer_extracted"), ("7", "has_answer_extracted"), ("4/3", "no_answer_extracted")]
        texts = [TEXTS[0], TEXTS[0], TEXTS[1]]
        rows = [
            {"problem": t, "expected_answer": a, "problem_type": k, **more}
            for t, (a, k) in zip(texts, kinds, strict=True)
        ]
        return rows, ["7", "7"]  # the second is folded by the ingest
    if name == "NuminaMath-CoT":
        return [
            {"source": "cn_k12", "problem": t, "solution": s, "messages": turns(t)}
            for t, s in zip(TEXTS, BOXED, strict=True)
        ], plain
    if name == "NuminaMath-1.5":
        answers = ["7", r"\frac{4}{3}", "proof"]
        return [{"problem": t, "answer": a, **NUMINA} for t, a in zip(TEXTS, answers, strict=True)], plain
    if name == "DeepMath-103K":
        return [
            {"question": t, "final_answer": a, "difficulty": 5.0, "topic": "x", "r1_solution_1": "s"}
            for t, a in zip(TEXTS, ["7", r"\frac{4}{3}", "Yes"], strict=True)
        ], ["7", r"\frac{4}{3}", "Yes"]
    if name == "OpenR1-Math-220k":
        return [
            {
                "problem": t,
                "answer": a,
                "uuid": f"u{n}",
                "is_reasoning_complete": [True, False],
                "generations": ["g", "h"],
            }
            for n, (t, a) in enumerate(zip(TEXTS, ["7", "4/3", "NotFound"], strict=True))
        ], ["7", "4/3", None]
    if name in ("Big-Math", "AceReason-Math"):
        return [
            {"problem": t, "answer": a, "source": "math", "domain": ["Algebra"], "llama8b_solve_rate": 0.5}
            for t, a in zip(TEXTS, ["7", "4/3", "odd"], strict=True)
        ], ["7", "4/3", "odd"]
    if name in ("DAPO-Math-17k", "Skywork-OR1"):
        truths = ["7", "4", "9"] if name.startswith("DAPO") else ['["7"]', '["\\\\frac{4}{3}"]', '["3", "9"]']
        return [
            {
                "data_source": "math",
                "prompt": turns(t),
                "ability": "MATH",
                "reward_model": {"ground_truth": truth, "style": "rule"},
                "extra_info": {"index": f"i{n}"},
            }
            for n, (t, truth) in enumerate(zip(TEXTS, truths, strict=True))
        ], ["7", "4", "9"] if name.startswith("DAPO") else ["7", r"\frac{4}{3}", "3, 9"]
    if name == "DeepScaleR":
        return [{"problem": t, "answer": a, "solution": ""} for t, a in zip(TEXTS, "749", strict=True)], list("749")
    if name == "Open-Reasoner-Zero":
        return [
            [{"from": "human", "value": t}, {"from": "assistant", "ground_truth": {"value": a}}]
            for t, a in zip(TEXTS, "749", strict=True)
        ], list("749")
    if name == "ShareGPT turns":
        return [
            {"conversations": [{"from": "human", "value": t}, {"from": "gpt", "value": s}]}
            for t, s in zip(TEXTS, BOXED, strict=True)
        ], plain
    if name == "OlympiadBench":
        more = {"context": None, "modality": "Text-only", "is_multiple_answer": False}
        return [
            {"id": n, "question": t, "final_answer": a, "solution": ["s"], **more}
            for n, (t, a) in enumerate(zip(TEXTS, [["7"], [r"\frac{4}{3}"], None], strict=True))
        ], plain
    if name == "MATH":
        return [
            {"problem": t, "level": "Level 1", "type": "Algebra", "solution": s}
            for t, s in zip(TEXTS, BOXED, strict=True)
        ], plain
    if name == "GSM8K":
        answers = ["2 and 5 <<2+5=7>>7.\n#### 7", "#### 1,000", "no mark"]
        return [{"question": t, "answer": a} for t, a in zip(TEXTS, answers, strict=True)], ["7", "1,000", None]
    if name == "MathArena":
        return [
            {"problem_idx": n, "problem": t, "answer": a, "problem_type": ["Algebra"]}
            for n, (t, a) in enumerate(zip(TEXTS, [7, 4, 9], strict=True))
        ], list("749")
    assert name == "AIME"
    return [
        {"ID": f"2024-I-{n}", "Problem": t, "Solution": "s", "Answer": a}
        for n, (t, a) in enumerate(zip(TEXTS, [7, 4, 9], strict=True))
    ], list("749")


def test_every_listed_set_has_a_recipe():
    assert len(RECIPES) == 17


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_reads_its_set(tmp_path, name):
    assert len(RECIPES[name].splitlines()) <= 6
    (keys,) = yaml.safe_load(RECIPES[name])
    rows, answers = rows_of(name)
    kind = Path(keys["path"]).suffix if keys["path"].endswith((".json", ".jsonl")) else ".parquet"
    path = tmp_path / f"{keys.get('split', 'train')}-00000-of-00001{kind}"
    if kind == ".json":
        path.write_text(json.dumps(rows, indent=1 if name == "DeepScaleR" else None))
    elif kind == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    source = Source(**{**keys, "path": str(tmp_path)})
    found = [row for split in splits(source) for row in read(split)]
    problems = [row for row in found if isinstance(row, Problem)]
    assert [row.answer for row in problems] == answers
    assert len(found) == 3
    assert len({row.id for row in found}) == 3
    assert {row.text for row in problems} <= set(TEXTS)
