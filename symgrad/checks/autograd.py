"""Torch as a referee: the primal rebuilt in torch, every intermediate's gradient retained.

Each occurrence of a parent is read through a clone of its own, so that a parent that is read more than once, by several
children or by one (`X[n,i]*X[n,j]`), is compared edge by edge. The rebuilding shares no code with symgrad's lowering.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, NamedTuple

import numpy
import sympy
import torch

from symgrad.checks.entrywise import (
    Labelled,
    aligned,
    einsum_word,
    entry_of,
    extent_of,
    flat_factors,
    is_contraction,
    is_divisor,
    joined,
    shape_of,
    sizes_of,
)
from symgrad.core.derivation import Derivation, Term
from symgrad.core.expression import HALF, Expr, is_negative, name_of, otherwise, without_sign
from symgrad.core.graph import Node
from symgrad.core.indices import Index, MatrixFunction, Reduction, Size, SumOver, subscripts_of
from symgrad.core.results import Evaluation, Value
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

_LINEAR: Mapping[str, Callable[..., torch.Tensor]] = {
    "inv": torch.linalg.inv,
    "det": torch.linalg.det,
    "logdet": lambda matrix: torch.linalg.slogdet(matrix).logabsdet,
    "solve": torch.linalg.solve,
}

_REDUCE: Mapping[str, Callable[..., torch.Tensor]] = {
    "max": torch.amax,
    "min": torch.amin,
    "prod": torch.prod,
    "logsumexp": torch.logsumexp,
}


class _Reading(NamedTuple):
    """One occurrence: the parent as a line reads it, and the indices reduced around it."""

    occurrence: Expr
    scope: tuple[Index, ...]


def evaluate_with_torch(derivation: Derivation, at: Mapping[str, Any], dtype: str) -> Evaluation:
    """What torch autograd gives for everything a derivation names.

    Args:
        derivation: its primal is evaluated; its steps only say what to compare.
        at: a value for every leaf the output depends on, an array for a tensor.
        dtype: the precision torch works in.

    Returns:
        Values, adjoints, contributions edge by edge, and local partials, each from autograd alone. A contribution is
        left out where torch cannot tell it from another of the same line.
    """
    rebuilt = _Rebuilt(derivation, sizes_of(derivation.primal, at), _DTYPES[dtype])
    rebuilt.forward(at)
    gradients = rebuilt.gradients()
    adjoints = {step.node: rebuilt.adjoint(step.node, gradients) for step in derivation.steps}
    return Evaluation(
        value=_plain(rebuilt.values[derivation.output]),
        gradient={name: adjoints[name] for name in derivation.wrt},
        nodes={name: _plain(tensor) for name, tensor in rebuilt.values.items()},
        adjoints=adjoints,
        partials=rebuilt.partials(),
        contributions={t.edge: gradients[id(c)] for t in derivation.terms if (c := rebuilt.clone_of(t)) is not None},
    )


@dataclass
class _Rebuilt:
    """The primal in torch, with what autograd needs to be asked later."""

    derivation: Derivation
    sizes: Mapping[str, int]
    real: torch.dtype
    values: dict[str, torch.Tensor] = field(default_factory=dict)
    clones: dict[str, dict[_Reading, torch.Tensor]] = field(default_factory=dict)

    @functools.cached_property
    def live(self) -> frozenset[str]:
        return frozenset(step.node for step in self.derivation.steps)

    def forward(self, at: Mapping[str, Any]) -> None:
        """Evaluate every line the output needs, and have every leaf that is differentiated by."""
        primal, wrt = self.derivation.primal, self.derivation.wrt
        needed = primal.ancestors(self.derivation.output) | (set(wrt) & set(primal.leaves))
        for node in primal.nodes:
            if node.name not in needed:
                continue
            if node.body is None:
                selects = node.name in primal.selectors
                made = torch.tensor(at[node.name], dtype=torch.int64 if selects else self.real)
                self.values[node.name] = made if selects else made.requires_grad_()
            else:
                self.values[node.name] = self.line(node)

    def line(self, node: Node) -> torch.Tensor:
        assert node.body is not None
        clones = self.clones.setdefault(node.name, {})

        def read(reading: _Reading) -> torch.Tensor:
            parent = name_of(reading.occurrence)
            if parent in self.derivation.primal.selectors:
                return self.values[parent]
            if reading not in clones:
                clones[reading] = self.values[parent].clone()
                if parent in self.live and node.name in self.live:
                    clones[reading].retain_grad()
            return clones[reading]

        made = in_torch(node.body, node.index, read, self.sizes, self.real)
        made = made.clone() if any(made is clone for clone in clones.values()) else made
        if node.name in self.live:
            if not made.requires_grad:
                made.requires_grad_()
            made.retain_grad()
        return made

    def gradients(self) -> dict[int, Value]:
        """The derivative of the output by every live node and every clone, by the tensor's identity."""
        output = self.values[self.derivation.output]
        every = [self.values[name] for name in self.values if name in self.live]
        every += [clone for of_line in self.clones.values() for clone in of_line.values() if clone.retains_grad]
        if not output.shape:
            if output.requires_grad:
                output.backward()  # type: ignore[no-untyped-call]
            return {id(t): _gradient(t, t.grad) for t in every}
        # a Jacobian: one sweep an entry of the output
        rows: dict[int, list[Value]] = {id(t): [] for t in every}
        for entry in product(*map(range, output.shape)):
            seed = torch.zeros_like(output)
            seed[entry] = 1.0
            found: Sequence[torch.Tensor | None] = [None] * len(every)
            if output.requires_grad and every:
                found = torch.autograd.grad(output, every, seed, retain_graph=True, allow_unused=True)
            for tensor, gradient in zip(every, found, strict=True):
                rows[id(tensor)].append(_gradient(tensor, gradient))
        return {id(t): numpy.array(rows[id(t)]).reshape(*output.shape, *t.shape) for t in every}

    def adjoint(self, name: str, gradients: Mapping[int, Value]) -> Value:
        """The derivative by a node, 0 where the output does not depend on it."""
        if name in self.values:
            return gradients[id(self.values[name])]
        axes = self.derivation.axes
        shape = shape_of((*(i.size for i in axes), *self.derivation.primal[name].shape), self.sizes)
        return numpy.zeros(shape) if shape else 0.0

    def clone_of(self, term: Term) -> torch.Tensor | None:
        """The clone that a term's occurrence was read through.

        Whole operands, and occurrences whose index a rule renamed, are told by elimination among what is reduced alike.
        """
        mine, clones = _Reading(term.occurrence, term.summed), self.clones[term.child]
        if mine in clones:
            return clones[mine]
        known = {_Reading(t.occurrence, t.summed) for t in self.derivation.terms if t.child == term.child}
        unclaimed = [r for r, c in clones.items() if r not in known and c.retains_grad and _is_like(r, mine)]
        nameless = [r for r in known if r not in clones and _is_like(r, mine)]
        return clones[unclaimed[0]] if len(unclaimed) == len(nameless) == 1 else None

    def partials(self) -> dict[tuple[str, ...], Value]:
        """∂child/∂parent between scalars: each line alone, with its parents' values as fresh leaves."""
        partials: dict[tuple[str, ...], Value] = {}
        wanted: dict[str, list[Term]] = {}
        for term in self.derivation.terms:
            if term.partial_name in self.derivation.gradient:
                wanted.setdefault(term.child, []).append(term)
        for child, terms in wanted.items():
            node = self.derivation.primal[child]
            assert node.body is not None
            asked = {_Reading(t.occurrence, t.summed) for t in terms}
            fresh: dict[_Reading, torch.Tensor] = {}
            made = in_torch(node.body, (), functools.partial(self.fresh, asked, fresh), self.sizes, self.real)
            inputs = [fresh[_Reading(t.occurrence, t.summed)] for t in terms]
            found: tuple[torch.Tensor | None, ...] = (None,) * len(inputs)
            if made.requires_grad:
                found = torch.autograd.grad(made, inputs, allow_unused=True)
            for term, gradient in zip(terms, found, strict=True):
                partials[term.edge] = 0.0 if gradient is None else float(gradient)
        return partials

    def fresh(self, asked: set[_Reading], made: dict[_Reading, torch.Tensor], reading: _Reading) -> torch.Tensor:
        """A parent's value without its history, a leaf where its derivative is asked for."""
        if reading not in made:
            value = self.values[name_of(reading.occurrence)].detach().clone()
            made[reading] = value.requires_grad_() if reading in asked else value
        return made[reading]


