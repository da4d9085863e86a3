"""Stack Exchange dumps: joined into threads whatever the order, and every damaged row costs itself alone."""

from __future__ import annotations

import bz2
import gzip
import json
import random
import re

import py7zr
import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.errors import FactoryError
from factory.sources import lines, xmlrows
from tests.sources.dumps import answer, document, everything, posts_in, question, row


def by_reason(rejects):
    return sorted((reject.kind, reject.reason) for reject in rejects)


def write(folder, posts, **tables):
    folder.mkdir(exist_ok=True)
    (folder / "Posts.xml").write_bytes(document(posts))
    for name, rows in tables.items():
        (folder / f"{name}.xml").write_bytes(document(rows, name.lower()))
    return folder


@pytest.fixture
def site(tmp_path):
    """A dump with all four tables, in a folder called after its host."""
    return write(
        tmp_path / "math.stackexchange.com",
        [
            answer(5, 1, Score=3, OwnerUserId=8),
            question(1, Tags="<algebra><number-theory>", AcceptedAnswerId=7, OwnerUserId=9, Score=-2),
            question(2, Tags="|calculus|", ContentLicense="CC BY-SA 4.0", OwnerDisplayName="gone"),
            row(Id=3, PostTypeId=5, Body="a tag's wiki"),
            answer(6, 2, CreationDate="2011-01-01"),
            answer(7, 1, Score=1, Body="<p>$x &lt; 1$</p>"),
            answer(4, 1, Score=3),
        ],
        Comments=[
            row(Id=1, PostId=7, Text="why $a<b$?"),
            row(Id=2, PostId=1, Text="first"),
            row(Id=3, PostId=1, Text="second"),
            row(Id=4, PostId=99, Text="on a deleted post"),
            row(Id=5, PostId=3, Text="on a wiki"),
        ],
        PostLinks=[
            row(Id=1, PostId=1, RelatedPostId=2, LinkTypeId=3),
            row(Id=2, PostId=2, RelatedPostId=1, LinkTypeId=1),
        ],
        Users=[row(Id=9, DisplayName="Ann & Bob"), row(Id=8, DisplayName="Eve"), row(Id=10, DisplayName="nobody")],
    )


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_posts_comments_links_and_users_are_joined(site, parts):
    (first, second), rejects = everything(site, splits=parts)
    assert (first.id, first.title, first.tags) == ("math.stackexchange.com:1", "title 1", ["algebra", "number-theory"])
    assert [(post.id.split(":")[1], post.score, post.accepted) for post in first.answers] == [
        ("5", 3, False),
        ("4", 3, False),
        ("7", 1, True),
    ]
    assert first.question.comments == ["first", "second"]
    assert first.answers[2].comments == ["why $a<b$?"]
    assert first.answers[2].text == "$x < 1$"
    assert first.duplicate_of == ["math.stackexchange.com:2"]
    assert first.question.attribution.license == "CC BY-SA 3.0"
    assert first.question.attribution.url == "https://math.stackexchange.com/questions/1"
    assert first.question.attribution.user_name == "Ann & Bob"
    assert first.answers[0].attribution.url == "https://math.stackexchange.com/a/5"
    assert first.answers[0].attribution.user_url == "https://math.stackexchange.com/users/8"
    assert first.answers[0].attribution.license == "CC BY-SA 4.0"
    assert (second.tags, second.duplicate_of) == (["calculus"], [])
    assert second.question.attribution.user_name == "gone"
    assert second.question.attribution.license == "CC BY-SA 4.0"
    assert second.answers[0].attribution.license == "CC BY-SA 2.5"
    expected = [("comment", "orphan_comment")] * 2 + [("post", "other_post_type")]
    assert by_reason(rejects) == expected
    for reject in rejects:
        assert re.search(r"(Posts|Comments)\.xml, byte \d+$", reject.position)
        json.loads(reject.row)


