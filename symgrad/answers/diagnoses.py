"""What is wrong with a hand-made derivative, as a teacher would say it.

Each diagnosis is a claim about numbers, checked at every point where the two formulas can be told apart: the answer is
the negative of the derivative, its ratio to the derivative is a local partial, it is another adjoint. The first that
holds is the most helpful one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Any

import sympy

from symgrad.answers.branches import MIXED, Branch, branches_of
from symgrad.answers.equality import entries
from symgrad.answers.evidence import Evidence, agrees, is_nothing
from symgrad.answers.suspects import Suspect, simple_ratio, suspects
from symgrad.answers.trials import Trial
from symgrad.answers.ways import another, direct, forgotten, further_down, spoiled_edge, stopped_early
from symgrad.calculus.forms import Forms
from symgrad.calculus.simplify import times
from symgrad.core.answer import Diagnosis, Fault
from symgrad.core.expression import name_of, substitute
from symgrad.core.indices import Index, entry, extent, subscripts_of

COINCIDENCES = 3
"""So many points at which a wrong answer is right are no coincidence."""

SIZE_PAIRS = 15
"""Products of so many pairs of sizes are tried as factors."""


def diagnose(evidence: Evidence) -> tuple[Diagnosis, ...]:
    """What is wrong, the most helpful statement first; nothing where no simple statement holds.

    Args:
        evidence: of an answer that has the right shape and the wrong values.
    """
    first = next((found for look in _LOOKS for found in look(evidence)), None)
    if first is None:
        return ()
    if first.fault not in ("sign", "factor", "missing factor"):
        return (first,)
    early = next((found for found in stopped_early(evidence) if found.fault == "stopped early"), None)
    return (first,) if early is None else (first, early)


def _no_value(evidence: Evidence) -> Iterator[Diagnosis]:
    """Nowhere does the answer have a value."""
    if all(outcome == "no value" for _, outcome in evidence.outcomes):
        yield Diagnosis("no value")


def _transposed(evidence: Evidence) -> Iterator[Diagnosis]:
    """The answer is the derivative, transposed."""
    is_square = len(evidence.index) == 2 and evidence.telling
    if is_square and all(agrees(s.yours.T, s.expected) for s in evidence.telling):
        yield Diagnosis("transposed", shape=tuple(i.size for i in evidence.index))


# where it is right


def _cases(evidence: Evidence) -> Iterator[Diagnosis]:
    """The answer is right on one side of a branch."""
    telling = {id(s.trial) for s in evidence.telling}
    same = [t for t, outcome in evidence.outcomes if outcome == "same"]
    is_zero = all(is_nothing(s.yours) for s in evidence.telling)  # then it tells that the other is 0 too
    right = same if is_zero else [t for t in same if id(t) in telling]
    wrong = [t for t, outcome in evidence.outcomes if outcome in ("different", "no value")]
    if not right:
        return
    branches = tuple(dict.fromkeys((*evidence.grounds.branches, *branches_of([evidence.body]))))
    for branch in sorted(branches, key=lambda b: (not b.needed, len(b.margin.free_symbols))):
        condition = _separating(evidence, branch, right, wrong)
        if condition is not None:
            yield Diagnosis("cases", condition=condition)
            return
    if evidence.is_scalar and len(right) >= COINCIDENCES:
        yield Diagnosis("cases")


def _separating(
    evidence: Evidence, branch: Branch, right: Sequence[Trial], wrong: Sequence[Trial]
) -> sympy.Basic | None:
    """The comparison that holds at all points where the answer is right, and at none where it is wrong."""
    sides = [[(evidence.grounds.sides(t, [branch]) or {}).get(branch) for t in group] for group in (right, wrong)]
    here, there = set(sides[0]), set(sides[1])
    if None in here or here & there:
        return None
    if branch.edged and there == {0} and here <= {1, -1}:
        return sympy.Ne(branch.left, branch.right, evaluate=False)
    (sign, *others) = here
    return None if others or sign is None or sign == MIXED else branch.condition(sign)


# multiples


def _constant(evidence: Evidence) -> Iterator[Diagnosis]:
    """The answer is a constant times the derivative; sizes count as constants, plain ones come first."""
    found = []
    for power in _powers_of_sizes(evidence):
        ratio = _common_ratio(evidence, power)
        if ratio is not None:
            number = sympy.Rational(ratio.numerator, ratio.denominator)
            factor = times(number, *(sympy.Pow(extent(size), n, evaluate=False) for size, n in power))
            found.append((ratio.denominator * abs(ratio.numerator), factor))
        if found and not power:
            break
    if found:
        _, factor = min(found, key=lambda pair: pair[0])
        yield Diagnosis("sign" if factor == -1 else "factor", factor=factor)


_Power = tuple[tuple[str, int], ...]


def _powers_of_sizes(evidence: Evidence) -> Iterator[_Power]:
    """No size, one, one over one, and products and quotients of two."""
    yield ()
    sizes = sorted(evidence.telling[0].trial.sizes) if evidence.telling else []
    yield from (((size, n),) for size in sizes for n in (1, -1))
    pairs = list(combinations(sizes, 2))[:SIZE_PAIRS]
    yield from (((a, m), (b, n)) for a, b in pairs for m in (1, -1) for n in (1, -1))


def _common_ratio(evidence: Evidence, power: _Power) -> Fraction | None:
    """The fraction that every entry of the answer is of the derivative's, after some sizes."""
    found: Fraction | None = None
    for sample in evidence.telling:
        scale = Fraction(1)
        for size, exponent in power:
            scale *= Fraction(sample.trial.sizes[size]) ** exponent
        if found is None:
            ratio = _ratio(sample.yours, sample.expected)
            found = None if ratio is None else ratio / scale
        if found is None or not _is_multiple(sample.yours, found * scale, sample.expected):
            return None
    return None if found == 1 and not power else found


