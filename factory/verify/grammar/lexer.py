"""Cut a cleaned answer into tokens, deciding what a run of digits, commas or letters is."""

# ruff: noqa: SIM905 - a table of words reads better as text
from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from factory.verify.nodes import Number
from factory.verify.units import UNITS
from factory.verify.words import NUMBER_WORDS, WORDS

MAX_DIGITS = 4000

Comma = Literal["thousands", "list", "decimal"]
"""How a comma between digits is read if it could be more than one thing."""


class ParseError(Exception):
    """The text is not mathematics that this parser knows."""


@dataclass(frozen=True, slots=True)
class Token:
    kind: Literal["number", "letter", "command", "text", "sign", "end"]
    text: str
    spaced: bool = False
    """Whether white space stands before it."""
    number: Number | None = None


FUNCTION_NAMES = (
    "arcsin arccos arctan arccot arcsec arccsc asin acos atan sinh cosh tanh coth sin cos tan cot sec csc log ln "
    "lg exp lcm gcd max min det floor ceil abs sgn cbrt sqrt arcsinh arccosh arctanh sech csch cis conj"
).split()

_GREEK = frozenset(
    "alpha beta gamma delta epsilon theta kappa lambda sigma omega phi psi rho tau "
    "Gamma Delta Theta Lambda Sigma Phi Psi Omega".split()
)
"""Letters by their names, but for those short enough to be a product (`mu`, `xi`)."""
_GROUPED = r"[1-9]\d{0,2}(?:\{,\}\d{3})+|[1-9]\d{0,2}(?:,\d{3})+(?!\d|,\d)"
_SPACED = r"[1-9]\d{0,2}(?: \d{3})+(?![\d ]*\d)"
_PLAIN = r"\d+"
_FRACTION_PART = r"(?:\.(?:\d+|(?=\D|$)))"
_REPEAT = r"(?:\\(?:overline|bar|dot)\s*(?:\{(\d+)\}|(\d)))"
_EXPONENT = r"(?:[eE][-+]?\d+(?![\d.A-Za-z]))"


def _number_pattern(whole: str) -> re.Pattern[str]:
    return re.compile(rf"({whole})?(\.\d*)?{_REPEAT}?({_EXPONENT})?")


_NUMBERS: dict[Comma, re.Pattern[str]] = {
    "thousands": _number_pattern(f"{_GROUPED}|{_SPACED}|{_PLAIN}"),
    "list": _number_pattern(f"[1-9]\\d{{0,2}}(?:\\{{,\\}}\\d{{3}})+|{_PLAIN}"),
    "decimal": re.compile(rf"(\d+)?((?:\.|\{{,\}}|,(?=\d))\d*)?{_REPEAT}?({_EXPONENT})?"),
}
_DIGITS_ABOVE_NINE = re.compile(r"(\d[0-9A-Fa-f]*[A-Fa-f][0-9A-Fa-f]*)(?=\s*_\s*\{?\s*\(?1[1-6](?!\d))")
"""`2B7` in front of a base above ten."""
_COMMAND = re.compile(r"\\([A-Za-z]+)|\\(.)", re.DOTALL)
_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
_LETTERS = re.compile(r"[A-Za-z]+")
_COMPOUND = re.compile(
    r"(twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)-(one|two|three|four|five|six|seven|eight|nine)\b",
    re.IGNORECASE,
)
_FOREIGN = re.compile(r"[^\W\d_a-zA-Z]+")
_SIGNS = re.compile(r"<>|->|==|[-+/^_(){}\[\]|=<>,;:!'&.\"?]")


def tokens(text: str, comma: Comma = "thousands") -> list[Token]:
    """Tokens of a cleaned answer. Raises Unreadable for a character that no answer needs."""
    found: list[Token] = []
    position, depth = 0, 0
    while position < len(text):
        spaced = text[position] == " "
        if spaced:
            position += 1
            continue
        spaced = position > 0 and text[position - 1] == " "
        # inside brackets a comma separates: (1,100) is a pair
        reading: Comma = "list" if depth and comma == "thousands" else comma
        if (found_number := _number(text, position, reading)) is not None:
            token, position = found_number
            found.append(Token("number", token[0], spaced, token[1]))
        elif match := _TEXT.match(text, position):
            found.append(Token("text", " ".join(match.group(1).split()), spaced))
            position = match.end()
        elif match := _COMMAND.match(text, position):
            found.append(Token("command", match.group(1) or match.group(2), spaced))
            position = match.end()
            depth += _depth(match.group())
        elif match := _COMPOUND.match(text, position):
            value = sum(NUMBER_WORDS[part.lower()] for part in match.groups())
            found.append(Token("number", match.group(), spaced, Number(Fraction(value))))
            position = match.end()
        elif match := _LETTERS.match(text, position):
            found += _letters(match.group(), spaced)
            position = match.end()
        elif match := _FOREIGN.match(text, position):
            word = match.group()
            number = Number(Fraction(NUMBER_WORDS[word])) if word in NUMBER_WORDS else None
            found.append(Token("text" if number is None else "number", word, spaced, number))
            position = match.end()
        elif match := _SIGNS.match(text, position):
            found.append(Token("sign", match.group(), spaced))
            depth += _depth(match.group())
            position = match.end()
        else:
            raise ParseError(f"character {text[position]!r}")
    return [*found, Token("end", "")]


