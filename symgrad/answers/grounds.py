"""The points at which a hand-made derivative is compared with the derived one.

They are seeded and random, inside the domain, of both signs and of several magnitudes; and on every side of every
branch that either formula has, as far as a search finds one.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy
import sympy

from symgrad.answers.branches import MIXED, Branch, Certain, Sign, branches_of, leaf_branches
from symgrad.answers.equality import entries
from symgrad.answers.trials import Point, Trial
from symgrad.checks.entrywise import shape_of
from symgrad.checks.scalar_balls import precision
from symgrad.core.expression import Expr
from symgrad.core.graph import Graph
from symgrad.core.indices import subscripts_of
from symgrad.errors import DataError

BITS = 128
"""Precision in which points are looked for."""

LEAST = 24
"""Points at least, for scalars."""

LEAST_TENSORS = 10
"""Points at least where there are tensors, whose entries are many tries at once."""

CROSSINGS = 6
"""Squares in an answer whose zeros are visited."""

EDGE_POINTS = 12
"""Points on the edge of a comparison."""

SECANTS = 12
"""Steps towards such a zero."""

COMBINED = 16
"""Combinations of sides that are looked for beyond each side by itself."""

TRIES = 80
"""Points drawn in search of sides; more while there is no point at all."""

LARGEST = 1e100
"""A loss or a derivative beyond this is left alone."""

_STYLES = ("near", "near", "unit", "above", "small", "large", "whole")

_WHOLE = (-2.0, -1.0, 1.0, 2.0)
_LADDER = (1e-3, 0.05, 0.5, 1.0, 2.0, 4.0, 10.0, 40.0, 200.0, 1e3, 1e4, 1e6)


@dataclass
class Grounds:
    """Where one derivative is compared.

    Args:
        graph: the gradient's, and whatever else an answer may name.
        name: what is differentiated by.
        output: the loss.
        adjoint: the node of the derivative.
    """

    graph: Graph
    name: str
    output: str
    adjoint: str
    trials: list[Trial] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(0)  # noqa: S311  points to evaluate at, not secrets
        self.needed = self.graph.ancestors(self.output, self.adjoint)
        inner = [node.body for node in self.graph.nodes if node.name in self.needed and node.body is not None]
        self.branches = (*branches_of(inner), *leaf_branches(self.graph, sorted(self.needed)))
        self.certain = Certain(self.graph, self.output)

    @property
    def least(self) -> int:
        """How many points there are at least."""
        return LEAST_TENSORS if self.graph.has_tensors else LEAST

    # drawing points

    @cached_property
    def constants(self) -> tuple[float, ...]:
        """Numbers that are compared with something."""
        sides = [part for branch in self.branches for part in sympy.preorder_traversal(branch.margin)]
        return tuple(dict.fromkeys(float(part) for part in sides if isinstance(part, sympy.Number)))

    @cached_property
    def _sizes(self) -> tuple[Mapping[str, int], ...]:
        """Assignments of numbers to the names of sizes, no two of them proportional, large enough for every entry."""
        least = dict.fromkeys(self.graph.sizes, 2)
        for node in self.graph.nodes:
            for part in () if node.body is None else sympy.preorder_traversal(node.body):
                if isinstance(part, sympy.Indexed):
                    shape = self.graph[str(part.base.label)].shape
                    for subscript, size in zip(subscripts_of(part), shape, strict=True):
                        if isinstance(size, str) and subscript.is_Integer:
                            least[size] = max(least[size], int(subscript) + 1)
        orders = (range(2, 2 + len(least)), range(1 + len(least), 1, -1), range(3, 3 + len(least)))
        return tuple({size: max(n, least[size]) for size, n in zip(least, order, strict=True)} for order in orders)

    def draw(self, number: int, sizes: Mapping[str, int] | None = None) -> dict[str, Any]:
        """A value for every leaf; the first points are of ordinary size, later ones of any."""
        sizes = self._sizes[number % 3] if sizes is None else sizes
        whole = self.random.choice(("", "", "+", "-")) if number > 1 else ""
        point: dict[str, Any] = {}
        for leaf in self.graph.leaves:
            shape = shape_of(self.graph[leaf].shape, sizes)
            count = int(numpy.prod(shape, dtype=int))
            if leaf in self.graph.selectors:
                below = min(shape_of(self.graph.selectors[leaf], sizes))
                point[leaf] = numpy.array([self.random.randrange(below) for _ in range(count)]).reshape(shape)
                continue
            style = self.random.choice(_STYLES if number > 3 else _STYLES[:2])
            sign = whole or self.random.choice(("", "+", "-"))
            numbers = [self._number(style, sign) for _ in range(count)]
            point[leaf] = numpy.array(numbers).reshape(shape) if shape else numbers[0]
        return point

    def _number(self, style: str, sign: str) -> float:
        uniform = self.random.uniform
        low, high = {"near": (0.3, 2.0), "unit": (0.1, 0.9), "above": (1.1, 3.0)}.get(style, (0.0, 0.0))
        size = uniform(low, high) if high else 10 ** uniform(*((-3, -1) if style == "small" else (0.5, 1.5)))
        size = float(self.random.randrange(1, 5)) if style == "whole" else size
        return size if sign == "+" else -size if sign == "-" else self.random.choice((-1, 1)) * size

    # choosing among them

    def trial(self, point: Point) -> Trial | None:
        """The point, if the loss and its derivative have a value there and no kink is in the way."""
        trial = Trial(self.graph, point)
        try:
            space = trial.space(BITS, (self.output, self.adjoint))
        except (OverflowError, ValueError):
            return None
        with precision(BITS):
            for name in (self.output, self.adjoint):
                if not all(b.is_finite() and b.abs_upper() < LARGEST for b in entries(space.values[name])):
                    return None
        return trial if self.sides(trial, self.branches) is not None else None

    def sides(self, trial: Trial, branches: Sequence[Branch]) -> dict[Branch, Sign] | None:
        """On which side of each branch a point is; None where it lies on a kink, or too close to tell."""
        found: dict[Branch, Sign] = {}
        for branch in branches:
            space = trial.space(BITS, branch.names)
            with precision(BITS):
                sign = branch.sign(space)
            if sign is None or (sign == 0 and branch.edged and branch in self.own and not self.is_aside(branch)):
                return None
            found[branch] = sign
        return found

    @cached_property
    def own(self) -> frozenset[Branch]:
        """The branches of the loss and its derivative, at whose edges there is no derivative but by convention."""
        return frozenset(self.branches)

    def is_on_edge(self, trial: Trial, body: Expr) -> bool:
        """Whether a point lies on the very edge of some branch, be it the answer's."""
        sides = self.sides(trial, (*self.branches, *branches_of([body])))
        return sides is None or 0 in sides.values()

    def is_aside(self, branch: Branch) -> bool:
        """Whether the branch does not depend on what is differentiated by, so that its edge is a place like others."""
        return self.name not in self.graph.ancestors(*branch.names)

    @cached_property
    def ordinary(self) -> tuple[Trial, ...]:
        """Points on all sides of the derivative's own branches.

        Raises:
            DataError: if no point inside the domain turns up.
        """
        chosen = _Choice(self, self.branches)
        for number in itertools.count():
            enough = len(chosen.trials) >= self.least
            if (enough and (number >= TRIES or not chosen.is_wanting)) or number >= 20 * TRIES:
                break
            chosen.offer(self.draw(number))
        if not chosen.trials:
            raise DataError("no random point lies in the domain of this loss; give one with --at.")
        chosen.search()
        return tuple(chosen.trials)

    def beside(self, body: Expr) -> tuple[Trial, ...]:
        """Further points for an answer: on the sides of its own branches, and where its squares vanish."""
        self.random = random.Random(1)  # noqa: S311
        every = branches_of([body])
        own = tuple(branch for branch in every if branch not in self.own)
        found = list(self._crossings([branch for branch in every if not branch.edged]))
        if own:
            chosen = _Choice(self, (*own, *self.branches))
            for trial in self.ordinary:
                chosen.count(trial)
            for number in range(4, TRIES):
                if not chosen.is_wanting and number > self.least:
                    break
                chosen.offer(self.draw(number), always=False)
            chosen.search()
            found += chosen.trials
        return tuple(found)

    def _crossings(self, branches: Sequence[Branch]) -> Iterator[Trial]:
        """Points at, or next to, where something squared is 0: what is narrow there shows nowhere else."""
        if self.graph.has_tensors:
            return
        base = self.ordinary[0].point
        for branch in branches[:CROSSINGS]:
            for leaf in self.graph.leaves:
                if leaf in self.graph.ancestors(*branch.names):
                    trial = self.trial({**base, leaf: self._root(branch, base, leaf)})
                    yield from () if trial is None else (trial,)

    def _root(self, branch: Branch, base: Point, leaf: str) -> float:
        """Where the margin vanishes along one leaf, by the secant method, or somewhere else."""
        before, here = 0.0, 1.0
        last = self._margin({**base, leaf: before}, branch)
        for _ in range(SECANTS):
            margin = self._margin({**base, leaf: here}, branch)
            slope = (margin - last) / (here - before) if here != before else 0.0
            if not margin or not slope or not math.isfinite(slope):
                break
            before, here, last = here, here - margin / slope, margin
        return here if math.isfinite(here) else 1.0

    def _margin(self, point: Point, branch: Branch) -> float:
        space = Trial(self.graph, point).space(BITS, branch.names)
        with precision(BITS):
            return float(space.value(branch.margin).array.mid())

    def unseen(self, body: Expr, trials: Iterable[Trial]) -> tuple[tuple[Branch, Sign], ...]:
        """The sides of needed branches on which none of the points is, though one might be."""
        branches = [b for b in dict.fromkeys((*self.branches, *branches_of([body]))) if b.needed]
        seen: set[tuple[Branch, Sign]] = set()
        for trial in trials:
            seen |= _both(self.sides(trial, branches) or {})
        sides = ((branch, sign) for branch in branches for sign in (1, -1))
        return tuple(s for s in sides if s not in seen and not self.certain.is_dead(*s))


