"""What is known of a wrong answer: its values beside the true ones, point by point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy
from flint import arb

from symgrad.answers.equality import PRECISIONS, Outcome, entries
from symgrad.answers.grounds import Grounds
from symgrad.answers.trials import Trial
from symgrad.core.derivation import Derivation, Term
from symgrad.core.expression import Expr
from symgrad.core.indices import Index

BITS = PRECISIONS[0]

NARROW = arb(2) ** -150
"""The width, for the size of an array, at which what overlaps is the same to a diagnosis."""


def as_array(enclosed: Any) -> Any:
    """An enclosure as an array of balls, which may have no axes."""
    if isinstance(enclosed, numpy.ndarray):
        return enclosed
    made = numpy.empty((), dtype=object)
    made[()] = enclosed
    return made


def agrees(left: Any, right: Any) -> bool:
    """Whether two arrays are the same as far as a diagnosis goes: they overlap, and are narrow for their size."""
    if numpy.shape(left) != numpy.shape(right):
        return False
    pairs = list(zip(entries(left), entries(right), strict=True))
    if not all(a.is_finite() and b.is_finite() and a.overlaps(b) for a, b in pairs):
        return False
    size = max((a.abs_upper() for pair in pairs for a in pair), default=arb(0))
    return all(a.rad() + b.rad() <= NARROW * size for a, b in pairs) or is_nothing(left)


def is_nothing(enclosed: Any) -> bool:
    """Whether every entry is 0, as far as a diagnosis goes."""
    return all(ball.abs_upper() < NARROW for ball in entries(enclosed))


@dataclass(frozen=True, eq=False)
class Sample:
    """One point.

    Args:
        trial: the point.
        yours: the answer there, an array of balls.
        expected: the derivative there.
    """

    trial: Trial
    yours: Any
    expected: Any

    def node(self, name: str) -> Any:
        """A node's value."""
        return as_array(self.trial.node(name, BITS))

    def line(self, body: Expr, index: tuple[Index, ...] = ()) -> Any:
        """An expression's value."""
        return as_array(self.trial.line(body, index, BITS))


def _is_sharp(sample: Sample) -> bool:
    """Whether nothing cancelled."""
    for values in (sample.yours, sample.expected):
        balls = entries(values)
        size = max((ball.abs_upper() for ball in balls), default=arb(0))
        if not all(ball.rad() <= NARROW * size for ball in balls):
            return False
    return True


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything a diagnosis may look at.

    Args:
        focused: the derivation by the name alone.
        full: by every leaf.
        name: what is differentiated by.
        body: the answer.
        index: its indices.
        grounds: the points' own ground, with its branches.
        outcomes: each point compared, with how that went.
        samples: the points where both have a value.
    """

    focused: Derivation
    full: Derivation
    name: str
    body: Expr
    index: tuple[Index, ...]
    grounds: Grounds
    outcomes: tuple[tuple[Trial, Outcome], ...]
    samples: tuple[Sample, ...]

    @cached_property
    def telling(self) -> tuple[Sample, ...]:
        """The samples at which not both are 0, and both are known to enough digits."""
        return tuple(s for s in self.samples if _is_sharp(s) and not (is_nothing(s.yours) and is_nothing(s.expected)))

    @property
    def is_scalar(self) -> bool:
        """Whether everything is."""
        return not self.full.primal.has_tensors

    def equals(self, value: Callable[[Sample], Any], samples: Sequence[Sample] | None = None) -> bool:
        """Whether the answer is this, at every point that tells."""
        telling = self.telling if samples is None else samples
        return bool(telling) and all(agrees(sample.yours, value(sample)) for sample in telling)

    def faulty(self, sample: Sample, term: Term, fault: Callable[[Any], Any] | Expr) -> Any:
        """The derivative as it would be with one contribution spoiled.

        Args:
            sample: where.
            term: an edge of the full derivation.
            fault: from the contribution's value to the spoiled one, or the body to have in its place.
        """
        words, adjoint = self.grounds.graph, self.full.adjoints[self.name]
        space = sample.trial.space(BITS, (adjoint, term.contribution))
        spoiled = replace(space, values=dict(space.values))
        whole = words.ancestors(adjoint)
        dirty = {term.contribution}
        for node in words.nodes:
            if node.name == term.contribution:
                if callable(fault):
                    spoiled.values[node.name] = fault(space.values[node.name])
                else:
                    spoiled.values[node.name] = spoiled.line(fault, node.index)
            elif node.body is not None and node.name in whole and not dirty.isdisjoint(node.parents):
                spoiled.values[node.name] = spoiled.line(node.body, node.index)
                dirty.add(node.name)
        return as_array(spoiled.values[adjoint])
