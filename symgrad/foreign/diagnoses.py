"""What a wrong gradient looks like, told from its numbers alone.

A diagnosis describes and never decides: the verdict stands before one is sought. Each is a hypothesis about the fault;
the first that explains every number at every point is told, the more special before the more general, and one with a
free constant only where there are more numbers than constants. Numbers are taken to be alike that agree to six digits
(three in float32).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import combinations, permutations

import numpy

from symgrad.checks.enclosure import Array
from symgrad.checks.entrywise import sizes_of
from symgrad.foreign.edge_faults import missing_factor, missing_path, scaled_path, where_inactive
from symgrad.foreign.sights import Case, Sight, alike, factor_text, ratio_of, wrong_entries
from symgrad.foreign.truth import Truth

POINTS = 3
"""At so many points where a gradient is wrong hypotheses are tried."""


def diagnose(name: str, failed: Sequence[Sight], passed: Sequence[Sight] = ()) -> str:
    """What a wrong gradient looks like.

    Args:
        name: what it is the gradient by.
        failed: its numbers, finite and of the right shape, and the truth, at the points where it is wrong.
        passed: the same where it is right, which a hypothesis must explain too.

    Returns:
        A sentence without its full stop, or nothing if no hypothesis explains the numbers.
    """
    case = Case(name, (*failed[:POINTS], *passed[: POINTS - 1]))
    if not all(numpy.isfinite(due).all() for due in case.due):
        return ""
    for hypothesis in _HYPOTHESES:
        found = hypothesis(case)
        if found:
            return found
    return ""


def _zero(case: Case) -> str:
    if any(numpy.any(got) for got in case.got):
        return ""
    return "it is 0, as if nothing led back from the loss"


def _sign(case: Case) -> str:
    return "the sign is flipped" if case.equals([-due for due in case.due]) else ""


def _value(case: Case) -> str:
    truth = case.first
    output = truth.derivation.output
    if case.equals([s.truth.values[output] for s in case.sights]):
        return f"these are the values of {output} itself, not its derivative"
    return ""


def _transposed(case: Case) -> str:
    axes = len(case.first.derivation.axes)
    rank = case.due[0].ndim - axes
    own = tuple(range(axes))
    for order in list(permutations(range(rank)))[1:]:
        turned = [due.transpose(*own, *(axes + n for n in order)) for due in case.due]
        if case.equals(turned):
            return "it is transposed" if rank == 2 else f"its axes are permuted as {order}"
    return ""


def _factor(case: Case) -> str:
    """A constant factor, or a size that should divide or multiply."""
    ratios = [ratio_of(got, due, case.tolerance) for got, due in zip(case.got, case.due, strict=True)]
    found = [ratio for ratio in ratios if ratio is not None]
    if len(found) < len(ratios) or not found:
        return ""
    sizes = _sizes(case.first)
    for words, size in sizes.items():
        if all(math.isclose(r, size, rel_tol=case.tolerance) for r in found):
            return f"it is {words} = {size} times too large: is a mean's 1/{words} missing?"
        if all(math.isclose(r * size, 1, rel_tol=case.tolerance) for r in found):
            return f"it is {words} = {size} times too small: is it averaged where the loss adds up?"
    constant = all(math.isclose(r, found[0], rel_tol=case.tolerance) for r in found)
    if constant and (case.numbers > 1 or _is_nice(found[0])):
        return f"it is off by a constant factor: {factor_text(found[0])} times the true gradient"
    return ""


def _sizes(truth: Truth) -> dict[str, int]:
    """Sizes by name, then products of two; those of 1 say nothing."""
    graph = truth.derivation.gradient
    sizes = sizes_of(graph, truth.point)
    found = {name: size for name, size in sizes.items() if size > 1}
    products = {f"{a}*{b}": sizes[a] * sizes[b] for a, b in combinations(found, 2)}
    return {**found, **products}


def _is_nice(ratio: float) -> bool:
    near = Fraction(ratio).limit_denominator(20)
    return near.numerator != 0 and abs(near.numerator) <= 20 and math.isclose(near, ratio, rel_tol=1e-9)


def _another(case: Case) -> str:
    """The derivative by something else: an intermediate, or another variable."""
    derivation = case.first.derivation
    output, shapes = derivation.output, {s.got.shape for s in case.sights}
    for node in (step.node for step in derivation.steps):
        if node == case.name or not {s.truth.adjoint(node).shape for s in case.sights} <= shapes:
            continue
        if case.equals([s.truth.adjoint(node) for s in case.sights]):
            if derivation.primal[node].is_leaf:
                return f"it is the gradient by {node!r}, another variable"
            early = f"it equals d{output}/d{node}: stopped early"
            direct = node in {term.child for term in derivation.step(case.name).terms}
            return f"{early}, still to multiply by the local partial of {node} by {case.name}" if direct else early
    for term in derivation.step(case.name).terms:
        known = term.partial_name in derivation.gradient and term.child != output
        if known and case.equals([s.truth.values[term.partial_name] for s in case.sights]):
            return f"it is the local partial of {term.child}, still to multiply by d{output}/d{term.child}"
    return ""


def _value_factor(case: Case) -> str:
    """Some node's value is a factor too few or too many."""
    for node in case.first.derivation.primal.nodes:
        values = [s.truth.values.get(node.name) for s in case.sights]
        known = [v for v in values if v is not None and v.shape in ((), case.got[0].shape)]
        if len(known) < len(values) or node.name in case.first.derivation.primal.selectors:
            continue
        if all(numpy.allclose(numpy.abs(v), 1) for v in known):
            continue
        if case.equals([due * v for due, v in zip(case.due, known, strict=True)]):
            return f"there is a factor {node.name} too many"
        divisible = all(numpy.all(v) for v in known)
        if divisible and case.equals([due / v for due, v in zip(case.due, known, strict=True)]):
            return f"a factor {node.name} is missing"
    return ""


