"""The levels of the grammar, loose to tight: list, relation, set operation, ratio, sum, product, sign, power, atom."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from factory.verify.grammar.commands import COMMANDS, FUNCTIONS, GREEK, Commands
from factory.verify.grammar.lexer import Comma, ParseError, Token, tokens
from factory.verify.nodes import (
    Apply,
    Conditional,
    Constant,
    Listing,
    Node,
    Number,
    Quantity,
    RadixNumber,
    Relation,
    Symbol,
    Words,
)
from factory.verify.normalise import plain_words
from factory.verify.units import unit_of
from factory.verify.words import CONDITIONS, CONJUNCTIONS, DENOMINATORS, NUMBER_WORDS, SCALES

MAX_DEPTH = 60
MAX_TOKENS = 3000

_RELATIONS = {
    "=": "=", "==": "=", "<": "<", ">": ">", "\\leq": "<=", "\\geq": ">=", "\\neq": "!=", "\\approx": "~", "\\sim": "~",
    "\\in": "in", "\\equiv": "==", "\\notin": "notin",
    "\\to": "->", "\\mapsto": "->", "->": "->", "\\cong": "~", "\\subset": "subset", "\\subseteq": "subset",
}  # fmt: skip
_SETS = {"\\cup": "union", "\\bigcup": "union", "\\cap": "intersection", "\\setminus": "difference"}
_CURRENCY_SIGNS = {"\\dollar": "dollar", "\\euro": "euro", "\\pounds": "gbp", "\\yen": "yen", "\\rupee": "rupee"}
_NO_LABEL = re.compile(r"\d|[()]|\b(?:squared|cubed|factorial|negative|could|perhaps|maybe)\b", re.IGNORECASE)
"""`4 squared` and `4 (perhaps 9)`: no label of four."""
_POWERS = {"squared": 2, "cubed": 3}
_DEGREE_OF = re.compile(r"degrees?|deg", re.IGNORECASE)


@lru_cache(maxsize=2048)
def parse(text: str, comma: Comma = "thousands") -> Node:
    """The tree of a cleaned answer. Raises Unreadable for what is no mathematics that this parser knows."""
    found = tokens(text, comma)
    if len(found) > MAX_TOKENS:
        raise ParseError("too many tokens")
    parser = _Parser(found)
    node = parser.listing(stop=())
    if parser.peek.kind != "end":
        raise ParseError(f"a stray {parser.peek.text!r}")
    return node


class _Parser(Commands):
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
            elif self.is_conjunction():
                word = self.word(self.next())
                if word in CONDITIONS and self._condition(groups[-1]):
                    seen = True
                    continue
                separators.add(CONJUNCTIONS[word])
            elif self.sign in ("\\land", "\\lor"):
                separators.add("or" if self.next_sign() == "\\lor" else "and")
            elif not self.accept(",", "\\quad", "&"):
                if seen:
                    break
                raise ParseError(f"a stray {self.peek.text!r}")
            seen = True
        return seen and self.peek.kind != "end" and self.sign not in stop

    def _condition(self, items: list[Node]) -> bool:
        """Bind the condition that follows to the last item; what only declares a name (`k in Z`) is an item itself."""
        start = self.position
        if not items or self.peek.kind == "end":
            return False
        condition = self.relation()
        if isinstance(condition, Relation) and condition.signs == ("in",):
            self.position = start
            return False
        if isinstance(condition, Quantity) and isinstance(condition.value, Symbol) and "integer" in condition.unit:
            items.append(Relation((condition.value, Constant("Z")), ("in",)))
        else:
            items[-1] = Conditional(items[-1], condition)
        return True

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

    def sum(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ParseError("nested too deeply")
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
                node = Apply("/", (node, self.signed()))
            elif self.sign in ("\\bmod", "\\mod"):
                self.next()
                node = Apply("mod", (node, self.signed()))
            elif self.sign == "\\pmod":
                self.next()
                node = Apply("pmod", (node, self.atom()))
            elif self.peek.kind == "text" and self.word(self.peek) in SCALES:
                node = Apply("*", (node, Number(Fraction(SCALES[self.word(self.next())]))))
            elif self._starts_unit(node):
                return self.unit(node)
            elif self.starts_factor():
                mixed = self.mixed(node)
                node = self.postfix(mixed) if mixed else Apply("*", (node, self.power()))
            else:
                return node

    def mixed(self, whole: Node) -> Node | None:
        """`2\\frac{1}{3}` and `2 1/3` are sums, where the fraction is proper and written in digits."""
        last = self.tokens[self.position - 1]
        if last.kind != "number" or not isinstance(_last_factor(whole), Number) or "." in last.text:
            return None
        start = self.position
        if self.accept("\\frac"):
            over, under = self.group(), self.group()
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
            exponent = self.exponent()
            node = self.postfix(Apply("^", (node, exponent)))
        return node

    def exponent(self) -> Node:
        if self.accept("-"):
            return Apply("neg", (self.exponent(),))
        if self.sign == "{":
            return self.group()
        node = self.postfix(self.atom())
        return Apply("^", (node, self.exponent())) if self.accept("^") else node

    def postfix(self, node: Node) -> Node:
        while True:
            if self.accept("!"):
                node = Apply("double_factorial" if self.accept("!") else "factorial", (node,))
            elif self.accept("\\percent"):
                node = Apply("percent", (node,))
            elif self.accept("\\permille"):
                node = Apply("/", (node, Number(Fraction(1000))))
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

    def _starts_unit(self, node: Node) -> bool:
        if self.sign in _CURRENCY_SIGNS:
            return not isinstance(node, Words)
        if self.peek.kind != "text" or self.is_conjunction():
            return False
        return not isinstance(node, Words)

    def is_conjunction(self) -> bool:
        return self.peek.kind == "text" and self.word(self.peek) in CONJUNCTIONS

    def unit(self, node: Node) -> Node:
        """Words behind a value, with the exponents and slashes of a unit."""
        if self.sign in _CURRENCY_SIGNS:
            return Quantity(node, _CURRENCY_SIGNS[self.next_sign()])
        if self.word(self.peek) in DENOMINATORS:  # three tenths
            return Apply("/", (node, Number(Fraction(DENOMINATORS[self.word(self.next())]))))
        if (power := _POWERS.get(self.word(self.peek))) is not None:  # four squared
            self.next()
            return Apply("^", (node, Number(Fraction(power))))
        if self.word(self.peek) == "factorial":
            self.next()
            return Apply("factorial", (node,))
        words: list[str] = []
        while True:
            if self.peek.kind == "text" and not self.is_conjunction():
                words.append(self.next().text)
            elif words and self.sign == "^":
                self.next()
                words[-1] += f"^{self._unit_exponent()}"
            elif words and self.sign == "/" and self.tokens[self.position + 1].kind in ("text", "letter"):
                self.next()
                words += ["/", self.next().text]
            elif words and self.sign in (".", "\\cdot"):
                self.next()
            elif words and self.peek.kind == "letter" and unit_of(words[-1]) and unit_of(self.peek.text):
                words.append(self.next().text)
            else:
                break
        label = " ".join(words)
        if _DEGREE_OF.fullmatch(label):
            return Apply("degree", (node,))
        if isinstance(node, Symbol) and node.name.isupper() and unit_of(label) is None:
            raise ParseError("words behind a capital letter")  # "A sphere" is no option
        if _NO_LABEL.search(label) and unit_of(label) is None:
            raise ParseError("words that make another value")
        return self._compound(Quantity(node, label))

    def _unit_exponent(self) -> Fraction:
        match self.exponent():
            case Number(value):
                return value
            case Apply("neg", (Number(value),)):
                return -value
            case _:
                raise ParseError("a unit's exponent")

    def _compound(self, first: Quantity) -> Quantity:
        """`7 hours 30 minutes` in the first of its units."""
        following = self.tokens[self.position + 1] if self.peek.kind == "number" else self.peek
        if self.peek.kind != "number" or following.kind != "text":
            return first
        second = self.unit(self.atom())
        larger, smaller = unit_of(first.unit), unit_of(second.unit) if isinstance(second, Quantity) else None
        if larger is None or smaller is None or larger[1] != smaller[1] or not isinstance(second, Quantity):
            raise ParseError("two values of different kinds")
        scaled = Apply("*", (second.value, Number(smaller[0] / larger[0])))
        return Quantity(Apply("+", (first.value, scaled)), first.unit)

    def starts_factor(self) -> bool:
        token = self.peek
        if token.kind in ("number", "letter"):
            return True
        if token.kind == "command":
            known = token.text in GREEK or token.text in FUNCTIONS or token.text in COMMANDS
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
            return self.symbol(token.text)
        if token.kind == "text":
            self.next()
            if self.word(token) in NUMBER_WORDS:
                return Number(Fraction(NUMBER_WORDS[self.word(token)]))
            return Words(plain_words(token.text))
        if token.kind == "command":
            return self.command()
        if token.text == "{" and token.kind == "sign":
            return self.group()
        if token.text in ("(", "[", "]") and token.kind == "sign":
            return self.bracket(token.text)
        if token.text == "|":
            return self.absolute()
        if token.text == "<":
            return self.bracket("<")
        raise ParseError(f"{token.text!r} where a value was expected")

    def _based(self, token: Token) -> Node:
        """A number, or digits with the base as subscript."""
        assert token.number is not None
        if not self.accept("_"):
            return token.number
        base = self.group() if self.sign == "{" else self.atom()
        if not isinstance(base, Number) or base.value.denominator != 1:
            raise ParseError("a base that is no number")
        return RadixNumber(token.text.replace("{,}", "").replace(",", ""), int(base.value))


def _one_or_list(items: list[Node], separators: set[str]) -> Node:
    if len(items) == 1:
        return items[0]
    if separators == {"or"}:
        return Listing(tuple(items), "or")
    return Listing(tuple(items), "and" if separators == {"and"} else ",")


def _last_factor(node: Node) -> Node:
    return node.args[0] if isinstance(node, Apply) and node.name == "neg" else node
