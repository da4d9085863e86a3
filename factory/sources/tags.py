"""Readies the HTML of a post for a parser that would lose text: bare `<`, stray end tags, nesting without end.

What stands here works on the source text, in linear time, and leaves text that needs no help as it is.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, TypeAlias

Element: TypeAlias = Any  # lxml's etree._Element, of which the published types lack methods
MAX_DEPTH = 50  # elements inside each other; the parser gives up at 256, and so would Python's stack

_BLOCK = "address article aside blockquote center dd details dialog dir div dl dt fieldset figcaption figure footer"
_BLOCK += " form h1 h2 h3 h4 h5 h6 header hgroup hr legend li main menu nav ol p pre search section summary ul"
_TABLE = "caption col colgroup table tbody td tfoot th thead tr"
_INLINE = "a abbr acronym applet area audio b base basefont bdi bdo big blink br button canvas cite code data datalist"
_INLINE += " del dfn em embed font frame frameset i iframe img input ins kbd label link map mark marquee meta meter"
_INLINE += " nobr noframes noscript object optgroup option output param picture plaintext progress q rp rt ruby s samp"
_INLINE += " script select slot small source span strike strong style sub sup svg template textarea time title track"
_INLINE += " tt u var video wbr xmp html head body"
_MATH = "annotation annotation-xml maction maligngroup malignmark math menclose merror mfenced mfrac mglyph mi"
_MATH += " mlabeledtr mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms mspace msqrt mstyle msub"
_MATH += " msubsup msup mtable mtd mtext mtr munder munderover none semantics"

BLOCKS = frozenset(f"{_BLOCK} table caption tr".split())
_VOID = {"area", "base", "br", "col", "embed", "frame", "hr", "img", "input", "link", "meta", "param", "source", "wbr"}
_NAMES = sorted(f"{_BLOCK} {_TABLE} {_INLINE} {_MATH}".split(), key=len, reverse=True)
_LONG = "|".join(name for name in _NAMES if len(name) > 1)
# `a <b and c> d` is a comparison: an element of one letter has no attributes, or one with a value
_SHORT = "[abipqsu](?:\\s*/?>|\\s+[\\w:-]+\\s*=)"
_USUAL = "/?(?:p|em|li|strong|pre|code|ul|ol|blockquote|i|b|sup|sub)>|[bh]r ?/?>|/a>|a href="  # tried first, for speed
_TEXT = re.compile(
    rf"<(?!{_USUAL}|(?i:{_SHORT}|/?(?:{_LONG}|(?:m|mml):[a-z]+|mjx-[a-z-]+)[\s/>]|/[abipqsu]\s*>"
    r"|!--|!doctype\b|!\[CDATA\[|\?\w))"
)
_UNUSUAL = re.compile(rf"<(?!{_USUAL})")
_TAG = re.compile(r"<(/?)([a-z][a-z0-9:-]*)[^<>]*>|<!--.*?-->", re.I | re.S)
_RAW = {"<!--": "-->", "<script": "</script", "<style": "</style"}
_OFTEN_STRAY = tuple((f"<{name}", f"</{name}") for name in ("div", "blockquote", "center", "section", "article", "td"))
# An end tag closes nothing beyond an element of higher rank (libxml2's rule, HTMLparser.c: htmlEndPriority)
_RANK = {"div": 150, "td": 160, "th": 160, "tr": 170, "thead": 180, "tbody": 180, "tfoot": 180, "table": 190}


def is_plain(text: str) -> bool:
    """Whether HTML holds only the tags that forum software writes most, few and none stray: `tidy` leaves it as it is,
    and no rendered formula stands in it.
    """
    if _UNUSUAL.search(text) or text.count("<") > MAX_DEPTH:
        return False
    return "</blockquote" not in text or not _has_stray_ends(text)


def tidy(text: str) -> str:
    """The same HTML, with `&lt;` for a `<` that begins no element, no stray end tags, and bounded depth."""
    text = _TEXT.sub("&lt;", text)
    for opening, closing in _RAW.items():
        if opening in text:
            end = text.rfind(closing) + 1
            text = text[:end] + text[end:].replace(opening, f"&lt;{opening[1:]}")  # it would swallow all that follows
    if text.count("<") > MAX_DEPTH or _has_stray_ends(text):
        return _balanced(text)
    return text


def _has_stray_ends(text: str) -> bool:
    return any(end in text and text.count(end) > text.count(start) for start, end in _OFTEN_STRAY)


def _balanced(text: str) -> str:
    """`text` without tags deeper than `MAX_DEPTH`, and with a line end for each stray end tag of a block."""
    parts, position = [], 0
    opened: list[str] = []
    dropped: Counter[str] = Counter()  # elements that are deeper
    for tag in _TAG.finditer(text):
        name = (tag[2] or "").lower()
        if not name or name in _VOID:
            continue
        if tag[1]:
            if dropped[name]:
                dropped[name] -= 1
            else:
                beginning = _beginning(opened, name)
                if beginning is not None:
                    del opened[beginning:]
                    dropped.clear()
                    continue
            gap = "<br>" if name in BLOCKS else ""
        elif len(opened) < MAX_DEPTH:
            opened.append(name)
            continue
        else:
            dropped[name] += 1
            gap = "<br><br>" if name in BLOCKS else " " if name in ("td", "th") else ""
        parts += [text[position : tag.start()], gap]
        position = tag.end()
    return "".join([*parts, text[position:]])


def _beginning(opened: list[str], name: str) -> int | None:
    """Where the element began that an end tag closes."""
    rank = _RANK.get(name, 100)
    for index in range(len(opened) - 1, -1, -1):
        if opened[index] == name:
            return index
        if _RANK.get(opened[index], 100) > rank:
            break
    return None
