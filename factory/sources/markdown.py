"""Turns the HTML of a forum post into Markdown, its formulas byte for byte.

lxml parses; what is written here is the walk over the few elements that forum software lets through. A general
converter folds white space and escapes characters, which formulas and code do not survive, and is ten times slower:
with dumps of many gigabytes this walk is where the time goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from lxml import etree

from factory.sources import rendered
from factory.sources.formulas import PIPED, Formulas
from factory.sources.tags import BLOCKS, Element, is_plain, tidy

# etree's elements, as those of lxml.html are slower to make
_PARSER = etree.HTMLParser(remove_comments=True, remove_pis=True, encoding="utf-8", huge_tree=True)
_text_of = etree.XPath("string()", smart_strings=False)
_WRAP = {"em": "*", "i": "*", "strong": "**", "b": "**", "del": "~~", "s": "~~", "strike": "~~"}
_KEPT = {"sub", "sup", "kbd", "u"}  # Markdown has no sign for these, and takes their HTML
_DROPPED = {"script", "style", "head"}
_BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")


def to_markdown(text: str) -> str:
    """HTML as Markdown: blocks apart by blank lines, no escapes, formulas and code untouched, line ends as `\\n`.

    Takes linear time, whatever the text. Raises `RowError` for a rendered formula that cannot be read back, and for
    nothing else.
    """
    if not text.strip():
        return ""
    formulas = Formulas()
    source = formulas.protect(_plain_lines(text))
    plain = is_plain(source)
    root = etree.fromstring((source if plain else tidy(source)).encode("utf-8", "replace"), _PARSER)
    if root is None:
        return ""  # nothing but comments
    if not plain and rendered.occurs(source):
        rendered.replace(root, formulas)
    return _plain_lines(formulas.restore("\n\n".join(_blocks(root))))


def _plain_lines(text: str) -> str:
    if "\r" in text or "\0" in text:
        return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return text


def _blocks(element: Element) -> list[str]:
    """The block elements below `element` as Markdown; text between them is a paragraph of its own."""
    blocks: list[str] = []
    line = [element.text or ""]
    for child in element:
        render = _BLOCKS.get(child.tag)
        if render is None and len(child):  # seldom, and the loop is where the time goes
            render = _renderer(child)
        if render is None:
            line.append(_inline(child))
        else:
            blocks += _paragraph(line)
            blocks += filter(None, render(child))
            line = []
        line.append(child.tail or "")
    blocks += _paragraph(line)
    return blocks


def _renderer(element: Element) -> Callable[[Element], Iterable[str]] | None:
    """What renders an inline element that holds blocks; None for what stands inside a line."""
    if not isinstance(element.tag, str) or element.tag in _DROPPED:
        return None
    return None if next(element.iter(*_BLOCK_NAMES), None) is None else _around_blocks


def _around_blocks(element: Element) -> Iterator[str]:
    """An inline element with blocks inside, which its mark cannot reach over; a link's address comes last."""
    yield from _blocks(element)
    if element.tag == "a" and element.get("href"):
        yield f"<{element.get('href')}>"


def _paragraph(line: list[str]) -> list[str]:
    text = "".join(line).strip()
    if not text:
        return []
    return [_BLANK_LINES.sub("\n\n", text) if "\n" in text else text]


def _inline(element: Element) -> str:
    """One element inside a line, without its tail."""
    tag = element.tag
    if not isinstance(tag, str) or tag in _DROPPED:
        return ""
    if tag == "br":
        # the source has a line end after the tag as well
        return "" if (element.tail or "").startswith("\n") else "\n"
    if tag == "code":
        return _code(_verbatim(element))
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


def _inner(element: Element) -> str:
    parts = [element.text or ""]
    for child in element:
        parts += [_inline(child), child.tail or ""]
    return "".join(parts)


def _wrapped(text: str, mark: str) -> str:
    """`text` between marks, which Markdown wants next to a letter: white space at the edges goes outside."""
    bare = text.strip()
    before, after = text.split(bare, 1)
    return f"{before}{mark}{bare}{mark}{after}"