BAD_ROWS = {
    "bad entity": b'  <row Id="50" PostTypeId="1" Body="a &nbsp; b" />',
    "bare ampersand": b'  <row Id="50" PostTypeId="1" Body="a & b" />',
    "control character": b'  <row Id="50" PostTypeId="1" Body="a \x01 b" />',
    "not UTF-8": b'  <row Id="50" PostTypeId="1" Body="caf\xe9" />',
    "unclosed quote": b'  <row Id="50" PostTypeId="1" Body="never closed />',
    "unclosed row": b'  <row Id="50" PostTypeId="1" Body="x"',
    "raw tag": b'  <row Id="50" PostTypeId="1" Body="<p>x</p>" />',
    "no id": b'  <row PostTypeId="1" Body="x" />',
    "attribute twice": b'  <row Id="50" PostTypeId="1" Id="51" Body="x" />',
    "two quotes": b'  <row Id="50" PostTypeId="1" Body="x"" />',
    "nothing": b"  <row />",
}


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("bad", BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_malformed_row_is_one_reject_with_its_place(tmp_path, bad, parts):
    path = tmp_path / "Posts.xml"
    path.write_bytes(document([question(1), answer(2, 1), bad, question(3), answer(4, 1)]))
    threads, (reject,) = everything(path, splits=parts)
    assert posts_in(threads) == 4
    assert (reject.kind, reject.reason) == ("post", "malformed_row")
    assert reject.position == f"{path}, byte {path.read_bytes().index(bad.strip())}"
    assert reject.detail


def test_text_between_rows_is_a_reject_and_both_neighbours_are_kept(tmp_path):
    path = tmp_path / "Posts.xml"
    path.write_bytes(document([question(1), b"what is this?", question(3), b"<!-- a remark -->", question(5)]))
    threads, (reject,) = everything(path)
    assert len(threads) == 3
    assert (reject.reason, json.loads(reject.row)) == ("malformed_row", "what is this?")
    assert reject.position.endswith(f"byte {path.read_bytes().index(b'what')}")


def test_a_missing_or_rejected_question_leaves_its_answers_as_rejects(tmp_path):
    posts = [b'  <row Id="1" PostTypeId="1" Body="&bad;" />', answer(2, 1), answer(3, 77), question(4), question(4)]
    threads, rejects = everything(write(tmp_path / "d", posts, Comments=[row(Id=1, PostId=2, Text="x")]))
    assert [thread.id for thread in threads] == ["d:4"]
    expected = [("comment", "orphan_comment"), ("post", "duplicate_id"), ("post", "malformed_row")]
    assert by_reason(rejects) == [*expected, ("post", "orphan_answer"), ("post", "orphan_answer")]


def test_a_question_without_any_text_is_no_thread(tmp_path):
    posts = [question(1, Body="", Title=" "), question(2, Body=""), answer(3, 2, Body="")]
    threads, (reject,) = everything(write(tmp_path / "d", posts))
    assert [(thread.title, thread.question.text) for thread in threads] == [("title 2", "")]
    assert reject.reason == "missing_problem"


@pytest.mark.parametrize("parts", [1, 2])
def test_a_truncated_file_keeps_what_came_before(tmp_path, parts):
    whole = document([question(n) for n in range(1, 6)])
    path = tmp_path / "Posts.xml"
    last = whole.rindex(b"<row")
    for cut in (last + 2, last + 30, len(whole) - 12, len(whole) - 9, len(whole) - 3):
        path.write_bytes(whole[:cut])
        threads, rejects = everything(path, splits=parts)
        assert len(threads) + len(rejects) in (5, 6)
        assert [reject.reason for reject in rejects] == ["truncated_file"]
        assert len(threads) >= 4


@pytest.mark.parametrize("data", [b"", b"<posts>", b"<html>no dump</html>", b"\xff\xfe<\0p\0", b"\x00" * 100])
def test_a_file_that_is_no_dump_is_one_reject(tmp_path, data):
    (tmp_path / "Posts.xml").write_bytes(data)
    threads, rejects = everything(tmp_path)
    assert (threads, len(rejects)) == ([], 1)


@pytest.mark.parametrize("data", [b"<posts/>", b"<posts></posts>", b'<?xml version="1.0"?>\n<posts>\n</posts>\n'])
def test_a_dump_without_rows_is_empty(tmp_path, data):
    (tmp_path / "Posts.xml").write_bytes(data)
    assert everything(tmp_path) == ([], [])


def test_line_ends_and_quotes_do_not_matter(tmp_path):
    posts = [question(1, Body="<p>a\nb</p>"), answer(2, 1)]
    single = b"<row Id='3' PostTypeId='1' Body='say \"x\" &gt; y'\n Title='t'></row>"
    for end in (b"\n", b"\r\n", b"", b" "):
        (tmp_path / "Posts.xml").write_bytes(document([*posts, single], end=end))
        threads, rejects = everything(tmp_path)
        assert rejects == []
        assert [thread.question.text for thread in threads] == ["a\nb", 'say "x" > y']


def test_texts_that_quote_a_dump_are_not_taken_for_attributes(tmp_path):
    quoting = "a row is &lt;row Id='7' ParentId='3' PostId='3' OwnerUserId='3'"
    posts = [question(1, Body=quoting), answer(2, 1, Body=quoting), question(3), row(PostTypeId=1, Body=quoting)]
    comments = [row(Id=1, Text="see PostId='3' there", PostId=2)]
    for parts in (1, 3):
        threads, (reject,) = everything(write(tmp_path / "d", posts, Comments=comments), splits=parts)
        assert [(thread.id, len(thread.answers)) for thread in threads] == [("d:1", 1), ("d:3", 0)]
        assert threads[0].answers[0].comments == ["see PostId='3' there"]
        assert (reject.reason, reject.detail) == ("malformed_row", "no Id")


def test_an_answer_without_its_question_s_id_is_malformed(tmp_path):
    threads, (reject,) = everything(write(tmp_path / "d", [question(1), row(Id=2, PostTypeId=2, Body="x")]))
    assert (len(threads), reject.reason, reject.id) == (1, "malformed_row", "d:2")


def test_another_declared_encoding(tmp_path):
    head = b"<?xml version='1.0' encoding='iso-8859-1'?><posts>"
    (tmp_path / "Posts.xml").write_bytes(head + b'<row Id="1" PostTypeId="1" Body="caf\xe9"/></posts>')
    ((thread,), rejects) = everything(tmp_path)
    assert (thread.question.text, rejects) == ("café", [])


def test_a_huge_row_is_one_reject_and_bounds_memory(tmp_path):
    for posts in (
        [question(1), question(2, Body="x" * (5 << 20)), question(3)],
        [question(1), question(2, Body="x" * (5 << 20))],
    ):
        (tmp_path / "Posts.xml").write_bytes(document(posts))
        threads, (reject,) = everything(tmp_path, max_row_mb=1)
        assert len(threads) == len(posts) - 1
        assert reject.reason == "oversized_row"
        assert len(reject.row) < 20_000


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".zst", zstd.compress)]
)
def test_compressed_tables(site, suffix, compress):
    plain = everything(site)
    for path in list(site.iterdir()):
        (site / f"{path.name}{suffix}").write_bytes(compress(path.read_bytes()))
        path.unlink()
    packed = everything(site, splits=2)
    assert [(t.id, t.question, t.answers) for t in packed[0]] == [(t.id, t.question, t.answers) for t in plain[0]]
    assert by_reason(packed[1]) == by_reason(plain[1])
    assert everything(site / f"Posts.xml{suffix}")[0] == packed[0], "the other tables are found beside the posts"


