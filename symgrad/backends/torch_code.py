"""Printing a lowered program for torch; nothing here imports it."""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from symgrad.backends.arrays import Affine, Full, MatrixProduct, Positions, Reduced
from symgrad.backends.python_code import ATOM, ArrayPrinter
from symgrad.core.expression import ONE, ZERO, Expr
from symgrad.functions import row_of

_IN_PLACE = frozenset({"exp", "log", "tanh", "sigmoid", "relu", "sin", "cos"})
"""Functions that may write over their argument where nobody else reads it, which saves an allocation."""

_TEMPORARY = (sympy.Add, sympy.Mul, MatrixProduct, Affine)
"""What makes an array of its own; written in place, it has no other reader."""


class TorchPrinter(ArrayPrinter):
    """Expressions as torch code; arrays made from nothing are made on the inputs' device."""

    library = "torch"
    axis = "dim"
    places_arrays = True

    def imports(self, lines: Sequence[str]) -> list[str]:
        """The import lines a module of these lines needs."""
        return [*(["import numpy"] if any("numpy." in line for line in lines) else []), "import torch"]

    def real(self, dtype: str) -> str:
        """What turns a number into a scalar of the dtype."""
        return f"torch.{dtype}"

    def _typed(self, branch: Expr) -> str:
        return f"torch.tensor({float(branch)!r}, dtype=real)" if branch.is_Number else self.top(branch)

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

    def _permuted(self, order: tuple[int, ...]) -> str:
        return f".permute({', '.join(map(str, order))})"

    def _reducer(self, kind: str) -> str:
        return {"max": "amax", "min": "amin"}.get(kind, kind)

    def _print_Reduced(self, reduced: Reduced) -> str:
        if reduced.kind == "logsumexp" and not reduced.numbers(2):
            return f"{self.at_least(reduced.args[0], ATOM)}.flatten().logsumexp(dim=0)"
        if reduced.kind != "prod":
            return super()._print_Reduced(reduced)
        axes = sorted(reduced.numbers(2), reverse=True)  # torch multiplies along all axes or one at a time
        if not axes:
            return super()._print_Reduced(reduced)
        return self.at_least(reduced.args[0], ATOM) + "".join(f".prod(dim={axis})" for axis in axes)

    def _print_Positions(self, positions: Positions) -> str:
        return f"torch.arange({self.top(positions.args[0])}, device=device)"

    def _print_Full(self, full: Full) -> str:
        shape = ", ".join(self.top(size) for size in full.args[1])
        array = f"torch.as_tensor({self.top(full.args[0])}, dtype=real, device=device)"
        return f"{array}.expand({shape}).clone()"
