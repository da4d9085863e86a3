"""The position in a list of tokens, and what every part of the grammar may ask of the others."""

from __future__ import annotations

from abc import ABC, abstractmethod

from factory.verify.grammar.lexer import ParseError, Token
from factory.verify.nodes import Node


class Cursor(ABC):
    """Tokens and the place reached in them. The abstract methods are the levels of the grammar, loose to tight."""

    def __init__(self, found: list[Token]) -> None:
        self.tokens = found
        self.position = 0
        self.depth = 0
        self.open: list[str] = []  # brackets around the current position
        self.bars = 0  # open absolute values: inside one, the next bar closes it

    @abstractmethod
    def listing(self, stop: tuple[str, ...]) -> Node:
        """Items up to one of the closing signs `stop`, or to the end."""

    @abstractmethod
    def relation(self) -> Node: ...

    @abstractmethod
    def sum(self) -> Node: ...

    @abstractmethod
    def product(self) -> Node: ...

    @abstractmethod
    def signed(self) -> Node: ...

    @abstractmethod
    def power(self) -> Node: ...

    @abstractmethod
    def exponent(self) -> Node: ...

    @abstractmethod
    def atom(self) -> Node: ...

    @abstractmethod
    def symbol(self, name: str) -> Node: ...

    @abstractmethod
    def starts_factor(self) -> bool: ...

    @abstractmethod
    def is_conjunction(self) -> bool: ...

    @abstractmethod
    def mixed(self, whole: Node) -> Node | None: ...

    @abstractmethod
    def unit(self, node: Node) -> Node: ...

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
            raise ParseError(f"{sign} expected, not {self.peek.text!r}")

    def word(self, token: Token) -> str:
        """A text token as a key of the tables of words."""
        return token.text.lower().strip(" ,.:")