def _is_like(one: _Reading, other: _Reading) -> bool:
    same = name_of(one.occurrence) == name_of(other.occurrence)
    return same and [i.size for i in one.scope] == [i.size for i in other.scope]


def _plain(tensor: torch.Tensor) -> Value:
    return tensor.detach().numpy().copy() if tensor.shape else float(tensor.detach())


def _gradient(tensor: torch.Tensor, gradient: torch.Tensor | None) -> Value:
    return _plain(torch.zeros_like(tensor) if gradient is None else gradient)


def in_torch(
    body: Expr,
    index: Sequence[Index],
    read: Callable[[_Reading], torch.Tensor],
    sizes: Mapping[str, int],
    real: torch.dtype,
) -> torch.Tensor:
    """The tensor of a line `v[index] = body`, each occurrence given by `read`."""
    eager = _Eager(read, sizes, real)
    array: torch.Tensor = aligned(eager.tensor(body), index)
    return array.expand(shape_of((i.size for i in index), sizes)).contiguous() if index else array


@dataclass(frozen=True)
class _Eager:
    """Evaluates a line in torch, operation by operation as it is written; plain numbers stay Python's."""

    read: Callable[[_Reading], torch.Tensor]
    sizes: Mapping[str, int]
    real: torch.dtype
    scope: tuple[Index, ...] = ()

    def tensor(self, part: Expr) -> Labelled:
        found = self.value(part)
        return Labelled(torch.as_tensor(found.array, dtype=self.real), found.axes)

    def value(self, part: Expr) -> Labelled:
        match part:
            case Index():
                return Labelled(self.positions(part).to(self.real), (part,))
            case Size():
                return Labelled(self.sizes[part.name])
            case sympy.Symbol():
                return Labelled(self.read(_Reading(part, self.scope)))
            case sympy.Indexed():
                found = self.read(_Reading(part, self.scope))
                return entry_of(found, subscripts_of(part), self.label)
            case sympy.Integer():
                return Labelled(int(part) if abs(part) < 2**53 else float(part))
            case sympy.Number() | sympy.NumberSymbol():
                return Labelled(float(part))
            case sympy.Add():
                return functools.reduce(self._plus, part.args[1:], self.value(part.args[0]))
            case sympy.Mul():
                return self._negated(self.value(without_sign(part))) if is_negative(part) else self._product(part.args)
            case sympy.Pow():
                return self._power(part.base, part.exp)
            case sympy.Piecewise():
                return self._cases(part)
            case SumOver():
                return self.under(part.indices)._summed(part.body, part.indices)
            case Reduction():
                return self.under(part.indices)._reduced(part)
            case MatrixFunction():
                operands = [self.read(_Reading(operand, self.scope)) for operand in part.operands]
                return entry_of(_LINEAR[part.kind](*operands), part.subscripts, self.label)
            case _:
                return self._call(part)

    def under(self, indices: Sequence[Index]) -> _Eager:
        """The same below a reduction."""
        return replace(self, scope=(*self.scope, *indices))

    def positions(self, index: Index) -> torch.Tensor:
        return torch.arange(extent_of(index.size, self.sizes))

    def label(self, subscript: Expr) -> Labelled:
        """Whole numbers to select by: an index's positions, or labels."""
        if isinstance(subscript, Index):
            return Labelled(self.positions(subscript), (subscript,))
        return entry_of(self.read(_Reading(subscript, self.scope)), subscripts_of(subscript), self.label)

    def _apply(self, function: Callable[..., Any], *parts: Labelled) -> Labelled:
        axes = joined(parts)
        return Labelled(function(*(aligned(part, axes) for part in parts)), axes)

    def _negated(self, part: Labelled) -> Labelled:
        return Labelled(-part.array, part.axes)

    def _plus(self, total: Labelled, term: Expr) -> Labelled:
        if is_negative(term):
            return self._apply(lambda a, b: a - b, total, self.value(without_sign(term)))
        return self._apply(lambda a, b: a + b, total, self.value(term))

    def _product(self, factors: Sequence[Expr], product: Labelled | None = None) -> Labelled:
        for factor in factors:
            if is_divisor(factor):
                divisor = self._power(factor.base, -factor.exp)
                product = self._apply(lambda a, b: a / b, Labelled(1) if product is None else product, divisor)
            else:
                value = self.value(factor)
                product = value if product is None else self._apply(lambda a, b: a * b, product, value)
        return Labelled(1) if product is None else product

    def _power(self, base: Expr, exponent: Expr) -> Labelled:
        if exponent == 1:
            return self.value(base)
        if exponent == HALF:
            return self._apply(torch.sqrt, self.tensor(base))
        if isinstance(exponent, sympy.Rational) and exponent < 0:
            return self._apply(lambda power: 1 / power, self._power(base, -exponent))
        raised = self.value(exponent)
        is_tensor = isinstance(raised.array, torch.Tensor)
        return self._apply(lambda a, b: a**b, self.value(base) if is_tensor else self.tensor(base), raised)

    def _cases(self, part: sympy.Piecewise) -> Labelled:
        then, condition = part.args[0]
        holds = self._apply(_COMPARE[type(condition)], *(self.tensor(side) for side in condition.args))
        return self._apply(torch.where, holds, self.tensor(then), self.tensor(otherwise(part)))

    def _call(self, part: sympy.Function) -> Labelled:
        row = row_of(part)
        if not row.torch:
            assert row.definition is not None
            return self.value(row.definition(*part.args))
        if row.name == "polygamma":
            return self._apply(lambda x: torch.polygamma(int(part.args[0]), x), self.tensor(part.args[1]))
        function: Any = functools.reduce(getattr, row.torch.split("."), torch)
        called = functools.partial(function, **row.options)
        return self._apply(called, *(self.tensor(argument) for argument in part.args))

    def _summed(self, body: Expr, indices: Sequence[Index]) -> Labelled:
        """Σ of a body: products by einsum, so that a matrix product is torch's own."""
        if is_negative(body):
            return self._negated(self._summed(without_sign(body), indices))
        if isinstance(body, sympy.Add) and any(is_contraction(term) for term in body.args):
            first, *rest = (self._summed(term, indices) for term in body.args)
            return functools.reduce(lambda a, b: self._apply(lambda x, y: x + y, a, b), rest, first)
        factors = flat_factors(body)
        kept = [f for f in factors if not is_divisor(f)]
        tensors = [(f, self.tensor(f)) for f in kept] if len(kept) > 1 else []
        arrays = [found for _, found in tensors if found.axes]
        if len(arrays) < 2:
            return self._sum_of(self.tensor(body), indices)
        inside, outside = [], [f for f, found in tensors if not found.axes]
        for factor in (f for f in factors if is_divisor(f)):
            found = self.tensor(factor)
            if set(found.axes) & set(indices):
                inside.append(found)
            else:
                outside.append(factor)
        return self._product(outside, self._einsum([*arrays, *inside], indices))

    def _einsum(self, factors: Sequence[Labelled], indices: Sequence[Index]) -> Labelled:
        axes = joined(factors)
        kept = tuple(axis for axis in axes if axis not in indices)
        made = torch.einsum(einsum_word(factors, kept), *(f.array for f in factors))
        return self._counted(Labelled(made, kept), [i for i in indices if i not in axes])

    def _sum_of(self, part: Labelled, indices: Sequence[Index]) -> Labelled:
        present = [part.axes.index(i) for i in indices if i in part.axes]
        kept = tuple(axis for axis in part.axes if axis not in indices)
        made = Labelled(part.array.sum(present), kept) if present else part
        return self._counted(made, [i for i in indices if i not in part.axes])

    def _counted(self, part: Labelled, missing: Sequence[Index]) -> Labelled:
        """A sum over an index that the body lacks multiplies by its size."""
        for index in missing:
            part = Labelled(part.array * extent_of(index.size, self.sizes), part.axes)
        return part

    def _reduced(self, part: Reduction) -> Labelled:
        found = self.tensor(part.body)
        kept = tuple(axis for axis in found.axes if axis not in part.indices)
        axes = (*kept, *part.indices)
        whole = aligned(found, axes).expand(shape_of((i.size for i in axes), self.sizes))
        return Labelled(_REDUCE[part.kind](whole.flatten(len(kept)), -1), kept)
