"""Threads as JSON lines: AoPS discussions and derived Stack Exchange threads."""

from __future__ import annotations

import json

import pytest

from factory.arrow import from_table, to_table
from factory.errors import FactoryError
from factory.recipe import Source
from factory.records import Reject, Thread
from factory.sources import read, splits, table
from factory.sources.bbcode import strip_quotes
from factory.sources.thread_lines import replies_of


def threads(path, kind, **keys):
    found = [row for split in splits(Source(kind=kind, path=str(path), **keys)) for row in read(split)]
    good = [row for row in found if isinstance(row, Thread)]
    assert from_table(Thread, to_table(Thread, good)) == good
    return found


def write(path, *rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_a_discussion_becomes_posts_without_quotes(tmp_path):
    discussion = 'Post 1:\n[quote="ann"]old [quote]older[/quote] x[/quote]It is $5$.\r\n\n'
    discussion += "Post 2:\n[quote]all[/quote]\n\nPost 3:\nok"
    path = write(
        tmp_path / "a.jsonl",
        {"id": "t", "forum_post": "[quote]a riddle[/quote] Find $x$.\r\n", "forum_discussions": discussion, "url": "u"},
        {"forum_post": "alone", "forum_discussions": ""},
        {"id": "e", "forum_post": " ", "forum_discussions": "Post 1:\nx"},
        {"id": "f", "forum_post": ["x"]},
        "not json",
    )
    first, second, *rejects = threads(path, "aops", license="AoPS terms")
    assert first.question.text == "[quote]a riddle[/quote] Find $x$.\r\n"
    assert [(post.id, post.text) for post in first.answers] == [("t/post-1", "It is $5$."), ("t/post-3", "ok")]
    assert (first.question.attribution.license, first.question.attribution.url) == ("AoPS terms", "u")
    assert (second.answers, second.source) == ([], "a")
    assert [(row.kind, row.reason, row.id) for row in rejects] == [
        ("thread", "missing_problem", "e"),
        ("thread", "unreadable_row", "f"),
        ("thread", "unreadable_row", rejects[-1].id),
    ]
    assert all(isinstance(row, Reject) and str(path) in row.position for row in rejects)


def test_only_the_next_number_is_a_heading():
    assert replies_of("Post 1:\nas in\nPost 1:\nor Post 2: no\nPost 2:\nyes") == [
        "as in\nPost 1:\nor Post 2: no",
        "yes",
    ]
    assert replies_of("no headings") == ["no headings"]
    assert replies_of("") == replies_of(" \n") == []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("[QUOTE=a]x[/QUOTE] y", "y"),
        ("a [quote]b", "a [quote]b"),
        ("a[/quote]b", "a[/quote]b"),
        ("[quote][quote]x[/quote]y[/quote]z[quote]w[/quote]", "z"),
        ("[quote]a[/quote][quote]b", "[quote]b"),
    ],
)
def test_quotes(text, left):
    assert strip_quotes(text) == left


def test_a_derived_thread_keeps_its_formulas_answers_and_links(tmp_path):
    row = {
        "id": "s:1",
        "title": "T $x$",
        "question_html": "<p>Is $a<b$?</p>",
        "answers": [
            {"id": 2, "html": "<p>no</p>", "score": 1, "url": "ua"},
            {"id": 3, "html": "<p>yes</p>", "score": 9},
        ],
        "accepted_answer_id": 2,
        "tags": ["x"],
        "duplicates": ["7", 8],
        "creation_date": "2012-01-01",
        "url": "uq",
    }
    bad = [{**row, "answers": "x"}, {**row, "answers": [1]}, {"id": "z"}, {**row, "question_html": 5}]
    found = threads(write(tmp_path / "s.jsonl", row, *bad), "stackexchange")
    thread = found[0]
    assert (thread.title, thread.question.text, thread.duplicate_of) == ("T $x$", "Is $a<b$?", ["7", "8"])
    assert [(post.id, post.text, post.accepted) for post in thread.answers] == [("3", "yes", False), ("2", "no", True)]
    assert thread.question.attribution.license == "CC BY-SA 3.0"
    assert thread.answers[1].attribution.url == "ua"
    assert [row.reason for row in found[1:]] == [
        "unreadable_row",
        "unreadable_row",
        "missing_problem",
        "unreadable_row",
    ]


