"""Torch as a referee: the primal rebuilt in torch, every intermediate's gradient retained.

Each parent is read through a clone of its own, so that a parent with several children is compared edge by edge.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import sympy
import torch

from symgrad.core.derivation import Derivation
from symgrad.core.expression import HALF, Expr, is_negative, name_of, without_sign
from symgrad.core.results import Evaluation
from symgrad.functions import row_of

VERSION = str(torch.__version__).partition("+")[0]

_DTYPES = {"float32": torch.float32, "float64": torch.float64}


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

    def tensor(part: Expr) -> torch.Tensor:
        return torch.as_tensor(visit(part), dtype=real)

    def visit(part: Expr) -> Any:
        match part:
            case sympy.Symbol():
                return values[name_of(part)]
            case sympy.Integer():
                return int(part) if abs(part) < 2**53 else float(part)
            case sympy.Number() | sympy.NumberSymbol():
                return float(part)
            case sympy.Add():
                return functools.reduce(_plus, part.args[1:], visit(part.args[0]))
            case sympy.Mul():
                return -visit(without_sign(part)) if is_negative(part) else _product(part)
            case sympy.Pow():
                return power(part.base, part.exp)
            case sympy.Piecewise():
                return cases(part)
            case _:
                return call(part)

    def _plus(total: Any, term: Expr) -> Any:
        return total - visit(without_sign(term)) if is_negative(term) else total + visit(term)

    def _product(part: sympy.Mul) -> Any:
        product: Any = None
        for factor in part.args:
            if isinstance(factor, sympy.Pow) and isinstance(factor.exp, sympy.Rational) and factor.exp < 0:
                divisor = power(factor.base, -factor.exp)
                product = 1 / divisor if product is None else product / divisor
            else:
                product = visit(factor) if product is None else product * visit(factor)
        return product

    def power(base: Expr, exponent: Expr) -> Any:
        if exponent == 1:
            return visit(base)
        if exponent == HALF:
            return torch.sqrt(tensor(base))
        if isinstance(exponent, sympy.Rational) and exponent < 0:
            return 1 / power(base, -exponent)
        raised = visit(exponent)
        return (visit(base) if isinstance(raised, torch.Tensor) else tensor(base)) ** raised

    def cases(part: sympy.Piecewise) -> Any:
        (then, condition), *others = part.args
        rest = others[0][0] if len(others) == 1 else sympy.Piecewise(*others, evaluate=False)
        left, right = (tensor(side) for side in condition.args)
        compare = {
            "StrictGreaterThan": torch.gt, "GreaterThan": torch.ge, "StrictLessThan": torch.lt,
            "LessThan": torch.le, "Equality": torch.eq, "Unequality": torch.ne,
        }[type(condition).__name__]  # fmt: skip
        return torch.where(compare(left, right), tensor(then), tensor(rest))

    def call(part: sympy.Function) -> Any:
        row = row_of(part)
        if not row.torch:
            assert row.definition is not None
            return visit(row.definition(*part.args))
        function: Any = functools.reduce(getattr, row.torch.split("."), torch)
        if row.name == "polygamma":
            return torch.polygamma(int(part.args[0]), tensor(part.args[1]))
        return function(*(tensor(argument) for argument in part.args), **row.options)

    return visit(expression)