def _moved(case: Case) -> str:
    """The entries are right, but in other places."""
    for axis in range(case.due[0].ndim):
        if case.due[0].shape[axis] < 2:
            continue
        if case.due[0].shape[axis] == 2 and case.equals([numpy.flip(due, axis) for due in case.due]):
            return f"its two entries along axis {axis} are swapped"
        for shift in (1, -1):
            if case.equals([numpy.roll(due, shift, axis) for due in case.due]):
                return f"its entries are shifted by one along axis {axis}"
        if case.equals([numpy.flip(due, axis) for due in case.due]):
            return f"its entries stand in reverse order along axis {axis}"
    return ""


def _digits(case: Case) -> str:
    """Nearly right: how many digits, and whether all are off by the same little."""
    errors: list[float] = []
    for got, due in zip(case.got, case.due, strict=True):
        if numpy.any(got[due == 0]):
            return ""
        errors += list(((got[due != 0] - due[due != 0]) / due[due != 0]).ravel())
    worst = max((abs(e) for e in errors), default=0.0)
    if not 0 < worst < 1e-3:
        return ""
    digits = math.floor(-math.log10(worst))
    if len(errors) > 1 and max(errors) - min(errors) < 0.1 * worst:
        return f"it is right to {digits} digits, and off by the same factor everywhere: {errors[0]:+.1e} of itself"
    if case.first.dtype == "float64" and 2.0**-32 < worst < 2.0**-18:
        return f"it is right to {digits} digits: is something in it computed in float32?"
    return f"it is right to {digits} digits, fewer than rounding leaves: the formula loses them"


def _placed(case: Case) -> str:
    """Which entries are wrong, where that is a whole slice of them."""
    wrong = [wrong_entries(g, d, case.tolerance) for g, d in zip(case.got, case.due, strict=True)]
    shape = wrong[0].shape
    if len({w.shape for w in wrong}) > 1 or not shape or all(w.all() for w in wrong):
        return ""
    everywhere = numpy.logical_or.reduce(wrong)
    if len(shape) == 2 and shape[0] == shape[1]:
        diagonal = numpy.eye(shape[0], dtype=bool)
        if numpy.array_equal(everywhere, ~diagonal):
            return "it is right on the diagonal only"
        if numpy.array_equal(everywhere, diagonal):
            return "it is wrong on the diagonal only"
    for axis in range(len(shape)):
        others = tuple(n for n in range(len(shape)) if n != axis)
        lines = everywhere.all(axis=others) if others else everywhere
        if lines.sum() == 1 and everywhere.sum() == everywhere.size // shape[axis]:
            return f"it is wrong only at position {int(lines.argmax())} of axis {axis}"
    return ""


_HYPOTHESES: tuple[Callable[[Case], str], ...] = (
    _zero,
    _sign,
    _digits,
    _transposed,
    _value,
    missing_path,
    _another,
    _factor,
    scaled_path,
    missing_factor,
    _value_factor,
    _moved,
    where_inactive,
    _placed,
)


def diagnose_shape(got: Array, due: Array, tolerance: float) -> str:
    """What a gradient of the wrong shape looks like; nothing if that does not tell."""
    if got.ndim == due.ndim == 2 and got.T.shape == due.shape and alike(got.T, due, tolerance):
        return "it is transposed"
    if got.size == due.size and alike(got.reshape(due.shape), due, tolerance):
        return "the numbers are right, the shape is not"
    for axis in range(got.ndim):
        for words, made in (("sum", got.sum(axis)), ("mean", got.mean(axis) if got.shape[axis] else got)):
            if made.shape == due.shape and alike(made, due, tolerance):
                return f"the {words} over axis {axis} is missing"
    for axis in range(due.ndim):
        if due.sum(axis).shape == got.shape and alike(got, due.sum(axis), tolerance):
            return f"it is summed over axis {axis}, which should stay"
    return ""
