"""Data: one column a leaf, checked cell by cell before anything runs."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from symgrad.backends.numpy import scalar_type
from symgrad.core.derivation import Derivation
from symgrad.core.names import listing, suggestion
from symgrad.errors import DataError

Column = Sequence[float] | numpy.ndarray


@dataclass(frozen=True)
class Samples:
    """What a run works on, in the run's own precision.

    Args:
        parameters: initial values of `wrt`, in that order.
        constants: leaves that are neither trained nor data.
        columns: one array of `count` values for each data leaf.
        count: how many samples.
    """

    parameters: dict[str, Any]
    constants: dict[str, Any]
    columns: dict[str, numpy.ndarray]
    count: int


def read_csv(path: str | Path, wanted: Collection[str] | None = None) -> dict[str, list[float]]:
    """The columns of a CSV file with a header.

    Args:
        path: a UTF-8 file; commas, semicolons or tabs separate the cells.
        wanted: the columns to read, all when left out; what stands in the others does not matter.

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
    columns: dict[str, list[float]] = {name: [] for name in header if wanted is None or name in wanted}
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


def prepare(derivation: Derivation, data: Mapping[str, Any], init: Mapping[str, float], dtype: str) -> Samples:
    """Sort values into parameters, constants and columns.

    Args:
        derivation: says which leaves there are and which are trained.
        data: a sequence of numbers for each data leaf; a single number is the same for every sample.
        init: a number for each trained leaf; for another leaf, a constant.
        dtype: the precision of the run.

    Raises:
        DataError: if a leaf has no value or two, a name is unknown, columns differ in length, or a value is not finite.
    """
    leaves, trained = derivation.gradient.leaves, derivation.wrt
    known = derivation.primal.leaves
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
            raise DataError(f"{name!r} is trained, so it cannot be data too; give its start with init.")
        if name in init:
            raise DataError(f"{name!r} has both data and an initial value; give one of them.")
    real = scalar_type(dtype)
    parameters = {}
    for name in trained:
        if name not in init:
            raise DataError(f"the trained {name!r} has no initial value; give one, as in {name}=1.")
        parameters[name] = real(_number(init[name], f"the initial value of {name!r}"))
    constants = {n: real(_number(v, f"the value of {n!r}")) for n, v in init.items() if n not in trained}
    columns: dict[str, numpy.ndarray] = {}
    for name, values in data.items():
        if isinstance(values, (int, float, numpy.number)):
            constants[name] = real(_number(values, f"the value of {name!r}"))
        else:
            columns[name] = _column(name, values, dtype)
    missing = [leaf for leaf in leaves if leaf not in parameters | constants | columns]
    if missing:
        raise DataError(f"there is no data for {listing(missing)}; every leaf needs a column, a constant or wrt.")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise DataError(f"the columns differ in length: {told}.")
    return Samples(parameters, constants, columns, next(iter(lengths.values()), 1))


def _number(value: object, place: str) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]  # the point is to find out
    except (TypeError, ValueError):
        raise DataError(f"{place} is {value!r}, which is not a number.") from None
    if not math.isfinite(number):
        raise DataError(f"{place} is {number}, which is not finite.")
    return number


def _column(name: str, values: Column, dtype: str) -> numpy.ndarray:
    try:
        column = numpy.asarray(values, dtype=numpy.float64)
    except (TypeError, ValueError):
        raise DataError(f"the data for {name!r} is not a sequence of numbers.") from None
    if column.ndim != 1 or not len(column):
        raise DataError(f"the data for {name!r} is not one number a sample; its shape is {column.shape}.")
    with numpy.errstate(over="ignore"):
        column = column.astype(dtype)
    if not numpy.isfinite(column).all():
        row = int(numpy.argmin(numpy.isfinite(column)))
        raise DataError(f"the data for {name!r} is {values[row]} at sample {row}, which is not a finite {dtype}.")
    return column
