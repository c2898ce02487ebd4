"""Random points where a derivative means something: inside the domain, away from zeros, symmetric points and kinks."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Mapping

import sympy
from flint import arb

from symgrad.checks.balls import Balls, enclose, precision
from symgrad.core.derivation import Derivation
from symgrad.core.expression import Expr
from symgrad.core.graph import Node
from symgrad.errors import DataError
from symgrad.functions import row_of

TRIES = 400
ORDINARY = 1e6
LARGEST = 1e30
NEAR_KINK = 1e-3

_RANGES = ((0.3, 2.0), (-2.0, -0.3), (0.1, 0.9), (1.1, 3.0))


def random_points(
    derivation: Derivation,
    count: int,
    seed: int = 0,
    fixed: Mapping[str, float] | None = None,
    *,
    dtype: str = "float64",
) -> tuple[dict[str, float], ...]:
    """`count` points for every leaf, the same for the same seed.

    Args:
        derivation: what will be evaluated there.
        count: how many points.
        seed: of the generator.
        fixed: leaves that keep a given value.
        dtype: every value is exact in it.

    Raises:
        DataError: if no point inside the domain turns up.
    """
    generator = random.Random(seed)
    leaves = derivation.gradient.leaves
    points: list[dict[str, float]] = []
    tries = 0
    while len(points) < count:
        tries += 1
        if tries > TRIES * count:
            raise DataError("no random point lies in the domain of this loss; give one with --at.")
        preferred = _RANGES[:2] if tries % 2 else _RANGES
        point = {leaf: _exact_in(dtype, generator.uniform(*generator.choice(preferred))) for leaf in leaves}
        point |= {name: value for name, value in (fixed or {}).items() if name in point}
        if is_ordinary(derivation, point, ORDINARY if tries <= TRIES * count // 2 else LARGEST):
            points.append(point)
    return tuple(points)


def is_ordinary(derivation: Derivation, point: Mapping[str, float], largest: float = LARGEST) -> bool:
    """Whether every value and derivative there is finite and smaller than `largest`, and no kink is near."""
    with precision(80):
        values = enclose(derivation.gradient, point, Balls.exact())
        if not all(ball.is_finite() and ball.abs_upper() < largest for ball in values.values()):
            return False
        return not any(
            abs(margin).abs_lower() < NEAR_KINK
            for node in derivation.gradient.nodes
            if node.body is not None and node.name in derivation.primal
            for _, margin in kinks(node, values)
        )


def kinks(node: Node, values: Mapping[str, arb]) -> Iterator[tuple[str, arb]]:
    """Each kinked function in a line, with how far its argument is from the kink.

    Yields:
        The kink in words (`relu: 0 at 0`), and the distance: an argument, or the difference of two.
    """
    if node.body is None:
        return
    exact = Balls.exact()
    stack: list[sympy.Basic] = [node.body]
    while stack:
        part = stack.pop()
        stack.extend(part.args)
        if isinstance(part, sympy.core.relational.Relational):
            left, right = part.args
            yield "where: the branch taken", exact.value(left, values) - exact.value(right, values)
        elif isinstance(part, sympy.Function) and not isinstance(part, sympy.Piecewise) and row_of(part).kink:
            row = row_of(part)
            arguments: list[Expr] = list(part.args)
            margin = exact.value(arguments[0], values)
            if len(arguments) == 2:
                margin = margin - exact.value(arguments[1], values)
            yield f"{row.name}: {row.kink}", margin


def _exact_in(dtype: str, value: float) -> float:
    if dtype == "float64":
        return value
    (rounded,) = struct.unpack("f", struct.pack("f", value))
    return float(rounded)
