"""Data: one column a leaf, checked cell by cell before anything runs."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from symgrad.backends.numpy import scalar_type
from symgrad.backends.values import check_labels
from symgrad.core.derivation import Derivation
from symgrad.core.names import listing, suggestion
from symgrad.errors import DataError
from symgrad.training.initial import drawn


@dataclass(frozen=True)
class Samples:
    """What a run works on, in the run's own precision.

    Args:
        parameters: initial values of `wrt`, in that order.
        constants: leaves that are neither trained nor data.
        columns: for each data leaf an array whose first axis is the samples'.
        count: how many samples.
        batched: whether the model has the sample axis itself, and takes slices.
    """

    parameters: dict[str, Any]
    constants: dict[str, Any]
    columns: dict[str, numpy.ndarray]
    count: int
    batched: bool = False


def read_csv(path: str | Path, wanted: Callable[[str], bool] = bool) -> dict[str, list[float]]:
    """The columns of a CSV file with a header.

    Args:
        path: a UTF-8 file; commas, semicolons or tabs separate the cells.
        wanted: whether to read the column of a name; what stands in the others does not matter.

    Raises:
        DataError: if the file cannot be read, is empty, or a cell is not a finite number; the row and the column are
            named, rows counted as an editor counts lines.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8.") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}.") from None
    first = text.lstrip().partition("\n")[0]
    separator = next((s for s in ",;\t" if s in first), ",")
    rows = [(reader_line, row) for reader_line, row in _rows(text, separator) if any(cell.strip() for cell in row)]
    if not rows:
        raise DataError(f"{path} is empty; it needs a header and at least one row.")
    header = [name.strip() for name in rows[0][1]]
    if len(set(header)) < len(header):
        repeated = next(name for i, name in enumerate(header) if name in header[:i])
        raise DataError(f"{path} has two columns named {repeated!r}; each needs a name of its own.")
    if len(rows) == 1:
        raise DataError(f"{path} has a header but no rows.")
    columns: dict[str, list[float]] = {name: [] for name in header if wanted(name)}
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise DataError(f"{path}, line {line}: {len(row)} cells where the header has {len(header)}.")
        for name, cell in zip(header, row, strict=True):
            if name not in columns:
                continue
            columns[name].append(_cell(cell, f"{path}, line {line}, column {name!r}"))
    return columns


