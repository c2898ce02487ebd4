"""SymPy classes for what SymPy has no unevaluated class for: indices, sizes, reductions, matrix functions."""

from __future__ import annotations

from typing import Any, ClassVar

import sympy


class Index(sympy.Symbol):  # type: ignore[misc]  # SymPy's classes are untyped
    """A running index; two of one name but different sizes are two indices.

    Attributes:
        size: what it runs over, from 0: a number, or the name of a size.
    """

    __slots__ = ("size",)
    size: str | int

    def __new__(cls, name: str, size: str | int) -> Index:
        """The index of that name over that size."""
        made = sympy.Symbol.__xnew__(cls, name, integer=True)
        made.size = size
        return made  # type: ignore[no-any-return]

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (self.name, self.size), {}

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), str(self.size))


class Size(sympy.Symbol):  # type: ignore[misc]
    """A size known by name, as a number in a formula."""

    __slots__ = ()

    def __new__(cls, name: str) -> Size:
        """The size of that name."""
        return sympy.Symbol.__xnew__(cls, name, integer=True, positive=True)  # type: ignore[no-any-return]

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (self.name,), {}


class Reduction(sympy.Expr):  # type: ignore[misc]
    """A body reduced over indices that are bound in it."""

    is_commutative = True
    kind: ClassVar[str]

    def __new__(cls, body: sympy.Expr, *indices: Index) -> Reduction:
        """Never evaluated."""
        return sympy.Basic.__new__(cls, body, *indices)  # type: ignore[no-any-return]

    @property
    def body(self) -> sympy.Expr:
        """What is reduced."""
        return self.args[0]

    @property
    def indices(self) -> tuple[Index, ...]:
        """The indices it binds."""
        return tuple(self.args[1:])


class MatrixFunction(sympy.Expr):  # type: ignore[misc]
    """One entry of a function of whole matrices: `inv(A)[i,j]`, `det(A)`, `solve(A, b)[i]`.

    Args:
        kind: the function's name, as a symbol.
        operands: the symbols of its operands, which are nodes.
        subscripts: which entry; none for a scalar.
    """

    is_commutative = True

    def __new__(cls, kind: sympy.Basic, operands: sympy.Tuple, subscripts: sympy.Tuple) -> MatrixFunction:
        """Never evaluated."""
        return sympy.Basic.__new__(cls, kind, operands, subscripts)  # type: ignore[no-any-return]

    @property
    def kind(self) -> str:
        """The function's name in the text grammar."""
        return str(self.args[0].name)

    @property
    def operands(self) -> tuple[sympy.Symbol, ...]:
        """The symbols of its operands."""
        return tuple(self.args[1])

    @property
    def subscripts(self) -> tuple[sympy.Expr, ...]:
        """Which entry."""
        return tuple(self.args[2])
