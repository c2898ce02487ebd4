"""The second verdict: how many digits a formula keeps, whoever evaluates it.

A program may follow its formula step by step and still be far from the truth, as `1 - tanh(x)**2` is for large x. The
distance from the certified value is told beside the verdicts and fails nothing: it is the formula's, not the program's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy

from symgrad.checks.balls import Balls, certified, distance_in_ulps
from symgrad.checks.extended import Extended, Spread
from symgrad.checks.tensor_balls import TensorBalls
from symgrad.core.derivation import Derivation
from symgrad.core.results import Evaluation, Kind, Verdict


def kept_digits(
    derivation: Derivation, point: Mapping[str, Any], dtype: str, programs: Mapping[str, Evaluation]
) -> Iterator[Verdict]:
    """For each partial and adjoint how far each program's number is from the certified one.

    Args:
        derivation: what was evaluated.
        point: a value for every leaf, exact in `dtype`.
        dtype: the precision the programs worked in, and whose ULPs are counted.
        programs: evaluations by whose they are.

    Yields:
        Verdicts of the referee `"truth"`, which pass whatever the distance; of a tensor the entry farthest off. Where
        nothing is certain there is none.
    """
    truths = certified(derivation.gradient, point)
    for step in derivation.steps:
        for term in step.terms:
            if term.partial_name in truths:
                for judged, program in programs.items():
                    value = program.partials[term.edge]
                    yield from _told(
                        "partial", term.child, term.parent, value, truths[term.partial_name], dtype, judged
                    )
        kind: Kind = "gradient" if step.node in derivation.wrt else "adjoint"
        for judged, program in programs.items():
            value, truth = program.adjoints[step.node], truths[step.adjoint]
            yield from _told(kind, derivation.output, step.node, value, truth, dtype, judged)


def _told(kind: Kind, of: str, by: str, value: Any, truth: Any, dtype: str, judged: str) -> Iterator[Verdict]:
    arithmetic = Extended(Balls.exact()) if isinstance(truth, Spread) else TensorBalls(Balls.exact())
    middles, radii = arithmetic.bounds(truth)
    values = numpy.asarray(value, dtype=float)
    rows = [
        (distance_in_ulps(float(values[at]), float(middles[at]), dtype), at)
        for at in numpy.ndindex(values.shape)
        if math.isfinite(radii[at])
    ]
    if rows:
        ulps, at = max(rows, key=lambda row: row[0])
        numbers = float(values[at]), float(middles[at])
        yield Verdict(kind, of, by, "truth", *numbers, ulps, math.inf, True, judged=judged, entry=at, entries=len(rows))
