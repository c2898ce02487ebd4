"""Array operations of a lowered program, beside SymPy's own elementwise ones.

Each is a SymPy expression whose operands are symbols, numbers or other operations, so that equal operations are found
equal and single uses can be written in place. Axes are positions.
"""

from __future__ import annotations

from collections.abc import Iterable

import sympy
from sympy.core.symbol import Str

from symgrad.core.expression import Expr

NEW_AXIS = -1
"""In a `View`, an axis of size 1 that broadcasts."""


class ArrayOperation(sympy.Expr):  # type: ignore[misc]  # SymPy's classes are untyped
    """An operation on arrays; the first arguments are what it reads, the rest says how."""

    is_commutative = True

    def __new__(cls, *arguments: sympy.Basic, **_: bool) -> ArrayOperation:
        """Never evaluated."""
        return sympy.Basic.__new__(cls, *arguments)  # type: ignore[no-any-return]

    def numbers(self, position: int) -> tuple[int, ...]:
        """An argument that is a tuple of whole numbers."""
        return tuple(int(n) for n in self.args[position])


class View(ArrayOperation):
    """An array with its axes permuted and new ones put in: `View(v, (1, NEW_AXIS, 0))`."""


class Take(ArrayOperation):
    """One position of one axis, which goes: `v[:, 0]`; arguments: array, axis, position."""


class Diagonal(ArrayOperation):
    """The entries where two axes are equal, as a last axis; arguments: array, first axis, second axis."""


class Gather(ArrayOperation):
    """An array indexed by arrays of whole numbers, one for each of its first axes; the other axes are kept.

    The whole numbers broadcast against each other.
    """


class Pick(ArrayOperation):
    """Of each row the entry in a selected column, in one call; arguments: matrix, column of each row."""


class Scatter(ArrayOperation):
    """A matrix and a number added to each row in a selected column; arguments: matrix, column of each row, number."""


class IndexAdd(ArrayOperation):
    """Arrays added up at selected places of a first axis; the gradient of `Gather`.

    Arguments: the arrays, along as many axes as the places have, twice, as they may have to be named; the places; how
    many places there are; how many axes the places have, and how many each array has.
    """


class Positions(ArrayOperation):
    """0, 1, … to a size, as an axis."""


class SizeOf(ArrayOperation):
    """The size of an axis of an input; arguments: array, axis."""


class Reduced(ArrayOperation):
    """A reduction; arguments: array, kind (`sum`, `max`, `min`, `prod`, `logsumexp`), axes, none meaning all."""

    @property
    def kind(self) -> str:
        """Which reduction."""
        return str(self.args[1].name)


class Finite(ArrayOperation):
    """The array with 0 in place of what is not finite: the shift of a stable logsumexp; the array stands twice."""


class Copy(ArrayOperation):
    """An array that is nobody else's; arguments: array, which copy it is."""


class Full(ArrayOperation):
    """An array of a given shape, filled by broadcasting; arguments: array, shape."""


class MatrixProduct(ArrayOperation):
    """`a @ b`, NumPy's and torch's, leading axes in step."""


class Affine(ArrayOperation):
    """`a @ b + c` in one call; arguments: left, right, what is added to every row."""


class TanhPullback(ArrayOperation):
    """`g*(1 - a*a)` in one call; arguments: g, a."""


class Softmax(ArrayOperation):
    """`exp(a - logsumexp(a))` along an axis in one call; arguments: array, axis."""


class LogSoftmax(ArrayOperation):
    """`a - logsumexp(a)` along an axis in one call; arguments: array, axis."""


class TensorProduct(ArrayOperation):
    """`tensordot`; arguments: left, right, axes of the left, axes of the right."""


class Einsum(ArrayOperation):
    """`einsum` of two arrays; arguments: left, right, subscripts."""

    @property
    def subscripts(self) -> str:
        """As in `bij,bjk->bik`."""
        return str(self.args[2].name)

    @property
    def rank(self) -> int:
        """How many axes the result has."""
        return len(self.subscripts.partition("->")[2])

    @property
    def spent(self) -> tuple[int, ...] | None:
        """Of a product entry by entry the axes that are summed; None of any other product."""
        given, _, made = self.subscripts.partition("->")
        left, _, right = given.partition(",")
        if left != right or [letter for letter in left if letter in made] != [*made]:
            return None
        return tuple(axis for axis, letter in enumerate(left) if letter not in made)


class Linear(ArrayOperation):
    """A function of matrices (`inv`, `det`, `logdet`, `solve`); arguments: name, operands."""

    @property
    def kind(self) -> str:
        """Which function."""
        return str(self.args[0].name)


def whole(numbers: Iterable[int]) -> sympy.Tuple:
    """Whole numbers as an argument."""
    return sympy.Tuple(*(sympy.Integer(n) for n in numbers))


def word(text: str) -> Str:
    """A word as an argument."""
    return Str(text)


def view(array: Expr, order: tuple[int, ...]) -> Expr:
    """The array with axes in this order; the array itself where nothing moves."""
    while order and order[0] == NEW_AXIS:
        order = order[1:]  # leading axes broadcast by themselves
    return array if order == tuple(range(len(order))) else View(array, whole(order))


def reduced(array: Expr, kind: str, axes: Iterable[int], rank: int) -> Expr:
    """A reduction of an array of that rank over some of its axes."""
    positions = tuple(sorted(axes))
    return Reduced(array, word(kind), whole(() if len(positions) == rank else positions))