def _both(sides: Mapping[Branch, Sign]) -> set[tuple[Branch, Sign]]:
    """Each branch and side; entries on both sides are on either."""
    pairs = set(sides.items())
    return pairs | {(branch, sign) for branch, side in sides.items() if side == MIXED for sign in (1, -1)}


@dataclass
class _Choice:
    """Points chosen so far, and the sides they are on."""

    grounds: Grounds
    branches: tuple[Branch, ...]
    trials: list[Trial] = field(default_factory=list)
    seen: set[tuple[Branch, Sign]] = field(default_factory=set)
    combined: set[tuple[Sign, ...]] = field(default_factory=set)

    def offer(self, point: Point, always: bool = True) -> bool:
        """Take a point that is in the domain and on a side that none was on; the first few in any case, or not."""
        trial = self.grounds.trial(point)
        return trial is not None and self.count(trial, keep=True, always=always)

    def count(self, trial: Trial, keep: bool = False, always: bool = True) -> bool:
        """Note the sides a point is on."""
        sides = self.grounds.sides(trial, self.branches)
        if sides is None:
            return False
        pairs = _both(sides)
        signature = tuple(sign for branch, sign in sides.items() if branch.needed)
        news = not pairs <= self.seen or (signature not in self.combined and len(self.combined) < COMBINED)
        if keep and not news and not (always and len(self.trials) < self.grounds.least):
            return False
        self.seen |= pairs
        self.combined.add(signature)
        if keep:
            self.trials.append(trial)
        return True

    @property
    def wanting(self) -> list[tuple[Branch, Sign]]:
        """The sides still to be found."""
        certain, seen = self.grounds.certain, self.seen
        wanted = [(b, sign) for b in self.branches for sign in self._signs(b)]
        return [side for side in wanted if side not in seen and not certain.is_dead(*side)]

    def _signs(self, branch: Branch) -> tuple[Sign, ...]:
        has_edge = branch.edged and (branch not in self.grounds.own or self.grounds.is_aside(branch))
        return (1, -1, 0) if has_edge else (1, -1)

    @property
    def is_wanting(self) -> bool:
        """Whether some side is still to be found."""
        return any(branch.needed and sign for branch, sign in self.wanting)

    def search(self) -> None:
        """Look for the sides that no random point is on, one leaf at a time."""
        base = [*self.trials[:3], *(() if self.trials else self.grounds.ordinary[:3])]
        for branch, sign in self.wanting:
            if (branch, sign) in self.seen or (self.grounds.graph.has_tensors and not branch.needed):
                continue
            on_side = (p for p in self._towards(branch, base) if self._side(p, branch) == sign)
            if sign:
                any(self.offer(point) for point in itertools.islice(on_side, 40 if branch.needed else 8))
            else:  # an edge by itself decides nothing; several points on it may
                found = (self.grounds.trial(point) for point in itertools.islice(on_side, EDGE_POINTS))
                self.trials += [trial for trial in found if trial is not None]

    def _side(self, point: Point, branch: Branch) -> Sign | None:
        space = Trial(self.grounds.graph, point).space(BITS, branch.names)
        with precision(BITS):
            return branch.sign(space)

    def _towards(self, branch: Branch, base: Sequence[Trial]) -> Iterator[dict[str, Any]]:
        """Points that differ from known ones in the leaves a branch depends on."""
        graph = self.grounds.graph
        leaves = [n for n in graph.leaves if n in graph.ancestors(*branch.names) and n not in graph.selectors]
        constants = [float(p) for p in sympy.preorder_traversal(branch.margin) if isinstance(p, sympy.Number)]
        near = [c + step for c in (*constants, *self.grounds.constants) for step in (0.0, 0.5, -0.5, 0.01, -0.01)]
        ladder = list(dict.fromkeys([*near, *(s * size for size in _LADDER for s in (1, -1))]))[:60]
        for trial in base:
            for leaf in leaves:
                others = [trial.point[n] for n in leaves if n != leaf and not graph[n].shape]
                for number in (*(others if not graph[leaf].shape else ()), *ladder):
                    yield {**trial.point, leaf: trial.point[leaf] * 0 + number}
        generator = self.grounds.random
        for choice in (ladder, _WHOLE):
            for _ in range(TRIES):
                drawn = {leaf: base[0].point[leaf] * 0 + generator.choice(choice) for leaf in leaves}
                yield {**base[0].point, **drawn}