def _rows(text: str, separator: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        return [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise DataError(f"line {reader.line_num}: {error}.") from None


def _cell(cell: str, place: str) -> float:
    try:
        value = float(
            cell if cell.isascii() and "_" not in cell else ""
        )  # Python reads 1_000 and other scripts' digits
    except ValueError:
        shown = "an empty cell" if not cell.strip() else repr(cell.strip())
        raise DataError(f"{place}: {shown} is not a number.") from None
    if not math.isfinite(value):
        raise DataError(f"{place}: {cell.strip()} is not a finite number.")
    return value


def prepare(
    derivation: Derivation, data: Mapping[str, Any], init: Mapping[str, Any], dtype: str, seed: int = 0
) -> Samples:
    """Sort values into parameters, constants and columns.

    Args:
        derivation: says which leaves there are and which are trained.
        data: for each data leaf a sequence of its values, one a sample; for a leaf whose first axis is the sample
            axis, its value. A single value is the same for every sample.
        init: a value for each trained leaf, or a rule of `symgrad.training.initial`; for another leaf, a constant.
        dtype: the precision of the run.
        seed: of the rules.

    Raises:
        DataError: if a leaf has no value or two, a name is unknown, columns differ in length, or a value is not finite.
    """
    leaves, trained = derivation.gradient.leaves, derivation.wrt
    _check_names(derivation, data, init)
    sizes = _Sizes()
    columns: dict[str, numpy.ndarray] = {}
    constants: dict[str, Any] = {}
    axis = _sample_axis(derivation, data)
    for name, values in {**data, **{n: v for n, v in init.items() if n not in trained}}.items():
        if name not in leaves:
            continue
        node = derivation.primal[name]
        array = _array(name, values, "int64" if name in derivation.primal.selectors else dtype)
        of_samples = array.ndim == node.rank + 1 or (
            axis is not None and array.ndim == node.rank > 0 and node.shape[0] == axis
        )
        if of_samples and name in data:
            sizes.meet(name, node.shape if array.ndim == node.rank else (None, *node.shape), array)
            columns[name] = array
        else:
            sizes.meet(name, node.shape, array)
            constants[name] = array if node.shape else array[()]
    parameters = _parameters(derivation, init, sizes, dtype, seed)
    missing = [leaf for leaf in leaves if leaf not in parameters | constants | columns]
    if missing:
        raise DataError(f"there is no data for {listing(missing)}; every leaf needs a column, a constant or wrt.")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise DataError(f"the columns differ in length: {told}.")
    for name, selected in derivation.primal.selectors.items():
        if name in columns or name in constants:
            known = sizes.of([s for s in selected if sizes.of([s]) is not None]) or ()
            check_labels(name, columns.get(name, constants.get(name)), known)
    batched = any(columns[name].ndim == derivation.primal[name].rank for name in columns)
    mixed = [name for name in columns if batched and columns[name].ndim != derivation.primal[name].rank]
    if mixed:
        raise DataError(
            f"{listing(mixed)} has one value a sample, but the model has a sample axis {axis!r} of its own."
        )
    return Samples(parameters, constants, columns, next(iter(lengths.values()), 1), batched)


def _check_names(derivation: Derivation, data: Mapping[str, Any], init: Mapping[str, Any]) -> None:
    known, trained = derivation.primal.leaves, derivation.wrt
    for name in trained:
        if not derivation.primal[name].is_leaf:
            raise DataError(f"cannot train {name!r}: it is computed from {listing(derivation.primal[name].parents)}.")
    for source, given in (("data", data), ("init", init)):
        for name in given:
            if name not in known:
                hint = suggestion(name, known) or f" The leaves are {listing(known)}."
                raise DataError(f"{source} names {name!r}, which is not a leaf.{hint}")
    for name in data:
        if name in trained:
            way_out = "name what is trained with wrt, or give its start with init"
            raise DataError(f"{name!r} is trained, so it cannot be data too; {way_out}.")
        if name in init:
            raise DataError(f"{name!r} has both data and an initial value; give one of them.")


def _sample_axis(derivation: Derivation, data: Mapping[str, Any]) -> str | None:
    """The size by name that the data share as their first axis and no trained leaf has: the number of samples."""
    trained = {size for name in derivation.wrt for size in derivation.primal[name].shape}
    first = [derivation.primal[name].shape[0] for name in data if derivation.primal[name].shape]
    return next((size for size in first if isinstance(size, str) and size not in trained), None)


class _Sizes:
    """What each size by name turned out to be, and where."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[int, str]] = {}

    def meet(self, name: str, shape: Sequence[str | int | None], array: numpy.ndarray) -> None:
        """Hold an array against the declared shape; None stands for the samples.

        Raises:
            DataError: if it does not fit.
        """
        declared = "(" + ", ".join("samples" if size is None else str(size) for size in shape) + ")"
        if array.ndim != len(shape):
            one = " one number a sample;" if len(shape) == 0 else f" of shape {declared};"
            raise DataError(f"the data for {name!r} is not{one} its shape is {array.shape}.")
        for size, actual in zip(shape, array.shape, strict=True):
            if size is None:
                continue
            expected, first = (size, name) if isinstance(size, int) else self.known.setdefault(size, (actual, name))
            if expected != actual:
                told = "" if isinstance(size, int) else f"; the size {size!r} is {expected} in {first!r}"
                raise DataError(f"{name!r} has shape {declared}, but its value has shape {array.shape}{told}.")

    def of(self, shape: Sequence[str | int]) -> tuple[int, ...] | None:
        """The shape in numbers, None if a size is not known."""
        if any(isinstance(size, str) and size not in self.known for size in shape):
            return None
        return tuple(size if isinstance(size, int) else self.known[size][0] for size in shape)


def _parameters(
    derivation: Derivation, init: Mapping[str, Any], sizes: _Sizes, dtype: str, seed: int
) -> dict[str, Any]:
    """The start of each trained leaf; those given as values settle the sizes for those drawn by a rule."""
    real = scalar_type(dtype)
    found: dict[str, Any] = {}
    for name in sorted(derivation.wrt, key=lambda n: isinstance(init.get(n), str)):
        node = derivation.primal[name]
        if name not in init:
            example = "1" if not node.shape else "glorot"
            raise DataError(f"the trained {name!r} has no initial value; give one, as in {name}={example}.")
        value = init[name]
        if isinstance(value, str):
            shape = sizes.of(node.shape)
            if shape is None:
                unknown = listing([s for s in node.shape if isinstance(s, str) and s not in sizes.known])
                declared = tuple(3 if isinstance(size, str) else size for size in node.shape)
                raise DataError(
                    f"the size {unknown} of {name!r} is not known from any value; declare it as a number, as in "
                    f"{name}: {declared}."
                )
            value = drawn(value, name, shape, seed)
        if node.shape:
            array = _array(name, value, dtype)
            sizes.meet(name, node.shape, array)
            found[name] = array
        else:
            found[name] = real(_number(value, f"the initial value of {name!r}"))
    return {name: found[name] for name in derivation.wrt}


def _number(value: object, place: str) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]  # the point is to find out
    except (TypeError, ValueError):
        raise DataError(f"{place} is {value!r}, which is not a number.") from None
    if not math.isfinite(number):
        raise DataError(f"{place} is {number}, which is not finite.")
    return number


def _array(name: str, values: Any, dtype: str) -> numpy.ndarray:
    """Values as an array of finite numbers, of whole numbers for `int64`."""
    try:
        given = numpy.asarray(values)
        if given.dtype.kind not in "biufO" or (given.dtype.kind == "O" and any(isinstance(v, str) for v in given.flat)):
            raise TypeError  # NumPy would read text as numbers, and drop imaginary parts
        exact = numpy.asarray(values, dtype=numpy.float64)
    except (TypeError, ValueError, OverflowError):
        what = f"is {values!r}, which is not a number" if isinstance(values, str) else "is not a sequence of numbers"
        raise DataError(f"the data for {name!r} {what}.") from None
    if exact.ndim and not len(exact):
        raise DataError(f"the data for {name!r} is not one number a sample; its shape is {exact.shape}.")
    with numpy.errstate(over="ignore", invalid="ignore"):
        array = exact.astype(dtype)
    bad = (array != exact) | (exact < 0) if dtype == "int64" else ~numpy.isfinite(array)
    if bad.any():
        place = tuple(int(i) for i in numpy.argwhere(bad)[0])
        where = f" at sample {place[0]}" if place else ""
        what = "a whole number from 0, as a label is" if dtype == "int64" else f"a finite {dtype}"
        raise DataError(f"the data for {name!r} is {exact[place]}{where}, which is not {what}.")
    return array
