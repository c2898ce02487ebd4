"""The audit itself: for each row its points, torch's numbers, the certified ones, and the classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from symgrad.audit.autograd import VERSION, AbsentError, derivatives
from symgrad.audit.certify import Certified, certified
from symgrad.audit.judge import Judge
from symgrad.audit.kinks import convention, on_kink
from symgrad.audit.points import Points, drawn
from symgrad.audit.rows import Op
from symgrad.audit.table import OPS, selected
from symgrad.core.expression import Expr
from symgrad.core.findings import CLASSES, Audit, Class, Comparison, Convention, Finding

DTYPES = ("float32", "float64")

Progress = Callable[[str, int, int], None]
"""Told the operation that is next, how many are done and how many there are."""


@dataclass(frozen=True)
class _Judged:
    """One point of an entry, judged."""

    verdict: Class
    comparison: Comparison


def examine(
    names: Sequence[str] = (),
    dtypes: Sequence[str] = DTYPES,
    *,
    order: int = 1,
    seed: int = 0,
    ops: Sequence[Op] = OPS,
    progress: Progress | None = None,
) -> Audit:
    """Audit torch's derivatives against certified values.

    Args:
        names: the operations; none for all.
        dtypes: any of `float32` and `float64`.
        order: of the derivatives, 1 or 2.
        seed: of the points.
        ops: the table.
        progress: is told what is being audited.

    Raises:
        DataError: if an operation is unknown.
    """
    rows = selected(names, ops)
    findings: list[Finding] = []
    conventions: list[Convention] = []
    absent: dict[str, str] = {}
    for done, op in enumerate(rows):
        if progress is not None:
            progress(op.title, done, len(rows))
        exact = certified(op, order)
        for dtype in dtypes:
            try:
                found, kinks = _audited(exact, dtype, order, seed)
            except AbsentError as reason:
                absent[op.title] = str(reason)
                continue
            findings += found
            conventions += kinks
    if progress is not None:
        progress("", len(rows), len(rows))
    return Audit(tuple(findings), tuple(conventions), order, VERSION, tuple(absent.items()))


def _audited(exact: Certified, dtype: str, order: int, seed: int) -> tuple[list[Finding], list[Convention]]:
    """Every entry of a row in one dtype, and its kinks."""
    points = drawn(exact.op, dtype, seed)
    smooth = numpy.array([not on_kink(exact, at) for at in points.values.T], dtype=bool)
    points = Points(points.values[:, smooth], points.ordinary[smooth])
    columns = derivatives(exact.op, points.values, dtype, order)
    conventions = conventions_of(exact, dtype) if order == 1 else []
    findings = [
        _finding(exact, entry, expression, dtype, points, columns[entry], conventions)
        for entry, expression in exact.entries
    ]
    return findings, conventions


def conventions_of(exact: Certified, dtype: str) -> list[Convention]:
    """What torch answers at each kink of a row.

    Raises:
        AbsentError: if torch cannot differentiate the operation.
    """
    kinks = [(kink, point) for kink in exact.op.kinks for point in kink.points]
    if not kinks:
        return []
    columns = derivatives(exact.op, numpy.array([point for _, point in kinks]).T, dtype)
    gradients = numpy.array([columns[(name,)] for name in exact.op.active]).T.tolist()
    return [convention(exact, kink, point, row, dtype) for (kink, point), row in zip(kinks, gradients, strict=True)]


def _finding(
    exact: Certified,
    entry: tuple[str, ...],
    expression: Expr,
    dtype: str,
    points: Points,
    numbers: NDArray[numpy.float64],
    conventions: Sequence[Convention],
) -> Finding:
    """One entry: every point judged, the gravest class, and the worst point of it."""
    op = exact.op
    judged = _judged(exact, expression, dtype, points, numbers)
    unjudged = points.values.shape[1] - len(judged)
    if len(entry) == 1:
        judge = Judge(exact, expression, dtype)
        judged += [_at_kink(judge, kink, entry[0]) for kink in conventions if _is_judged(kink, entry[0])]
    verdict: Class = max((j.verdict for j in judged), key=CLASSES.index, default="right")
    worst = max((j.comparison for j in judged if j.verdict == verdict), key=_gravity, default=None)
    counts = tuple((kind, sum(j.verdict == kind for j in judged)) for kind in CLASSES)
    return Finding(
        op=op.title,
        argument=",".join(entry),
        dtype=dtype,
        verdict=verdict,
        worst=worst,
        counts=tuple((kind, count) for kind, count in counts if count),
        unjudged=unjudged,
        formula=op.formula,
        note=op.note,
    )


def _judged(
    exact: Certified, expression: Expr, dtype: str, points: Points, numbers: NDArray[numpy.float64]
) -> list[_Judged]:
    """The points of an entry that can be judged."""
    truths = [exact.value(expression, at) for at in points.values.T]
    usual = [
        abs(truth) for truth, ordinary in zip(truths, points.ordinary, strict=True) if ordinary and truth is not None
    ]
    judge = Judge(exact, expression, dtype, min(1.0, max(usual, default=0.0) or 1.0))
    found = []
    for at, ordinary, torch, truth in zip(points.values.T, points.ordinary, map(float, numbers), truths, strict=True):
        if truth is None:
            continue
        verdict = judge.verdict(at, torch, truth)
        if verdict != "right" and judge.overflows(at, truth):
            continue
        where = tuple(zip(exact.op.arguments, map(float, at), strict=True))
        found.append(_Judged(verdict, Comparison(where, torch, truth, judge.ulps(torch, truth), bool(ordinary))))
    return found


def _gravity(comparison: Comparison) -> tuple[bool, float, float]:
    """Ordinary points first, then by distance as far as any digit holds; of equal ones the plainest magnitudes."""
    distance = min(comparison.ulps, 2.0**24)
    return comparison.ordinary, distance, -sum(abs(math.log2(abs(value) or 2.0**-1074)) for _, value in comparison.at)


def _is_judged(kink: Convention, argument: str) -> bool:
    """Whether the limits at a kink say anything of this argument's derivative."""
    return not math.isnan(kink.minimum_norm[kink.arguments.index(argument)])


def _at_kink(judge: Judge, kink: Convention, argument: str) -> _Judged:
    """What torch answers at a kink: a plain number where the gradient is continuous, else a convention."""
    position = kink.arguments.index(argument)
    torch, promised = kink.torch[position], kink.minimum_norm[position]
    comparison = Comparison(kink.at, torch, promised, judge.ulps(torch, promised), ordinary=False)
    verdict: Class
    if comparison.ulps <= 4:
        verdict = "right"
    elif math.isfinite(promised) and kink.rule == "continuity":
        verdict = judge.verdict([value for _, value in kink.at], torch, promised)
    elif math.isfinite(promised) and not math.isfinite(torch):
        verdict = "non-finite"
    else:
        verdict = "convention" if kink.departs else "right"
    return _Judged(verdict, comparison)
