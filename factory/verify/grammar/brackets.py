"""What stands between brackets: groups, tuples, intervals, sets, absolute values, matrices."""

from __future__ import annotations

from fractions import Fraction

from factory.verify.grammar.cursor import Cursor
from factory.verify.grammar.lexer import Token, Unreadable
from factory.verify.nodes import Apply, Bracket, Conditional, Constant, Listing, Matrix, Node, Number

CLOSING = {"(": (")", "]"), "[": ("]", ")", "["), "]": ("[", "]"), "\\{": ("\\}",), "\\langle": ("\\rangle",),
            "<": (">",)}  # fmt: skip
_MATRICES = frozenset({"matrix", "pmatrix", "bmatrix", "Bmatrix", "smallmatrix", "array", "vmatrix"})


class Brackets(Cursor):
    """The part of the parser that reads from an opening sign to its closing one."""

    def group(self) -> Node:
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

    def raw_group(self) -> str:
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

    def raw_name(self) -> str:
        return self.raw_group() if self.sign == "{" else self.next().text

    def bracket(self, left: str) -> Node:
        self.next()
        closers = CLOSING[left]
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
        if self.accept("\\in") and not (self.accept("\\mathbb") and self.raw_name() == "R"):
            self.position = start
            return None
        if not self.accept("|", ":"):
            self.position = start
            return None
        condition = self.listing(stop=("\\}",))
        self.expect("\\}")
        return condition

    def absolute(self) -> Node:
        closer = self.next_sign()
        self.bars += 1
        inner = self.sum()
        self.bars -= 1
        if not self.accept(closer):
            raise Unreadable("| is not closed")
        return Apply("abs", (inner,))

    def environment(self) -> Node:
        name = self.raw_group()
        if name not in _MATRICES and name not in ("cases", "dcases"):
            raise Unreadable(f"environment {name}")
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
            raise Unreadable("a matrix with rows of different lengths")
        if "cases" in name:
            return Listing(tuple(_case(row) for row in rows))
        matrix = Matrix(tuple(rows))
        return Apply("determinant", (matrix,)) if name == "vmatrix" else matrix


def _case(row: tuple[Node, ...]) -> Node:
    """A row of cases: an equation of a system, or a value and its condition."""
    match row:
        case (value,):
            return value
        case (value, condition):
            return Conditional(value, condition)
        case _:
            raise Unreadable("a case of several conditions")
