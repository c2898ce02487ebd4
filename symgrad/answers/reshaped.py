"""Answers of another shape than the derivative's: what would make them right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy

from symgrad.answers.evidence import BITS, Sample, agrees, as_array
from symgrad.checks.scalar_balls import precision
from symgrad.core.answer import Diagnosis
from symgrad.core.indices import Extent

Shape = tuple[Extent, ...]


def diagnose_shape(samples: Sequence[Sample], shape: Shape, due: Shape) -> tuple[Diagnosis, ...]:
    """Why the shape is not the one that is due.

    Args:
        samples: points where both have values.
        shape: the answer's.
        due: the derivative's.
    """
    with precision(BITS):
        if len(shape) == len(due) == 2 and shape == due[::-1] and _all_same(samples, lambda y: y.T):
            return (Diagnosis("transposed", shape=shape),)
        for count in range(1, len(shape) - len(due) + 1):
            for axes in combinations(range(len(shape)), count):
                left = tuple(size for axis, size in enumerate(shape) if axis not in axes)
                if left == due and _all_same(samples, _summing(axes)):
                    return (Diagnosis("unsummed", axes=axes, shape=shape),)
        if len(shape) <= len(due) and _all_broadcast(samples):
            return (Diagnosis("broadcast", shape=shape),)
    return (Diagnosis("shape", shape=shape),)


def _summing(axes: tuple[int, ...]) -> Callable[[Any], Any]:
    return lambda values: as_array(values.sum(axis=axes))


def _all_same(samples: Sequence[Sample], change: Callable[[Any], Any]) -> bool:
    return bool(samples) and all(agrees(change(s.yours), s.expected) for s in samples)


def _all_broadcast(samples: Sequence[Sample]) -> bool:
    """Whether every entry would be right if the answer were broadcast."""

    def fits(sample: Sample) -> bool:
        try:
            return agrees(numpy.broadcast_to(sample.yours, sample.expected.shape), sample.expected)
        except ValueError:
            return False

    return bool(samples) and all(map(fits, samples))
