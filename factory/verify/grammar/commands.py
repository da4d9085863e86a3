"""What a LaTeX command or a name stands for: functions, fractions, roots, constants, sums, currencies."""

# ruff: noqa: SIM905 - a table of words reads better as text
from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from factory.verify.grammar.brackets import Brackets
from factory.verify.grammar.lexer import FUNCTION_NAMES, ParseError
from factory.verify.nodes import Apply, Bracket, Constant, Node, Number, Quantity, Relation, Symbol, Words
from factory.verify.words import SCALES

GREEK = frozenset(
    (
        "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho varrho "
        "sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell hbar"
    ).split()
)
FUNCTIONS = (frozenset(FUNCTION_NAMES) | {"re", "im"}) - {"sqrt", "cbrt"}
_ALIASES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
_INVERTIBLE = frozenset("sin cos tan cot sec csc sinh cosh tanh coth sech csch".split())
_UNKNOWN_FUNCTIONS = frozenset("fghFGHPQW") | {"\\phi", "\\varphi", "\\psi"}


_RESTRICTED = {
    (of, restriction): name
    for name, of, spellings in (
        ("Z+", "Z", "^+ _+ _>0 _geq1 _≥1"), ("Z>=0", "Z", "_geq0 ^+_0 _0^+"), ("Z-", "Z", "^- _- _<0 _leq-1"),
        ("Z+", "N", "^+ _+ ^* _* _>0 _geq1 _1"), ("Z>=0", "N", "_0 _geq0 ^0"), ("Q+", "Q", "^+ _>0"),
        ("R+", "R", "^+ _>0"), ("R>=0", "R", "_geq0 ^+_0 _0^+"), ("R-", "R", "^- _<0"), ("R*", "R", "^* _* _neq0"),
    )
    for restriction in spellings.split()
}  # fmt: skip
"""Parts of the number sets as `Constant` names them; a star on the naturals takes the zero away."""


class Commands(Brackets):
    """The part of the parser that reads one command with its arguments."""

    def symbol(self, name: str) -> Node:
        if name == "e":
            return Constant("e")
        if name == "i":
            return Constant("i")
        if self.accept("_"):
            if self.sign == "{":
                name += "_" + self.raw_group()
            else:
                name += "_" + self.next().text
        while self.sign == "'":
            self.next()
            name += "'"
        if name.rstrip("'").split("_")[0] in _UNKNOWN_FUNCTIONS and self.sign == "(" and not self.peek.spaced:
            inner = self.bracket("(")
            return Apply(name + "()", inner.items if isinstance(inner, Bracket) else (inner,))
        return Symbol(name)

    def _function(self, name: str) -> Node:
        base: Node | None = None
        exponent: Node | None = None
        while self.sign in ("_", "^"):
            if self.accept("_"):
                base = self.group() if self.sign == "{" else self.atom()
            else:
                self.next()
                exponent = self.exponent()
        argument = self._argument()
        arguments = argument.items if isinstance(argument, Bracket) else (argument,)
        if name == "log" and base is not None:
            arguments = (*arguments, base)
        elif base is not None:
            raise ParseError(f"a subscript on {name}")
        if name == "lg":
            name, arguments = "log", (*arguments, Number(Fraction(10)))
        if exponent == Apply("neg", (Number(Fraction(1)),)) and name in _INVERTIBLE:
            return Apply("arc" + name, arguments)
        node: Node = Apply(name, arguments)
        return node if exponent is None else Apply("^", (node, exponent))

    def _argument(self) -> Node:
        """What a function applies to: a bracket, or the factors up to the next function, sign or fraction bar."""
        if self.sign in ("(", "{", "["):
            return self.power() if self.sign == "{" else self.bracket(self.sign)
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

    def _fraction(self) -> Node:
        over = self.group()
        return Apply("/", (over, self.group()))

    def _root(self) -> Node:
        if self.accept("["):
            degree = self.sum()
            self.expect("]")
            return Apply("root", (self._radicand(), degree))
        return Apply("sqrt", (self._radicand(),))

    def _radicand(self) -> Node:
        if self.sign == "(":
            return self.bracket("(")
        return self.group()

    def _cube_root(self) -> Node:
        return Apply("root", (self._radicand(), Number(Fraction(3))))

    def _binomial(self) -> Node:
        over = self.group()
        return Apply("binom", (over, self.group()))

    def _series(self, name: str) -> Node:
        """`\\sum_{k=1}^{n} body`: the index, its two bounds and the body, a product."""
        bounds: dict[str, Node] = {}
        while self.sign in ("_", "^"):
            side = self.next_sign()
            bounds[side] = self.group() if self.sign == "{" else self.atom()
        match bounds.get("_"), bounds.get("^"):
            case _, Constant("oo"):
                raise ParseError("an infinite series")
            case Relation((Symbol(index) | Constant(index), low), ("=",)), high if high is not None:
                return Apply(name, (Symbol(index), low, high, self.product()))
            case _:
                raise ParseError(f"the bounds of a {name}")

    def _enclosed(self, closer: str, name: str) -> Node:
        inner = self.sum()
        self.expect(closer)
        return Apply(name, (inner,))

    def _currency(self, unit: str) -> Node:
        value = self.signed()
        while self.starts_factor():
            value = self.mixed(value) or Apply("*", (value, self.power()))
        if self.peek.kind == "text" and self.word(self.peek) in SCALES:
            value = Apply("*", (value, Number(Fraction(SCALES[self.word(self.next())]))))
        if self.peek.kind == "text" and not self.is_conjunction():
            value = Quantity(value, unit)
            label = self.unit(value)
            return Quantity(value.value, unit) if isinstance(label, Quantity) else label
        return Quantity(value, unit)

    def _blackboard(self) -> Node:
        name = self.raw_name()
        if name not in ("R", "Z", "N", "Q", "C"):
            raise ParseError(f"\\mathbb{{{name}}}")
        restriction = ""
        while self.sign in ("^", "_"):
            restriction += self.next_sign() + self.raw_name()
        return Constant(_RESTRICTED.get((name, restriction), name + restriction))

    def _overline(self) -> Node:
        r"""`\overline{AB}` is the segment AB; over anything else the bar means the conjugate, or a row of digits."""
        inner = self._letters_of_figure() or self.group()
        if _is_figure(inner):
            return inner
        match inner:
            case Apply("*", _) if _is_row_of_letters(inner):
                return Apply("digits()", _factors(inner))
            case _:
                return Apply("conj", (inner,))

    def _hat(self) -> Node:
        return Apply("hat()", (self.group(),))

    def _angle(self) -> Node:
        """An angle by its vertex, or by three points of which the outer two may change places."""
        points = _factors(self._letters_of_figure() or self.group())
        if len(points) == 3:
            first, last = sorted((points[0], points[2]), key=repr)
            points = (first, points[1], last)
        return Apply("angle()", points) if points else Words("angle")

    def _arrow(self) -> Node:
        r"""`\vec{CD}` leads from C to D; an arrow over a single letter only says that it is a vector."""
        inner = self._letters_of_figure() or self.group()
        return Apply("vector()", _factors(inner)) if _is_figure(inner) else inner

    def _triangle(self) -> Node:
        r"""`\triangle ABC`: the order of its corners does not count."""
        return Apply("triangle()", tuple(sorted(_factors(self._letters_of_figure() or self.group()), key=repr)))

    def _letters_of_figure(self) -> Node | None:
        """Capitals without braces, as many as follow: `ABC`, `A B`."""
        if self.sign == "{":
            return None
        found: list[Node] = []
        while self.peek.kind == "letter" and self.peek.text.isupper():
            found += [Symbol(letter) for letter in self.next().text]
        if not found:
            return None
        node = found[0]
        for letter in found[1:]:
            node = Apply("*", (node, letter))
        return node

    def command(self) -> Node:
        name = self.peek.text
        if name in ("{", "langle"):
            return self.bracket("\\" + name)
        if name in ("|", "Vert"):
            return self.absolute()
        self.next()
        if name in GREEK:
            return self.symbol("\\" + name)
        if name in FUNCTIONS:
            return self._function(_ALIASES.get(name, name))
        handler = COMMANDS.get(name)
        if handler is None:
            raise ParseError(f"\\{name}")
        return handler(self)


