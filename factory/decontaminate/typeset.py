"""From a typeset problem to plain text: one spelling for the many ways to write the same thing in LaTeX and Unicode.

`\\dfrac` against `\\frac`, `$x$` against `\\(x\\)`, a drawing kept or dropped. Lossy on purpose, for comparison only.
"""

from __future__ import annotations

import re
import unicodedata
from importlib.resources import files

import yaml

_TABLES = yaml.safe_load((files(__package__) / "spellings.yaml").read_text(encoding="utf-8"))
_SYNONYM: dict[str, str] = _TABLES["commands"]
_CHARACTERS = str.maketrans({char: f" {name} " for char, name in _TABLES["characters"].items()})

# A drawing says nothing that the text does not, and half of all copies drop it.
_DRAWING = re.compile(r"\[asy\].*?(?:\[/asy\]|$)|\\begin\{(asy|tikzpicture)\}.*?(?:\\end\{\1\}|$)", re.S)
# Bounded, as is every search for a closing bracket: a text may open a million and close none.
_IMAGE = re.compile(
    r"!\[[^\]]{0,500}\]\([^)]{0,500}\)|\\includegraphics(?:\[[^\]]{0,500}\])?\{[^}]{0,500}\}|<img\b[^>]{0,2000}>", re.I
)
_TAG = re.compile(r"</?[a-z][a-z0-9]{0,20}\b[^<>]{0,2000}>", re.I)
_LINK = re.compile(r"\[([^\]]{0,500})\]\(https?://[^)]{0,2000}\)|https?://\S+")

_ESCAPED = re.compile(r"\\([%#&_{}])")
_SPACING = re.compile(
    r"\\(?:[,;:!> ]|quad|qquad|enspace|thinspace|hfill|noindent|displaystyle|textstyle|limits|nolimits"
    r"|left|right|middle|[bB]igg?[lrm]?|item|par|hline|centering|smallskip|medskip|bigskip"
    r"|nonumber|notag|allowbreak)(?![a-zA-Z])\.?|\\\\(?:\[[^\]]{0,20}\])?|~|&"
)
_DELIMITER = re.compile(r"\$+|\\[()\[\]]|\\(?:begin|end)\{[a-zA-Z]*\*?\}(?:\{[lcr|]{0,50}\})?")
_WRAPPER = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|sc|up|normal)?|math(?:rm|bf|it|sf|tt|cal|bb|frak|scr|normal|op|rel|bin)"
    r"|operatorname\*?|emph|underline|boldsymbol|bm|mbox|hbox|ensuremath)(?![a-zA-Z])"
)
_COMMAND = re.compile(r"\\([a-zA-Z]+)\*?")
_DEGREES = re.compile(r"\^\s*\{?\s*\\circ(?![a-zA-Z])\s*\}?")
_SUPERSCRIPT = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_SUPERSCRIPT_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?:(?:,|\{,\}|\\,)\d{3})+(?!\d)")
_ARGUMENT = r"\s*(?:\{([^{}]*)\}|([0-9A-Za-z])(?![0-9]*\.[0-9]))"
_FRACTION = re.compile(r"\\frac(?![a-zA-Z])" + _ARGUMENT + _ARGUMENT)
_BRACED = re.compile(r"((?:[\^_]|\\(?!frac(?![a-zA-Z]))[a-zA-Z]+)\s*)\{([^{}]*)\}")
_DEPTH = 6
"""Nesting of braces that is followed; deeper ones are rare and merely compare worse."""


def untypeset(text: str) -> str:
    """Plain text: no drawings, links, delimiters, spacing or font commands; fractions as a/b; 1,000 as 1000."""
    text = _IMAGE.sub(" ", _DRAWING.sub(" ", text))
    text = _LINK.sub(r" \1 ", _TAG.sub(" ", text))
    text = _THOUSANDS.sub(lambda m: re.sub(r"\D", "", m.group()), text)
    text = _SUPERSCRIPT.sub(lambda m: "^" + m.group().translate(_SUPERSCRIPT_DIGITS), text)
    text = unicodedata.normalize("NFKC", text.translate(_CHARACTERS))
    text = _ESCAPED.sub(r" \1 ", _DELIMITER.sub(" ", text.replace("\\$", " ")))
    text = _COMMAND.sub(lambda m: "\\" + _SYNONYM.get(m.group(1), m.group(1)), _SPACING.sub(" ", text))
    text = _WRAPPER.sub(" ", text)
    for _ in range(_DEPTH):  # from the inside out
        before, text = text, _FRACTION.sub(_fraction, _BRACED.sub(r"\1 \2 ", text))
        if text == before:
            break
    return _DEGREES.sub(" circ ", text).replace("**", " ")


def _fraction(match: re.Match[str]) -> str:
    numerator, denominator = match[1] or match[2], match[3] or match[4]
    return f" {numerator}/{denominator} "
