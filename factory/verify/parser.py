"""Read a cleaned answer into a tree: a recursive-descent parser for the LaTeX and plain text that answers are in.

From loose to tight: list, relation, set operation, sum, product (also by juxtaposition), sign, power, atom. What it
cannot read raises Unreadable, and another rule decides; it never guesses.
"""

# ruff: noqa: SIM905 - a table of words reads better as text
from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from factory.verify.lexer import FUNCTION_NAMES, Comma, Token, Unreadable, tokens
from factory.verify.nodes import (
    Apply,
    Based,
    Bracket,
    Constant,
    Listing,
    Matrix,
    Node,
    Number,
    Quantity,
    Relation,
    Symbol,
    Words,
)
from factory.verify.normalise import plain_words
from factory.verify.words import CONJUNCTIONS, NUMBER_WORDS, SCALES

MAX_DEPTH = 60
MAX_TOKENS = 3000

_RELATIONS = {
    "=": "=", "==": "=", "<": "<", ">": ">", "\\leq": "<=", "\\geq": ">=", "\\neq": "!=", "\\approx": "~", "\\sim": "~",
    "\\in": "in", "\\equiv": "==", "\\notin": "notin",
    "\\to": "->", "\\mapsto": "->", "->": "->", "\\cong": "~", "\\subset": "subset", "\\subseteq": "subset",
}  # fmt: skip
_SETS = {"\\cup": "union", "\\bigcup": "union", "\\cap": "intersection", "\\setminus": "difference"}
_CLOSING = {"(": (")", "]"), "[": ("]", ")", "["), "]": ("[", "]"), "\\{": ("\\}",), "\\langle": ("\\rangle",),
            "<": (">",)}  # fmt: skip
_GREEK = frozenset(
    (
        "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho varrho "
        "sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell hbar"
    ).split()
)
_FUNCTIONS = frozenset(FUNCTION_NAMES) - {"sqrt", "cbrt"}
_ALIASES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "lg": "log"}
_UNKNOWN_FUNCTIONS = frozenset("fghFGHPQW") | {"\\phi", "\\varphi", "\\psi"}
_MATRICES = frozenset({"matrix", "pmatrix", "bmatrix", "Bmatrix", "smallmatrix", "array", "vmatrix"})
_BOUND = frozenset({"sum", "prod", "int", "lim", "iint", "oint", "partial", "limsup", "liminf"})
_CURRENCY_SIGNS = {"\\dollar": "dollar", "\\euro": "euro", "\\pounds": "gbp", "\\yen": "yen"}
_DEGREE_OF = re.compile(r"degrees?|deg", re.IGNORECASE)