def _factors(node: Node) -> tuple[Node, ...]:
    """The factors of a product, a sequence of capitals letter by letter."""
    match node:
        case Apply("*", (left, right)):
            return (*_factors(left), *_factors(right))
        case Symbol(name) if len(name) > 1 and name.isupper():
            return tuple(Symbol(letter) for letter in name)
        case _:
            return (node,)


def _is_figure(node: Node) -> bool:
    """Two or more points: a segment, a polygon."""
    points = _factors(node)
    return len(points) > 1 and all(isinstance(p, Symbol) and p.name[0].isupper() for p in points)


def _is_row_of_letters(node: Node) -> bool:
    return all(isinstance(p, Symbol | Number) or p == Constant("e") for p in _factors(node))


COMMANDS: dict[str, Callable[[Commands], Node]] = {
    "frac": Commands._fraction,
    "sqrt": Commands._root,
    "cbrt": Commands._cube_root,
    "binom": Commands._binomial,
    "pi": lambda p: Constant("pi"),
    "sum": lambda p: p._series("sum"),
    "prod": lambda p: p._series("prod"),
    "ldots": lambda p: Constant("..."),
    "infty": lambda p: Constant("oo"),
    "emptyset": lambda p: Constant("emptyset"),
    "mathbb": Commands._blackboard,
    "Bbb": Commands._blackboard,
    "dollar": lambda p: p._currency("dollar"),
    "pounds": lambda p: p._currency("gbp"),
    "euro": lambda p: p._currency("euro"),
    "yen": lambda p: p._currency("yen"),
    "rupee": lambda p: p._currency("rupee"),
    "overline": Commands._overline,
    "bar": Commands._overline,
    "hat": Commands._hat,
    "widehat": Commands._hat,
    "vec": Commands._arrow,
    "overrightarrow": Commands._arrow,
    "angle": Commands._angle,
    "measuredangle": Commands._angle,
    "triangle": Commands._triangle,
    "begin": Commands.environment,
    "lfloor": lambda p: p._enclosed("\\rfloor", "floor"),
    "lceil": lambda p: p._enclosed("\\rceil", "ceil"),
}
