"""The classes of findings, and the thresholds between them.

A number of torch is compared with the certified value, correctly rounded. With ulp the unit in the last place of that
value in the audited dtype, p its digits (24 or 53 bits) and S the smaller of 1 and the largest certified derivative
among the ordinary points of the entry (1 if all are 0), a point is

- `right`: within 4 ulp;
- `non-finite`: NaN or infinity, where the truth is a finite number of the dtype;
- `conditioned`: further off, but within 4 ulp of what the true derivative does when each argument moves by 4 of its own
  ulp to either side (so that some argument very close to the given one has this derivative);
- `tail loss`: further off, where the value is at most S/2, but by no more than 4 ulp of S: only the relative precision
  of small values is lost;
- `lossy`: further off, but by at most 2**(-p/2) of the value: half of the digits hold;
- `wrong`: further off than that.

They are tried in this order. Points where the derivative or the function itself exceeds every number of the dtype are
judged only to be right, if they are. At a kink, where there is no derivative, the answer is judged by torch's
documentation (see `kinks.py`): `right` if it is the one promised there, else `convention`. An entry is of the gravest
class among its points, in the order right, convention, conditioned, tail loss, lossy, non-finite, wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from flint import arb

from symgrad.audit.certify import Certified
from symgrad.checks.balls import distance_in_ulps, precision
from symgrad.core.expression import Expr
from symgrad.core.findings import Class

RIGHT = 4.0
"""Units in the last place within which a number is right."""

SMALL = 0.5
"""The part of S up to which a value is small."""

BACKWARD = (-4.0, -1.0, -0.5, 0.5, 1.0, 4.0)
"""Units in the last place by which an argument moves to explain a number; half a unit, since a pole may be one away."""

DIGITS = {"float32": 24, "float64": 53}
_EXACT_BITS = 113  # a number and half a unit in its last place fit
LARGEST = {kind: float(numpy.finfo(kind).max) for kind in DIGITS}


@dataclass(frozen=True)
class Judge:
    """Judges the numbers of one entry.

    Args:
        certified: the row's exact derivatives.
        expression: the entry's.
        dtype: the audited dtype.
        scale: S above.
    """

    certified: Certified
    expression: Expr
    dtype: str
    scale: float = 1.0

    def verdict(self, at: Sequence[float], torch: float, truth: float) -> Class:
        """The class of torch's number at a point."""
        if self.ulps(torch, truth) <= RIGHT:
            return "right"
        if not math.isfinite(torch):
            # an overflow next to the largest number may still be conditioned
            return "conditioned" if self._explained(at, torch, truth) else "non-finite"
        if self._explained(at, torch, truth):
            return "conditioned"
        error = abs(torch - truth)
        if abs(truth) <= SMALL * self.scale and error <= RIGHT * 2.0 ** (1 - DIGITS[self.dtype]) * self.scale:
            return "tail loss"
        return "lossy" if error <= 2.0 ** (-DIGITS[self.dtype] / 2) * abs(truth) else "wrong"

    def overflows(self, at: Sequence[float], truth: float) -> bool:
        """Whether the derivative or the function itself is beyond the numbers of the dtype."""
        if abs(truth) > LARGEST[self.dtype]:
            return True
        value = self.certified.value(self.certified.formula, at)
        return value is not None and abs(value) > LARGEST[self.dtype]

    def ulps(self, torch: float, truth: float) -> float:
        """The distance of torch's number from the truth."""
        try:
            return distance_in_ulps(torch, saturated(truth, self.dtype), self.dtype)
        except OverflowError:  # more units than a float can count
            return math.inf

    def _explained(self, at: Sequence[float], torch: float, truth: float) -> bool:
        """Whether arguments next to the given ones explain torch's number."""
        lowest = highest = truth
        for position, value in enumerate(at):
            if self.certified.op.spans[self.certified.op.arguments[position]].choices:
                continue
            nearby = [truth]
            for moved in (_moved(value, units, self.dtype) for units in BACKWARD):
                there = self.certified.value(self.expression, [*at[:position], moved, *at[position + 1 :]])
                nearby += [] if there is None else [there]
            lowest, highest = lowest + (min(nearby) - truth), highest + (max(nearby) - truth)
        if math.isnan(lowest) or math.isnan(highest) or math.isnan(torch):
            return False
        return lowest <= torch <= highest or min(self.ulps(torch, lowest), self.ulps(torch, highest)) <= RIGHT


def _moved(value: float, units: float, dtype: str) -> arb:
    """The exact number so many units in the last place on."""
    least = math.frexp(numpy.finfo(dtype).smallest_subnormal)[1] - 1
    exponent = max(math.frexp(value)[1] - DIGITS[dtype], least) if value else least
    with precision(_EXACT_BITS):
        return arb(value) + arb(units) * arb(2) ** exponent


def saturated(truth: float, dtype: str) -> float:
    """The truth, or infinity where it rounds to no finite number of the dtype."""
    beyond = LARGEST[dtype] * (1 + 2.0 ** -(DIGITS[dtype] + 1)) if dtype != "float64" else math.inf
    return math.copysign(math.inf, truth) if abs(truth) >= beyond else truth
