"""Kinks: what torch answers where there is no derivative, beside what its documentation promises.

The note "Gradients for non-differentiable functions" promises, where a function is convex or concave around a point,
the shortest of its sub- or supergradients, and else the continuous extension of the gradient. The (Clarke) subgradients
at a point are the convex combinations of the gradient's limits there; the limits are taken in certified arithmetic
along many directions (Clarke, Optimization and Nonsmooth Analysis, 1983, theorem 2.5.1).
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy
import scipy.optimize
from numpy.typing import NDArray

from symgrad.audit.certify import Certified
from symgrad.audit.judge import RIGHT, Judge
from symgrad.audit.rows import Kink, Op
from symgrad.core.findings import Convention, Rule
from symgrad.readers.text import read_expression

WAYS = {1: 2, 2: 24, 3: 48}
"""Directions of approach, by the number of arguments."""

_Approach: TypeAlias = tuple[Mapping[str, int], list[float]]
"""A direction, and the gradient's limit along it."""

_NEGLIGIBLE = 1e-9
_WEIGHT = 1e3  # how strongly the combination's weights are held to add up to 1


def on_kink(certified: Certified, at: Sequence[float]) -> bool:
    """Whether a point lies on one of the row's kinks."""
    for kink in certified.op.kinks:
        if tuple(at) in kink.points:
            return True
        if kink.zero and certified.vanishes(read_expression(kink.zero), at):
            return True
    return False


def convention(certified: Certified, kink: Kink, at: Sequence[float], torch: Sequence[float], dtype: str) -> Convention:
    """What torch's gradient is at a point of a kink, beside the rule that holds there."""
    op = certified.op
    ways = _approaches(certified, at)
    limits = numpy.array([gradient for _, gradient in ways], dtype=float).reshape(-1, len(op.active))
    rule = _rule(ways, limits, jump=kink.jump)
    promised = _promised(limits)
    subgradient = _is_combination(limits, torch)
    judge = Judge(certified, certified.entries[0][1], dtype)
    differs = any(judge.ulps(t, p) > RIGHT for t, p in zip(torch, promised, strict=True) if not math.isnan(p))
    return Convention(
        op=op.title,
        dtype=dtype,
        at=tuple(zip(op.arguments, at, strict=True)),
        arguments=op.active,
        torch=tuple(torch),
        minimum_norm=tuple(promised),
        rule=rule,
        is_subgradient=subgradient,
        # where several limits are possible and none is the shortest by convexity, torch promises any of them
        departs=differs and not (rule in ("neither", "jump", "singular") and subgradient),
    )


def _approaches(certified: Certified, at: Sequence[float]) -> list[_Approach]:
    """Ways to a point within the domain, and the gradient's limit on each."""
    found: list[_Approach] = []
    for direction in _directions(certified.op):
        if not _leads_inside(certified.op, at, direction):
            continue
        gradient = [certified.limit(expression, at, direction) for _, expression in certified.entries]
        if all(value is not None for value in gradient):
            found.append((direction, [value for value in gradient if value is not None]))
    return found


def _directions(op: Op) -> list[Mapping[str, int]]:
    """Whole-numbered steps, the same on every run; away from the axes, where other kinks may lie."""
    if len(op.active) == 1:
        return [{op.active[0]: step} for step in (-1, 1)]
    chance = random.Random(len(op.active))
    ways: list[Mapping[str, int]] = []
    for _ in range(WAYS[len(op.active)] // 2):
        steps = [round(1000 * chance.gauss(0, 1)) or 7 for _ in op.active]
        ways += [dict(zip(op.active, signed, strict=True)) for signed in (steps, [-step for step in steps])]
    return ways


def _leads_inside(op: Op, at: Sequence[float], direction: Mapping[str, int]) -> bool:
    """Whether a step from a point that way stays in the domain."""
    for name, value in zip(op.arguments, at, strict=True):
        span, step = op.spans[name], direction.get(name, 0)
        if (value == span.low and step < 0) or (value == span.high and step > 0):
            return False
    return True


def _rule(ways: Sequence[_Approach], limits: NDArray[numpy.float64], *, jump: bool) -> Rule:
    """Which of the documented rules applies."""
    if not len(limits):
        return "singular"
    if jump:
        return "jump"
    if all(_agree(column) for column in limits.T):
        return "continuity"
    if not numpy.isfinite(limits).all():
        return "singular"
    turns = []
    for i, (way, gradient) in enumerate(ways):
        for other, slope in ways[:i]:
            turns.append(sum((way[name] - other[name]) * (gradient[k] - slope[k]) for k, name in enumerate(way)))
    if min(turns) >= -_NEGLIGIBLE:
        return "convex"
    return "concave" if max(turns) <= _NEGLIGIBLE else "neither"


def _promised(limits: NDArray[numpy.float64]) -> list[float]:
    """The shortest combination of the limits; NaN where they have no bound and do not agree."""
    if not len(limits):
        return [math.nan] * limits.shape[1]
    agreed = [float(column[0]) if _agree(column) else math.nan for column in limits.T]
    if not numpy.isnan(agreed).any() or not numpy.isfinite(limits).all():
        return agreed
    return [float(value) for value in _nearest(limits, numpy.zeros(limits.shape[1]))]


def _agree(column: NDArray[numpy.float64]) -> bool:
    """Whether limits are one number."""
    low, high = float(column.min()), float(column.max())
    return low == high or (math.isfinite(low + high) and high - low <= _NEGLIGIBLE * abs(high))


def _is_combination(limits: NDArray[numpy.float64], torch: Sequence[float]) -> bool:
    if not numpy.isfinite(torch).all() or not len(limits):
        return bool(len(limits)) and any(tuple(row) == tuple(torch) for row in limits)
    finite = limits[numpy.isfinite(limits).all(axis=1)]
    if not len(finite):
        return False
    return bool(numpy.abs(_nearest(finite, numpy.array(torch)) - numpy.array(torch)).max() <= 1e-6)


def _nearest(limits: NDArray[numpy.float64], target: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    """The convex combination of the rows that is nearest to a target."""
    if limits.shape[1] == 1:
        return numpy.clip(target, limits.min(axis=0), limits.max(axis=0))
    distinct = numpy.unique(limits, axis=0)
    system = numpy.vstack([(distinct - target).T, numpy.full(len(distinct), _WEIGHT)])
    weights, _ = scipy.optimize.nnls(system, numpy.array([0.0] * limits.shape[1] + [_WEIGHT]))
    found = (weights / weights.sum()) @ distinct
    # the least squares hold about eleven digits, of which nine are told, so that ½ is ½ in every version of SciPy
    return numpy.where(numpy.abs(found) < _NEGLIGIBLE, 0.0, numpy.round(found, 9))
