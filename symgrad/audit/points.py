"""Where a row is evaluated: ordinary points and hard ones, seeded, exactly representable in the dtype.

Ordinary coordinates are spread evenly over [-8, 8] and by magnitude from 2**-20 to 2**20, and as far from a finite end
of the domain. Hard ones are zero, denormals, the smallest and largest normal numbers, magnitudes over the whole
exponent range, and the neighbours of ends, kinks, poles and thresholds: the next floats, and steps of every size.
"""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from symgrad.audit.rows import Op, Span

ORDINARY = 240
"""Ordinary points of a row of one argument; others have as many again for each further argument, at most thrice."""

HARD = 160
"""Hard points drawn for a row of several arguments; a row of one has them all."""

MAGNITUDE = 20
"""Ordinary magnitudes are 2**±MAGNITUDE."""

CORE = 8.0
"""Half of the ordinary coordinates lie evenly within ±CORE."""

_RANGE = {"float32": (-149, 127), "float64": (-1074, 1023)}
_DIGITS = {"float32": 24, "float64": 53}


@dataclass(frozen=True)
class Points:
    """Points of a row.

    Args:
        values: a row an argument, a column a point.
        ordinary: which of the points are ordinary.
    """

    values: NDArray[numpy.float64]
    ordinary: NDArray[numpy.bool_]


def drawn(op: Op, dtype: str, seed: int) -> Points:
    """The points of a row, each one once; kinks are among them."""
    chance = random.Random(zlib.crc32(f"{op.call} {op.title} {dtype} {seed}".encode()))
    spans = list(op.spans.values())
    ordinary = _ordinary(spans, chance)
    hard = [_hard_coordinates(op, position, dtype, chance) for position in range(len(spans))]
    found: dict[tuple[float, ...], bool] = {}
    for point in ordinary:
        _collect(found, point, spans, dtype, ordinary=True)
    for point in _combined(hard, ordinary, chance):
        _collect(found, point, spans, dtype, ordinary=False)
    if not found:
        return Points(numpy.empty((len(spans), 0)), numpy.empty(0, dtype=bool))
    return Points(numpy.array(list(found)).T, numpy.array(list(found.values())))


def _collect(
    found: dict[tuple[float, ...], bool], point: Sequence[float], spans: Sequence[Span], dtype: str, *, ordinary: bool
) -> None:
    rounded = tuple(_rounded(value, dtype) for value in point)
    if all(math.isfinite(value) and span.holds(value) for value, span in zip(rounded, spans, strict=True)):
        found.setdefault(rounded, ordinary)


def _ordinary(spans: Sequence[Span], chance: random.Random) -> list[tuple[float, ...]]:
    points = [tuple(_coordinate(span, chance) for span in spans) for _ in range(ORDINARY * min(len(spans), 3))]
    if len(spans) > 1:  # arguments close to each other, where differences cancel
        for point in points[: ORDINARY // 4]:
            near = point[0] * (1 + math.ldexp(chance.choice((-1, 1)), -chance.randint(1, MAGNITUDE)))
            points.append((point[0], near, *point[2:]))
    return points


def _coordinate(span: Span, chance: random.Random) -> float:
    """An ordinary value of an argument."""
    if span.choices:
        return chance.choice(span.choices)
    low, high = max(span.low, -CORE), min(span.high, CORE)
    if low >= high:
        low, high = (span.low, span.low + CORE) if math.isfinite(span.low) else (span.high - CORE, span.high)
    if chance.random() < 0.5:
        return chance.uniform(low, high)
    ends = [end for end in (span.low, span.high) if math.isfinite(end) and abs(end) <= 1e3]
    if not ends or (len(ends) == 1 and chance.random() < 0.25):
        return chance.choice((-1, 1)) * 2 ** chance.uniform(-MAGNITUDE, MAGNITUDE)
    end = chance.choice(ends)
    step = 2 ** chance.uniform(-MAGNITUDE, math.log2(min(span.high - span.low, 2**MAGNITUDE)))
    return end + step if end == span.low else end - step


def _hard_coordinates(op: Op, position: int, dtype: str, chance: random.Random) -> list[float]:
    span = op.spans[op.arguments[position]]
    if span.choices:
        return list(span.choices)
    least, greatest = _RANGE[dtype]
    digits = _DIGITS[dtype]
    largest = math.ldexp(2 - math.ldexp(1, 1 - digits), greatest)
    found = [0.0]
    for size in (
        *(math.ldexp(n, least) for n in (1, 2, 3, 1000)),
        math.ldexp(1, least + digits - 1),  # the smallest normal number
        math.ldexp(1, least // 2),
        math.ldexp(1, -digits),
        math.ldexp(1, greatest // 2),
        math.ldexp(1, greatest),
        largest,
        1.0,
        *(2 ** chance.uniform(least, greatest) for _ in range(24)),
        *(2 ** chance.uniform(-digits, digits) for _ in range(24)),
    ):
        found += [size, -size]
    delicate = [*op.near, span.low, span.high, *(point[position] for kink in op.kinks for point in kink.points)]
    for end in dict.fromkeys(value for value in delicate if math.isfinite(value)):
        found += _neighbours(end, dtype)
    return found


def _neighbours(end: float, dtype: str) -> Iterator[float]:
    """The floats next to a value, and steps of every size away from it."""
    kind = numpy.dtype(dtype).type
    for direction in (-math.inf, math.inf):
        value = kind(end)
        for _ in range(3):
            value = numpy.nextafter(value, kind(direction))
            yield float(value)
        for exponent in range(2, _DIGITS[dtype], 3):
            yield end + math.copysign(math.ldexp(max(abs(end), 1.0), -exponent), direction)
    yield end


def _combined(
    hard: Sequence[Sequence[float]], ordinary: Sequence[tuple[float, ...]], chance: random.Random
) -> Iterator[tuple[float, ...]]:
    """Hard points: every hard coordinate of a single argument; else hard beside hard, ordinary or equal ones."""
    if len(hard) == 1:
        yield from ((value,) for value in hard[0])
        return
    for _ in range(HARD):
        yield tuple(chance.choice(values) for values in hard)
        usual = chance.choice(ordinary)
        chosen = chance.randrange(len(hard))
        yield tuple(chance.choice(hard[i]) if i == chosen else usual[i] for i in range(len(hard)))
        size = chance.choice(hard[0])
        yield tuple(size * chance.choice((-1.0, 1.0, 0.75)) for _ in hard)


def _rounded(value: float, dtype: str) -> float:
    if dtype == "float64":
        return value
    with numpy.errstate(over="ignore"):
        return float(numpy.float32(value))
