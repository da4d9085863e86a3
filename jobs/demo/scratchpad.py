"""Arithmetic that writes itself down: a solution calls `add`, `mul`, ... and each call leaves its line of working.

A plain scratchpad states results ("47 * 8 = 376"); a detailed one works by place value ("47 * 8: 40 * 8 = 320,
7 * 8 = 56, 320 + 56 = 376"). A slip can be planted in one result, so that a trace can show how a check finds it; the
wrong digits are marked, because nobody should learn to write them. Knows nothing of problems or chat formats.
"""

from __future__ import annotations

from dataclasses import dataclass


class Derailed(Exception):
    """The working cannot go on (a division that does not come out): only a planted slip leads here."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text; `learn` is False where a planted slip is written."""

    text: str
    learn: bool = True


class Scratchpad:
    """Collects the working in `pieces`. `slip` is (index of the operation, error added to its result)."""

    def __init__(self, *, detailed: bool, slip: tuple[int, int] | None = None) -> None:
        self.detailed = detailed
        self.pieces: list[Piece] = []
        self.operations = 0
        self._slip = slip

    def say(self, text: str) -> None:
        self.pieces.append(Piece(text + "\n"))

    def add(self, a: int, b: int) -> int:
        large, small = max(a, b), min(a, b)
        return self._line(f"{a} + {b}", _by_place(large, small, "+"), a + b)

    def sub(self, a: int, b: int) -> int:
        return self._line(f"{a} - {b}", _by_place(a, b, "-") if b >= 0 else [], a - b)

    def mul(self, a: int, b: int) -> int:
        large, small = max(abs(a), abs(b)), min(abs(a), abs(b))
        if self.detailed and len(_places(small)) > 1 and len(_places(large)) > 1:
            total = 0
            for position, part in enumerate(_places(small)):
                partial = self.mul(large, part)
                total = self.add(total, partial) if position else partial
            return total
        return self._line(f"{a} * {b}", _products(large, small) if min(a, b) >= 0 else [], a * b)

    def product(self, factors: list[int]) -> int:
        total = factors[0]
        for factor in factors[1:]:
            total = self.mul(total, factor)
        return total

    def div(self, a: int, b: int) -> int:
        """Exact division."""
        if b == 0 or a % b:
            raise Derailed
        return self._line(f"{a} / {b}", _partial_quotients(a, b) if a > 0 and b > 0 else [], a // b)

    def undo(self, product: int, factor: int) -> int:
        """The other factor of a product; -1, which fails any check, where there is none."""
        if product % factor:
            self.mod(product, factor)
            return -1
        return self.div(product, factor)

    def mod(self, a: int, b: int) -> int:
        if b <= 0 or a < 0:
            raise Derailed
        quotient = a // b
        steps = [f"{b} * {quotient} = {b * quotient}", f"{a} - {b * quotient} = {a % b}"] if quotient else []
        return self._line(f"{a} mod {b}", steps, a % b)

    def gcd(self, a: int, b: int) -> int:
        """Euclid's algorithm."""
        a, b = max(a, b), min(a, b)
        while b:
            a, b = b, self.mod(a, b)
        return a

    def same(self, found: int, expected: int) -> bool:
        """Compare the two ends of a check."""
        fits = found == expected
        self.say(f"{found} and {expected}: {'same' if fits else 'different'}")
        return fits

    def _line(self, head: str, steps: list[str], result: int) -> int:
        self.pieces.append(Piece(f"{head}: {', '.join(steps)}" if self.detailed and steps else f"{head} = {result}"))
        if self._slip is not None and self._slip[0] == self.operations:
            result += self._slip[1]
            correct = self.pieces.pop().text
            self.pieces += [Piece(correct[: correct.rindex(" ") + 1]), Piece(str(result), learn=False)]
        self.pieces.append(Piece("\n"))
        self.operations += 1
        return result


def _places(n: int) -> list[int]:
    """The place values of n without zeros: 407 -> [400, 7]."""
    digits = str(n)
    return [int(d) * 10 ** (len(digits) - i - 1) for i, d in enumerate(digits) if d != "0"]


def _by_place(start: int, operand: int, sign: str) -> list[str]:
    parts = _places(operand) if operand >= 0 else []
    if len(parts) < 2:
        return []
    steps = []
    for part in parts:
        after = start + part if sign == "+" else start - part
        steps.append(f"{start} {sign} {part} = {after}")
        start = after
    return steps


def _products(large: int, small: int) -> list[str]:
    parts = _places(large)
    if len(parts) < 2 or small < 2:
        return []
    steps = [f"{part} * {small} = {part * small}" for part in parts]
    total = parts[0] * small
    for part in parts[1:]:
        steps.append(f"{total} + {part * small} = {total + part * small}")
        total += part * small
    return steps


def _partial_quotients(a: int, b: int) -> list[str]:
    parts = _places(a // b)
    if len(parts) < 2 or b < 2:
        return []
    steps, rest = [], a
    for part in parts[:-1]:
        steps += [f"{b} * {part} = {b * part}", f"{rest} - {b * part} = {rest - b * part}"]
        rest -= b * part
    steps.append(f"{b} * {parts[-1]} = {rest}")
    total = sum(parts)
    return [*steps, f"{' + '.join(map(str, parts))} = {total}"]
