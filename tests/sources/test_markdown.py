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
from factory.sources.row_error import RowError
from factory.sources.tags import is_plain, tidy


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


def stands_in(formula: str, text: str) -> bool:
    """Whether a text holds a formula, its further lines behind the prefix of their quote or list, or in one line."""
    if "\n" not in formula:
        return formula in text
    return bool(re.search(r"(?:\n[> ]*| )".join(map(re.escape, formula.split("\n"))), text))


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
    assert stands_in(formula, to_markdown(frame.format(html.escape(formula, quote=False))))


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
        assert stands_in(html.unescape(formula), out) or "&" in formula


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<a href='v'><p>one</p><p>two</p></a>", "one\n\ntwo\n\n<v>"),
        ("<span><ul><li>one</li><li>two</li></ul></span>", "- one\n- two"),
        ("<em>no block</em><em><pre>x\n y</pre></em>", "*no block*\n\n```\nx\n y\n```"),
        ("<main><figure><img src='s'><figcaption>seen</figcaption></figure></main>", "![](s)\n\nseen"),
        ("one</div>two</blockquote>three", "one\ntwo\nthree"),
        ("<pre>x<br>y<br/>z</pre>", "```\nx\ny\nz\n```"),
        ("<p>one\r\ntwo $p\r+q$\0</p>", "one\ntwo $p\n+q$"),
    ],
)
def test_blocks_stay_apart(source, expected):
    assert to_markdown(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "<table><caption>Values</caption><tr><th>n</th><th>m</th></tr><tr><td>5</td><td>6</td></tr></table>",
            "Values\n\n| n | m |\n| --- | --- |\n| 5 | 6 |",
        ),
        ("<table><tr><td>7<td><table><tr><td>8<td>9</table></table>", "7\n\n| 8 | 9 |\n| --- | --- |"),
        ("<table><tr><td>for<td><pre>i:\n  j</pre></table>", "for\n\n```\ni:\n  j\n```"),
        (
            "<table><tr><td>$|y|$</td><td>a|b</td></tr></table>",
            "<table>\n<tr><td>$|y|$</td><td>a|b</td></tr>\n</table>",
        ),
        ("<table><tr><td>$$p\n+q$$</td></tr></table>", "| $$p +q$$ |\n| --- |"),
        ("<h3>Find $p\n+q$</h3>", "### Find $p +q$"),
        ("<blockquote><p>$$p\n\nq$$</p></blockquote>", "> $$p\n> \n> q$$"),
        ("<ol><li>$p\n q$</li></ol>", "1. $p\n    q$"),
    ],
)
def test_tables_and_lines_of_formulas(source, expected):
    assert to_markdown(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<p>if s <a and t> r</p>", "if s <a and t> r"),
        ("<p>1<k<m, so</p>", "1<k<m, so"),
        ("<p>price <unknown> of x<!y</p>", "price <unknown> of x<!y"),
        ("<p>\\\\(s<b\\\\)</p>", "\\\\(s<b\\\\)"),
        ("<p>never <!-- closed</p>", "never <!-- closed"),
        ("<p>cut <script>short</p>", "cut <script>short"),
        ("<p>$1&ltr&ampr&gts$</p>", "$1<r&r>s$"),
    ],
)
def test_what_is_no_tag_is_text(source, expected):
    assert to_markdown(source) == expected


