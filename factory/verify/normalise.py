"""Write an answer the one way that the parser reads: LaTeX spellings, Unicode signs and decoration folded together.

Knows spelling only. Nothing here may change what an answer means: two answers with one normal form are equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from factory.verify.signs import as_latex

MAX_CHARS = 4_000


def normal_form(answer: str) -> str:
    """The key of an answer: `clean`, without the spaces that separate nothing."""
    return _IDLE_SPACE.sub("", clean(answer))


@lru_cache(maxsize=4096)
def clean(answer: str) -> str:
    """One spelling per sign: bare LaTeX without math delimiters, sizing, styling and closing punctuation.

    Of a text longer than `MAX_CHARS`, which is no answer, only the white space is folded: the patterns are not linear.
    """
    if len(answer) > MAX_CHARS:
        return " ".join(answer.split())
    text = _repair_escapes(answer)
    if text.count("{") == text.count("}") + 1:
        text = _OPEN_BOX.sub("", text)
    text = as_latex(_UNIT_POWER.sub(r" \\text{\1}\2", text))
    text = _SI.sub(_quantity, text)
    if len(set(_UNIT_VECTOR.findall(text))) > 1:
        text = _UNIT_VECTOR.sub(r"\\hat{\1}", text)
    text = _MARKDOWN.sub(r"\1", text)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    previous = None
    while text != previous:
        previous = text
        text = _outer_braces(_TRAILING.sub("", text.strip()).strip())
    return " ".join(text.split())


def plain_words(answer: str) -> str:
    """An answer as words: no LaTeX wrappers, brackets or punctuation around them, one case, single spaces."""
    text = _TEXT_WRAPPER.sub(lambda m: f" {m.group(1)} ", clean(answer))
    text = _WORD_HYPHEN.sub(" ", _WORD_APOSTROPHE.sub("", text))
    return " ".join(_PUNCTUATION.sub(" ", text).casefold().split())


def unwrapped(form: str) -> str:
    """A normal form without the commands that only set text upright: `5\\text{m}` as `5m`."""
    return _LOOSE_SPACE.sub("", _TEXT_WRAPPER.sub(lambda m: m.group(1), form))


_LOOSE_SPACE = re.compile(r"(?<!\d) | (?!\d)")
_IDLE_SPACE = re.compile(
    r"(?<!\d,)(?<![A-Za-z0-9]) | (?![A-Za-z0-9])|(?<=[A-Za-z]) (?=[0-9])"
)  # "1, 100" is not "1,100"
_TEXT_WRAPPER = re.compile(r"\\text\s*\{([^{}]*)\}")
_WORD_HYPHEN = re.compile(r"(?<=[A-Za-z]{2})-(?=[A-Za-z]{2})")
_WORD_APOSTROPHE = re.compile(r"(?<=[A-Za-z]{2})'(?=[A-Za-z])")
_PUNCTUATION = re.compile(r"(?<=[a-zA-Z]{3})!+|!+(?=[a-zA-Z]{3})|[\"`?;]|(?<!\d)[.,:]|[.,:](?!\d)")
_OPEN_BOX = re.compile(r"^\s*\$*\s*\\(?:boxed|fbox)\s*\{")  # cut off before its end
_MARKDOWN = re.compile(r"\*\*([^*]+)\*\*(?![\w(])")
_TRAILING = re.compile(r"(?:\s|(?<!\\)[.,;:]|\\+$|(?<!\\)\$|\\quad|\\cr(?![A-Za-z]))+$")

_UNIT_POWER = re.compile(r"(?<=\d)\s?([cdkm]?m|ft|in|yd|mi)([²³])")
_SI = re.compile(r"\\(?:SI|qty)\s*(?:\[[^\[\]]*\])?\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_UNIT_VECTOR = re.compile(
    r"\\(?:mathbf|boldsymbol|bm|vec|hat|widehat)\s*\{\s*(?:\\(?:mathbf|boldsymbol)\s*\{\s*)?\\?([ijk])(?:math)?\s*\}"
)
"""The vectors along the axes: two or more of them make a column."""
_SI_WORD = re.compile(r"\\?([A-Za-z]+)|([\^\d/.-]+)")
_SI_PREFIXES = {"nano", "micro", "milli", "centi", "deci", "kilo", "mega"}
_SI_SIGNS = {"per": " / ", "squared": "^2", "cubed": "^3"}

_TEXTS = (
    "text|textbf|textit|textrm|textsf|texttt|textnormal|textup|mbox|hbox|emph|mathrm|mathsf|mathtt|rm|operatorname\\*?"
)
_TRIGONOMETRIC = (
    "arcsinh|arccosh|arctanh|arcsin|arccos|arctan|arccot|arcsec|arccsc|sinh|cosh|tanh|coth|sin|cos|tan|cot|sec|csc"
)
_FUNCTIONS = _TRIGONOMETRIC + "|log|ln|lg|exp|lcm|gcd|max|min|det|arg|deg|tr|rank|cis|sgn|floor|ceil"
_ELSEWHERE = {
    "tg": "tan", "ctg": "cot", "arctg": "arctan", "arcctg": "arccot", "cosec": "csc", "arccosec": "arccsc",
    "sh": "sinh", "ch": "cosh", "th": "tanh", "cth": "coth", "arsinh": "arcsinh", "arcosh": "arccosh",
    "artanh": "arctanh", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "arsh": "arcsinh",
    "arch": "arccosh", "arth": "arctanh", "sign": "sgn", "signum": "sgn", "Re": "re", "Im": "im", "Arg": "arg",
}  # fmt: skip
"""Functions as other countries and programs name them."""
_LONG_NAMES = "|".join(sorted(_ELSEWHERE, key=len, reverse=True))
_WORDLIKE = {"sh", "ch", "th", "sign", "arch"}
_TEXT_NAMES = "|".join(sorted(_ELSEWHERE.keys() - _WORDLIKE, key=len, reverse=True))


Replacement = str | Callable[[re.Match[str]], str]


def _rewrites(pairs: Sequence[tuple[str, Replacement]]) -> list[tuple[re.Pattern[str], Replacement]]:
    return [(re.compile(pattern), replacement) for pattern, replacement in pairs]


def _quantity(match: re.Match[str]) -> str:
    r"""`\SI{9.8}{\metre\per\second\squared}` as a number and a unit in words."""
    words = ""
    for name, sign in _SI_WORD.findall(match.group(2)):
        words += _SI_SIGNS.get(name) or sign or (name if name in _SI_PREFIXES else name + " ")
    return rf"{match.group(1)}\text{{ {words.replace(' ^', '^').strip()}}}"


def _function_name(match: re.Match[str]) -> str:
    return rf"\{_ELSEWHERE[match.group(1)]} "


def _primes(match: re.Match[str]) -> str:
    """`f^{(2)}` is the second derivative."""
    return match.group(1) + "'" * int(match.group(2))


def _combinations(match: re.Match[str]) -> str:
    """`5C2`, `C_5^2`; where fewer are chosen from than chosen, it is a constant with an index."""
    n, k = (group for group in match.groups() if group)
    return rf"\binom{{{n}}}{{{k}}}" if int(n) >= int(k) else match.group()


def _permutations(match: re.Match[str]) -> str:
    n, k = match.groups()
    return rf"\frac{{{n}!}}{{({n}-{k})!}}" if int(n) >= int(k) else match.group()


# in this order: each rule may rely on those above it
_REWRITES = _rewrites(
    [
        (r"^\*([^*]+)\*$", r"\1"),
        (r"^\s*\\text\s*\{(?:(?!\bnot\b)[^{}])*\b(?:is|are|equals)\s*:?\s*\}(?=\s*[^\s.])", " "),
        (r"^([A-Za-z])\s+(?:is|equals)\s+(?=[-\d\\$(])", r"\1 = "),
        (r"\\(?:text)?color\s*(?:\[[^\[\]]*\])?\{[^{}]*\}|\\colorbox\s*\{[^{}]*\}", " "),
        (r"\\(?:[hv]?phantom|tag\*?|label)\s*\{[^{}]*\}", " "),
        (r"\\(?:underbrace|overbrace)\s*\{([^{}]*)\}\s*(?:[_^]\s*\{[^{}]*\})?", r"{\1}"),
        (r"\\stackrel\s*\{[^{}]*\}\s*\{([^{}]*)\}", r"\1"),
        (r"\\(?:square|blacksquare|qed|Box)(?![A-Za-z])|\\text\s*\{\s*Q\.?E\.?D\.?\s*\}", " "),
        (r"^\s*\$*\s*\\(?:Rightarrow|implies|therefore|Longrightarrow)(?![A-Za-z])", " "),
        (r":=|\\coloneqq(?![A-Za-z])", "="),
        (r"(?:\\quad|\s)*\(?\\text\s*\{\s*\(?\s*(?:exactly|exact|units?:[^{}()]*)\s*\)?\s*\}\)?\s*$", ""),
        (r"^([^{}\\]+)\\over(?![A-Za-z])([^{}\\]+)$", r"\\frac{\1}{\2}"),
        (r"\\operatorname\*?\s*\{\s*(" + _LONG_NAMES + r")\s*\}", _function_name),
        (r"\\(?:" + _TEXTS + r")\s*\{\s*(" + _TEXT_NAMES + r")\s*\}", _function_name),
        (r"\\(" + _LONG_NAMES + r")(?![A-Za-z])", _function_name),
        (r"(?<![A-Za-z\\{])(arctg|arcctg|ctg|tg|cosec|Re|Im)(?=\s*\(|\s+[\dA-Za-z](?![A-Za-z]))", _function_name),
        (r"\\([RNZQC])(?![A-Za-z])", r"\\mathbb{\1}"),
        (r"\\Pr(?![A-Za-z])", "P"),
        (r"\^\s*(?:\{\s*)?\\(?:top|intercal|(?:mathrm|mathsf|text)\s*\{\s*T\s*\})(?:\s*\})?(?![A-Za-z])", "^T"),
        (r"(?<![A-Za-z\\])([A-Za-z])\s*\^\s*\{\s*\(([1-4])\)\s*\}", _primes),
        (r"\\text\s*\{\s*\(\s*mod\s*\}\s*([^(){}]+)\)", r"\\pmod{\1}"),
        (
            r"^\\text\s*\{\s*(?:for|if|when|where|при|если|当)\s*\}\s*(?=[^{}]*[<>]|[^{}]*\\[lgn]e)|^(?:for|if|при|если|当)\s+(?=\S*\s*[<>])",
            "",
        ),
        (r"^(\d+)\s+to\s+(\d+)$", r"\1:\2"),
        (r"\s*degrees?\s+Celsius\b", r"^{\\circ}C"),
        (r"(?:\{\s*\}|(?<![A-Za-z\d)}]))[\^_]\s*\{?(\w+)\}?\s*C\s*_\s*\{?(\w+)\}?", r"\\binom{\1}{\2}"),
        (r"(?<![\w.])(\d+)\s*C\s*(\d+)(?![\w.])|^(\d+)\s*C\s*_\s*\{?(\d+)\}?$", _combinations),
        (r"^(\d+)\s*P\s*_\s*\{?(\d+)\}?$", _permutations),
        (r"\\text\s*\{([^{}]*)\^\{(-?\d+)\}([^{}]*)\}", r"\\text{\1^\2\3}"),
        (r"(?:\{\s*\}|(?<![A-Za-z\d)}]))[\^_]\s*\{?(\d+)\}?\s*P\s*_\s*\{?(\d+)\}?", _permutations),
        (r"^C_\{?(\d+)\}?\^\{?(\d+)\}?$", _combinations),
        (r"^A_\{?(\d+)\}?\^\{?(\d+)\}?$", _permutations),
        (r"^\\\$\s*-", r"-\\dollar "),
        (r"\\num\s*\{([^{}]*)\}", r"\1"),
        (r"\\ang\s*\{([^{}]*)\}", r"\1^{\\circ}"),
        (r"^(-?\d+\.\d*)\((\d+)\)$", r"\1\\overline{\2}"),
        (r"(?<![\d.,])(\d{1,3})\.(\d{3})\.(\d{3})(?![\d.,])", r"\1{,}\2{,}\3"),
        (r"\bUSD?\s*\\?\$\s*(?=\d)|\bUSD\s*(?=\d)", r"\\dollar "),
        (r"((?:\\dollar |\\?\$)\s*\d[\d.,]*)\s*[kK](?![\w$])", r"\1\\text{ thousand}"),
        (r"((?:\\dollar |\\?\$)\s*\d[\d.,]*)\s*M(?![\w$])", r"\1\\text{ million}"),
        (r"(?<=\d)\^\s*(?:o|\{o\})(?![A-Za-z])", r"^{\\circ}"),
        (r"\\begin\{(?:align|equation|gather|aligned|gathered|split|math|displaymath|center)\*?\}(?:\[\w\])?", " "),
        (r"\\end\{(?:align|equation|gather|aligned|gathered|split|math|displaymath|center)\*?\}", " "),
        (r"\\(?:boxed|fbox|framebox)(?![A-Za-z])", " "),
        (
            r"\\(?:displaystyle|textstyle|scriptstyle|limits|nolimits|hfill|noindent|centering|bf|it|rm|cal)(?![A-Za-z])",
            " ",
        ),
        (r"\\(?:left|right|middle)(?![A-Za-z])\s*\.", " "),
        (r"\\(?:[bB]igg?[lrm]?|left|right|middle)(?![A-Za-z])", ""),
        (r"\\\\(?:\[[^\]]{0,8}\])?", r" \\cr "),
        (r"\\\$", r"\\dollar "),
        (r"\$", " "),
        (r"\\[()]", " "),
        (r"(?<!\\)\\[\[\]]", " "),
        (r"(\d)(?:\\!|\\,|\{,\}|,\\!|,\s*\\!|\{,\}\\!|\\ )+(?=\d{3}(?!\d))", r"\1{,}"),
        (r"(\d)\s*,\s*\\[!,]\s*(?=\d{3}(?!\d))", r"\1{,}"),
        (r"\\(?:[,;:!>]|thinspace|medspace|negthinspace|enspace|hspace\{[^{}]*\}|vspace\{[^{}]*\})", " "),
        (r"\\q?quad", r" \\quad "),
        (r"\\ |~", " "),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\[dt]binom(?![A-Za-z])", r"\\binom"),
        (r"\\(?:" + _TEXTS + r")\s*\{\s*(" + _FUNCTIONS + r")\s*\}", r"\\\1 "),
        (r"\\(?:" + _TEXTS + r")\s*\{\s*([ei])\s*\}", r" \1 "),
        (r"(?:(?<=^)|(?<=[^\d\s})~A-Za-z]))(\s*)\\(?:" + _TEXTS + r")\s*\{\s*([A-Za-z])\s*\}", r"\1 \2 "),
        (r"\\(?:" + _TEXTS + r")(?=\s*\{)", r"\\text"),
        (r"\\text\s*\{\s*\(?([A-Z])\)\s*\}", r"(\1)"),
        (r"\\text\s*\{\s*([-+]?\d+(?:\.\d+)?)\s*\}", r"\1"),
        (r"\\text\s*\{\s*\}", " "),
        (r"\\(?:mathbf|boldsymbol|bm|mathit|mathcal|mathscr|mathfrak)\s*\{([^{}]*)\}", r"{\1}"),
        (r"\\(?:mathbf|boldsymbol|mathrm)\s*([A-Za-z])(?![A-Za-z])", r" \1"),
        (r"\\(?:le|leqslant|leqq)(?![A-Za-z])|<=|=<|(?<![<>=!])≤", r"\\leq "),
        (r"\\(?:ge|geqslant|geqq)(?![A-Za-z])|>=", r"\\geq "),
        (r"\\(?:lt)(?![A-Za-z])", "<"),
        (r"\\(?:gt)(?![A-Za-z])", ">"),
        (r"\\(?:ne)(?![A-Za-z])|!=|\\not\s*=", r"\\neq "),
        (r"\\(?:approxeq|simeq|thickapprox|doteq)(?![A-Za-z])", r"\\approx "),
        (r"\\(?:varnothing|O(?![A-Za-z])|empty(?![A-Za-z]))", r"\\emptyset "),
        (r"\\backslash(?![A-Za-z])", r"\\setminus "),
        (r"\\(?:dots|cdots|dotsc|dotsb|ldotp)(?![A-Za-z])|\.\.\.+", r"\\ldots "),
        (r"\\(?:lvert|rvert|vert|mid)(?![A-Za-z])", "|"),
        (r"\\(?:lbrace)(?![A-Za-z])", r"\\{"),
        (r"\\(?:rbrace)(?![A-Za-z])", r"\\}"),
        (r"\\(?:lparen)(?![A-Za-z])", "("),
        (r"\\(?:rparen)(?![A-Za-z])", ")"),
        (r"\\(?:lbrack)(?![A-Za-z])", "["),
        (r"\\(?:rbrack)(?![A-Za-z])", "]"),
        (r"\^\s*\{?\s*\\(?:circ|degree)\s*\}?|\\(?:degree|textdegree)s?(?![A-Za-z])", r"\\degree "),
        (r"\^\s*\{\s*\\prime\s*\}|\^\\prime(?![A-Za-z])", "'"),
        (
            r"\\%|%|(?<!\\)\b(?:percent(?:age)?|pct|per cent)\b"
            r"|\\text\s*\{\s*(?:percent(?:age)?|pct|per cent)\s*\}",
            r"\\percent ",
        ),
        (r"\*\*", "^"),
        (r"\\(?:cdot|times|ast)(?![A-Za-z])|\*", r"\\cdot "),
        (r"\\(?:div)(?![A-Za-z])", "/"),
        (r"\+\s*/\s*-|\+-", r"\\pm "),
        (r"\\(?:exponentialE|mathrm\{e\})(?![A-Za-z])", "e"),
        (r"\\(?:imaginaryI|imath|mathrm\{i\})(?![A-Za-z])", "i"),
        (r"(?<![A-Za-z\\])(?:infinity|inf|oo)(?![A-Za-z])", r"\\infty "),
        (r"(?<![A-Za-z\\])pi(?![A-Za-z])", r"\\pi "),
        (r"(?<![A-Za-z\\])sqrt\s*\(", r"\\sqrt("),
        (r"(?<![A-Za-z\\])sqrt\s*(\d+)", r"\\sqrt{\1}"),
        (r"(?<![A-Za-z\\])sqrt(?=[\s{])", r"\\sqrt "),
        (r"\\(?:operatorname)\s*", " "),
        (r"\{\s*,\s*\}", "{,}"),
        (
            r"\\frac\s*\{\s*\\text\s*\{([^{}]*)\}\s*\}\s*\{\s*(?:\\text\s*\{([^{}]*)\}|([A-Za-z]))\s*\}",
            r"\\text{\1/\2\3}",
        ),
        (r"\((\d[\dA-F]*)\)\s*_", r"\1_"),
        (r"(?<=\d)\s*\^?\s*\{?\s*(?:\\text\s*\{\s*(?:st|nd|rd|th)\s*\}|(?<=\d)(?:st|nd|rd|th)(?![A-Za-z]))\s*\}?", ""),
        (r"(?<=\d)\s*\b([apAP])\.\s?[mM]\b\.?", r" \1m"),
        (r"(?<=[\d)}])\s*(or|and)\s*(?=[-A-Z(\d\\])", r"\\text{ \1 }"),
        (r"\{([^{}]*)\\choose(?![A-Za-z])([^{}]*)\}", r"\\binom{\1}{\2}"),
        (r"\{([^{}]*)\\over(?![A-Za-z])([^{}]*)\}", r"\\frac{\1}{\2}"),
        (r"(?<=\d)\s*\b([ck]?m|mi|ft)/(s|h|hr|min)(\^\{?2\}?)?(?![A-Za-z])", r" \\text{\1/\2}\3"),
        (r"^\s*(?:\\approx|\\sim|=)(?![A-Za-z])", " "),
        (r"^Eq\((.*),\s*([^,()]*)\)$", r"\1 = \2"),
    ]
)

_DOUBLED = re.compile(r"(?<!\\)\\\\(?=[A-Za-z{}])")
_DAMAGED = _rewrites(
    [
        ("\x0c(?=rac)", r"\\f"),
        ("\x08(?=oxed|egin|inom|ar|mod)", r"\\b"),
        ("\t(?=ext|imes|frac|an|heta|binom)", r"\\t"),
        ("\x0b(?=ec|ert)", r"\\v"),
        ("\x07(?=lpha|pprox|ngle)", r"\\a"),
        ("\r(?=ight|angle|ho)", r"\\r"),
        ("\n(?=eq[ {\\d]|abla)", r"\\n"),
    ]
)


def _repair_escapes(text: str) -> str:
    """Undo what JSON did to LaTeX on its way: commands eaten by an escape (form feed + "rac"), backslashes doubled."""
    for pattern, replacement in _DAMAGED:
        text = pattern.sub(replacement, text)
    rows = "\\begin{" in text and "\\\\begin" not in text  # then a doubled backslash ends a row
    return text if rows else _DOUBLED.sub(lambda match: "\\", text)


def _outer_braces(text: str) -> str:
    """`{...}` around the whole answer groups nothing."""
    if not (text.startswith("{") and text.endswith("}") and not text.endswith("\\}")):
        return text
    depth = 0
    for position, character in enumerate(text):
        escaped = position > 0 and text[position - 1] == "\\"
        depth += (character == "{" and not escaped) - (character == "}" and not escaped)
        if depth == 0 and position < len(text) - 1:
            return text
    return text[1:-1]
