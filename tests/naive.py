"""The meaning of a graph, told as plainly as can be: every entry of every node by loops over its indices.

Nothing is shared with symgrad's backends: a body is walked as the tree it is, with Python floats, NumPy's and SciPy's
functions for single numbers, and `numpy.linalg` for functions of whole matrices. It is slow, and meant to be.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import scipy.special
import sympy

from symgrad.core.expression import name_of
from symgrad.core.graph import Graph, Node
from symgrad.core.indices import Index, MatrixFunction, Reduction, Size, subscripts_of
from symgrad.functions import row_of

Array = Any
Environment = Mapping[Index, int]

REDUCE: Mapping[str, Callable[[list[float]], float]] = {
    "sum": math.fsum,
    "prod": math.prod,
    "max": max,
    "min": min,
    "logsumexp": lambda values: float(scipy.special.logsumexp(values)),
}
FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "abs": abs,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "atan2": math.atan2,
    "asinh": math.asinh,
    "acosh": math.acosh,
    "atanh": math.atanh,
    "sec": lambda x: 1 / math.cos(x),
    "csc": lambda x: 1 / math.sin(x),
    "cot": lambda x: 1 / math.tan(x),
    "lgamma": scipy.special.gammaln,
    "digamma": scipy.special.digamma,
    "polygamma": lambda n, x: scipy.special.polygamma(int(n), x),
    "sigmoid": scipy.special.expit,
    "softplus": lambda x: np.logaddexp(0.0, x),
    "relu": lambda x: max(x, 0.0),
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "selu": lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * math.expm1(x)),
    "gelu": lambda x: x * scipy.special.ndtr(x),
    "silu": lambda x: x * scipy.special.expit(x),
    "mish": lambda x: x * math.tanh(np.logaddexp(0.0, x)),
    "sign": np.sign,
    "max": max,
    "min": min,
}
"""What `math` does not have under the same name."""

RELATIONS: Mapping[type[sympy.Basic], Callable[[float, float], bool]] = {
    sympy.StrictGreaterThan: lambda a, b: a > b,
    sympy.GreaterThan: lambda a, b: a >= b,
    sympy.StrictLessThan: lambda a, b: a < b,
    sympy.LessThan: lambda a, b: a <= b,
    sympy.Equality: lambda a, b: a == b,
    sympy.Unequality: lambda a, b: a != b,
}


def evaluate(graph: Graph, at: Mapping[str, Any]) -> dict[str, Array | float]:
    """The value of every node: a float for a scalar, else an array.

    Args:
        graph: what to evaluate.
        at: a value for each leaf; sizes by name are taken from them.
    """
    values: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    for name in graph.leaves:
        shape, value = graph[name].shape, np.asarray(at[name], dtype=float)
        assert value.ndim == len(shape), f"{name} has {value.ndim} axes, declared are {len(shape)}"
        for size, length in zip(shape, value.shape, strict=True):
            known = size if isinstance(size, int) else sizes.setdefault(size, length)
            assert known == length, f"{name} has an axis of {length}, where {size} is {known}"
        values[name] = value if shape else float(value)
    naive = _Naive(values, sizes)
    for node in graph.nodes:
        if node.body is not None:
            values[node.name] = naive.node(node)
    return values


def body_value(graph: Graph, body: sympy.Expr, index: tuple[Index, ...], at: Mapping[str, Any]) -> Array | float:
    """The value of one more line in the context of a graph."""
    return evaluate(Graph((*graph.nodes, Node("one_more_line", body, index)), graph.outputs), at)["one_more_line"]


class _Naive:
    def __init__(self, values: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
        self.values = values
        self.sizes = sizes

    def length(self, size: str | int) -> int:
        return size if isinstance(size, int) else self.sizes[size]

    def node(self, node: Node) -> Array | float:
        assert node.body is not None
        if not node.index:
            return self.number(node.body, {})
        result = np.empty([self.length(index.size) for index in node.index])
        for env in self.runs(node.index):
            result[tuple(env[index] for index in node.index)] = self.number(node.body, env)
        return result

    def runs(self, indices: tuple[Index, ...]) -> Iterator[dict[Index, int]]:
        for places in itertools.product(*(range(self.length(index.size)) for index in indices)):
            yield dict(zip(indices, places, strict=True))

    def number(self, part: sympy.Basic, env: Environment) -> float:
        match part:
            case Index():
                return env[part]
            case Size():
                return float(self.length(part.name))
            case sympy.Symbol():
                return float(self.values[part.name])
            case sympy.Indexed():
                places = tuple(int(self.number(s, env)) for s in subscripts_of(part))
                array = self.values[name_of(part)]
                assert len(places) == array.ndim
                assert all(0 <= place < length for place, length in zip(places, array.shape, strict=True))
                return float(array[places])
            case Reduction():
                return REDUCE[part.kind]([self.number(part.body, {**env, **run}) for run in self.runs(part.indices)])
            case MatrixFunction():
                return self.matrix_entry(part, env)
            case sympy.Piecewise():
                return next(self.number(value, env) for value, condition in part.args if self.holds(condition, env))
            case sympy.Number() | sympy.NumberSymbol():
                return float(part)
        arguments = [self.number(argument, env) for argument in part.args]
        match part:
            case sympy.Add():
                return math.fsum(arguments)
            case sympy.Mul():
                return math.prod(arguments)
            case sympy.Pow():
                return float(arguments[0] ** arguments[1])
        name = row_of(part).name
        return float((FUNCTIONS.get(name) or getattr(math, name))(*arguments))

    def holds(self, condition: sympy.Basic, env: Environment) -> bool:
        if condition in (sympy.true, sympy.false):
            return bool(condition)
        left, right = (self.number(side, env) for side in condition.args)
        return RELATIONS[type(condition)](left, right)

    def matrix_entry(self, part: MatrixFunction, env: Environment) -> float:
        operands = [np.asarray(self.values[symbol.name]) for symbol in part.operands]
        places = tuple(int(self.number(s, env)) for s in part.subscripts)
        match part.kind:
            case "inv":
                return float(np.linalg.inv(*operands)[places])
            case "solve":
                return float(np.linalg.solve(*operands)[places])
            case "det":
                return float(np.linalg.det(*operands))
            case "logdet":
                return float(np.linalg.slogdet(*operands)[1])
            case kind:
                raise AssertionError(f"no such function of matrices: {kind}")
