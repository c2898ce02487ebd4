"""Wrong answers from right ones, each proved wrong without symgrad: a derivative by mpmath, or by differences.

A mutation is one slip: a sign, a factor, a term, a variable, a function, an exponent, an index. Some slips leave a
formula right (dropping a factor that is 1), so each is compared with mpmath's own derivative of the loss, in 50 digits
at random points. With tensors NumPy judges, in plain loops.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mpmath
import numpy
import sympy
from naive import body_value
from tensor_models import Model, point_of

import symgrad as sg
from symgrad.core.expression import add, mul, name_of, occurrences, power, rebuild
from symgrad.core.graph import Graph
from symgrad.core.indices import Index, MatrixFunction, Reduction, entry, subscripts_of
from symgrad.functions import BY_NAME, row_of

DIGITS = 50
POINTS = 40

CONFUSED = {
    "sin": "cos", "cos": "sin", "tan": "tanh", "tanh": "sigmoid", "sigmoid": "tanh", "exp": "expm1", "log": "log1p",
    "sinh": "cosh", "cosh": "sinh", "asin": "acos", "acos": "asin", "atan": "atanh", "erf": "erfc", "sqrt": "exp",
    "softplus": "relu", "relu": "softplus", "lgamma": "digamma", "digamma": "lgamma", "abs": "relu", "sign": "abs",
    "max": "min", "min": "max", "hypot": "atan2", "sec": "csc", "csc": "sec", "cot": "tan", "log1p": "log",
}  # fmt: skip
"""Functions that one might write for another."""


@dataclass(frozen=True)
class Mutation:
    """One slip.

    Args:
        kind: which.
        formula: the wrong formula.
    """

    kind: str
    formula: sympy.Expr


def mutations(formula: sympy.Expr) -> Iterator[Mutation]:
    """Every single slip in a formula, those that leave it right included."""
    yield Mutation("sign", mul(sympy.Integer(-1), formula))
    for factor in ((2, 1), (1, 2), (1, 3), (10, 1), (-1, 2)):
        yield Mutation("factor", mul(sympy.Rational(*factor), formula))
    yield Mutation("term", add(formula, sympy.Integer(1)))
    for part, replace in _places(formula):
        for kind, wrong in _slips(part):
            yield Mutation(kind, replace(wrong))
    yield from _swaps(formula)


def _places(formula: sympy.Expr) -> Iterator[tuple[sympy.Basic, Callable[[sympy.Basic], sympy.Expr]]]:
    """Each part of a formula, with what puts another in its place."""
    yield formula, lambda new: new
    if isinstance(formula, (sympy.Indexed, MatrixFunction, Reduction)):
        if isinstance(formula, Reduction):
            for part, replace in _places(formula.body):
                yield part, lambda new, replace=replace: rebuild(formula, (replace(new), *formula.indices))
        return
    for number, argument in enumerate(formula.args):
        for part, replace in _places(argument):

            def within(new: Any, number: int = number, replace: Any = replace) -> sympy.Expr:
                arguments = list(formula.args)
                arguments[number] = replace(new)
                return rebuild(formula, tuple(arguments))

            yield part, within


def _slips(part: sympy.Basic) -> Iterator[tuple[str, sympy.Expr]]:
    match part:
        case sympy.Mul():
            for n in range(len(part.args)):
                yield "dropped factor", mul(*part.args[:n], *part.args[n + 1 :])
                yield "doubled factor", mul(*part.args, part.args[n])
        case sympy.Add():
            for n, term in enumerate(part.args):
                yield "dropped term", add(*part.args[:n], *part.args[n + 1 :])
                flipped = mul(sympy.Integer(-1), term)
                yield "term's sign", add(*part.args[:n], flipped, *part.args[n + 1 :])
        case sympy.Pow() if isinstance(part.exp, sympy.Rational):
            yield "exponent", power(part.base, part.exp + 1)
            yield "exponent", power(part.base, part.exp - 1)
            yield "exponent", part.base
        case sympy.Piecewise():
            yield from (("branch", branch) for branch, _ in part.args)
        case sympy.Indexed() if _is_square(part):
            yield "transpose", entry(name_of(part), subscripts_of(part)[::-1])
        case sympy.Function():
            other = CONFUSED.get(row_of(part).name)
            if other is not None and BY_NAME[other].arity == len(part.args):
                yield "function", BY_NAME[other](*part.args)
            if len(part.args) == 1:
                yield "function left out", part.args[0]


def _is_square(part: sympy.Indexed) -> bool:
    """Whether the entry has two indices over one size, so that they can be exchanged."""
    subscripts = subscripts_of(part)
    return (
        len(subscripts) == 2
        and all(isinstance(i, Index) for i in subscripts)
        and (subscripts[0].size == subscripts[1].size)
    )


def _swaps(formula: sympy.Expr) -> Iterator[Mutation]:
    """Two names exchanged, one written for another, a sign lost."""
    matrices = {o for part in formula.atoms(MatrixFunction) for o in part.operands}
    read = {o for o in occurrences(formula) if isinstance(o, sympy.Symbol)} - matrices
    names = sorted(read, key=str)[:4]
    for n, first in enumerate(names):
        lost = BY_NAME["abs"](first)
        yield Mutation("sign lost", _renamed(formula, {first: lost}))
        for second in names[n + 1 :]:
            yield Mutation("swap", _renamed(formula, {first: second, second: first}))
            yield Mutation("wrong name", _renamed(formula, {first: second}))


def _renamed(part: sympy.Basic, names: Mapping[sympy.Basic, sympy.Basic]) -> sympy.Basic:
    if part in names:
        return names[part]
    if not part.args or isinstance(part, sympy.Indexed):
        return part
    return rebuild(part, tuple(_renamed(argument, names) for argument in part.args))


# what is truly wrong: scalars


_MPMATH: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "erfc": mpmath.erfc,
    "lgamma": lambda x: mpmath.log(abs(mpmath.gamma(x))),
    "digamma": mpmath.digamma,
    "polygamma": lambda n, x: mpmath.polygamma(int(n), x),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "relu": lambda x: max(x, mpmath.mpf(0)),
    "leaky_relu": lambda x: x if x > 0 else mpmath.mpf("0.01") * x,
    "elu": lambda x: x if x > 0 else mpmath.expm1(x),
    "selu": lambda x: (
        mpmath.mpf("1.0507009873554805") * (x if x > 0 else mpmath.mpf("1.6732632423543772") * mpmath.expm1(x))
    ),
    "gelu": lambda x: x * mpmath.ncdf(x),
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
    "max": max,
    "min": min,
}
_COMPARED: Mapping[type[sympy.Basic], Callable[[Any, Any], bool]] = {
    sympy.StrictGreaterThan: lambda a, b: a > b,
    sympy.GreaterThan: lambda a, b: a >= b,
    sympy.StrictLessThan: lambda a, b: a < b,
    sympy.LessThan: lambda a, b: a <= b,
    sympy.Equality: lambda a, b: a == b,
    sympy.Unequality: lambda a, b: a != b,
}


def value(part: sympy.Basic, names: Mapping[str, Any]) -> Any:
    """A scalar formula's value by mpmath, real or not at all.

    Raises:
        ValueError, ZeroDivisionError: where it has none.
    """
    match part:
        case sympy.Symbol():
            return names[part.name]
        case sympy.Rational():
            return mpmath.mpf(int(part.p)) / int(part.q)
        case sympy.Float():
            return mpmath.mpf(repr(float(part)))  # as the decimal it spells
        case sympy.NumberSymbol():
            return mpmath.pi()
        case sympy.Piecewise():
            for branch, condition in part.args:
                if condition is sympy.true or _COMPARED[type(condition)](*(value(s, names) for s in condition.args)):
                    return value(branch, names)
    arguments = [value(argument, names) for argument in part.args]
    match part:
        case sympy.Add():
            found = mpmath.fsum(arguments)
        case sympy.Mul():
            found = mpmath.fprod(arguments)
        case sympy.Pow():
            found = mpmath.power(*arguments)
        case _:
            name = row_of(part).name
            found = (_MPMATH.get(name) or getattr(mpmath, name))(*arguments)
    if isinstance(found, mpmath.mpc) or not mpmath.isfinite(found):
        raise ValueError("not a real number")
    return found


def values(graph: Graph, output: str, at: Mapping[str, Any]) -> dict[str, Any]:
    """What a loss is made of, by mpmath; an intermediate that is given keeps its value."""
    names = dict(at)
    needed = graph.ancestors(output)
    for node in graph.nodes:
        if node.body is not None and node.name in needed and node.name not in at:
            names[node.name] = value(node.body, names)
    return names


@dataclass
class Truth:
    """The derivative of a scalar loss by mpmath, at random points.

    Args:
        derivation: whose loss.
        name: by what.
    """

    derivation: sg.Derivation
    name: str

    @cached_property
    def points(self) -> list[tuple[dict[str, Any], Any]]:
        """Points away from kinks, and the derivative there."""
        return list(self._points())

    def _points(self) -> Iterator[tuple[dict[str, Any], Any]]:
        graph = self.derivation.primal
        generator = random.Random(1)
        found = 0
        for tried in range(40 * POINTS):
            scale = (1.5, 0.9, 4.0)[tried % 3]
            at = {leaf: mpmath.mpf(generator.uniform(-scale, scale)) for leaf in graph.leaves}
            if tried % 5 == 4:  # whole numbers, of which powers exist though they be negative
                at = {leaf: mpmath.mpf(generator.choice((-3, -2, -1, 1, 2, 3))) for leaf in graph.leaves}
            if tried % 2:
                at = {leaf: abs(number) for leaf, number in at.items()}
            try:
                with mpmath.workdps(DIGITS):
                    here = values(graph, self.name, at)[self.name]
                    slope, *sides = (self._slope(at, here, direction) for direction in (0, 1, -1))
                    if max(abs(side - slope) for side in sides) > mpmath.mpf(10) ** -9 * (1 + abs(slope)):
                        continue  # a kink, where the derivative is a convention
            except (ValueError, ZeroDivisionError, TypeError, OverflowError):
                continue
            yield at, slope
            found += 1
            if found == POINTS:
                return

    def _slope(self, at: Mapping[str, Any], here: Any, direction: int) -> Any:
        graph, output = self.derivation.primal, self.derivation.output
        return mpmath.diff(lambda x: values(graph, output, {**at, self.name: x})[output], here, direction=direction)

    def refutes(self, formula: sympy.Expr) -> bool:
        """Whether the formula departs from the derivative at some point, or has no value where that has one."""
        return any(self._departs(formula, at, slope) for at, slope in self.points)

    def refutes_at(self, formula: sympy.Expr, point: Mapping[str, Any]) -> bool:
        """Whether it does so at this point."""
        graph = self.derivation.primal
        with mpmath.workdps(DIGITS):
            at = {leaf: mpmath.mpf(float(point.get(leaf, 1.0))) for leaf in graph.leaves}
            at[self.name] = values(graph, self.name, at)[self.name]
            slope = self._slope(at, at[self.name], 0)
        return self._departs(formula, at, slope)

    def _departs(self, formula: sympy.Expr, at: Mapping[str, Any], slope: Any) -> bool:
        with mpmath.workdps(DIGITS):
            try:
                found = value(formula, values(self.derivation.primal, self.derivation.output, at))
            except (ValueError, ZeroDivisionError, TypeError, OverflowError):
                return True
            return bool(abs(found - slope) > mpmath.mpf(10) ** -18 * (1 + abs(slope)))


# what is truly wrong: tensors


@dataclass
class TensorTruth:
    """The derivative of a loss on tensors as symgrad's compiled program has it, beside a naive evaluation in loops.

    Args:
        model: the loss.
        derivation: of it.
        name: by what.
    """

    model: Model
    derivation: sg.Derivation
    name: str

    def __post_init__(self) -> None:
        program = sg.compile(self.derivation)
        self.points = [point_of(self.model, self.derivation.primal, seed) for seed in range(2)]
        self.slopes = [numpy.asarray(program(point).gradient[self.name]) for point in self.points]

    def refutes(self, formula: sympy.Expr, index: tuple[Index, ...]) -> bool:
        """Whether the formula departs from the derivative at some point."""
        for point, slope in zip(self.points, self.slopes, strict=True):
            graph = self.derivation.gradient
            with numpy.errstate(all="ignore"):
                try:
                    found = numpy.asarray(body_value(graph, formula, index, point))
                except (ValueError, ZeroDivisionError, OverflowError, TypeError):
                    return True
                scale = numpy.abs(slope).max() + 1e-3
                if not numpy.isfinite(found).all() or numpy.abs(found - slope).max() > 1e-6 * scale:
                    return True
        return False


def sample(found: Sequence[Any], count: int, seed: int = 0) -> list[Any]:
    """So many of them, the same ones every time."""
    return random.Random(seed).sample(list(found), min(count, len(found)))