def pack(archive, *files):
    with py7zr.SevenZipFile(archive, "w", filters=[{"id": py7zr.FILTER_LZMA2, "preset": 0}]) as out:
        for file in files:
            out.write(file, file.name)
    return archive


def test_seven_zip_archives(site, tmp_path):
    plain, _ = everything(site)
    whole = pack(tmp_path / "math.stackexchange.com.7z", *sorted(site.iterdir()))
    assert [(t.id, t.question) for t in everything(whole, splits=2)[0]] == [(t.id, t.question) for t in plain]
    (tmp_path / "apart").mkdir()
    for table in site.iterdir():
        pack(tmp_path / "apart" / f"math.stackexchange.com-{table.stem}.7z", table)
    assert [(t.id, t.answers) for t in everything(tmp_path / "apart")[0]] == [(t.id, t.answers) for t in plain]


def test_damaged_archives(tmp_path):
    noise = random.Random(1)
    posts = [question(n, Body=noise.randbytes(2000).hex()) for n in range(1, 900)]
    (tmp_path / "Posts.xml").write_bytes(document(posts))
    data = pack(tmp_path / "d.7z", tmp_path / "Posts.xml").read_bytes()
    # the unpacker works in steps of a megabyte, and what comes before the step with the damage is kept
    late = len(data) * 19 // 20
    (tmp_path / "d.7z").write_bytes(data[:late] + bytes(1000) + data[late + 1000 :])
    threads, rejects = everything(tmp_path / "d.7z")
    assert len(threads) > 100
    assert rejects[0].kind in ("file", "post")
    assert "unreadable_file" in {reject.reason for reject in rejects}
    (tmp_path / "d.7z").write_bytes(data[: len(data) // 2])
    assert by_reason(everything(tmp_path / "d.7z")[1]) == [("file", "unreadable_file")]


def test_truncated_gzip_keeps_what_came_before(tmp_path):
    noise = random.Random(1)
    data = gzip.compress(document([question(n, Body=noise.randbytes(500).hex()) for n in range(1, 1000)]))
    (tmp_path / "Posts.xml.gz").write_bytes(data[: len(data) // 2])
    threads, (reject,) = everything(tmp_path)
    assert reject.reason == "truncated_file"
    assert 400 < len(threads) < 600


def test_several_dumps_in_one_folder_stay_apart(tmp_path):
    for host in ("a.stackexchange.com", "b.org"):
        write(tmp_path / host, [question(1), answer(2, 1)])
    threads, rejects = everything(tmp_path)
    assert [thread.id for thread in threads] == ["a.stackexchange.com:1", "b.org:1"]
    assert rejects == []


def test_a_refused_licence_refuses_the_thread(site):
    threads, rejects = everything(site, refuse_licenses=["CC BY-SA 2.5"])
    assert [thread.id.split(":")[1] for thread in threads] == ["1"]
    assert ("thread", "licence_refused") in by_reason(rejects)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "none", "no file or directory"),
        (lambda folder: folder, "the directory holds no Posts.xml"),
        (lambda folder: (folder / "Posts.txt").write_text("x") and folder / "Posts.txt", "not a format of a dump"),
        (lambda folder: (folder / "Users.xml").write_text("<users/>") and folder, "holds no Posts.xml"),
    ],
)
def test_no_dump_at_all_is_one_clear_error(tmp_path, make, said):
    with pytest.raises(FactoryError, match=said):
        everything(make(tmp_path))


damaged = st.sampled_from([*BAD_ROWS.values(), b"noise", b"", b"<row", b"\x00\xff", b'<row Id="7'])
posts = st.one_of(
    st.builds(question, st.integers(1, 30)),
    st.builds(answer, st.integers(31, 60), st.integers(1, 30)),
    st.builds(lambda number: row(Id=number, PostTypeId=4), st.integers(61, 70)),
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.one_of(posts, posts, damaged), max_size=25), parts=st.integers(1, 4), chunk=st.integers(1, 200))
def test_counts_add_up_whatever_is_damaged(tmp_path_factory, rows, parts, chunk):
    path = tmp_path_factory.mktemp("dump") / "Posts.xml"
    path.write_bytes(document(rows, end=b"\n"))
    xmlrows.CHUNK = chunk
    try:
        threads, rejects = everything(path, splits=parts)
    finally:
        xmlrows.CHUNK = lines.CHUNK
    whole, rejects_whole = everything(path, splits=1)
    assert threads == whole
    assert sorted(map(repr, rejects)) == sorted(map(repr, rejects_whole))
    row_starts = len(re.findall(rb"<row[\s/>]", path.read_bytes()))
    # text between rows is a reject of its own
    extra = sum(reject.detail.startswith("text ") for reject in rejects)
    assert posts_in(threads) + len(rejects) == row_starts + extra
    assert len({thread.id for thread in threads}) == len(threads)


