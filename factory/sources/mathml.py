"""Presentation MathML as LaTeX, for formulas that carry no TeX of their own.

Converts the elements that browsers render (MathML Core); for any other, and for one with too few children, it raises
`RowError`: a formula is read whole or not at all.
"""

from __future__ import annotations

import re

from factory.sources.row_error import RowError
from factory.sources.tags import Element

_ROWS = {"math", "mrow", "mstyle", "mpadded", "merror", "semantics", "maction", "mtd", "menclose"}
_ARITY = {"mfrac": 2, "msup": 2, "msub": 2, "msubsup": 3, "mroot": 2, "mover": 2, "munder": 2, "munderover": 3}
_INVISIBLE = dict.fromkeys((0x2061, 0x2062, 0x2063, 0x2064, 0x200B))
_SIGNS = {"−": "-", "\\": "\\backslash ", "{": "\\{", "}": "\\}", "%": "\\%", "#": "\\#", "&": "\\&", "_": "\\_"}
_SIGNS |= {"$": "\\$", "≤": "\\le ", "≥": "\\ge ", "≠": "\\ne ", "×": "\\times ", "·": "\\cdot ", "∞": "\\infty "}
_SIGNS |= {"∑": "\\sum ", "∏": "\\prod ", "∫": "\\int ", "→": "\\to ", "π": "\\pi ", "±": "\\pm ", "…": "\\ldots "}
_ACCENTS = {"¯": "\\overline", "‾": "\\overline", "̅": "\\overline", "→": "\\vec", "^": "\\hat", "ˆ": "\\hat"}
_ACCENTS |= {"~": "\\tilde", "˜": "\\tilde", ".": "\\dot", "˙": "\\dot", "¨": "\\ddot", "⏞": "\\overbrace"}
_FUNCTIONS = {"sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "log", "ln", "exp", "lim", "max", "min"}


def latex(element: Element) -> str:
    """The LaTeX of a `math` element, without delimiters."""
    return re.sub(r"  +", " ", _convert(element)).strip()


def name_of(element: Element) -> str:
    """The name of an element without a namespace's prefix; empty for what is no element."""
    return element.tag.rpartition(":")[2].lower() if isinstance(element.tag, str) else ""


def _convert(element: Element) -> str:
    name = name_of(element)
    children = [child for child in element if name_of(child) not in ("annotation", "annotation-xml", "")]
    if len(children) != _ARITY.get(name, len(children)):
        raise RowError("unreadable_formula", f"MathML: <{name}> with {len(children)} children")
    if name in _ROWS:
        return " ".join(map(_convert, children)) if children else _text(element)
    if name in ("mi", "mn", "mo", "ms", "mtext"):
        return _token(name, "".join(element.itertext()).translate(_INVISIBLE).strip())
    if name in ("mspace", "mphantom"):
        return " "
    parts = [_convert(child).strip() for child in children]
    if name == "msqrt":
        return f"\\sqrt{{{' '.join(parts)}}}"
    if name == "mfenced":
        separator = (element.get("separators", ",").strip() or " ")[0]
        opening, closing = (_delimiter(element.get(side, sign)) for side, sign in (("open", "("), ("close", ")")))
        return f"\\left{opening} {separator.join(parts)} \\right{closing}"
    if name == "mtable":
        return "\\begin{matrix} " + " \\\\ ".join(parts) + " \\end{matrix}"
    if name == "mtr":
        return " & ".join(parts)
    sign = "".join(children[1].itertext()).strip() if name == "mover" else ""
    if sign in _ACCENTS:
        return f"{_ACCENTS[sign]}{{{parts[0]}}}"
    if name in _ARITY:
        return _pair(name, parts)
    raise RowError("unreadable_formula", f"MathML: <{name}> is not known")


def _delimiter(sign: str) -> str:
    return f"\\{sign}" if sign in ("{", "}") else sign or "."


def _pair(name: str, parts: list[str]) -> str:
    """An element whose children mean something by their place."""
    first, second, *rest = parts
    if name == "mfrac":
        return f"\\frac{{{first}}}{{{second}}}"
    if name == "mroot":
        return f"\\sqrt[{second}]{{{first}}}"
    base = first if len(first) == 1 or re.fullmatch(r"\\[A-Za-z]+", first) else f"{{{first}}}"
    above = f"^{{{second if name in ('msup', 'mover') else ''.join(rest)}}}"
    below = f"_{{{second}}}"
    if name in ("msup", "mover"):
        return base + above
    return base + below + (above if rest else "")


def _token(name: str, text: str) -> str:
    if name in ("mtext", "ms"):
        return f"\\text{{{text}}}" if text else " "
    if name == "mi" and text in _FUNCTIONS:
        return f"\\{text}"
    if name == "mi" and len(text) > 1 and text.isalpha():
        return f"\\mathrm{{{text}}}"
    return "".join(_SIGNS.get(character, character) for character in text)


def _text(element: Element) -> str:
    return "".join(_SIGNS.get(character, character) for character in (element.text or "").strip())
