"""Torch as a referee: the primal rebuilt in torch, every intermediate's gradient retained.

Each parent is read through a clone of its own, so that a parent with several children is compared edge by edge.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy
import torch

from symgrad.core.derivation import Derivation
from symgrad.core.expression import HALF, Expr, is_negative, name_of, otherwise, without_sign
from symgrad.core.results import Evaluation
from symgrad.functions import row_of

VERSION = str(torch.__version__).partition("+")[0]

_DTYPES = {"float32": torch.float32, "float64": torch.float64}

_COMPARE: Mapping[type, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    sympy.StrictGreaterThan: torch.gt,
    sympy.GreaterThan: torch.ge,
    sympy.StrictLessThan: torch.lt,
    sympy.LessThan: torch.le,
    sympy.Equality: torch.eq,
    sympy.Unequality: torch.ne,
}


def evaluate_with_torch(derivation: Derivation, at: Mapping[str, float], dtype: str) -> Evaluation:
    """What torch autograd gives for everything a derivation names.

    Args:
        derivation: its primal is evaluated; its steps only say what to compare.
        at: a value for every leaf the output depends on.
        dtype: the precision torch works in.

    Returns:
        Values, adjoints, contributions edge by edge, and local partials, each from autograd alone.
    """
    real = _DTYPES[dtype]
    live = {step.node for step in derivation.steps}
    needed = derivation.primal.ancestors(derivation.output)
    values: dict[str, torch.Tensor] = {}
    clones: dict[tuple[str, str], torch.Tensor] = {}
    for node in derivation.primal.nodes:
        if node.name not in needed:
            continue
        if node.body is None:
            values[node.name] = torch.tensor(at[node.name], dtype=real, requires_grad=True)
            continue
        read = {}
        for parent in node.parents:
            read[parent] = values[parent].clone()
            if parent in live and node.name in live:
                read[parent].retain_grad()
                clones[node.name, parent] = read[parent]
        made = torch.as_tensor(in_torch(node.body, read, real), dtype=real)
        values[node.name] = made.clone() if any(made is tensor for tensor in read.values()) else made
        if node.name in live:
            if not values[node.name].requires_grad:
                values[node.name].requires_grad_()
            values[node.name].retain_grad()
    if values[derivation.output].requires_grad:
        values[derivation.output].backward()  # type: ignore[no-untyped-call]
    adjoints = {name: _gradient(values[name]) if name in values else 0.0 for name in live}
    return Evaluation(
        value=float(values[derivation.output].detach()),
        gradient={name: adjoints[name] for name in derivation.wrt},
        nodes={name: float(tensor.detach()) for name, tensor in values.items()},
        adjoints=adjoints,
        partials=_partials(derivation, values, real),
        contributions={edge: _gradient(clones[edge]) for edge in ((t.child, t.parent) for t in derivation.terms)},
    )


def _partials(
    derivation: Derivation, values: Mapping[str, torch.Tensor], real: torch.dtype
) -> dict[tuple[str, str], float]:
    """∂child/∂parent: each line alone, with its parents' values as fresh leaves."""
    partials: dict[tuple[str, str], float] = {}
    parents_of: dict[str, list[str]] = {}
    for term in derivation.terms:
        parents_of.setdefault(term.child, []).append(term.parent)
    for child, wanted in parents_of.items():
        node = derivation.primal[child]
        assert node.body is not None
        fresh = {p: values[p].detach().clone().requires_grad_(p in wanted) for p in node.parents}
        made = torch.as_tensor(in_torch(node.body, fresh, real), dtype=real)
        inputs = [fresh[parent] for parent in wanted]
        found: tuple[torch.Tensor | None, ...] = (None,) * len(inputs)
        if made.requires_grad:
            found = torch.autograd.grad(made, inputs, allow_unused=True)
        for parent, gradient in zip(wanted, found, strict=True):
            partials[child, parent] = 0.0 if gradient is None else float(gradient)
    return partials


def _gradient(tensor: torch.Tensor) -> float:
    return 0.0 if tensor.grad is None else float(tensor.grad)


def in_torch(expression: Expr, values: Mapping[str, torch.Tensor], real: torch.dtype) -> Any:
    """An expression on tensors, operation by operation as it is written; plain numbers stay Python's."""
    return _Eager(values, real).value(expression)


@dataclass(frozen=True)
class _Eager:
    """Evaluates expressions in torch."""

    values: Mapping[str, torch.Tensor]
    real: torch.dtype

    def tensor(self, part: Expr) -> torch.Tensor:
        return torch.as_tensor(self.value(part), dtype=self.real)

    def value(self, part: Expr) -> Any:
        match part:
            case sympy.Symbol():
                return self.values[name_of(part)]
            case sympy.Integer():
                return int(part) if abs(part) < 2**53 else float(part)
            case sympy.Number() | sympy.NumberSymbol():
                return float(part)
            case sympy.Add():
                return functools.reduce(self._plus, part.args[1:], self.value(part.args[0]))
            case sympy.Mul():
                return -self.value(without_sign(part)) if is_negative(part) else self._product(part)
            case sympy.Pow():
                return self._power(part.base, part.exp)
            case sympy.Piecewise():
                return self._cases(part)
            case _:
                return self._call(part)

    def _plus(self, total: Any, term: Expr) -> Any:
        return total - self.value(without_sign(term)) if is_negative(term) else total + self.value(term)

    def _product(self, part: sympy.Mul) -> Any:
        product: Any = None
        for factor in part.args:
            if isinstance(factor, sympy.Pow) and isinstance(factor.exp, sympy.Rational) and factor.exp < 0:
                divisor = self._power(factor.base, -factor.exp)
                product = 1 / divisor if product is None else product / divisor
            else:
                product = self.value(factor) if product is None else product * self.value(factor)
        return product

    def _power(self, base: Expr, exponent: Expr) -> Any:
        if exponent == 1:
            return self.value(base)
        if exponent == HALF:
            return torch.sqrt(self.tensor(base))
        if isinstance(exponent, sympy.Rational) and exponent < 0:
            return 1 / self._power(base, -exponent)
        raised = self.value(exponent)
        return (self.value(base) if isinstance(raised, torch.Tensor) else self.tensor(base)) ** raised

    def _cases(self, part: sympy.Piecewise) -> torch.Tensor:
        then, condition = part.args[0]
        rest = otherwise(part)
        left, right = (self.tensor(side) for side in condition.args)
        return torch.where(_COMPARE[type(condition)](left, right), self.tensor(then), self.tensor(rest))

    def _call(self, part: sympy.Function) -> Any:
        row = row_of(part)
        if not row.torch:
            assert row.definition is not None
            return self.value(row.definition(*part.args))
        if row.name == "polygamma":
            return torch.polygamma(int(part.args[0]), self.tensor(part.args[1]))
        function: Any = functools.reduce(getattr, row.torch.split("."), torch)
        return function(*(self.tensor(argument) for argument in part.args), **row.options)
