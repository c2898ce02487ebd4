"""Where a formula changes its form: comparisons, kinks, and what hides a sign, such as `sqrt(x**2)`.

Formulas that are compared at points must be compared on both sides of each of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import sympy

from symgrad.answers.equality import entries
from symgrad.answers.trials import sign_of
from symgrad.checks.spaces import Space
from symgrad.core.expression import ZERO, Expr, name_of, occurrences, subtract, symbol
from symgrad.core.graph import Graph
from symgrad.core.indices import Index, MaxOver, MinOver, Size, SumOver
from symgrad.functions import row_of

Sign = int
"""-1, 0 or 1; of a tensor MIXED where its entries differ."""

MIXED = 2

_BENT = frozenset({"relu", "leaky_relu", "elu", "selu", "abs", "sign", "max", "min"})
"""Functions made of pieces, by the sign of their argument or of the difference of two."""

_SIGNED = frozenset({"atan2", "hypot"})
"""Functions that are smooth, but hide the signs of their arguments."""


@dataclass(frozen=True)
class Branch:
    """A difference whose sign decides which form a formula has.

    Args:
        left: one side.
        right: the other.
        needed: whether formulas must be compared on both sides; otherwise they are where that is easy.
        edged: whether the edge itself belongs to one side by decree, as in a comparison.
    """

    left: Expr
    right: Expr = ZERO
    needed: bool = field(default=True, compare=False)
    edged: bool = field(default=True, compare=False)

    @property
    def margin(self) -> Expr:
        """What is positive on one side."""
        return self.left if self.right == ZERO else subtract(self.left, self.right)

    @property
    def names(self) -> tuple[str, ...]:
        """The nodes it reads."""
        return tuple(dict.fromkeys(name_of(o) for side in (self.left, self.right) for o in occurrences(side)))

    def condition(self, sign: Sign) -> sympy.Basic:
        """The comparison that holds on one side."""
        relation = {1: sympy.Gt, -1: sympy.Lt, 0: sympy.Eq}[sign]
        return relation(self.left, self.right, evaluate=False)

    def sign(self, space: Space) -> Sign | None:
        """On which side a point is; None where that is not certain."""
        found = {sign_of(ball) for ball in entries(space.value(self.margin).array)}
        if None in found:
            return None
        return MIXED if len(found) > 1 else found.pop()


def branches_of(bodies: Iterable[Expr]) -> tuple[Branch, ...]:
    """Every branch of some formulas, each once, those that must be compared before those that may."""
    found: dict[Branch, Branch] = {}
    for body in bodies:
        stack: list[sympy.Basic] = [body]
        while stack:
            part = stack.pop()
            for branch in _of_part(part):
                known = found.get(branch)
                if known is None or (branch.needed and not known.needed):
                    found[branch] = branch
            stack.extend(() if isinstance(part, sympy.Indexed) else reversed(part.args))
    return tuple(sorted(found.values(), key=lambda branch: not branch.needed))


def _of_part(part: sympy.Basic) -> list[Branch]:
    match part:
        case sympy.core.relational.Relational():
            left, right = part.args
            if left.has(Index) and not left.has(sympy.Indexed):
                return []  # a comparison of subscripts
            needed = not isinstance(part, (sympy.Equality, sympy.Unequality))
            return [Branch(left, right, needed)]
        case sympy.Pow() if isinstance(part.exp, sympy.Integer) and part.exp % 2 == 0 and part.base.args:
            return [_soft(part.base)]
        case sympy.Piecewise():
            return []
        case sympy.Function():
            name = row_of(part).name
            if name in _BENT:
                left, *others = part.args
                return [Branch(left, others[0] if others else ZERO)]
            return [_soft(argument) for argument in part.args] if name in _SIGNED else []
    return []


def _soft(expression: Expr) -> Branch:
    """The sign of something that is smooth there."""
    return Branch(expression, needed=False, edged=False)


def leaf_branches(graph: Graph, names: Iterable[str]) -> tuple[Branch, ...]:
    """The signs of scalars that are leaves, each to be tried on both sides."""
    leaves = (name for name in names if graph[name].is_leaf and not graph[name].shape)
    return tuple(_soft(symbol(name)) for name in leaves)


class Certain:
    """Signs that follow from the formulas themselves, so that no point can be on the other side.

    Args:
        graph: whose definitions are looked into.
        output: the loss; what it needs in any case has a value wherever formulas are compared.
    """

    def __init__(self, graph: Graph, output: str) -> None:
        self.graph = graph
        self.positive: set[Expr] = set()
        self._ranges: dict[Expr, tuple[str, str]] = {}
        self._taken: set[str] = set()
        self._take_for_granted(symbol(output))

    def _take_for_granted(self, part: Expr) -> None:
        """The domain of what is evaluated in any case: the argument of a logarithm is positive."""
        stack: list[sympy.Basic] = [part]
        while stack:
            part = stack.pop()
            match part:
                case sympy.Piecewise():
                    continue  # a branch need not be evaluated
                case Index() | Size():
                    continue
                case sympy.Symbol() | sympy.Indexed():
                    name = name_of(part)
                    body = self.graph[name].body
                    if body is not None and name not in self._taken:
                        self._taken.add(name)
                        stack.append(body)
                    continue
                case sympy.log():
                    self.positive.add(part.args[0])
                case sympy.Pow() if isinstance(part.exp, sympy.Rational) and part.exp.q == 2:
                    self.positive.add(part.base)
            stack.extend(a for a in part.args if isinstance(a, sympy.Expr))

    def is_dead(self, branch: Branch, sign: Sign) -> bool:
        """Whether no point is on that side."""
        least, greatest = self.range(branch.margin)
        return least != "-" if sign < 0 else greatest != "+" if sign > 0 else False

    def range(self, part: Expr) -> tuple[str, str]:
        """The least sign a part may have, and the greatest: `("0", "+")` for a square."""
        if part not in self._ranges:
            self._ranges[part] = ("0", "+") if part in self.positive else self._range(part)
        return self._ranges[part]

    def _range(self, part: Expr) -> tuple[str, str]:
        anything = ("-", "+")
        match part:
            case sympy.Number() | sympy.NumberSymbol():
                sign = "0" if part == 0 else "+" if part > 0 else "-"
                return (sign, sign)
            case sympy.Symbol() | sympy.Indexed():
                if isinstance(part, (Index, Size)):
                    return ("0", "+")
                body = self.graph[name_of(part)].body
                return anything if body is None else self.range(body)
            case sympy.Add() | sympy.Mul():
                ranges = [self.range(argument) for argument in part.args]
                return _sum(ranges) if isinstance(part, sympy.Add) else _product(ranges)
            case sympy.Pow():
                base = self.range(part.base)
                if base[0] == "+":
                    return ("+", "+")
                if base[0] == "0" or (isinstance(part.exp, sympy.Rational) and part.exp.p % 2 == 0):
                    return ("0", "+")
                return base if isinstance(part.exp, sympy.Integer) else anything
            case SumOver() | MaxOver() | MinOver():
                return self.range(part.body)
            case sympy.Piecewise():
                ranges = [self.range(branch) for branch, _ in part.args]
                return (min((r[0] for r in ranges), key=_ORDER), max((r[1] for r in ranges), key=_ORDER))
            case sympy.Function():
                return self._function(part)
        return anything

    def _function(self, part: sympy.Function) -> tuple[str, str]:
        name = row_of(part).name
        ranges = [self.range(argument) for argument in part.args]
        if name in ("exp", "cosh", "sigmoid", "softplus", "erfc"):
            return ("+", "+")
        if name in ("abs", "relu", "hypot"):
            return ("0", "+")
        if name in ("tanh", "sinh", "asinh", "atan", "erf", "sign", "expm1", "log1p"):
            return ranges[0]
        if name in ("max", "min"):
            best = max if name == "max" else min
            return (best((r[0] for r in ranges), key=_ORDER), best((r[1] for r in ranges), key=_ORDER))
        return ("-", "+")


_ORDER: Callable[[str], int] = "-0+".index
_VALUE: Mapping[str, int] = {"-": -1, "0": 0, "+": 1}


def _sum(ranges: list[tuple[str, str]]) -> tuple[str, str]:
    lows, highs = [low for low, _ in ranges], [high for _, high in ranges]
    low = "-" if "-" in lows else "+" if "+" in lows else "0"
    high = "+" if "+" in highs else "-" if "-" in highs else "0"
    return (low, high)


def _product(ranges: list[tuple[str, str]]) -> tuple[str, str]:
    low, high = 1, 1
    for first, last in ranges:
        corners = [a * b for a in (low, high) for b in (_VALUE[first], _VALUE[last])]
        low, high = min(corners), max(corners)
    return ("-0+"[low + 1], "-0+"[high + 1])
