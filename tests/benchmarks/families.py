"""Functions of any size, each built by symgrad, SymPy, SymEngine and CasADi from one description."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .shapes import perceptron


@dataclass(frozen=True)
class Algebra:
    """A library that builds expressions: its variables and its tanh; `*`, `+` and `-` are Python's."""

    variable: Callable[[str], Any]
    tanh: Callable[[Any], Any]


Built = tuple[Any, Sequence[Any]]
"""An expression, and the variables to differentiate it by."""


@dataclass(frozen=True)
class Family:
    """A function of any size.

    Args:
        name: what it is called.
        text: it in symgrad's grammar.
        wrt: the names to differentiate by; None is all.
        build: it in another library.
        sizes: the sizes to measure, small to large.
    """

    name: str
    text: Callable[[int], str]
    wrt: Callable[[int], Sequence[str] | None]
    build: Callable[[Algebra, int], Built]
    sizes: tuple[int, ...]


def _logistic_text(n: int) -> str:
    return "\n".join(["x1 = r*x0*(1 - x0)", *(f"x{i} = r*x{i - 1}*(1 - x{i - 1})" for i in range(2, n + 1))])


def _logistic(algebra: Algebra, n: int) -> Built:
    r, x0 = algebra.variable("r"), algebra.variable("x0")
    x = x0
    for _ in range(n):
        x = r * x * (1 - x)
    return x, [x0]


def _product(algebra: Algebra, n: int) -> Built:
    names = [algebra.variable(f"x{i}") for i in range(n)]
    product = names[0]
    for name in names[1:]:
        product = product * name
    return product, names


def _product_text(n: int) -> str:
    return "\n".join(["p1 = x0*x1", *(f"p{i} = p{i - 1}*x{i}" for i in range(2, n))])


def _chain_text(n: int) -> str:
    return "\n".join(["h1 = tanh(w0*x)", *(f"h{i} = tanh(w{i - 1}*h{i - 1})" for i in range(2, n + 1))])


def _chain(algebra: Algebra, n: int) -> Built:
    h, weights = algebra.variable("x"), [algebra.variable(f"w{i}") for i in range(n)]
    for weight in weights:
        h = algebra.tanh(weight * h)
    return h, weights


def _network(algebra: Algebra, width: int) -> Built:
    before = [algebra.variable(f"x{i}") for i in range(width)]
    parameters: list[Any] = []

    def parameter(name: str) -> Any:
        parameters.append(algebra.variable(name))
        return parameters[-1]

    def affine(name: str, terms: Sequence[Any]) -> Any:
        total = parameter(f"b{name}")
        for i, term in enumerate(terms):
            total = total + parameter(f"w{name}_{i}") * term
        return total

    hidden = [algebra.tanh(affine(f"0_{j}", before)) for j in range(width)]
    loss: Any = 0
    for k in range(10):
        error = affine(f"1_{k}", hidden) - algebra.variable(f"y{k}")
        loss = loss + error * error
    return loss, parameters


def _weights(width: int) -> Sequence[str]:
    hidden = [f"w0_{j}_{i}" for j in range(width) for i in range(width)] + [f"b0_{j}" for j in range(width)]
    return hidden + [f"v{k}_{i}" for k in range(10) for i in range(width)] + [f"c{k}" for k in range(10)]


FAMILIES = (
    Family("logistic map", _logistic_text, lambda _: ["x0"], _logistic, (2, 4, 6, 8, 10, 12, 16, 32, 64, 128)),
    Family("Speelpenning's product", _product_text, lambda _: None, _product, (8, 12, 16, 24, 32, 48, 64, 96, 128)),
    Family(
        "tanh chain", _chain_text, lambda n: [f"w{i}" for i in range(n)], _chain, (4, 6, 8, 12, 16, 24, 32, 64, 128)
    ),
    Family("network n-n-10 in scalars", lambda n: perceptron(n, 1, 10), _weights, _network, (2, 3, 4, 5, 6, 8, 12, 16)),
)