def test_real_dumps(shared_data):
    path = shared_data("src_se_matheducators_Posts.xml")
    threads, rejects = everything(path, site="matheducators.stackexchange.com")
    assert posts_in(threads) + len(rejects) == 2061
    assert {reject.reason for reject in rejects} == {"other_post_type"}
    assert all(post.attribution.url and post.attribution.license for t in threads for post in (t.question, *t.answers))
    threads, rejects = everything(shared_data("src_se_math_posts_sample.xml"))
    assert (len(threads), posts_in(threads), rejects) == (50, 113, [])


@pytest.mark.parametrize("name", ["{}.V1.3.xml", "{}.XML", "site_{}.xml"])
def test_other_names_find_their_siblings(tmp_path, name):
    (tmp_path / name.format("Posts")).write_bytes(document([question(1), answer(2, 1)]))
    (tmp_path / name.format("Comments").lower()).write_bytes(document([row(Id=9, PostId=1, Text="c")], "comments"))
    for path in (tmp_path, tmp_path / name.format("Posts")):
        (thread,), rejects = everything(path)
        assert (thread.question.comments, rejects) == (["c"], [])


def test_a_forbidden_character_reference_costs_that_character(tmp_path):
    data = document([question(1), answer(2, 1)]).replace(b"answer 2", b"answer&#x0E; 2&#xD800;&#0;")
    (tmp_path / "Posts.xml").write_bytes(data)
    (thread,), rejects = everything(tmp_path)
    assert (thread.answers[0].text, rejects) == ("answer 2", [])


