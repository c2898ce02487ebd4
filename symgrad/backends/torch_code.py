"""Printing a lowered program for torch; nothing here imports it."""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from symgrad.backends.arrays import (
    NEW_AXIS,
    Affine,
    Copy,
    Einsum,
    Full,
    IndexAdd,
    LogSoftmax,
    MatrixProduct,
    Pick,
    Positions,
    Reduced,
    Scatter,
    Softmax,
    TanhPullback,
    reduced,
)
from symgrad.backends.python_code import ATOM, POWER, ArrayPrinter
from symgrad.core.expression import ONE, ZERO, Expr, mul
from symgrad.functions import row_of

_IN_PLACE = frozenset({"exp", "log", "tanh", "sigmoid", "relu", "sin", "cos"})
"""Functions that may write over their argument where nobody else reads it, which saves an allocation."""

_TEMPORARY = (sympy.Add, sympy.Mul, MatrixProduct, Affine, Softmax)
"""What makes an array of its own; written in place, it has no other reader."""


class TorchPrinter(ArrayPrinter):
    """Expressions as torch code; arrays made from nothing are made on the inputs' device."""

    namespace = "torch"
    axis = "dim"
    places_arrays = True

    def imports(self, lines: Sequence[str]) -> list[str]:
        """The import lines a module of these lines needs."""
        calls = {"numpy": "numpy.", "scipy.special": "scipy.", "torch": "torch."}
        return [f"import {module}" for module, call in calls.items() if any(call in line for line in lines)]

    def real(self, dtype: str) -> str:
        """What turns a number into a scalar of the dtype."""
        return f"torch.{dtype}"

    def _typed(self, branch: Expr) -> str:
        if branch.is_Number:
            return f"torch.tensor({float(branch)!r}, dtype=real)"
        return f"torch.tensor({self.top(branch)}, dtype=real)" if self._is_number(branch) else self.top(branch)

    def _where(self, test: str, then: Expr, rest: Expr) -> str:
        if (then, rest) == (ONE, ZERO):
            return f"({test}).to(real)"
        return super()._where(test, then, rest)

    def _print_Function(self, expression: sympy.Function) -> str:
        row = row_of(expression)
        if row.name == "polygamma":
            order, argument = expression.args
            return f"torch.polygamma({order}, {self.top(argument)})"
        arguments = [self._typed(argument) for argument in expression.args]
        arguments += [f"{name}={value!r}" for name, value in row.options.items()]
        in_place = row.torch in _IN_PLACE and isinstance(expression.args[0], _TEMPORARY)
        return f"torch.{row.torch}{'_' if in_place else ''}({', '.join(arguments)})"

    def _print_Affine(self, affine: Affine) -> str:
        left, right, row = affine.args  # `addmm` takes longer than the two: it first copies the row into the result
        return f"({self.at_least(left, POWER)} @ {self.at_least(right, POWER)}).add_({self.top(row)})"

    def _print_TanhPullback(self, pullback: TanhPullback) -> str:
        gradient, value = (self.top(argument) for argument in pullback.args)
        return f"torch.ops.aten.tanh_backward({gradient}, {value})"

    def _print_Softmax(self, softmax: Softmax) -> str:
        return f"torch.softmax({self.top(softmax.args[0])}, dim={softmax.args[1]})"

    def _print_LogSoftmax(self, log_softmax: LogSoftmax) -> str:
        return f"torch.log_softmax({self.top(log_softmax.args[0])}, dim={log_softmax.args[1]})"

    def _print_Pick(self, pick: Pick) -> str:
        matrix, columns = pick.args
        return f"{self.at_least(matrix, ATOM)}.gather(1, {self.at_least(columns, ATOM)}.unsqueeze(1)).squeeze(1)"

    def _print_Scatter(self, scatter: Scatter) -> str:
        matrix, columns, number = scatter.args
        in_place = "_" if isinstance(matrix, (*_TEMPORARY, sympy.Function)) else ""
        where = f"1, {self.at_least(columns, ATOM)}.unsqueeze(1), {self.top(number)}"
        return f'{self.at_least(matrix, ATOM)}.scatter{in_place}({where}, reduce="add")'

    def _print_Copy(self, copy: Copy) -> str:
        return f"{self.at_least(copy.args[0], ATOM)}.clone()"

    def _print_IndexAdd(self, added: IndexAdd) -> str:
        array, places, size = (self.at_least(added.args[n], ATOM) for n in (0, 2, 3))
        axes, rank = added.numbers(4)
        rest = f", *{array}.shape[{axes}:]" if rank else ""
        flat = (places, array) if axes == 1 else (f"{places}.flatten()", f"{array}.flatten(0, {axes - 1})")
        return f"{array}.new_zeros({size}{rest}).index_add_(0, {', '.join(flat)})"

    def _print_Einsum(self, einsum: Einsum) -> str:
        if einsum.spent is None:
            return super()._print_Einsum(einsum)
        left, right = einsum.args[:2]
        if not einsum.rank:
            return f"{self.at_least(left, ATOM)}.flatten().dot({self.at_least(right, ATOM)}.flatten())"
        product = reduced(mul(left, right), "sum", einsum.spent, einsum.rank + len(einsum.spent))
        return self.top(product)  # `einsum` takes several times as long for it

    def _permuted(self, order: tuple[int, ...]) -> str:
        return f".permute({', '.join(map(str, order))})"

    def _spread(self, order: tuple[int, ...]) -> str:
        one = order.count(NEW_AXIS) == 1
        return f".unsqueeze({order.index(NEW_AXIS)})" if one else super()._spread(order)  # it is quicker than indexing

    def _reducer(self, kind: str) -> str:
        return {"max": "amax", "min": "amin"}.get(kind, kind)

    def _print_Reduced(self, reduction: Reduced) -> str:
        if reduction.kind == "logsumexp" and not reduction.numbers(2):
            return f"{self.at_least(reduction.args[0], ATOM)}.flatten().logsumexp(dim=0)"
        if reduction.kind != "prod":
            return super()._print_Reduced(reduction)
        axes = sorted(reduction.numbers(2), reverse=True)  # torch multiplies along all axes or one at a time
        if not axes:
            return super()._print_Reduced(reduction)
        return self.at_least(reduction.args[0], ATOM) + "".join(f".prod(dim={axis})" for axis in axes)

    def _print_Positions(self, positions: Positions) -> str:
        return f"torch.arange({self.top(positions.args[0])}, device=device)"

    def _print_Full(self, full: Full) -> str:
        shape = ", ".join(self.top(size) for size in full.args[1])
        array = f"torch.as_tensor({self.top(full.args[0])}, dtype=real, device=device)"
        return f"{array}.expand({shape}).clone()"