def _verbatim(element: Element) -> str:
    """The text of an element, a line end for each `<br>`."""
    for line_break in element.iter("br"):
        line_break.tail = "\n" + (line_break.tail or "")
    return str(_text_of(element))


def _code(text: str) -> str:
    """Inline code between more backticks than it holds."""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def _pre(element: Element) -> Iterator[str]:
    text = _verbatim(element)
    fence = "`" * max(3, max(map(len, re.findall("`+", text)), default=0) + 1)
    yield f"{fence}\n{text.rstrip(chr(10))}\n{fence}"


def _heading(element: Element) -> Iterator[str]:
    title = " ".join(_inner(element).split("\n")).strip()
    yield f"{'#' * int(element.tag[1])} {title}" if title else ""


def _quote(element: Element) -> Iterator[str]:
    yield _prefixed("\n\n".join(_blocks(element)), "> ", "> ")


def _list(element: Element) -> Iterator[str]:
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


def _line(element: Element) -> Iterator[str]:
    yield from _paragraph([_inline(element)])


def _prefixed(text: str, first: str, rest: str) -> str:
    lines = text.split("\n")
    return "\n".join(
        [first + lines[0], *((rest + line).rstrip(" ") if not line else rest + line for line in lines[1:])]
    )


def _rule(element: Element) -> Iterator[str]:
    yield "---"


def _table(element: Element) -> Iterator[str]:
    """Rows as a Markdown table; a row with a table or code inside cannot stand in one, and its cells become blocks."""
    rows: list[list[Element]] = []
    for part in _parts(element):
        if isinstance(part, list) and all(next(cell.iter("table", "pre"), None) is None for cell in part):
            rows.append(part)
            continue
        if isinstance(part, str) and not part.strip():
            continue
        yield from _grid(rows)
        rows = []
        for block in part if isinstance(part, list) else [part]:
            yield from _paragraph([block]) if isinstance(block, str) else _blocks(block)
    yield from _grid(rows)


def _parts(element: Element) -> Iterator[list[Element] | Element | str]:
    """What a table holds, in order: rows as their cells, and what stands around them (a caption, stray text)."""
    yield element.text or ""
    for child in element:
        if child.tag in ("thead", "tbody", "tfoot"):
            yield from _parts(child)
        elif child.tag == "tr" and all(cell.tag in ("td", "th") for cell in child):
            yield child.text or ""
            yield list(child)
            yield "".join(cell.tail or "" for cell in child)
        elif child.tag not in ("col", "colgroup"):
            yield child
        yield child.tail or ""


def _grid(rows: list[list[Element]]) -> Iterator[str]:
    """Rows without blocks as a Markdown table, or as HTML where a formula holds the `|` that would end its cell."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    width, total = max(map(len, cells), default=0), sum(map(len, cells))
    if not width:
        return
    if any(PIPED in cell for row in cells for cell in row):
        lines = [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in cells]
        yield "\n".join(["<table>", *lines, "</table>"])
        return
    padded = width * len(cells) <= 4 * total + 64  # a reader fills up rows by itself; one long row must not blow up all
    lines = []
    for number, row in enumerate(cells):
        filled = [*row, *[""] * (width - len(row) if padded or not number else 0)]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in filled)} |")
    yield "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])


def _cell(element: Element) -> str:
    return " ".join(" ".join(_blocks(element)).split("\n"))


_BLOCKS: dict[str, Callable[[Element], Iterable[str]]] = {
    **dict.fromkeys((*BLOCKS, "html", "body", "td", "th"), _blocks),
    **dict.fromkeys(("ul", "ol", "menu", "dir"), _list),
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), _heading),
    "pre": _pre,
    "blockquote": _quote,
    "hr": _rule,
    "table": _table,
}
_BLOCK_NAMES = tuple(_BLOCKS)
