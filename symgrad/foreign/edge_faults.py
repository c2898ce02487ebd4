"""Faults of one edge of the chain rule: a path lost, flipped or counted twice, a local factor left out.

The gradient is computed again with the fault built in, and compared with the wrong one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy

from symgrad.checks.enclosure import Array
from symgrad.checks.entrywise import flat_factors
from symgrad.core.derivation import Derivation, Term
from symgrad.core.expression import Expr, mul
from symgrad.core.indices import MaxOver, MinOver
from symgrad.foreign.sights import Case, alike, factor_text, ratio_of, wrong_entries
from symgrad.foreign.truth import Truth
from symgrad.functions import row_of
from symgrad.renderers.formula import TextPrinter

SUSPECTS = 4
"""More edges than these are no help."""


def missing_path(case: Case) -> str:
    """One contribution is left out."""
    for term in case.terms:
        if case.equals([s.truth.without(term, case.name) for s in case.sights]):
            return f"a path is missing: {_contribution(case, term)}"
    return ""


def scaled_path(case: Case) -> str:
    """One contribution has its sign flipped, is counted twice, or has another factor."""
    for term in case.terms:
        kept = [s.truth.without(term, case.name) for s in case.sights]
        lost = [due - rest for due, rest in zip(case.due, kept, strict=True)]
        share = None if _is_whole(case, lost) else _share(case, lost)
        if share is None:
            continue
        if math.isclose(share, -2, rel_tol=case.tolerance):
            return f"{_contribution(case, term)} has its sign flipped"
        if math.isclose(share, 1, rel_tol=case.tolerance):
            return f"{_contribution(case, term)} is counted twice"
        if case.numbers > 2:
            return f"{_contribution(case, term)} is off by a constant factor: {factor_text(1 + share)}"
    return ""


def missing_factor(case: Case) -> str:
    """A local partial lacks one of its factors."""
    for term in case.terms:
        factors = flat_factors(term.partial)
        for position, factor in enumerate(factors):
            if factor.is_Number:
                continue
            rest = mul(*factors[:position], *factors[position + 1 :])
            if case.equals([s.truth.with_partial(term, rest, case.name) for s in case.sights]):
                return _factor_missing(case, term, factor)
    return ""


def _contribution(case: Case, term: Term) -> str:
    derivation = case.first.derivation
    return f"the contribution of {_told(derivation, term.child)} to {_told(derivation, term.parent)}"


def _told(derivation: Derivation, name: str) -> str:
    """A node by its name, or by its formula where the reader made it up."""
    node = derivation.primal[name]
    return TextPrinter().print(node.body) if node.inserted and node.body is not None else name


def _share(case: Case, lost: Sequence[Array]) -> float | None:
    """How often too much one contribution is counted, where that is one number everywhere."""
    errors = [got - due for got, due in zip(case.got, case.due, strict=True)]
    shares = []
    for error, part in zip(errors, lost, strict=True):
        if not numpy.any(part):
            if not alike(error, part, case.tolerance):
                return None
            continue
        share = ratio_of(error, part, 1e3 * case.tolerance)
        if share is None:
            return None
        shares.append(share)
    constant = all(math.isclose(share, shares[0], rel_tol=1e3 * case.tolerance) for share in shares)
    return shares[0] if shares and constant else None


def _is_whole(case: Case, lost: Sequence[Array]) -> bool:
    """Whether a contribution is all there is, so that a share of it is a factor of the whole."""
    return all(alike(part, due, case.tolerance) for part, due in zip(lost, case.due, strict=True))


def _factor_missing(case: Case, term: Term, factor: Expr) -> str:
    child = case.first.derivation.primal[term.child]
    kinked = _kinked(child.body) if child.body is not None and factor.is_Piecewise else ""
    if kinked:
        return f"it is wrong only where {kinked} is inactive: its slope in {term.child!r} is taken as 1 there"
    derivation = case.first.derivation
    partial = f"the local partial of {_told(derivation, term.child)} by {_told(derivation, term.parent)}"
    return f"a factor {TextPrinter().print(factor)} is missing, in {partial}"


def _kinked(body: Expr) -> str:
    """The name of the function with two slopes that a body consists of."""
    for part in _parts(body):
        if isinstance(part, (MaxOver, MinOver)):
            return str(part.kind)
        if getattr(part, "is_Piecewise", False):
            return "the first branch of where"
        if getattr(part, "is_Function", False) and row_of(part).kink:
            return row_of(part).name
    return ""


def _parts(body: Expr) -> Iterator[Expr]:
    stack = [body]
    while stack:
        part = stack.pop()
        yield part
        if not getattr(part, "is_Piecewise", False):
            stack.extend(a for a in part.args if getattr(a, "is_Boolean", False) is False)


def where_inactive(case: Case) -> str:
    """Entries are wrong exactly where a kinked function of the same shape is on its flat side."""
    wrong = [wrong_entries(g, d, case.tolerance) for g, d in zip(case.got, case.due, strict=True)]
    if not any(w.any() for w in wrong) or all(w.all() for w in wrong):
        return ""
    for term in case.terms:
        body = case.first.derivation.primal[term.child].body
        kinked = _kinked(body) if body is not None else ""
        slopes = [_slopes(s.truth, term) for s in case.sights]
        if not kinked or any(slope is None or slope.shape != w.shape for slope, w in zip(slopes, wrong, strict=True)):
            continue
        if all(numpy.array_equal(slope == 0, w) for slope, w in zip(slopes, wrong, strict=True) if slope is not None):
            return f"it is wrong only where {kinked} in {term.child!r} is inactive"
    return ""


def _slopes(truth: Truth, term: Term) -> Array | None:
    """The local partial of an entry by the entry in the same place."""
    if term.partial_name in truth.values:
        return truth.values[term.partial_name]
    upstream = truth.values[truth.derivation.adjoints[term.child]]
    sent = truth.values[term.contribution]
    if upstream.shape != sent.shape:
        return None
    with numpy.errstate(all="ignore"):
        return numpy.asarray(numpy.where(upstream == 0, 0.0, sent / upstream))


def suspects(derivation: Derivation, name: str, wrong: Sequence[str], right: Sequence[str]) -> str:
    """Where a fault must lie that nothing else explains: on edges that no right gradient needs.

    Args:
        derivation: whose edges.
        name: what the gradient by is wrong.
        wrong: all names whose gradients are wrong; a fault that they share is the simplest.
        right: names whose gradients are right everywhere.
    """
    cleared = {term.edge for other in right for term in _edges_to(derivation, other)}
    own = [term for term in _edges_to(derivation, name) if term.edge not in cleared]
    shared = [t for t in own if all(t in _edges_to(derivation, other) for other in wrong)]
    names = [f"{_told(derivation, t.child)} to {_told(derivation, t.parent)}" for t in shared or own]
    if not names or len(names) > SUSPECTS:
        return ""
    cleared_by = ", since those before it serve other gradients that are right" if cleared else ""
    return f"the fault must lie in what goes from {' or from '.join(names)}{cleared_by}"


def _edges_to(derivation: Derivation, name: str) -> list[Term]:
    """The edges on paths from the output to a name, the output first."""
    later = derivation.primal.descendants((name,))
    return [term for step in derivation.steps for term in step.terms if step.node in later]
