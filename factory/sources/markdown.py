"""Turns the HTML of a forum post into Markdown, its formulas byte for byte.

lxml parses; what is written here is the walk over the few elements that forum software lets through. A general
converter folds white space and escapes characters, which formulas and code do not survive, and is ten times slower:
with dumps of many gigabytes this walk is where the time goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lxml import etree, html

from factory.sources.formulas import Formulas

_PARSER = html.HTMLParser(remove_comments=True, remove_pis=True, encoding="utf-8")
_WRAP = {"em": "*", "i": "*", "strong": "**", "b": "**", "del": "~~", "s": "~~", "strike": "~~"}
_KEPT = {"sub", "sup", "kbd", "u"}  # Markdown has no sign for these, and takes their HTML
_DROPPED = {"script", "style", "head"}
_BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")


def to_markdown(text: str) -> str:
    """HTML as Markdown: blocks apart by blank lines, no escapes, formulas and code untouched. Never raises."""
    if not text.strip():
        return ""
    formulas = Formulas()
    try:
        root = html.document_fromstring(formulas.protect(text).encode("utf-8", "replace"), parser=_PARSER)
        body = "\n\n".join(_blocks(root))
    except (etree.ParserError, etree.XMLSyntaxError, RecursionError):
        # nothing but comments, or nesting that no person wrote: the text without its tags
        body = re.sub(r"<[^<>]*>", "", formulas.protect(text)).strip()
    return formulas.restore(body)


def _blocks(element: html.HtmlElement) -> Iterator[str]:
    """The block elements below `element` as Markdown; text between them is a paragraph of its own."""
    line = [element.text or ""]
    for child in element:
        render = _BLOCKS.get(child.tag) if isinstance(child.tag, str) else None
        if render is None:
            line.append(_inline(child))
        else:
            yield from _paragraph(line)
            yield from filter(None, render(child))
            line = []
        line.append(child.tail or "")
    yield from _paragraph(line)


def _paragraph(line: list[str]) -> Iterator[str]:
    text = "".join(line).strip()
    if text:
        yield _BLANK_LINES.sub("\n\n", text)


def _inline(element: html.HtmlElement) -> str:
    """One element inside a line, without its tail."""
    tag = element.tag
    if not isinstance(tag, str) or tag in _DROPPED:
        return ""
    if tag == "br":
        # the source has a line end after the tag as well
        return "" if (element.tail or "").startswith("\n") else "\n"
    if tag == "code":
        return _code(element.text_content())
    if tag == "img":
        return f"![{element.get('alt') or ''}]({element.get('src') or ''})"
    inner = _inner(element)
    if tag == "a" and element.get("href"):
        return inner if inner == element.get("href") else f"[{inner}]({element.get('href')})"
    if tag in _KEPT:
        return f"<{tag}>{inner}</{tag}>"
    if tag in _WRAP and inner.strip():
        return _wrapped(inner, _WRAP[tag])
    return inner


def _inner(element: html.HtmlElement) -> str:
    parts = [element.text or ""]
    for child in element:
        parts += [_inline(child), child.tail or ""]
    return "".join(parts)


def _wrapped(text: str, mark: str) -> str:
    """`text` between marks, which Markdown wants next to a letter: white space at the edges goes outside."""
    bare = text.strip()
    before, after = text.split(bare, 1)
    return f"{before}{mark}{bare}{mark}{after}"


def _code(text: str) -> str:
    """Inline code between more backticks than it holds."""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def _pre(element: html.HtmlElement) -> Iterator[str]:
    text = element.text_content()
    fence = "`" * max(3, max(map(len, re.findall("`+", text)), default=0) + 1)
    yield f"{fence}\n{text.rstrip(chr(10))}\n{fence}"


def _heading(element: html.HtmlElement) -> Iterator[str]:
    title = " ".join(_inner(element).split("\n")).strip()
    yield f"{'#' * int(element.tag[1])} {title}" if title else ""


def _quote(element: html.HtmlElement) -> Iterator[str]:
    yield _prefixed("\n\n".join(_blocks(element)), "> ", "> ")


def _list(element: html.HtmlElement) -> Iterator[str]:
    start = element.get("start") or "1"
    number = int(start) if start.isdecimal() and len(start) < 10 else 1
    items = list(_paragraph([element.text or ""]))
    for child in element:
        if child.tag == "li":
            mark = f"{number}. " if element.tag == "ol" else "- "
            items.append(_prefixed("\n\n".join(_blocks(child)), mark, " " * len(mark)))
            number += 1
        elif isinstance(child.tag, str):
            items += filter(None, _BLOCKS.get(child.tag, _line)(child))
        items += _paragraph([child.tail or ""])
    yield ("\n\n" if any("\n\n" in item for item in items) else "\n").join(items)


def _line(element: html.HtmlElement) -> Iterator[str]:
    yield from _paragraph([_inline(element)])


def _prefixed(text: str, first: str, rest: str) -> str:
    lines = text.split("\n")
    return "\n".join(
        [first + lines[0], *((rest + line).rstrip(" ") if not line else rest + line for line in lines[1:])]
    )


def _rule(element: html.HtmlElement) -> Iterator[str]:
    yield "---"


def _table(element: html.HtmlElement) -> Iterator[str]:
    cells = [[cell for cell in row if cell.tag in ("td", "th")] for row in element.iter("tr")]
    width = max(map(len, cells), default=0)
    inside = "".join("".join(cell.text_content() for cell in row) for row in cells)
    if not width or "".join(inside.split()) != "".join(element.text_content().split()):
        yield from _blocks(element)  # no table after all, or one inside another
        return
    lines = [f"| {' | '.join([*map(_cell, row), *[''] * (width - len(row))])} |" for row in cells]
    yield "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])


def _cell(element: html.HtmlElement) -> str:
    return " ".join(" ".join(_blocks(element)).split("\n")).replace("|", "\\|")


_BLOCKS: dict[str, Callable[[html.HtmlElement], Iterator[str]]] = {
    **dict.fromkeys(
        ("html", "body", "p", "div", "section", "article", "dl", "dt", "dd", "details", "summary"), _blocks
    ),
    **dict.fromkeys(("ul", "ol"), _list),
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), _heading),
    "pre": _pre,
    "blockquote": _quote,
    "hr": _rule,
    "table": _table,
}