def test_splits_and_wrong_files(tmp_path, monkeypatch):
    path = write(tmp_path / "a.jsonl", *({"forum_post": f"p{n}"} for n in range(40)))
    whole = threads(path, "aops")
    monkeypatch.setattr(table, "SPLIT_BYTES", 64)
    assert threads(path, "aops") == [
        type(row)(**{**{f: getattr(row, f) for f in row.__slots__}, "position": other.position})
        for row, other in zip(whole, threads(path, "aops"), strict=True)
    ]
    with pytest.raises(FactoryError, match="as JSON lines"):
        threads(write(tmp_path / "a.csv", "x"), "aops")


def test_replies_as_a_list_and_before_the_first_heading(tmp_path):
    path = write(
        tmp_path / "a.jsonl",
        {"id": "s", "forum_post": "p", "forum_discussions": ["one", {"text": "two"}]},
        {"id": "t", "forum_post": "p", "forum_discussions": "before\nPost 1:\none"},
    )
    first, second = threads(path, "aops")
    assert [(post.id, post.text) for post in first.answers] == [("s/post-1", "one"), ("s/post-2", "two")]
    assert [(post.id, post.text) for post in second.answers] == [("t/post-0", "before"), ("t/post-1", "one")]


def test_other_fields_of_stack_exchange_threads(tmp_path):
    row = {
        "id": 1,
        "title": "T",
        "body": "<p>is n<m?</p>",
        "tags": "<a-b><c>",
        "comments": ["why", {"text": ""}],
        "answers": [
            {"answer_id": 5, "body": "<p>no</p>", "score": "9", "comments": [{"body": "ok"}]},
            {"answer_id": 6, "text": "a<b", "score": 3.0, "is_accepted": True},
        ],
    }
    (tmp_path / "s.json").write_text(json.dumps([row]))
    (thread,) = threads(tmp_path / "s.json", "stackexchange")
    assert (thread.question.text, thread.tags, thread.question.comments) == ("is n<m?", ["a-b", "c"], ["why"])
    assert [(p.id, p.text, p.score, p.comments, p.accepted) for p in thread.answers] == [
        ("5", "no", 9, ["ok"], False),
        ("6", "a<b", 3, [], True),
    ]


def test_fields_that_no_thread_has_are_an_error(tmp_path):
    path = write(tmp_path / "a.jsonl", {"question": "p", "answers": ["a"]})
    with pytest.raises(FactoryError, match=r"(?s)'forum_post'.*'question', 'answers'.*'forum_discussions'"):
        threads(path, "aops")
    with pytest.raises(FactoryError, match="problem: not for a source of kind aops"):
        threads(path, "aops", columns={"problem": "question"})


@pytest.mark.timeout(60)
def test_quotes_without_an_end_take_linear_time():
    assert strip_quotes("[quote " * 16_000) == ("[quote " * 16_000).strip()


def test_real_threads(shared_data):
    discussions = threads(shared_data("src_aops_forum_threads.jsonl"), "aops")
    assert [len(thread.answers) for thread in discussions] == [3, 0, 2, 3, 1, 1, 0, 2, 2, 4]
    for name, count in (("math", 50), ("mathoverflow", 25), ("arqmath", 900)):
        found = threads(shared_data(f"src_se_{name}_threads.jsonl"), "stackexchange")
        assert sum(isinstance(row, Thread) for row in found) == count
        assert all(thread.answers and thread.question.attribution.url for thread in found)
