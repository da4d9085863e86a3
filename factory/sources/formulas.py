"""Takes the formulas out of an HTML text before it is converted, and puts them back byte for byte afterwards.

Formulas are found in the source text, not in the parsed tree: an unescaped `$a<b$`, which a parser takes for a tag, is
then no danger. What counts as a formula follows MathJax: `$…$`, `$$…$$`, `\\(…\\)`, `\\[…\\]` and LaTeX environments,
delimiters balanced with respect to braces, no tag inside but `<br>`, nothing inside `<code>` and `<pre>`.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache

FAR = 2_000  # characters that are searched for the other half of something odd, so that the search stays linear

_TAGS = "a|b|blockquote|br|code|dd|del|div|dl|dt|em|h[1-6]|hr|i|img|kbd|li|ol|p|pre|s|span|strike|strong|sub|sup|table"
_TAGS += "|tbody|td|th|thead|tr|u|ul"
_ATTRIBUTES = r"""(?:\s+[a-zA-Z-]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>]+))?)*\s*/?"""
_TAG = rf"<(?:(?:{_TAGS}){_ATTRIBUTES}>|/(?:{_TAGS})\s*>)"
_BREAK = re.compile(r"<br\s*/?>\n?", re.I)
_COMPARISON = re.compile(r"<[abisu]>", re.I)
# Tags without attributes hold no dollar and are passed over. Every branch begins with a plain character, which lets the
# search run from one such character to the next. Most formulas are whole in the first branch: no tag, no dollar inside.
_OPEN = re.compile(
    r"\$(?P<second>\$?)(?P<content>[^$<]++)(?<!\\)\$(?P=second)"
    rf"|<(?:!--|(?:pre|code)\b|(?:{_TAGS})(?=\s){_ATTRIBUTES}>)|\$\$?|\\(?:[\\$(\[]|begin\{{(?P<name>[^{{}}<>$]{{1,40}})\}})",
    re.I,
)
_BARRIER = re.compile(_TAG, re.I)
_CLOSE = {"$$": "$$", "$": "$", "\\(": "\\)", "\\[": "\\]", "<!--": "-->", "<pre": "</pre", "<code": "</code"}
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});|&(?:lt|gt|amp)")
_COMMON = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&lt": "<", "&gt": ">", "&amp": "&"}

# Two code points that Unicode keeps out of any text stand around the number of a formula's line.
_MARK, PIPED = "\ufdd0", "\ufdd1"  # the second where the line holds a `|`, which would end a cell of a table
_TOKEN = re.compile(f"[{_MARK}{PIPED}]([0-9]+)[{_MARK}{PIPED}]")
_FORGED = re.compile("&#(?:[xX]0*[fF][dD][dD][01]|0*6497[67]);?")


class Formulas:
    """The formulas of one text: `protect` swaps each for tokens that survive conversion, `restore` swaps back.

    Each line of a formula is a token of its own, so that the lines of a formula are prefixed in a quote or a list, and
    joined in a heading, as all lines are.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []

    def protect(self, text: str) -> str:
        """HTML in, the same HTML out with tokens in the place of each formula."""
        text = _FORGED.sub("", text.replace(_MARK, "").replace(PIPED, ""))
        parts, position = [], 0
        for start, end in spans(text):
            formula = text[start:end]
            if "<" in formula:
                formula = _BREAK.sub("\n", formula)
            parts += [text[position:start], self.add(unescape(formula))]
            position = end
        return "".join([*parts, text[position:]])

    def add(self, formula: str) -> str:
        """The tokens of a formula, delimiters included."""
        return "\n".join(map(self._token, formula.split("\n"))) if "\n" in formula else self._token(formula)

    def restore(self, text: str) -> str:
        """The converted text with its formulas."""
        if not self._lines:
            return text
        parts = _TOKEN.split(text)  # every other part is a number
        parts[1::2] = [self._lines[int(number)] for number in parts[1::2]]
        return "".join(parts)

    def _token(self, line: str) -> str:
        mark = PIPED if "|" in line else _MARK
        self._lines.append(line)
        return f"{mark}{len(self._lines) - 1}{mark}"


def spans(text: str) -> list[tuple[int, int]]:
    """Start and end of every formula in an HTML text, delimiters included. Linear in the length of the text."""
    found: list[tuple[int, int]] = []
    barren: dict[str, int] = {}  # opening -> up to where it is known to have no end
    position, barrier, unbalanced = 0, -1, -1  # up to `unbalanced`, braces are known to have no partner
    while match := _OPEN.search(text, position):
        opening, position = match[0], match.end()
        if content := match["content"]:
            if content.count("{") == content.count("}"):
                found.append((match.start(), position))
                continue
            opening, position = "$" + match["second"], match.start("content")
        if opening in ("\\\\", "\\$") or position <= barren.get(opening, -1):
            continue
        if opening.startswith("<"):
            if opening.lower() in _CLOSE:
                end = text.find(_CLOSE[opening.lower()], position)
                barren[opening] = len(text) if end < 0 else -1
                position = max(end, position)
            continue
        if barrier < position:
            barrier = _next_tag(text, position)
        end, balanced = _find_end(text, position, barrier, opening, match["name"], braces=position > unbalanced)
        if not balanced:
            unbalanced = max(unbalanced, position + FAR)
        if end < 0:
            barren[opening] = barrier
        else:
            found.append((match.start(), end))
            position = end
    return found


def unescape(text: str) -> str:
    """Character references replaced: those that end in a semicolon, as `&` alone separates columns in LaTeX, and the
    three that HTML's own syntax takes, which browsers read without one as well.
    """
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(match: re.Match[str]) -> str:
    return _COMMON.get(match[0]) or html.unescape(match[0])


def _next_tag(text: str, start: int) -> int:
    """Where the next tag begins that no formula may hold, or the end of the text."""
    for match in _BARRIER.finditer(text, start):
        if _BREAK.match(match[0]):
            continue
        # in `$a<b>c$` a letter without attributes that is never closed is a comparison
        end = match.end()
        if _COMPARISON.fullmatch(match[0]) and text.find(f"</{match[0][1:]}", end, end + FAR) < 0:
            continue
        return match.start()
    return len(text)


def _find_end(text: str, start: int, stop: int, opening: str, name: str | None, *, braces: bool) -> tuple[int, bool]:
    """The end of a formula whose content begins at `start`, or -1 if it has none before `stop`.

    A delimiter inside of braces does not count, unless the braces have no partner nearby: that is the second value.
    """
    closing = f"\\end{{{name}}}" if name else _CLOSE[opening]
    first = text.find(closing, start, stop)
    if first < 0:
        return -1, True
    content = text[start:first]
    if content.count("{") == content.count("}") and opening not in content and not content.endswith("\\"):
        return first + len(closing), True
    loose, depth, nesting = -1, 0, 0
    for match in _tokens(opening, closing).finditer(text, start, stop):
        token = match[0]
        if 0 <= loose < match.start() - FAR:
            break
        if token == "{":
            depth += braces
        elif token == "}":
            depth -= braces
        elif token == opening != closing:
            nesting += 1
        elif token == closing and nesting:
            nesting -= 1
        elif token == closing and depth <= 0:
            return match.end(), True
        elif token == closing and loose < 0:
            loose = match.end()
    return loose, loose < 0


@lru_cache(256)
def _tokens(opening: str, closing: str) -> re.Pattern[str]:
    nested = f"|{re.escape(opening)}" if opening.startswith("\\begin") else ""
    return re.compile(rf"{re.escape(closing)}{nested}|\\[\s\S]|[{{}}]")
