"""What an audit of torch's derivatives finds: frozen, for renderers to print."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Class: TypeAlias = Literal["right", "convention", "conditioned", "tail loss", "lossy", "non-finite", "wrong"]

CLASSES: tuple[Class, ...] = ("right", "convention", "conditioned", "tail loss", "lossy", "non-finite", "wrong")
"""From the mildest to the gravest; an entry's class is the gravest among its points."""

FAULTS: frozenset[Class] = frozenset({"non-finite", "wrong"})
"""The classes for which an audit answers no."""

Point: TypeAlias = tuple[tuple[str, float], ...]
"""The arguments and their values."""


@dataclass(frozen=True)
class Comparison:
    """torch's derivative beside the certified one, at a point.

    Args:
        at: the point.
        torch: what torch gives.
        certified: the true value, correctly rounded to float64.
        ulps: their distance, in units in the last place of the audited dtype.
        ordinary: whether the point is one of the ordinary ones.
    """

    at: Point
    torch: float
    certified: float
    ulps: float
    ordinary: bool


@dataclass(frozen=True)
class Finding:
    """One entry of the audit: the derivative of an operation by an argument, in one dtype.

    Args:
        op: the operation, with its options.
        argument: the argument; two, joined by a comma, for a mixed second derivative.
        dtype: `float32` or `float64`.
        verdict: its class.
        worst: the worst point of that class; None where nothing could be judged.
        counts: how many points fell into each class, mildest first.
        unjudged: how many points were not judged: the truth is undefined, too large for the dtype, or not fixed at the
            greatest precision.
        formula: the closed form it was judged by.
        note: a remark.
    """

    op: str
    argument: str
    dtype: str
    verdict: Class
    worst: Comparison | None
    counts: tuple[tuple[Class, int], ...]
    unjudged: int
    formula: str
    note: str = ""

    @property
    def judged(self) -> int:
        """How many points were judged."""
        return sum(count for _, count in self.counts)


Rule: TypeAlias = Literal["convex", "concave", "neither", "continuity", "jump", "singular"]


@dataclass(frozen=True)
class Convention:
    """What torch answers where there is no derivative.

    Args:
        op: the operation, with its options.
        dtype: `float32` or `float64`.
        at: the point.
        arguments: those by which it is differentiated.
        torch: torch's answer by each.
        minimum_norm: the shortest of the limits' convex combinations by each; NaN where they have no bound.
        rule: how the function behaves there: `convex`, `concave` or `neither`, a `jump`, `continuity` (one limit only),
            `singular` (limits without bound).
        is_subgradient: whether torch's answer is a convex combination of the limits.
        departs: whether it is another than documented: the shortest where the function is convex or concave, the only
            one by continuity, any limit elsewhere.
    """

    op: str
    dtype: str
    at: Point
    arguments: tuple[str, ...]
    torch: tuple[float, ...]
    minimum_norm: tuple[float, ...]
    rule: Rule
    is_subgradient: bool
    departs: bool


@dataclass(frozen=True)
class Audit:
    """Everything an audit found.

    Args:
        findings: one an entry, in the order of the table.
        conventions: one a kink.
        order: of the derivatives, 1 or 2.
        versions: of torch.
        absent: operations without a derivative of that order in torch, with torch's reason.
    """

    findings: tuple[Finding, ...]
    conventions: tuple[Convention, ...]
    order: int
    versions: str
    absent: tuple[tuple[str, str], ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong or non-finite."""
        return not any(finding.verdict in FAULTS for finding in self.findings)

    def count(self, dtypes: Iterable[str] | None = None) -> dict[Class, int]:
        """How many entries are of each class, mildest first."""
        chosen = None if dtypes is None else set(dtypes)
        found = [f for f in self.findings if chosen is None or f.dtype in chosen]
        return {kind: sum(f.verdict == kind for f in found) for kind in CLASSES}
