"""Reads a cleaned answer into a tree of `factory.verify.nodes`: tokens, then a recursive-descent parser.

Knows notation, not mathematics. What it cannot read raises `Unreadable`, and another rule decides; it never guesses.
"""

from factory.verify.grammar.lexer import Comma, ParseError
from factory.verify.grammar.parser import parse

__all__ = ["Comma", "ParseError", "parse"]
