"""Points at which formulas are compared: their values there, at any precision, made when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy
from flint import arb

from symgrad.checks.scalar_balls import Balls, precision
from symgrad.checks.spaces import Space, TensorSpace, space_of
from symgrad.core.expression import Expr, name_of, occurrences
from symgrad.core.graph import Graph
from symgrad.core.indices import Index

Point = Mapping[str, Any]


@dataclass
class Trial:
    """One point.

    Args:
        graph: whose nodes formulas may read.
        point: a value for every leaf.
    """

    graph: Graph
    point: Point
    _spaces: dict[int, Space] = field(default_factory=dict)

    def space(self, bits: int, names: Iterable[str]) -> Space:
        """Enclosures of so many bits, at least those of `names` and of what they are made of."""
        with precision(bits), numpy.errstate(all="ignore"):
            if bits not in self._spaces:
                self._spaces[bits] = space_of(self.graph, Balls.exact(), self.point)
            space = self._spaces[bits]
            missing = [name for name in names if name not in space.values]
            if missing:
                wanted = self.graph.ancestors(*missing)
                for node in self.graph.nodes:
                    if node.name in wanted and node.name not in space.values:
                        _enter(space, node.name, self.point)
        return space

    def line(self, body: Expr, index: tuple[Index, ...], bits: int) -> Any:
        """Every entry of a line."""
        space = self.space(bits, (name_of(o) for o in occurrences(body)))
        with precision(bits), numpy.errstate(all="ignore"):
            return space.line(body, index)

    def node(self, name: str, bits: int) -> Any:
        """Every entry of a node."""
        return self.space(bits, (name,)).values[name]

    @property
    def sizes(self) -> Mapping[str, int]:
        """The number behind each size's name."""
        space = self.space(64, ())
        return space.sizes if isinstance(space, TensorSpace) else {}

    @property
    def is_certified(self) -> bool:
        """Whether there is time for balls here."""
        space = self.space(64, ())
        return not isinstance(space, TensorSpace) or space.in_balls


def _enter(space: Space, name: str, point: Point) -> None:
    node = space.graph[name]
    if node.body is None:
        space.give(name, point[name])
    else:
        space.values[name] = space.line(node.body, node.index)


def sign_of(ball: arb) -> int | None:
    """1, -1 or 0 where that is certain."""
    if ball > 0:
        return 1
    if ball < 0:
        return -1
    return 0 if ball.is_zero() else None
