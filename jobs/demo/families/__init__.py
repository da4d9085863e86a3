"""The families of exercises. Importing this module registers them all in `FAMILIES`."""

from jobs.demo.families import algebra, arithmetic, counting, geometry, number_theory, rates
from jobs.demo.families.base import FAMILIES, Exercise, latex

__all__ = ["FAMILIES", "Exercise", "algebra", "arithmetic", "counting", "geometry", "latex", "number_theory", "rates"]
