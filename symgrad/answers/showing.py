"""A point that shows a wrong answer: the one given, or one of small numbers, which a reader can follow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy

from symgrad.answers.equality import PRECISIONS, entries, is_finite
from symgrad.answers.evidence import Evidence, as_array
from symgrad.answers.trials import Trial
from symgrad.checks.scalar_balls import precision
from symgrad.core.results import Value

READABLE = (1e-4, 1e5)
"""Magnitudes that read well."""


class Shown(NamedTuple):
    """The point and the two numbers; the names are those of `Answer`."""

    at: Mapping[str, Value]
    given: bool
    value: float
    reference: float
    entry: tuple[int, ...]


def show(evidence: Evidence, adjoint: str, given: Trial | None) -> Shown:
    """The point at which the numbers of a wrong answer are shown.

    The point that was given, if they differ there; else of small numbers, `w = 1` for what is differentiated by and 3,
    6, 9, … for the rest, so that factors are recognised; else one of those compared.

    Args:
        evidence: of an answer that is certainly wrong.
        adjoint: the node of the derivative.
        given: the point that was given.
    """
    if given is not None:
        shown = _shown(evidence, adjoint, given, True)
        if shown is not None:
            return shown
    trials: list[Trial] = []
    for point in _small(evidence):
        trial = evidence.grounds.trial(point)
        if trial is not None:
            shown = _shown(evidence, adjoint, trial, False)
            if shown is not None and _reads_well(shown) and shown.value and shown.reference:
                return shown
            trials += [] if shown is None else [trial]
    wrong = (t for t, outcome in evidence.outcomes if outcome in ("different", "no value"))
    found = [s for t in (*trials, *wrong) if (s := _shown(evidence, adjoint, t, False)) is not None]
    return next((s for s in found if _reads_well(s)), found[0])


def _small(evidence: Evidence) -> Iterator[dict[str, Any]]:
    """Points of small numbers, the roundest first."""
    graph, name = evidence.grounds.graph, evidence.name
    if graph.has_tensors:
        return
    leaves = [leaf for leaf in graph.leaves if leaf in evidence.grounds.needed]
    others = [leaf for leaf in leaves if leaf != name]
    rest = {leaf: 1.0 for leaf in graph.leaves if leaf not in leaves}
    for own in (1.0, 2.0, 0.5, -1.0):
        for first, step in ((3.0, 3.0), (2.0, 1.0), (-2.0, -1.0), (0.25, 0.125), (3.0, -2.0)):
            mine = {name: own} if name in graph.leaves else {}
            yield {**rest, **mine, **{leaf: first + n * step for n, leaf in enumerate(others)}}


def _shown(evidence: Evidence, adjoint: str, trial: Trial, given: bool) -> Shown | None:
    """The numbers at a point, by the first entry in which they differ; None where they do not."""
    for bits in PRECISIONS:
        with precision(bits):
            expected = as_array(trial.node(adjoint, bits))
            yours = as_array(trial.line(evidence.body, evidence.index, bits))
            if not is_finite(expected):
                return None
            for number, (a, b) in enumerate(zip(entries(yours), entries(expected), strict=True)):
                if (not a.is_finite() and bits == PRECISIONS[-1]) or (a.is_finite() and not a.overlaps(b)):
                    place = tuple(int(n) for n in numpy.unravel_index(number, expected.shape))
                    value = float(a.mid()) if a.is_finite() else math.nan
                    return Shown(dict(trial.point), given, value, float(b.mid()), place)
    return None


def _reads_well(shown: Shown) -> bool:
    numbers = [abs(n) for n in (shown.value, shown.reference) if n and not math.isnan(n)]
    return all(READABLE[0] <= n <= READABLE[1] for n in numbers) and shown.value != shown.reference