def test_a_prolog_and_remarks_are_no_rows(tmp_path):
    data = document([question(1), b"<!-- remark --><?note x?>", question(3)], end=b"\n")
    data = data.replace(b"<posts>", b"<?style href='x'?>\n<!DOCTYPE posts [<!ELEMENT row EMPTY>]>\n<!-- a --><posts>")
    (tmp_path / "Posts.xml").write_bytes(data + b"\n<!-- end -->\n")
    threads, rejects = everything(tmp_path)
    assert (len(threads), rejects) == (2, [])


def test_archives_of_two_sites_and_one_that_lies_beside_its_files(tmp_path):
    for site in ("one.stackexchange.com", "two.stackexchange.com"):
        (tmp_path / "plain" / site).mkdir(parents=True)
        (tmp_path / "plain" / site / "Posts.xml").write_bytes(document([question(1)]))
    with py7zr.SevenZipFile(tmp_path / "all.7z", "w") as archive:
        archive.writeall(tmp_path / "plain", "")
    threads, rejects = everything(tmp_path / "all.7z")
    assert [thread.id for thread in threads] == ["one.stackexchange.com:1", "two.stackexchange.com:1"]
    assert rejects == []
    threads, _ = everything(tmp_path)  # the archive and its files
    assert len(threads) == 2
    (tmp_path / "copy" / "one.stackexchange.com").mkdir(parents=True)
    (tmp_path / "copy" / "one.stackexchange.com" / "Posts.xml").write_bytes(document([question(1)]))
    with pytest.raises(FactoryError, match="would begin with 'one"):
        everything(tmp_path)


def test_numbered_files_are_an_error_and_other_files_say_what_they_are(tmp_path):
    (tmp_path / "Posts_1.xml").write_bytes(document([question(1)]))
    with pytest.raises(FactoryError, match="part of a table"):
        everything(tmp_path)
    (tmp_path / "Posts_1.xml").unlink()
    for data, said in ((gzip.compress(b"x"), "gzip"), (b"<html>gone</html>", "HTML page")):
        (tmp_path / "Posts.xml").write_bytes(data)
        _, (reject,) = everything(tmp_path)
        assert said in reject.detail


def test_a_post_with_an_unreadable_formula_is_one_reject(tmp_path):
    bad = answer(2, 1, Body="<p><span class='katex-html'>34</span></p>")
    (tmp_path / "Posts.xml").write_bytes(document([question(1), bad, answer(3, 1)]))
    (thread,), (reject,) = everything(tmp_path)
    assert ([post.id.split(":")[1] for post in thread.answers], reject.reason) == (["3"], "unreadable_formula")


def test_keys_of_tables_are_refused_for_threads(tmp_path):
    (tmp_path / "Posts.xml").write_bytes(document([question(1)]))
    for keys in ({"columns": {"problem": "Body"}}, {"where": {"Score": 1}}, {"name": "maths", "ids": "named"}):
        with pytest.raises(FactoryError, match="not for a source of kind stackexchange"):
            everything(tmp_path, **keys)
