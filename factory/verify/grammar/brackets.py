"""What stands between brackets: groups, tuples, intervals, sets, absolute values, matrices."""

from __future__ import annotations

from fractions import Fraction

from factory.verify.grammar.cursor import Cursor
from factory.verify.grammar.lexer import ParseError, Token
from factory.verify.nodes import Apply, Bracket, Conditional, Constant, Listing, Matrix, Node, Number, Relation, Symbol

CLOSING = {"(": (")", "]"), "[": ("]", ")", "["), "]": ("[", "]"), "\\{": ("\\}",), "\\langle": ("\\rangle",),
            "<": (">",)}  # fmt: skip
_SUCH_THAT = "such that"
_RELATION_SIGNS = frozenset({"=", "<", ">", "\\leq", "\\geq", "\\neq", "\\in", "\\equiv"})
_MATRICES = frozenset({"matrix", "pmatrix", "bmatrix", "Bmatrix", "smallmatrix", "array", "vmatrix"})


class Brackets(Cursor):
    """The part of the parser that reads from an opening sign to its closing one."""

    def group(self) -> Node:
        """A braced group, or the single token that TeX takes in its place (`\\frac12`)."""
        if self.sign == "{":
            self.next()
            if self.accept("}"):
                raise ParseError("an empty group")
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

    def raw_group(self) -> str:
        """The text of a braced subscript."""
        self.expect("{")
        parts, depth = [], 1
        while depth:
            token = self.next()
            if token.kind == "end":
                raise ParseError("an open brace")
            depth += (token.text == "{") - (token.text == "}")
            if depth:
                parts.append(token.text)
        return "".join(parts)

    def raw_name(self) -> str:
        return self.raw_group() if self.sign == "{" else self.next().text

    def bracket(self, left: str) -> Node:
        self.next()
        closers = CLOSING[left]
        if left == "[" and self.sign == "[":
            closers = ("]",)  # a list of lists
        if left == "\\{" and (members := self._set_builder()) is not None:
            return members
        if self.accept(*closers):
            if left == "\\{":
                return Constant("emptyset")
            raise ParseError("empty brackets")
        self.open.append(left)
        inner = self.listing(stop=closers)
        self.open.pop()
        right = self.sign
        if not self.accept(*closers):
            raise ParseError(f"{left} is not closed")
        items = inner.items if isinstance(inner, Listing) else (inner,)
        if len(items) == 1 and left in ("(", "["):
            if right != {"(": ")", "[": "]"}[left]:
                raise ParseError("brackets that do not match")
            return items[0]
        return Bracket(left.strip("\\").replace("langle", "<"), items, right.strip("\\").replace("rangle", ">"))

    def _set_builder(self) -> Node | None:
        """`{x | x > 3}` and `{x in R : x != 1}` as the condition itself, `{2n : n in Z}` as `2n, n in Z`.

        None for a set that lists its members.
        """
        place = self._such_that()
        if place is None:
            return None
        self.tokens[place] = Token("sign", _SUCH_THAT)
        member = self.relation()
        self.expect(_SUCH_THAT)
        condition = self.listing(stop=("\\}",))
        self.expect("\\}")
        return built_set(member, list(condition.items) if isinstance(condition, Listing) else [condition])

    def _such_that(self) -> int | None:
        """The place of the bar or colon in a set builder: a relation follows, and no bar is left without a partner."""
        bars: list[int] = []
        colon: int | None = None
        depth = 0
        for place in range(self.position, len(self.tokens)):
            token = self.tokens[place]
            sign = "\\" + token.text if token.kind == "command" else token.text if token.kind == "sign" else ""
            if sign in ("\\{", "(", "[", "{"):
                depth += 1
            elif sign in ("\\}", ")", "]", "}"):
                depth -= 1
                if depth < 0:
                    break
            elif depth == 0 and sign in (":", "\\colon"):
                colon = place if colon is None else colon
            elif depth == 0 and sign == "|":
                bars.append(place)
            elif sign in _RELATION_SIGNS and (colon is not None or len(bars) % 2):
                found = bars[0] if colon is None else colon
                return found if found > self.position else None
        return None

    def absolute(self) -> Node:
        closer = self.next_sign()
        self.bars += 1
        inner = self.sum()
        self.bars -= 1
        if not self.accept(closer):
            raise ParseError("| is not closed")
        return Apply("abs", (inner,))

    def environment(self) -> Node:
        name = self.raw_group()
        if name not in _MATRICES and name not in ("cases", "dcases"):
            raise ParseError(f"environment {name}")
        if name == "array" and self.sign == "{":
            self.raw_group()
        rows: list[tuple[Node, ...]] = []
        row: list[Node] = []
        while True:
            if "cases" in name and row and self.is_conjunction():
                self.next()  # "if", "for"
            row.append(self.relation())
            self.accept(",", ".", ";")
            if self.accept("&"):
                continue
            rows.append(tuple(row))
            row = []
            while self.accept("\\cr", "\\hline"):
                pass
            if self.accept("\\end"):
                break
        if self.raw_group() != name or len({len(r) for r in rows}) != 1:
            raise ParseError("a matrix with rows of different lengths")
        if "cases" in name:
            return Listing(tuple(_case(row) for row in rows))
        matrix = Matrix(tuple(rows))
        return Apply("determinant", (matrix,)) if name == "vmatrix" else matrix


def built_set(member: Node, conditions: list[Node]) -> Node:
    """The members of a set builder: a condition on one real, a family of values, or whole numbers one by one."""
    if isinstance(member, Relation) and member.signs == ("in",):
        conditions = [member, *conditions]
        member = member.members[0]
    domains = [c for c in conditions if isinstance(c, Relation) and c.signs == ("in",) and c.members[0] == member]
    others = [c for c in conditions if c not in domains]
    if not isinstance(member, Symbol):
        if len(conditions) == 1 and _declares(conditions[0]):
            return Listing((member, conditions[0]))
        raise ParseError("a set builder")
    within = domains[0].members[1] if len(domains) == 1 and isinstance(domains[0], Relation) else None
    if not others or len(domains) > 1 or (within is not None and not isinstance(within, Constant)):
        raise ParseError("a set builder")
    if within is None or within == Constant("R"):
        return others[0] if len(others) == 1 else Listing(tuple(others), "and")
    raise ParseError("a set of whole numbers")


def _declares(node: Node) -> bool:
    return (
        isinstance(node, Relation)
        and node.signs == ("in",)
        and isinstance(node.members[0], Symbol)
        and isinstance(node.members[1], Constant)
    )


def _case(row: tuple[Node, ...]) -> Node:
    """A row of cases: an equation of a system, or a value and its condition."""
    match row:
        case (value,):
            return value
        case (value, condition):
            return Conditional(value, condition)
        case _:
            raise ParseError("a case of several conditions")
