"""HTML of posts becomes Markdown, and every formula comes through byte for byte."""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.sources.formulas import spans
from factory.sources.markdown import to_markdown


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<p>one</p>\n\n<p>two <em>a</em> <strong>b</strong></p>", "one\n\ntwo *a* **b**"),
        ("<p>a<br>\nb<br/>c</p>", "a\nb\nc"),
        (
            "<p>see <a href='https://x.y/?a=1&amp;b=2'>this</a> <a href='u'>u</a></p>",
            "see [this](https://x.y/?a=1&b=2) u",
        ),
        ("<ul>\n<li>one</li>\n<li>two<ol><li>x</li><li>y</li></ol></li></ul>", "- one\n\n- two\n\n  1. x\n  2. y"),
        ("<ol start='3'><li>a</li><li>b</li></ol>", "3. a\n4. b"),
        ("<blockquote>\n<p>a</p>\n<p>b</p></blockquote>", "> a\n>\n> b"),
        ("<pre><code>if a &lt; b:\n    $x$\n\n\n    y\n</code></pre>", "```\nif a < b:\n    $x$\n\n\n    y\n```"),
        ("<p>run <code>a  `b`  $c$</code></p>", "run ``a  `b`  $c$``"),
        ("<h2>T</h2><hr><p>x</p>", "## T\n\n---\n\nx"),
        ("<p>x<sup>2</sup> H<sub>2</sub>O</p>", "x<sup>2</sup> H<sub>2</sub>O"),
        ("<p><img src='i.png' alt='a graph'></p>", "![a graph](i.png)"),
        ("<p>5 * 3 and a_b_c # not escaped</p>", "5 * 3 and a_b_c # not escaped"),
        ("<table><tr><th>a</th><th>b|c</th></tr><tr><td>1</td></tr></table>", "| a | b\\|c |\n| --- | --- |\n| 1 |  |"),
        ("<table>\n<tr>\n<td>a</td>\n<td>b</td>\n</tr>\n</table>", "| a | b |\n| --- | --- |"),
        ("<ul>stray <li>a</li> text</ul>", "stray\n- a\ntext"),
        ("no tags at all", "no tags at all"),
        ("<!-- only a remark -->", ""),
        ("<p></p>", ""),
        ("", ""),
        ("<p>&nbsp;&eacute;&#x41;</p>", "éA"),
        ("<p>unclosed <em>x", "unclosed *x*"),
        ("<script>alert(1)</script><p>x</p>", "x"),
    ],
)
def test_elements(source, expected):
    assert to_markdown(source) == expected


FORMULAS = [
    "$x$",
    "$a<b$",
    "$a < b > c$",
    "$x_1*y_1*z_1$",
    "$ spaced  twice $",
    "$$\n\\begin{aligned}\n  a &= b \\\\\n  c &< d\n\\end{aligned}\n$$",
    "\\(a_b\\)",
    "\\[\\sum_{i=0}^n  i\\]",
    "\\begin{align*}\n a&=b\\\\[2pt]\n c&=d\n\\end{align*}",
    "\\begin{cases}1 & x<0\\\\ \\begin{cases}2\\end{cases}\\end{cases}",
    "$\\text{costs \\$5 & up}$",
    "$\\text{if $x$ is}$",
    "$$\\text{where $y$ is}$$",
    "$a\\\\$",
    "$\\{1,2\\}$",
    "$\\left\\{ x$",
    "$&lt;$",
    "$a\u00a0b\u2009c$",
    "$\ue000$",
    "$`code`$",
    "$[x](y)$",
]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize(
    "frame",
    [
        "<p>a {} b</p>",
        "<ul><li>{}</li></ul>",
        "<blockquote><p>{}</p></blockquote>",
        "<p><em>{}</em></p>",
        "{}",
        "<h2>{}</h2>",
        '<p><span class="math-container">{}</span></p>',
        "<p><a href='u?a=$1'>{}</a> costs $5</p>",
    ],
)
def test_formulas_come_through_byte_for_byte(formula, frame):
    assert formula in to_markdown(frame.format(html.escape(formula, quote=False)))


@pytest.mark.parametrize("formula", ["$a<b$", "$p<q$ and $r>s$", "$a<b>c$", "$x<y$ is $y>x$", "$0<i<n$"])
def test_unescaped_comparisons_are_no_tags(formula):
    assert formula in to_markdown(f"<p>when {formula} <em>holds</em></p>")


def test_what_looks_like_a_formula_and_is_none():
    assert to_markdown("<p>$5 <em>or</em> more</p><p>up to $10</p>") == "$5 *or* more\n\nup to $10"
    assert spans("<p>\\$5 and \\$6</p>") == []
    assert spans("<pre>$x$</pre><code>$y$</code><a title='$z$'>w</a>") == []


def test_a_line_break_inside_a_formula_is_a_line_end():
    assert to_markdown("<p>$$a<br>\nb<br/>c$$</p>") == "$$a\nb\nc$$"


TOKENS = (
    r"<p>|</p>|<b>|$|$$|\(|\)|\[|\]|{|}|\|\begin{a}|\end{a}|&lt;|&|<|>|x| |<code>|</code>|<pre>|<li>|<ul>|</ul>|<br>"
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from([*TOKENS.split("|"), "\n", "\ue000"]),
        max_size=60,
    )
)
def test_no_text_is_lost_or_breaks_the_converter(tokens):
    text = "".join(tokens)
    found = spans(text)
    assert all(a < b <= c < d for (a, b), (c, d) in pairwise(found))
    out = to_markdown(text)
    for start, end in found:
        formula = re.sub(r"<br\s*/?>\n?", "\n", text[start:end])
        assert html.unescape(formula) in out or "&" in formula


@pytest.mark.timeout(60)
def test_hostile_input_takes_linear_time():
    for piece in ("$", "\\(", "<b>", "${$ ", "<pre>", "<!--", "\\begin{a}", "<blockquote>", "<a href='", "&lt"):
        to_markdown(piece * 10_000)


def test_formulas_of_all_real_threads_survive(shared_data):
    """An independent, cruder search than the library's: what it finds in the HTML must stand in the Markdown."""
    bodies = []
    for name in ("src_se_matheducators_Posts.xml", "src_se_math_posts_sample.xml"):
        bodies += [row.get("Body", "") for row in ET.parse(shared_data(name)).getroot()]
    for name in (
        "src_se_math_threads",
        "src_se_mathoverflow_threads",
        "src_se_arqmath_threads",
        "src_se_arqmath_topics",
    ):
        for line in shared_data(f"{name}.jsonl").read_text().splitlines():
            row = json.loads(line)
            bodies += [row["question_html"], *(answer["html"] for answer in row.get("answers", []))]
    block = r"</?(?:p|li|blockquote|ul|ol|div|h\d|pre|hr)\b[^>]*>|<br */?>"
    formula = r"(?<![\\$])\$\$[^$]+?\$\$|(?<![\\$])\$(?:\\.|[^$\\])+?\$|\\begin\{(\w+\*?)\}.*?\\end\{\1\}"
    checked = 0
    for body in bodies:
        text = to_markdown(body)
        for paragraph in re.split(block, re.sub(r"(?s)<pre.*?</pre>|<code.*?</code>", "", body)):
            for match in re.finditer(formula, paragraph, re.S):
                checked += 1
                assert html.unescape(re.sub(r"</?span[^>]*>", "", match[0])) in text
    assert checked > 24_000