# "2sinx" without a backslash: one function between names of variables
_FUSED = re.compile(r"([xyztabnk]?)(sin|cos|tan|cot|sec|csc|log|ln|exp|sqrt)([xyztabnk]{1,2})")


def _depth(text: str) -> int:
    if text in ("(", "[", "\\{", "\\langle"):
        return 1
    return -1 if text in (")", "]", "\\}", "\\rangle") else 0


def _number(text: str, position: int, comma: Comma) -> tuple[tuple[str, Number], int] | None:
    if not (text[position].isdigit() or (text[position] == "." and text[position + 1 : position + 2].isdigit())):
        return None
    if digits := _DIGITS_ABOVE_NINE.match(text, position):
        return (digits.group(1), Number(Fraction(int(digits.group(1), 16)))), digits.end(1)
    match = _NUMBERS[comma].match(text, position)
    if match is None or match.end() == position:
        return None
    whole, fraction, block, single, exponent = match.groups()
    if len(match.group()) > MAX_DIGITS:
        raise ParseError(f"a number of {len(match.group())} digits")
    whole = re.sub(r"\D", "", whole or "") or "0"
    places = re.sub(r"\D", "", fraction or "")
    value = Fraction(int(whole + places), 10 ** len(places))
    end = match.end()
    if repeating := block or single:
        value += Fraction(int(repeating), 10 ** len(places) * (10 ** len(repeating) - 1))
    elif text.startswith("\\ldots", end) and len(places) >= 3 and (cycle := _cycle(places)):
        value, repeating, end = _repeated(whole, cycle), cycle[1], end + len("\\ldots")
    if exponent:
        power = int(exponent[1:])
        if abs(power) > MAX_DIGITS:
            raise ParseError("an exponent too large")
        value *= Fraction(10) ** power
    if not fraction or repeating:
        return (match.group(), Number(value)), end
    scale = Fraction(10) ** (int(exponent[1:]) if exponent else 0)
    significant = len((whole + places).lstrip("0"))
    return (match.group(), Number(value, significant, Fraction(1, 10 ** len(places)) * scale)), end


def _cycle(places: str) -> tuple[str, str] | None:
    """Decimals that end in a block written at least three times (twice if longer than one digit): (before, block)."""
    for length in range(1, 7):
        block, times = places[-length:], 3 if length == 1 else 2
        if len(places) >= length * times and places.endswith(block * times):
            before = places
            while before.endswith(block):
                before = before[:-length]
            return before, block
    return None


def _repeated(whole: str, cycle: tuple[str, str]) -> Fraction:
    before, block = cycle
    scale = 10 ** len(before)
    return Fraction(int(whole + before), scale) + Fraction(int(block), scale * (10 ** len(block) - 1))


def _letters(run: str, spaced: bool) -> list[Token]:
    """A run of letters: a function or constant, a word, a unit, or letters that multiply."""
    lower = run.lower()
    if run in FUNCTION_NAMES:
        return [Token("command", run, spaced)]
    if lower in NUMBER_WORDS:
        return [Token("number", run, spaced, Number(Fraction(NUMBER_WORDS[lower])))]
    if run in _GREEK:
        return [Token("command", run, spaced)]
    if parts := _FUSED.fullmatch(run):
        before, function, after = parts.groups()
        return [*_letters(before, spaced), Token("command", function, spaced), *_letters(after, False)]
    if len(run) > 1 and (lower in WORDS or run in UNITS or lower in UNITS or len(run) >= 4):
        return [Token("text", run, spaced)]
    if len(run) >= 3 and run.isupper():
        return [Token("letter", run, spaced)]  # SAS, HHT, ABC: a word or a figure, no product
    return [Token("letter", letter, spaced and i == 0) for i, letter in enumerate(run)]
