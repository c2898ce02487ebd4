"""A wrong gradient beside the truth, at several points, and what it means that two sets of numbers are alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy

from symgrad.checks.enclosure import Array
from symgrad.core.derivation import Term
from symgrad.foreign.truth import Truth

ALIKE = {"float32": 1e-3, "float64": 1e-6}
"""Relative distance of numbers that are taken to be alike."""

EDGES = 60
"""Of so many edges, the nearest to the name first, a fault is sought."""


@dataclass(frozen=True)
class Sight:
    """A wrong gradient at one point, beside the truth."""

    truth: Truth
    got: Array


@dataclass(frozen=True)
class Case:
    """Everything seen of one wrong gradient.

    Args:
        name: what it is the gradient by.
        sights: it and the truth, point by point.
    """

    name: str
    sights: tuple[Sight, ...]

    @cached_property
    def due(self) -> list[Array]:
        """The true gradient."""
        return [s.truth.adjoint(self.name) for s in self.sights]

    @property
    def got(self) -> list[Array]:
        """The wrong one."""
        return [s.got for s in self.sights]

    @property
    def first(self) -> Truth:
        """The truth at the first point, for names and shapes."""
        return self.sights[0].truth

    @cached_property
    def tolerance(self) -> float:
        """The relative distance of numbers that are alike."""
        return ALIKE[self.first.dtype]

    @cached_property
    def numbers(self) -> int:
        """How many numbers there are that are not 0 in truth."""
        return sum(int(numpy.count_nonzero(due)) for due in self.due)

    def equals(self, candidates: Sequence[Array]) -> bool:
        """Whether the gradient is the candidate at every point, and not merely 0 throughout."""
        pairs = list(zip(self.got, candidates, strict=True))
        if any(got.shape != candidate.shape for got, candidate in pairs):
            return False
        return any(numpy.any(c) for c in candidates) and all(alike(g, c, self.tolerance) for g, c in pairs)

    @cached_property
    def terms(self) -> list[Term]:
        """The edges on paths from the output to the name, those next to the name first."""
        derivation = self.first.derivation
        later = derivation.primal.descendants((self.name,))
        found = [t for step in reversed(derivation.steps) for t in step.terms if step.node in later]
        return found[:EDGES]


def alike(got: Array, candidate: Array, tolerance: float) -> bool:
    """Whether two arrays agree, entry by entry, the smallest entries in proportion to the largest."""
    if not (numpy.isfinite(got).all() and numpy.isfinite(candidate).all()):
        return False
    largest = float(numpy.abs(candidate).max(initial=0.0))
    return bool(numpy.all(numpy.abs(got - candidate) <= tolerance * (numpy.abs(candidate) + 1e-3 * largest)))


def wrong_entries(got: Array, due: Array, tolerance: float) -> Array:
    """Where two arrays differ, each entry by itself."""
    return numpy.asarray(~(numpy.abs(got - due) <= tolerance * numpy.abs(due)))


def ratio_of(got: Array, due: Array, tolerance: float) -> float | None:
    """got/due where that is one number for all entries."""
    if got.size == 0 or not numpy.any(due):
        return None
    where = numpy.unravel_index(int(numpy.abs(due).argmax()), due.shape)
    ratio = float(got[where] / due[where])
    return ratio if ratio and alike(got, ratio * due, tolerance) else None


def factor_text(ratio: float) -> str:
    """A factor as one would write it."""
    near = Fraction(ratio).limit_denominator(100)
    if near and math.isclose(near, ratio, rel_tol=1e-9):
        return str(near)
    return f"{ratio:.6g}"
