"""Local rules of what works on whole axes: reductions other than Σ, and functions of matrices.

Each rule is a local Jacobian written entry by entry, so that the one pullback of the chain rule serves them too.
Sources: Petersen and Pedersen, The Matrix Cookbook (2012), eq. 41 (det), 43 (logdet), 60 (inv); Giles, An extended
collection of matrix derivative results (2008), 2.3.1 (solve). Ties in max and min share the derivative evenly, as
torch's amax does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TypeAlias

import sympy
from sympy import exp

from symgrad.core.expression import ONE, ZERO, Expr, mul, name_of, negative, power, rebuild, subtract, where
from symgrad.core.indices import (
    Extent,
    Index,
    LogSumExpOver,
    MatrixFunction,
    MaxOver,
    MinOver,
    ProductOver,
    Reduction,
    SumOver,
    bound_indices,
    delta,
    entry,
    fresh_index,
    matrix_function,
    reindex,
)

Shapes: TypeAlias = Mapping[str, tuple[Extent, ...]]

EVENLY = "shared evenly at a tie"


def descend_reduction(reduction: Reduction, value: Expr, taken: Collection[str]) -> tuple[str, tuple[Expr, ...]]:
    """The rule's name, and the derivative of a reduction by one entry of its body.

    Args:
        reduction: its indices stay free in the derivative.
        value: what stands for the reduction's own value, the reduction itself where it has no name.
        taken: names that fresh indices must not have.
    """
    match reduction:
        case SumOver():
            return "sum rule", ()
        case LogSumExpOver():
            return "derivative of logsumexp", (
                exp(subtract(reduction.body, _apart(value, reduction, taken)), evaluate=False),
            )
        case MaxOver() | MinOver():
            hit = where(sympy.Eq(reduction.body, _apart(value, reduction, taken), evaluate=False), ONE, ZERO)
            ties = _apart(SumOver(hit, *reduction.indices), reduction, taken)
            return f"derivative of {reduction.kind} ({EVENLY})", (hit, power(ties, -1))
        case ProductOver():
            return "product of the others", (_others(reduction, taken),)
    raise NotImplementedError(reduction.kind)


def _apart(expression: Expr, reduction: Reduction, taken: Collection[str]) -> Expr:
    """`expression` with its bound indices renamed where they are the reduction's own, which are free beside it."""
    clash = [i for i in bound_indices(expression) if i in reduction.indices]
    names = {*taken, *(str(s) for s in (*expression.free_symbols, *reduction.free_symbols))}
    mapping: dict[Index, Index] = {}
    for index in clash:
        mapping[index] = fresh_index(index.size, names)
        names.add(mapping[index].name)
    return _rebound(expression, mapping)


def _rebound(expression: Expr, mapping: Mapping[Index, Index]) -> Expr:
    """`expression` with indices renamed inside the reductions that bind them, and nowhere else."""
    if not mapping or not expression.args:
        return expression
    if isinstance(expression, Reduction) and set(expression.indices) & set(mapping):
        return reindex(expression, {old: new for old, new in mapping.items() if old in expression.indices})
    return rebuild(expression, tuple(_rebound(argument, mapping) for argument in expression.args))


def _others(product: ProductOver, taken: Collection[str]) -> Expr:
    """Π over all entries but one; right where an entry is 0, unlike the quotient product/entry."""
    names = {*taken, *(str(s) for s in product.free_symbols)}
    mapping: dict[Index, Index] = {}
    for index in product.indices:
        mapping[index] = fresh_index(index.size, names)
        names.add(mapping[index].name)
    other = reindex(product.body, mapping)
    body = ONE
    for old, new in mapping.items():
        body = where(sympy.Eq(new, old, evaluate=False), body, other)
    return ProductOver(body, *mapping.values())


def descend_matrix_function(
    function: MatrixFunction, wanted: Collection[str], shapes: Shapes, taken: Collection[str]
) -> Iterator[tuple[Expr, Expr]]:
    """For each operand in `wanted` an entry with fresh subscripts, and the derivative by it.

    Args:
        function: the entry that is differentiated.
        wanted: names of nodes.
        shapes: the shape of every operand.
        taken: names that fresh indices must not have.
    """
    names = {*taken, *(str(s) for s in function.free_symbols)}
    for position, operand in enumerate(function.operands):
        if name_of(operand) in wanted:
            fresh = []
            for size in shapes[name_of(operand)]:
                fresh.append(fresh_index(size, names))
                names.add(fresh[-1].name)
            yield entry(name_of(operand), tuple(fresh)), _DERIVATIVES[function.kind, position](function, *fresh)


def _inverse(function: MatrixFunction, row: Expr, column: Expr) -> Expr:
    return matrix_function("inv", (name_of(function.operands[0]),), (row, column))


def _by_inverse(function: MatrixFunction, k: Index, m: Index) -> Expr:
    """∂inv(A)[i,j]/∂A[k,m]."""
    i, j = function.subscripts
    return negative(mul(_inverse(function, i, k), _inverse(function, m, j)))


def _by_determinant(function: MatrixFunction, k: Index, m: Index) -> Expr:
    """∂det(A)/∂A[k,m]; infinite numbers where A is singular, though the cofactor is finite."""
    return mul(function, _inverse(function, m, k))


def _by_log_determinant(function: MatrixFunction, k: Index, m: Index) -> Expr:
    return _inverse(function, m, k)


def _by_solve_matrix(function: MatrixFunction, k: Index, m: Index) -> Expr:
    """∂solve(A, B)[i,c]/∂A[k,m] = −inv(A)[i,k]·solve(A, B)[m,c]."""
    i, *columns = function.subscripts
    solution = matrix_function("solve", map(name_of, function.operands), (m, *columns))
    return negative(mul(_inverse(function, i, k), solution))


def _by_solve_right_side(function: MatrixFunction, k: Index, *columns: Index) -> Expr:
    """∂solve(A, B)[i,c]/∂B[k,d] = inv(A)[i,k]·[c = d]."""
    i, *own = function.subscripts
    return mul(_inverse(function, i, k), *(delta(c, d) for c, d in zip(own, columns, strict=True)))


_DERIVATIVES: Mapping[tuple[str, int], Callable[..., Expr]] = {
    ("inv", 0): _by_inverse,
    ("det", 0): _by_determinant,
    ("logdet", 0): _by_log_determinant,
    ("solve", 0): _by_solve_matrix,
    ("solve", 1): _by_solve_right_side,
}
"""By function and operand."""