def _ratio(left: Any, right: Any) -> Fraction | None:
    """Left over right by the first entry that says it."""
    for a, b in zip(entries(left), entries(right), strict=True):
        if b.abs_lower() > 0:
            return simple_ratio(a / b)
    return None


def _is_multiple(left: Any, ratio: Fraction, right: Any) -> bool:
    return agrees(left * ratio.denominator, right * ratio.numerator)


# factors


def _factors(evidence: Evidence) -> Iterator[Diagnosis]:
    """The ratio of the two is a factor that somebody may forget, or write once too often; perhaps with a number."""
    if not evidence.is_scalar or not evidence.telling:
        return
    pool = suspects(evidence.focused, evidence.name)
    for with_number in (False, True):
        for suspect in pool:
            yield from _as_factor(evidence, suspect, with_number)


def _as_factor(evidence: Evidence, suspect: Suspect, with_number: bool) -> Iterator[Diagnosis]:
    for fault, smaller, larger in (("missing factor", 0, 1), ("extra factor", 1, 0)):
        ratio: Fraction | None = None if with_number else Fraction(1)
        for sample in evidence.telling:
            pair = (sample.yours, sample.expected)
            value = sample.line(suspect.factor)
            if ratio is None:
                ratio = _ratio(pair[larger], pair[smaller] * value)
            if ratio is None or not _is_multiple(pair[larger], ratio, pair[smaller] * value):
                break
        else:
            assert ratio is not None
            factor = times(sympy.Rational(ratio.numerator, ratio.denominator), suspect.factor)
            path = suspect.edge if ratio == 1 else ()
            yield Diagnosis("missing factor" if fault == "missing factor" else "extra factor", factor=factor, path=path)


def _terms(evidence: Evidence) -> Iterator[Diagnosis]:
    """One term of the derivative, as symgrad writes it, is missing or has the wrong sign."""
    if not evidence.is_scalar:
        return
    forms = Forms(evidence.focused)
    worked = forms.worked[evidence.name]
    for whole in (worked, forms.closed(worked)):
        if not isinstance(whole, sympy.Add) or forms.names_adjoint(whole):
            continue
        for term in whole.args:
            for fault, times_over in _TERM_FAULTS:
                if evidence.equals(lambda s, t=term, n=times_over: s.expected - n * s.line(t)):  # type: ignore[misc]
                    yield Diagnosis(fault, factor=term)


_TERM_FAULTS: tuple[tuple[Fault, int], ...] = (("missing term", 1), ("term's sign", 2))


# transposes within


def _inner_transpose(evidence: Evidence) -> Iterator[Diagnosis]:
    """The answer is right with one square matrix in it transposed."""
    found = [part for part in sympy.preorder_traversal(evidence.body) if isinstance(part, sympy.Indexed)]
    for part in dict.fromkeys(found):
        subscripts = subscripts_of(part)
        sizes = {i.size for i in subscripts if isinstance(i, Index)}
        if len(subscripts) != 2 or len(sizes) != 1 or not all(isinstance(i, Index) for i in subscripts):
            continue
        name = name_of(part)
        swapped = substitute(evidence.body, {part: entry(name, subscripts[::-1])})
        if evidence.telling and all(agrees(s.line(swapped, evidence.index), s.expected) for s in evidence.telling):
            yield Diagnosis("transposed", operand=name)


_LOOKS: tuple[Callable[[Evidence], Iterator[Diagnosis]], ...] = (
    _no_value,
    _transposed,
    _constant,
    _cases,
    direct,
    forgotten,
    stopped_early,
    further_down,
    _factors,
    another,
    _terms,
    spoiled_edge,
    _inner_transpose,
)
"""In the order of helpfulness; several may hold at once, and the first is told."""
