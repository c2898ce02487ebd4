"""Patterns that torch has one call for, where a call costs more than the work it does."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import sympy

from symgrad.backends.arrays import (
    NEW_AXIS,
    Affine,
    LogSoftmax,
    MatrixProduct,
    Pick,
    Positions,
    Reduced,
    Scatter,
    Softmax,
    View,
    reduced,
    view,
)
from symgrad.backends.contract import Ref
from symgrad.backends.straight import Recorder, reads_of
from symgrad.core.expression import ONE, ZERO, Expr, is_negative, mul, negative, power, substitute, without_sign
from symgrad.core.indices import Index


def affine(terms: Sequence[tuple[Ref, bool]], axes: tuple[Index, ...], record: Recorder) -> Expr | None:
    """A matrix product and a row added to it, `a @ b + c`, as one call; None where the terms are something else."""
    match terms:
        case [(Ref(sympy.Symbol() as product, both), False), (Ref(_, row), False)] if both == axes and row == axes[1:]:
            made = record.operations.get(product)
            if len(axes) == 2 and isinstance(made, MatrixProduct):
                return record.operation(Affine(*made.args, terms[1][0].array))
    return None


def picked(array: Expr, labels: Sequence[Expr], positions: Sequence[Ref], record: Recorder) -> Ref | None:
    """`P[b, t[b]]`, one entry of each row, as one call."""
    match labels, positions:
        case (Index() as row, _), (_, Ref(columns, axes)) if axes == (row,):
            return Ref(record.operation(Pick(array, columns)), axes)
    return None


def scattered(terms: Sequence[tuple[Ref, bool]], axes: tuple[Index, ...], record: Recorder) -> Expr | None:
    """A matrix and a multiple of `[c = t[b]]`, the gradient of a selection, without an array of zeros and ones."""
    match terms:
        case [(Ref(matrix, both), False), (Ref(ones, these), minus)] if both == these == axes and len(axes) == 2:
            made = record.operations.get(ones, ones)
            if is_negative(made):
                minus, made = not minus, record.operations.get(without_sign(made), made)
            divisor = ONE
            match made:
                case sympy.Mul(args=(indicator, sympy.Pow(base=size, exp=-1))) if size in record.sizes:
                    divisor, made = size, record.operations.get(indicator, indicator)
            if (columns := _indicated(made, record)) is not None:
                number = ONE if divisor == ONE else record.operation(power(divisor, -1))
                return record.operation(
                    Scatter(matrix, columns, record.operation(negative(number)) if minus else number)
                )
    return None


def _indicated(made: Expr, record: Recorder) -> Expr | None:
    """`t` of the matrix that is 1 where its column is `t[row]`, else 0."""
    match made:
        case sympy.Piecewise(
            args=(sympy.Tuple(args=(then, sympy.Eq(args=(column, View() as label)))), sympy.Tuple(args=(rest, _)))
        ):
            along_rows = label.numbers(1) == (0, NEW_AXIS)
            if (then, rest) == (ONE, ZERO) and along_rows and isinstance(record.operations.get(column), Positions):
                columns: Expr = label.args[0]
                return columns
    return None


class Exponentials(NamedTuple):
    """What a logsumexp was made of: exponentials without overflow, and their sum, which broadcasts against them."""

    raised: Expr
    total: Expr


def quotients(
    record: Recorder, results: Sequence[Expr], exponentials: Mapping[tuple[Expr, Expr], Exponentials]
) -> None:
    """`exp(x - logsumexp(x))` as what the logsumexp was made of: exponentials, divided by their sum.

    It saves the second exponential, the dearest part of a softmax, and is a little closer to the exact value.

    Args:
        record: the operations.
        results: what the program returns.
        exponentials: those of each array and its logsumexp, which broadcasts against it.
    """
    for target in record.live(results):
        match record.operations[target]:
            case sympy.exp(args=(below,)) if (difference := _difference(below, record)) is not None:
                array, _, subtracted = difference
                if (found := exponentials.get((array, subtracted))) is not None:
                    record.operations[target] = mul(found.raised, power(found.total, -1))


def _difference(below: Expr, record: Recorder) -> tuple[Expr, Expr, Expr] | None:
    """`a` and `b` of `a - b`, and between them what holds `-b`."""
    match record.operations.get(below):
        case sympy.Add(args=(array, negated)):
            match record.operations.get(negated):
                case sympy.Mul(args=(sympy.Integer(p=-1), subtracted)):
                    return array, negated, subtracted
    return None


def softmaxes(record: Recorder, results: Sequence[Expr]) -> None:
    """`exp(x - logsumexp(x))` along an axis as one call, wherever nothing else reads the logsumexp."""
    live = record.live(results)
    readers = Counter(read for target in live for read in {*reads_of(record.operations[target])})
    readers.update(results)
    for target in live:
        match record.operations[target]:
            case sympy.exp(args=(below,)) if readers[below] == 1:
                found = _shifted(below, record)
                if found is not None and readers[found[1]] == readers[found[2]] == 1:
                    record.operations[target] = found[0]


def _shifted(below: Expr, record: Recorder) -> tuple[Expr, Expr, Expr] | None:
    """Where `below` is `x - logsumexp(x)`: the softmax, the negative logsumexp, the logsumexp."""
    if (difference := _difference(below, record)) is None:
        return None
    array, negated, total = difference
    inner, order = (total.args[0], total.numbers(1)) if isinstance(total, View) else (total, ())
    axis = order.index(NEW_AXIS) if NEW_AXIS in order else 0  # a first axis broadcasts by itself
    made, kept = record.operations.get(inner), [old for old in order if old != NEW_AXIS]
    if made == reduced(array, "logsumexp", [axis], rank=axis + 2) and kept == sorted(kept):
        return Softmax(array, sympy.Integer(axis)), negated, inner
    return None


def log_softmaxes(record: Recorder, results: Sequence[Expr]) -> None:
    """A logsumexp of rows that meets only its rows and their picked entries, as a log-softmax that stands for both.

    `logsumexp(x) - x[b,t[b]]` and `exp(x - logsumexp(x))` are a cross-entropy and its gradient.
    """
    readers: dict[Expr, list[sympy.Symbol]] = defaultdict(list)
    for target in record.live(results):
        for read in dict.fromkeys(reads_of(record.operations[target])):
            readers[read].append(target)
    for total, reading in list(readers.items()):
        match record.operations.get(total), reading:
            case Reduced(kind="logsumexp", args=(array, _, sympy.Tuple(args=(sympy.Integer(p=1),)))), [entry, negated]:
                columns = _picked_below(record.operations[entry], total, array, record)
                shifted = readers[negated]
                is_shift = record.operations[negated] == negative(view(total, (0, NEW_AXIS))) and len(shifted) == 1
                if columns is None or not is_shift or {total, negated, *shifted} & {*results}:
                    continue
                if not _is_sum(record.operations[shifted[0]], array, negated):
                    continue
                record.operations[total] = LogSoftmax(array, sympy.Integer(1))
                record.operations[entry] = negative(Pick(total, columns))
                record.labels.pop(total, None)
                for reader in readers[shifted[0]]:
                    record.operations[reader] = substitute(record.operations[reader], {shifted[0]: total})


def _is_sum(operation: Expr, *terms: Expr) -> bool:
    return isinstance(operation, sympy.Add) and operation.args == terms


def _picked_below(operation: Expr, total: Expr, array: Expr, record: Recorder) -> Expr | None:
    """`t` where the operation is `total - array[b,t[b]]`."""
    match operation:
        case sympy.Add(args=(first, negated)) if first == total:
            match record.operations.get(negated):
                case sympy.Mul(args=(sympy.Integer(p=-1), entries)):
                    match record.operations.get(entries):
                        case Pick(args=(matrix, columns)) if matrix == array:
                            found: Expr = columns
                            return found
    return None


def through_tanh(product: sympy.Mul) -> tuple[Expr, Expr] | None:
    """Of a product with a factor `1 - a**2` the other factors and `a`."""
    for position, factor in enumerate(product.args):
        match factor:
            case sympy.Add(
                args=(sympy.Integer(p=1), sympy.Mul(args=(sympy.Integer(p=-1), sympy.Pow(exp=2) as square)))
            ):
                return mul(*product.args[:position], *product.args[position + 1 :]), square.base
    return None