@lru_cache(maxsize=2048)
def parse(text: str, comma: Comma = "thousands") -> Node:
    """The tree of a cleaned answer. Raises Unreadable for what is no mathematics that this parser knows."""
    found = tokens(text, comma)
    if len(found) > MAX_TOKENS:
        raise Unreadable("too many tokens")
    parser = _Parser(found)
    node = parser.listing(stop=())
    if parser.peek.kind != "end":
        raise Unreadable(f"a stray {parser.peek.text!r}")
    return node


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self.tokens = found
        self.position = 0
        self.depth = 0
        self.open: list[str] = []  # brackets around the current position
        self.bars = 0  # open absolute values: inside one, the next bar closes it

    @property
    def peek(self) -> Token:
        return self.tokens[self.position]

    @property
    def sign(self) -> str:
        """The next token as it stands in the tables: signs bare, commands with their backslash."""
        token = self.peek
        if token.kind == "command":
            return "\\" + token.text
        return token.text if token.kind == "sign" else ""

    def next(self) -> Token:
        token = self.peek
        self.position += 1
        return token

    def next_sign(self) -> str:
        sign = self.sign
        self.position += 1
        return sign

    def accept(self, *signs: str) -> bool:
        if self.sign in signs and self.sign:
            self.position += 1
            return True
        return False

    def expect(self, sign: str) -> None:
        if not self.accept(sign):
            raise Unreadable(f"{sign} expected, not {self.peek.text!r}")

    # lists and relations

    def listing(self, stop: tuple[str, ...]) -> Node:
        """Items up to a closing bracket or the end; one item is itself."""
        groups: list[list[Node]] = [[]]
        separators: set[str] = set()
        while True:
            groups[-1].append(self.relation())
            if not self._separator(groups, stop, separators):
                break
        if len(groups) > 1:
            return Listing(tuple(_one_or_list(group, set()) for group in groups), ";")
        return _one_or_list(groups[0], separators)

    def _separator(self, groups: list[list[Node]], stop: tuple[str, ...], separators: set[str]) -> bool:
        """Take what separates two items; False at the end."""
        seen = False
        while self.peek.kind != "end" and self.sign not in stop:
            if self.accept(";"):
                groups.append([])
            elif self._is_conjunction():
                separators.add(CONJUNCTIONS[_word(self.next())])
            elif self.sign in ("\\land", "\\lor"):
                separators.add("or" if self.next_sign() == "\\lor" else "and")
            elif not self.accept(",", "\\quad", "&"):
                if seen:
                    break
                raise Unreadable(f"a stray {self.peek.text!r}")
            seen = True
        return seen and self.peek.kind != "end" and self.sign not in stop

    def relation(self) -> Node:
        members, signs = [self.set_operation()], list[str]()
        while (relation := _RELATIONS.get(self.sign)) is not None:
            self.next()
            signs.append(relation)
            members.append(self.set_operation())
        if len(members) == 1:
            return members[0]
        if signs[-1] == "==" and isinstance(last := members[-1], Apply) and last.name == "mod":
            members[-1] = Apply("pmod", last.args)
        return Relation(tuple(members), tuple(signs))

    def set_operation(self) -> Node:
        node = self.ratio()
        while (operation := _SETS.get(self.sign)) is not None:
            self.next()
            node = Apply(operation, (node, self.ratio()))
        return node

    def ratio(self) -> Node:
        terms = [self.sum()]
        while self.accept(":", "\\colon"):
            terms.append(self.sum())
        if len(terms) == 1:
            return terms[0]
        if isinstance(last := terms[-1], Quantity):  # 3:30 pm
            return Quantity(Apply("ratio", (*terms[:-1], last.value)), last.unit)
        return Apply("ratio", tuple(terms))

    # arithmetic

    def sum(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("nested too deeply")
        terms: list[Node] = []
        if self.sign in ("\\pm", "\\mp"):
            terms.append(Number(Fraction(0)))
        else:
            terms.append(self.product())
        node = terms[0]
        while self.sign in ("+", "-", "\\pm", "\\mp"):
            operation = self.sign
            self.next()
            term = self.product()
            match operation:
                case "+":
                    node = Apply("+", (node, term))
                case "-":
                    node = Apply("+", (node, Apply("neg", (term,))))
                case _:
                    node = Apply("pm" if operation == "\\pm" else "mp", (node, term))
        self.depth -= 1
        return node

    def product(self) -> Node:
        node = self.signed()
        while True:
            if self.accept("\\cdot"):
                node = Apply("*", (node, self.signed()))
            elif self.accept("/"):
                node = Apply("/", (node, self._divisor()))
            elif self.sign in ("\\bmod", "\\mod"):
                self.next()
                node = Apply("mod", (node, self.signed()))
            elif self.sign == "\\pmod":
                self.next()
                node = Apply("pmod", (node, self.atom()))
            elif self.peek.kind == "text" and _word(self.peek) in SCALES:
                node = Apply("*", (node, Number(Fraction(SCALES[_word(self.next())]))))
            elif self._starts_unit(node):
                return self.unit(node)
            elif self._starts_factor():
                mixed = self._mixed(node)
                node = self.postfix(mixed) if mixed else Apply("*", (node, self.power()))
            else:
                return node

    def _divisor(self) -> Node:
        """What a slash divides by: `1/2x` is read as half of x, `\\pi/2` and `1/(2x)` as they stand."""
        return self.signed()

    def _mixed(self, whole: Node) -> Node | None:
        """`2\\frac{1}{3}` and `2 1/3` are sums, where the fraction is proper and written in digits."""
        last = self.tokens[self.position - 1]
        if last.kind != "number" or not isinstance(_last_factor(whole), Number) or "." in last.text:
            return None
        start = self.position
        if self.accept("\\frac"):
            over, under = self._group(), self._group()
        elif self.peek.kind == "number" and self.peek.spaced and self.tokens[self.position + 1].text == "/":
            over = self.atom()
            self.next()
            under = self.atom()
        else:
            return None
        proper = (
            isinstance(over, Number) and isinstance(under, Number) and not over.ulp and 0 < over.value < under.value
        )
        if not proper or (isinstance(whole, Apply) and whole.name not in ("neg",)):
            self.position = start
            return None
        fraction = Apply("/", (over, under))
        if isinstance(whole, Apply):
            return Apply("neg", (Apply("+", (whole.args[0], fraction)),))
        return Apply("+", (whole, fraction))

    def signed(self) -> Node:
        if self.accept("-"):
            # "-2 1/3" is minus the mixed number: the sign is applied to the first factor and `_mixed` looks below it
            return Apply("neg", (self.signed(),))
        if self.accept("+"):
            return self.signed()
        return self.power()

    def power(self) -> Node:
        node = self.postfix(self.atom())
        if self.accept("^"):
            exponent = self._exponent()
            node = self.postfix(Apply("^", (node, exponent)))
        return node

    def _exponent(self) -> Node:
        if self.accept("-"):
            return Apply("neg", (self._exponent(),))
        if self.sign == "{":
            return self._group()
        node = self.postfix(self.atom())
        return Apply("^", (node, self._exponent())) if self.accept("^") else node

    def postfix(self, node: Node) -> Node:
        while True:
            if self.accept("!"):
                node = Apply("double_factorial" if self.accept("!") else "factorial", (node,))
            elif self.accept("\\percent"):
                node = Apply("percent", (node,))
            elif self.accept("\\degree"):
                if self.peek.kind in ("letter", "text") and self.peek.text in ("C", "F"):
                    node = Quantity(node, "celsius" if self.next().text == "C" else "fahrenheit")
                else:
                    node = Apply("degree", (node,))
            elif self.sign == "'" and isinstance(node, Symbol):
                self.next()
                node = Symbol(node.name + "'")
            else:
                return node

    # units

    def _starts_unit(self, node: Node) -> bool:
        if self.sign in _CURRENCY_SIGNS:
            return not isinstance(node, Words)
        if self.peek.kind != "text" or self._is_conjunction():
            return False
        return not isinstance(node, Words)

    def _is_conjunction(self) -> bool:
        return self.peek.kind == "text" and _word(self.peek) in CONJUNCTIONS

    def unit(self, node: Node) -> Node:
        """Words behind a value, with the exponents and slashes of a unit."""
        if self.sign in _CURRENCY_SIGNS:
            return Quantity(node, _CURRENCY_SIGNS[self.next_sign()])
        words: list[str] = []
        while True:
            if self.peek.kind == "text" and not self._is_conjunction():
                words.append(self.next().text)
            elif words and self.sign == "^":
                self.next()
                exponent = self._group() if self.sign == "{" else self.atom()
                if not isinstance(exponent, Number):
                    raise Unreadable("a unit's exponent")
                words[-1] += f"^{exponent.value}"
            elif words and self.sign == "/" and self.tokens[self.position + 1].kind in ("text", "letter"):
                self.next()
                words += ["/", self.next().text]
            elif words and self.sign in (".", "\\cdot"):
                self.next()
            else:
                break
        label = " ".join(words)
        if _DEGREE_OF.fullmatch(label):
            return Apply("degree", (node,))
        return Quantity(node, label)

    # atoms

    def _starts_factor(self) -> bool:
        token = self.peek
        if token.kind in ("number", "letter"):
            return True
        if token.kind == "command":
            known = token.text in _GREEK or token.text in _FUNCTIONS or token.text in _ATOM_COMMANDS
            return (known and self.sign not in _CURRENCY_SIGNS) or token.text in ("{", "langle")
        if token.kind != "sign":
            return False
        if token.text == "[" and self.open and self.open[-1] in ("[", "]"):
            return False  # `]0, 1[`: a bracket that closes
        return token.text in ("(", "{", "[") or (token.text == "|" and not self.bars)

    def atom(self) -> Node:
        token = self.peek
        if token.kind == "number" and token.number is not None:
            self.next()
            return self._based(token)
        if token.kind == "letter":
            self.next()
            return self._symbol(token.text)
        if token.kind == "text":
            self.next()
            if _word(token) in NUMBER_WORDS:
                return Number(Fraction(NUMBER_WORDS[_word(token)]))
            return Words(plain_words(token.text))
        if token.kind == "command":
            return self._command()
        if token.text == "{" and token.kind == "sign":
            return self._group()
        if token.text in ("(", "[", "]") and token.kind == "sign":
            return self._bracket(token.text)
        if token.text == "|":
            return self._absolute()
        if token.text == "<":
            return self._bracket("<")
        raise Unreadable(f"{token.text!r} where a value was expected")

    def _command(self) -> Node:
        name = self.peek.text
        if name in ("{", "langle"):
            return self._bracket("\\" + name)
        if name in ("|", "Vert"):
            return self._absolute()
        self.next()
        if name in _GREEK:
            return self._symbol("\\" + name)
        if name in _FUNCTIONS:
            return self._function(_ALIASES.get(name, name))
        handler = _ATOM_COMMANDS.get(name)
        if handler is None:
            raise Unreadable(f"\\{name}")
        return handler(self)

    def _symbol(self, name: str) -> Node:
        if name == "e":
            return Constant("e")
        if name == "i":
            return Constant("i")
        if self.accept("_"):
            if self.sign == "{":
                name += "_" + self._raw_group()
            else:
                name += "_" + self.next().text
        while self.sign == "'":
            self.next()
            name += "'"
        if name.rstrip("'").split("_")[0] in _UNKNOWN_FUNCTIONS and self.sign == "(" and not self.peek.spaced:
            inner = self._bracket("(")
            return Apply(name + "()", inner.items if isinstance(inner, Bracket) else (inner,))
        return Symbol(name)

    def _based(self, token: Token) -> Node:
        """A number, or digits with the base as subscript."""
        assert token.number is not None
        if not self.accept("_"):
            return token.number
        base = self._group() if self.sign == "{" else self.atom()
        if not isinstance(base, Number) or base.value.denominator != 1:
            raise Unreadable("a base that is no number")
        return Based(token.text.replace("{,}", "").replace(",", ""), int(base.value))

    def _function(self, name: str) -> Node:
        base: Node | None = None
        exponent: Node | None = None
        while self.sign in ("_", "^"):
            if self.accept("_"):
                base = self._group() if self.sign == "{" else self.atom()
            else:
                self.next()
                exponent = self._exponent()
        argument = self._argument()
        arguments = argument.items if isinstance(argument, Bracket) else (argument,)
        if name == "log" and base is not None:
            arguments = (*arguments, base)
        elif base is not None:
            raise Unreadable(f"a subscript on {name}")
        if exponent == Apply("neg", (Number(Fraction(1)),)) and name in ("sin", "cos", "tan", "cot", "sec", "csc"):
            return Apply("arc" + name, arguments)
        node: Node = Apply(name, arguments)
        return node if exponent is None else Apply("^", (node, exponent))

    def _argument(self) -> Node:
        """What a function applies to: a bracket, or the factors up to the next function, sign or fraction bar."""
        if self.sign in ("(", "{", "["):
            return self.power() if self.sign == "{" else self._bracket(self.sign)
        if self.accept("-"):
            return Apply("neg", (self._argument(),))
        node = self.power()
        in_pi = node == Constant("pi")
        while self.peek.kind in ("number", "letter") or self.sign in ("\\pi", "\\theta", "\\alpha"):
            in_pi = in_pi or self.sign == "\\pi"
            node = Apply("*", (node, self.power()))
        if in_pi and self.sign == "/" and self.tokens[self.position + 1].kind == "number":
            self.next()
            node = Apply("/", (node, self.power()))
        return node

    def _group(self) -> Node:
        """A braced group, or the single token that TeX takes in its place (`\\frac12`)."""
        if self.sign == "{":
            self.next()
            if self.accept("}"):
                raise Unreadable("an empty group")
            node = self.listing(stop=("}",))
            self.expect("}")
            return node
        token = self.peek
        if token.kind == "number" and token.text.isdigit() and len(token.text) > 1:
            # one digit only; the rest stays
            rest = token.text[1:]
            self.tokens[self.position] = Token("number", rest, False, Number(Fraction(int(rest))))
            return Number(Fraction(int(token.text[0])))
        return self.atom()

    def _raw_group(self) -> str:
        """The text of a braced subscript."""
        self.expect("{")
        parts, depth = [], 1
        while depth:
            token = self.next()
            if token.kind == "end":
                raise Unreadable("an open brace")
            depth += (token.text == "{") - (token.text == "}")
            if depth:
                parts.append(token.text)
        return "".join(parts)

    def _bracket(self, left: str) -> Node:
        self.next()
        closers = _CLOSING[left]
        if left == "\\{" and (members := self._set_builder()) is not None:
            return members
        if self.accept(*closers):
            if left == "\\{":
                return Constant("emptyset")
            raise Unreadable("empty brackets")
        self.open.append(left)
        inner = self.listing(stop=closers)
        self.open.pop()
        right = self.sign
        if not self.accept(*closers):
            raise Unreadable(f"{left} is not closed")
        items = inner.items if isinstance(inner, Listing) else (inner,)
        if len(items) == 1 and left in ("(", "["):
            if right != {"(": ")", "[": "]"}[left]:
                raise Unreadable("brackets that do not match")
            return items[0]
        return Bracket(left.strip("\\").replace("langle", "<"), items, right.strip("\\").replace("rangle", ">"))

    def _set_builder(self) -> Node | None:
        """`{x | x > 3}` and `{x in R : x != 1}` as the condition itself; None for a set that lists its members."""
        start = self.position
        if self.peek.kind != "letter":
            return None
        self.next()
        if self.accept("\\in") and not (self.accept("\\mathbb") and self._raw_name() == "R"):
            self.position = start
            return None
        if not self.accept("|", ":"):
            self.position = start
            return None
        condition = self.listing(stop=("\\}",))
        self.expect("\\}")
        return condition

    def _raw_name(self) -> str:
        return self._raw_group() if self.sign == "{" else self.next().text

    def _absolute(self) -> Node:
        closer = self.next_sign()
        self.bars += 1
        inner = self.sum()
        self.bars -= 1
        if not self.accept(closer):
            raise Unreadable("| is not closed")
        return Apply("abs", (inner,))

    # commands that are values

    def _fraction(self) -> Node:
        over = self._group()
        return Apply("/", (over, self._group()))

    def _root(self) -> Node:
        if self.accept("["):
            degree = self.sum()
            self.expect("]")
            return Apply("root", (self._radicand(), degree))
        return Apply("sqrt", (self._radicand(),))

    def _radicand(self) -> Node:
        if self.sign == "(":
            return self._bracket("(")
        return self._group()

    def _cube_root(self) -> Node:
        return Apply("root", (self._radicand(), Number(Fraction(3))))

    def _binomial(self) -> Node:
        over = self._group()
        return Apply("binom", (over, self._group()))

    def _series(self, name: str) -> Node:
        """`\\sum_{k=1}^{n} body`: the index, its two bounds and the body, a product."""
        bounds: dict[str, Node] = {}
        while self.sign in ("_", "^"):
            side = self.next_sign()
            bounds[side] = self._group() if self.sign == "{" else self.atom()
        match bounds.get("_"), bounds.get("^"):
            case _, Constant("oo"):
                raise Unreadable("an infinite series")
            case Relation((Symbol(index) | Constant(index), low), ("=",)), high if high is not None:
                return Apply(name, (Symbol(index), low, high, self.product()))
            case _:
                raise Unreadable(f"the bounds of a {name}")

    def _enclosed(self, closer: str, name: str) -> Node:
        inner = self.sum()
        self.expect(closer)
        return Apply(name, (inner,))

    def _currency(self, unit: str) -> Node:
        value = self.signed()
        while self._starts_factor():
            value = self._mixed(value) or Apply("*", (value, self.power()))
        if self.peek.kind == "text" and _word(self.peek) in SCALES:
            value = Apply("*", (value, Number(Fraction(SCALES[_word(self.next())]))))
        if self.peek.kind == "text" and not self._is_conjunction():
            value = Quantity(value, unit)
            label = self.unit(value)
            return Quantity(value.value, unit) if isinstance(label, Quantity) else label
        return Quantity(value, unit)

    def _blackboard(self) -> Node:
        name = self._raw_name()
        if name not in ("R", "Z", "N", "Q", "C"):
            raise Unreadable(f"\\mathbb{{{name}}}")
        while self.sign in ("^", "_"):
            name += self.next_sign() + self._raw_name()
        return Constant(name)

    def _decorated(self) -> Node:
        r"""`\overline{AB}` is the segment AB, `\angle ABC` an angle: names, where they are anything."""
        if self.sign == "{":
            return self._group()
        node = self.atom()
        while self.peek.kind == "letter" and self.peek.text.isupper():
            node = Apply("*", (node, self.atom()))
        return node

    def _environment(self) -> Node:
        name = self._raw_group()
        if name not in _MATRICES and name not in ("cases", "dcases"):
            raise Unreadable(f"environment {name}")
        if name == "array" and self.sign == "{":
            self._raw_group()
        rows: list[tuple[Node, ...]] = []
        row: list[Node] = []
        while True:
            row.append(self.relation())
            self.accept(",")
            if self.accept("&"):
                continue
            rows.append(tuple(row))
            row = []
            while self.accept("\\cr", "\\hline"):
                pass
            if self.accept("\\end"):
                break
        if self._raw_group() != name or len({len(r) for r in rows}) != 1:
            raise Unreadable("a matrix with rows of different lengths")
        if "cases" in name:
            return Listing(tuple(row[0] if len(row) == 1 else Bracket("(", row, ")") for row in rows))
        matrix = Matrix(tuple(rows))
        return Apply("determinant", (matrix,)) if name == "vmatrix" else matrix


_ATOM_COMMANDS: dict[str, Callable[[_Parser], Node]] = {
    "frac": _Parser._fraction,
    "sqrt": _Parser._root,
    "cbrt": _Parser._cube_root,
    "binom": _Parser._binomial,
    "pi": lambda p: Constant("pi"),
    "sum": lambda p: p._series("sum"),
    "prod": lambda p: p._series("prod"),
    "ldots": lambda p: Constant("..."),
    "infty": lambda p: Constant("oo"),
    "emptyset": lambda p: Constant("emptyset"),
    "mathbb": _Parser._blackboard,
    "Bbb": _Parser._blackboard,
    "dollar": lambda p: p._currency("dollar"),
    "pounds": lambda p: p._currency("gbp"),
    "euro": lambda p: p._currency("euro"),
    "yen": lambda p: p._currency("yen"),
    "overline": _Parser._decorated,
    "angle": _Parser._decorated,
    "measuredangle": _Parser._decorated,
    "triangle": _Parser._decorated,
    "begin": _Parser._environment,
    "lfloor": lambda p: p._enclosed("\\rfloor", "floor"),
    "lceil": lambda p: p._enclosed("\\rceil", "ceil"),
}


def _one_or_list(items: list[Node], separators: set[str]) -> Node:
    if len(items) == 1:
        return items[0]
    if separators == {"or"}:
        return Listing(tuple(items), "or")
    return Listing(tuple(items), "and" if separators == {"and"} else ",")


def _word(token: Token) -> str:
    return token.text.lower().strip(" ,.:")


def _last_factor(node: Node) -> Node:
    return node.args[0] if isinstance(node, Apply) and node.name == "neg" else node


__all__ = ["Literal", "parse"]