FRACTION = "<mfrac><mn>2</mn><mn>7</mn></mfrac>"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (f"<math>{FRACTION}</math>", r"$\frac{2}{7}$"),
        (
            "<m:math display='block'><m:mfrac><m:mn>2</m:mn><m:mn>7</m:mn></m:mfrac></m:math>",
            r"$$\frac{2}{7}$$",
        ),
        (
            f"<math><semantics>{FRACTION}<annotation encoding='application/x-tex'>2/7</annotation></semantics></math>",
            "$2/7$",
        ),
        (f"<math alttext='2 \\over 7'>{FRACTION}</math>", r"$2 \over 7$"),
        (
            "<math><msubsup><mi>a</mi><mn>1</mn><mn>2</mn></msubsup><mo>≤</mo><msqrt><mi>b</mi></msqrt></math>",
            r"$a_{1}^{2} \le \sqrt{b}$",
        ),
        ("<math><mover><mi>AB</mi><mo>→</mo></mover><mo>⁢</mo><mi>sin</mi></math>", r"$\vec{\mathrm{AB}} \sin$"),
        (
            f"<span class='katex-display'><span class='katex'><span class='katex-mathml'><math>{FRACTION}</math></span>"
            "<span class='katex-html'>27</span></span></span> end",
            r"$$\frac{2}{7}$$ end",
        ),
        (
            "<span class='MathJax'>27</span><script type='math/tex'>2&lt;7</script>, "
            "<script type='math/tex; mode=display'>2<7</script>",
            "$2<7$, $$2<7$$",
        ),
        (
            f"<mjx-container>27<mjx-assistive-mml><math>{FRACTION}</math></mjx-assistive-mml></mjx-container> end",
            r"$\frac{2}{7}$ end",
        ),
        ("<img class='latex' alt='y^3' src='s'> or <img alt='$y^3$' src='s'>", "$y^3$ or $y^3$"),
        (
            f"<span class='mwe-math-element'><math>{FRACTION}</math>"
            "<img class='mwe-math-fallback-image-inline' alt='2/7'></span>",
            r"$\frac{2}{7}$",
        ),
        ("<p>&#xFDD0;0&#xFDD0; $x$</p>", "0 $x$"),
    ],
)
def test_rendered_formulas_become_tex_again(source, expected):
    assert to_markdown(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "<span class='katex-html'>27</span>",
        "<mjx-container><mjx-math>27</mjx-math></mjx-container>",
        "<math><mmultiscripts><mi>a</mi><mn>1</mn></mmultiscripts></math>",
        "<math><mfrac><mn>2</mn></mfrac></math>",
    ],
)
def test_a_rendered_formula_that_cannot_be_read_rejects_its_text(source):
    with pytest.raises(RowError) as caught:
        to_markdown(source)
    assert caught.value.reason == "unreadable_formula"


def test_deep_and_long_texts_keep_their_end_and_a_bounded_size():
    nested = "<div><span>" * 400 + "core" + "</span></div>" * 400 + "<p>end</p>"
    assert to_markdown(nested).split() == ["core", "end"]
    assert to_markdown("<table><tr><td>" * 60 + "core").split() == ["core"]
    assert len(to_markdown("<table><tr>" + "<td>1" * 2000 + "<tr><td>2" * 2000)) < 60_000
    assert to_markdown("<p>" + "far " * 2_600_000 + "end</p>").endswith("far end")


@pytest.mark.timeout(60)
def test_hostile_input_takes_linear_time():
    pieces = ["$", "\\(", "<b>", "${$ ", "<pre>", "<!--", "\\begin{a}", "<blockquote>", "<a href='", "&lt"]
    for piece in [*pieces, "<table><tr><td>", "<b><div></b>", "<a ", "<math>"]:
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
                assert stands_in(html.unescape(re.sub(r"</?span[^>]*>", "", match[0])), text)
    assert checked > 24_000


_FRAGMENTS = [
    "<p>",
    "</p>",
    "<em>",
    "</em>",
    "<br/>",
    "<blockquote>",
    "</blockquote>",
    "</a>",
    "<a href='/u'>",
    "a < b ",
]
_FRAGMENTS += ["<div>", "</div>", "<!--", "<script>", "<img alt='$x$'>", "words "]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(_FRAGMENTS), max_size=70).map("".join))
def test_plain_html_is_html_that_needs_no_tidying(text):
    assert not is_plain(text) or tidy(text) == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<p>a <a href='/u'>b</a> <em>c</em><br/>d</p>\n<hr>", True),
        ("<blockquote><p>a</p></blockquote>", True),
        ("<p>a</p></blockquote>", False),
        ("<p>a < b</p>", False),
        ("<p>" * 60, False),
        ("<p><img alt='$x$'></p>", False),
        ("<span class='katex'>3</span>", False),
        ("<math><mn>3</mn></math>", False),
    ],
)
def test_plain_html_holds_no_stray_tag_and_no_rendered_formula(text, plain):
    assert is_plain(text) is plain


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("$a$$b$", ["$a$", "$b$"]),
        ("$$a$$ $b$", ["$$a$$", "$b$"]),
        ("$$a$b$$", ["$$a$b$$"]),
        ("$a\\$b$", ["$a\\$b$"]),
        ("\\$5 and $x$", ["$x$"]),
        ("$\\text{for $n$ even}$", ["$\\text{for $n$ even}$"]),
        ("<a href='?p=$5'>x</a> $y$", ["$y$"]),
    ],
)
def test_dollars_pair_up_past_escapes_braces_and_attributes(source, found):
    assert [source[start:end] for start, end in spans(source)] == found
