"""The truth at one point: certified values of everything a derivation names, and what they would be with a fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy

from symgrad.checks.balls import PRECISION, Balls, certified, conforming, enclosed, precision
from symgrad.checks.enclosure import Arithmetic, Array, Enclosed
from symgrad.checks.extended import Extended, Spread
from symgrad.checks.spaces import Space, pullback
from symgrad.checks.tensor_balls import TensorBalls
from symgrad.core.derivation import Derivation, Term
from symgrad.core.expression import Expr
from symgrad.core.results import Value


def arithmetic_of(enclosure: Enclosed) -> Arithmetic:
    """The arithmetic that can read an enclosure."""
    return Extended(Balls.exact()) if isinstance(enclosure, Spread) else TensorBalls(Balls.exact())


@dataclass(frozen=True)
class Truth:
    """What is true at a point.

    Args:
        derivation: its formulas.
        point: a value for every leaf, exact in `dtype`.
        dtype: the precision whose rounding is allowed for.
    """

    derivation: Derivation
    point: Mapping[str, Value]
    dtype: str

    @cached_property
    def values(self) -> dict[str, Array]:
        """Every node of the gradient's graph as floats; not-a-number where nothing is certain."""
        found: dict[str, Array] = {}
        for name, ball in certified(self.derivation.gradient, self.point).items():
            if name in self.derivation.primal.selectors:
                found[name] = numpy.asarray(ball)
                continue
            middles, radii = arithmetic_of(ball).bounds(ball)
            found[name] = numpy.where(numpy.isfinite(radii), middles, numpy.nan)
        return found

    @cached_property
    def room(self) -> Space:
        """What conforming programs may return."""
        with precision(PRECISION):
            return conforming(self.derivation, self.point, self.dtype)

    def adjoint(self, name: str) -> Array:
        """dL/dname."""
        return self.values[self.derivation.adjoints[name]]

    @cached_property
    def _exact(self) -> Space:
        with precision(PRECISION):
            return enclosed(self.derivation.gradient, self.point, Balls.exact())

    def without(self, term: Term, wanted: str) -> Array:
        """dL/dwanted with one contribution left out of the chain rule."""
        contribution = self._exact.values[term.contribution]
        return self._with(term, _zeros(self._exact, contribution), wanted)

    def with_partial(self, term: Term, partial: Expr, wanted: str) -> Array:
        """dL/dwanted with another local partial on one edge."""
        body, index = pullback(self.derivation, replace(term, written=partial))
        with precision(PRECISION):
            return self._with(term, self._exact.line(body, index), wanted)

    def _with(self, term: Term, replacement: Any, wanted: str) -> Array:
        """dL/dwanted where a contribution has another value."""
        graph = self.derivation.gradient
        space = replace(self._exact, values={**self._exact.values, term.contribution: replacement})
        later = graph.descendants((term.contribution,)) - {term.contribution}
        with precision(PRECISION):
            for node in graph.nodes:
                if node.name in later and node.body is not None:
                    space.values[node.name] = space.line(node.body, node.index)
            found = space.values[self.derivation.adjoints[wanted]]
            return arithmetic_of(found).bounds(found)[0]


def _zeros(space: Space, like: Enclosed) -> Enclosed:
    shape = like.shape if isinstance(like, (Spread, numpy.ndarray)) else ()
    return space.exact(numpy.zeros(shape) if shape else 0.0)
