"""Unicode written as LaTeX: compatibility forms by the character database, and a table for what has no such form."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_OPERATORS = {
    "−": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "∙": r"\cdot ", "•": r"\cdot ", "∗": "*", "÷": "/",
    "∕": "/", "⁄": "/", "∞": r"\infty ", "°": r"^{\circ}", "º": r"^{\circ}", "≤": r"\leq ", "⩽": r"\leq ",
    "≥": r"\geq ", "⩾": r"\geq ", "≠": r"\neq ", "≈": r"\approx ", "≡": r"\equiv ", "∪": r"\cup ", "∩": r"\cap ",
    "∈": r"\in ", "∉": r"\notin ", "⊂": r"\subset ", "⊆": r"\subseteq ", "∅": r"\emptyset ", "∖": r"\setminus ",
    "±": r"\pm ", "∓": r"\mp ", "∧": r"\land ", "∨": r"\lor ", "¬": r"\neg ", "→": r"\to ", "⇒": r"\Rightarrow ",
    "′": "'", "″": "''", "’": "'", "‘": "'", "“": '"', "”": '"', "。": ".", "、": ",", "⟨": r"\langle ",
    "⟩": r"\rangle ", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ", "…": r"\ldots ",
    "⋯": r"\ldots ", "ℯ": "e", "£": r"\pounds ", "€": r"\euro ", "¥": r"\yen ", "₹": r"\rupee ",
    "¢": r"\text{ cents}", "‰": r"\permille ", "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ", "△": r"\triangle ",
    "∠": r"\angle ", "⊥": r"\perp ", "∥": r"\parallel ", "ϕ": r"\phi ", "φ": r"\varphi ", "ε": r"\varepsilon ",
}  # fmt: skip
_ROOTS = {"√": "", "∛": "[3]", "∜": "[4]"}
_ROOT = re.compile(r"([√∛∜])\s*(?:(\d+(?:\.\d+)?|[A-Za-z](?![A-Za-z]))|)")
_NEIGHBOURS = re.compile("([①-⓪⓫-⓾❶-➓])(?=[①-⓪⓫-⓾❶-➓])")
"""Circled numbers side by side (`①③`) are the items of a list."""
_SCRIPT = re.compile(r"[⁰¹²³⁴-⁹⁺⁻⁽⁾ⁿⁱᵃ-ᵛ]+|[₀-₉₊₋₍₎ₐ-ₜᵢ-ᵥ]+")


def as_latex(text: str) -> str:
    """The text with LaTeX and ASCII in place of signs, digits and letters that Unicode has for mathematics.

    Superscripts and subscripts are taken as runs (`x¹²` is `x^{12}`), and a root sign reaches over the number or the
    letter behind it (`2√15` is `2\\sqrt{15}`). Letters of other scripts stay.
    """
    if text.isascii():
        return text
    text = _SCRIPT.sub(_script, _NEIGHBOURS.sub(r"\1, ", text))
    text = "".join(c if c.isascii() else _sign(c) for c in text)
    return _ROOT.sub(_root, text)


def _is_whole(character: str) -> bool:
    return unicodedata.numeric(character, 0.5).is_integer()


def _script(match: re.Match[str]) -> str:
    mark = "^" if unicodedata.decomposition(match.group()[0]).startswith("<super>") else "_"
    return f"{mark}{{{unicodedata.normalize('NFKC', match.group()).replace('−', '-')}}}"


def _root(match: re.Match[str]) -> str:
    sign, radicand = match.groups()
    return rf"\sqrt{_ROOTS[sign]}" + (f"{{{radicand}}}" if radicand else " ")


@cache
def _sign(character: str) -> str:
    if character in _OPERATORS:
        return _OPERATORS[character]
    category, name = unicodedata.category(character), unicodedata.name(character, "")
    if category == "Cf" or "VARIATION SELECTOR" in name:
        return ""
    if category == "Zs":
        return " "
    if category == "Pd":
        return "-"
    if category == "Nd":
        return str(unicodedata.digit(character))
    if category == "Nl" and unicodedata.numeric(character).is_integer():  # the sign of a Roman numeral
        return str(int(unicodedata.numeric(character)))
    plain = unicodedata.normalize("NFKC", character)
    if "⁄" in plain:
        over, _, under = plain.partition("⁄")
        return rf"\frac{{{over}}}{{{under}}}"
    if name.startswith("DOUBLE-STRUCK CAPITAL"):
        return rf"\mathbb{{{plain}}}"
    if name.startswith(("CIRCLED DIGIT", "CIRCLED NUMBER", "NEGATIVE CIRCLED", "DINGBAT")) and _is_whole(character):
        return str(int(unicodedata.numeric(character)))
    greek = re.fullmatch(
        r"GREEK (SMALL|CAPITAL) LETTER ([A-Z]+)", unicodedata.name(plain, "") if len(plain) == 1 else ""
    )
    if greek:
        return "\\" + (greek.group(2).lower() if greek.group(1) == "SMALL" else greek.group(2).title()) + " "
    return "".join(_OPERATORS.get(c, c) for c in plain)
