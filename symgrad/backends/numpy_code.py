"""Printing a lowered program for NumPy and SciPy."""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from symgrad.backends.arrays import Copy, Einsum, Full, IndexAdd
from symgrad.backends.python_code import ATOM, ArrayPrinter
from symgrad.functions import row_of


class NumpyPrinter(ArrayPrinter):
    """Expressions as NumPy and SciPy code."""

    namespace = "numpy"
    axis = "axis"

    def imports(self, lines: Sequence[str]) -> list[str]:
        """The import lines a module of these lines needs."""
        modules = {"numpy.": "numpy", "scipy.sparse.": "scipy.sparse", "scipy.special.": "scipy.special"}
        return [f"import {module}" for call, module in modules.items() if any(call in line for line in lines)]

    def real(self, dtype: str) -> str:
        """What turns a number into a scalar of the dtype."""
        return f"numpy.{dtype}"

    def _print_Function(self, expression: sympy.Function) -> str:
        arguments = [self.top(argument) for argument in expression.args]
        row = row_of(expression)
        if not row.numpy:  # a constant of a program for a library that has the function
            assert row.definition is not None
            return f"({self.top(row.definition(*expression.args))})"
        if row.name == "relu":
            arguments.append("0")
        if row.name == "softplus":
            arguments.insert(0, "0")
        text = f"{row.numpy}({', '.join(arguments)})"
        return f"real({text})" if row.name == "polygamma" and not self.arrays and not self.decimals else text

    def _print_Einsum(self, einsum: Einsum) -> str:
        if einsum.spent and not einsum.rank:
            return f"numpy.vdot({self.top(einsum.args[0])}, {self.top(einsum.args[1])})"
        return super()._print_Einsum(einsum)

    def _print_Copy(self, copy: Copy) -> str:
        return f"{self.at_least(copy.args[0], ATOM)}.copy()"

    def _print_IndexAdd(self, added: IndexAdd) -> str:
        """Numbers are counted into bins; of rows, a matrix of zeros and ones without its zeros is the left factor."""
        array, places, size = (self.at_least(added.args[n], ATOM) for n in (0, 2, 3))
        axes, rank = added.numbers(4)
        flat = places if axes == 1 else f"{places}.ravel()"
        if not rank:
            return f"real(numpy.bincount({flat}, {array if axes == 1 else f'{array}.ravel()'}, minlength={size}))"
        count = f"{places}.size"
        ones = f"(numpy.ones({count}, real), ({flat}, numpy.arange({count})))"
        matrix = f"scipy.sparse.coo_array({ones}, shape=({size}, {count}))"
        if (axes, rank) == (1, 1):
            return f"{matrix} @ {array}"
        return f"({matrix} @ {array}.reshape({count}, -1)).reshape({size}, *{array}.shape[{axes}:])"

    def _print_Full(self, full: Full) -> str:
        sizes = [self.top(size) for size in full.args[1]]
        shape = sizes[0] if len(sizes) == 1 else f"({', '.join(sizes)})"
        return f"numpy.full({shape}, {self.top(full.args[0])}, dtype=real)"
