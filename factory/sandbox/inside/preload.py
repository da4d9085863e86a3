"""Import and warm the mathematics that most cells use, once, before any session is forked."""

from __future__ import annotations

import contextlib
import importlib
import io
import random
from collections.abc import Callable
from typing import Any

MODULES = (
    *("asyncio", "cmath", "collections", "concurrent.futures", "dataclasses", "datetime", "decimal", "fractions"),
    *("functools", "heapq", "itertools", "json", "math", "operator", "random", "re", "statistics", "string"),
    *("threading", "time", "timeit", "typing", "pprint", "bisect", "copy", "ctypes", "pickle", "encodings.ascii"),
    *("mpmath", "numpy", "numpy.linalg", "numpy.random", "numpy.polynomial", "numpy.fft"),
    *("sympy", "sympy.ntheory", "sympy.combinatorics", "sympy.geometry", "sympy.stats", "sympy.abc"),
    *("scipy.optimize", "scipy.special", "scipy.linalg", "scipy.integrate"),
)
"""More would cost each session more than it saves: a fork pays for every library that is mapped."""

_WARM_UP = """
from sympy import *
x, y, z = symbols("x y z")
n = symbols("n", integer=True, positive=True)
solve([x + y - 3, x * y - 2], [x, y])
solve(x**4 - 5 * x**2 + 4, x)
solveset(sin(x) - Rational(1, 2), x, Interval(0, 2 * pi))
factor(x**6 - 1), expand((x + 1) ** 8), simplify(sin(x) ** 2 + cos(x) ** 2), apart(1 / (x * (x + 1)))
integrate(x**2 * exp(x), x), integrate(sin(x), (x, 0, pi)), diff(tan(x) * log(x), x), limit(sin(x) / x, x, 0)
integrate(1 / (1 + x**2), (x, -oo, oo)), integrate(sqrt(1 - x**2), (x, 0, 1)), integrate(log(x) / x, x)
solve(x**3 - 3 * x + 1, x), solve(2**x - 8, x), solve(sin(x) - cos(x), x)
solve([x + y - 6, x * y - z, z - 8], [x, y, z])
simplify(sin(x) ** 4 - cos(x) ** 4), simplify(sqrt(x**2)), trigsimp(sin(2 * x) / sin(x)), Poly(x**4 + 1).all_roots()
summation(n**2, (n, 1, 100)), summation(1 / n**2, (n, 1, oo))
series(exp(x), x, 0, 5), sqrt(8 + 2 * sqrt(15)).evalf(30), nsolve(cos(x) - x, 1)
Matrix([[1, 2], [3, 4]]).eigenvals(), Matrix([[2, 1], [1, 3]]).inv(), nsimplify(0.75)
factorint(360360), isprime(10**9 + 7), divisors(360), totient(100), gcd(12, 18), binomial(10, 3)
str(parse_expr("x**2 + 1")), latex(x**2 / y), Eq(x, y).subs(x, 2), lambdify(x, x**2)(3.0)
import numpy, scipy.optimize
numpy.linalg.eig(numpy.array([[2.0, 1.0], [1.0, 3.0]])), scipy.optimize.minimize(lambda v: (v[0] - 1) ** 2, [0.0])
str(numpy.arange(6).reshape(2, 3)), numpy.roots([1, -3, 2])
"""


def load() -> list[str]:
    """Import what is installed of `MODULES` and exercise it; the names of those that are missing."""
    missing = []
    for name in MODULES:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    if "sympy" not in missing and "scipy.optimize" not in missing:
        namespace: dict[str, Any] = {"__name__": "warm_up"}
        with contextlib.redirect_stdout(io.StringIO()):
            exec(_WARM_UP, namespace)
    return missing


def seeders() -> list[Callable[[int], object]]:
    """What to call with a number below 2**32 to give a session its own random state: every fork has the same one."""
    found: list[Callable[[int], object]] = [random.seed]
    with contextlib.suppress(ImportError):
        found.append(importlib.import_module("numpy.random").seed)
    with contextlib.suppress(ImportError):
        found.append(importlib.import_module("sympy.core.random").seed)
    return found
