"""Columns of data from the command line."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from symgrad.cli.options import number
from symgrad.errors import DataError


def columns(given: Iterable[str], leaves: Collection[str]) -> dict[str, list[float] | float]:
    """`--data` as columns: those of a CSV file that the model reads, and those written out; one number is a constant.

    Raises:
        DataError: if a column is given twice, or a value is not a number.
    """
    from symgrad.training.data import read_csv

    found: dict[str, list[float] | float] = {}
    for part in given:
        name, equals, values = (piece.strip() for piece in part.partition("="))
        if equals and name.isidentifier():
            cells = [cell for cell in values.split(",") if cell.strip()]
            if not cells:
                raise DataError(f"--data {name} has no values; write {name}=1,2,3.")
            parsed = [number(cell.strip(), f"--data {name}") for cell in cells]
            new: Mapping[str, list[float] | float] = {
                name: parsed if len(parsed) > 1 or values.endswith(",") else parsed[0]
            }
        elif not part.strip():
            raise DataError("--data is empty; write NAME=1,2,3 or the name of a CSV file.")
        else:
            new = read_csv(part, leaves)
        for column in new:
            if column in found:
                raise DataError(f"--data gives the column {column!r} twice.")
        found.update(new)
    return found


def rows(columns: Mapping[str, list[float] | float]) -> Iterator[dict[str, float]]:
    """Columns as points.

    Raises:
        DataError: if they differ in length.
    """
    lengths = {len(values) for values in columns.values() if isinstance(values, list)}
    if len(lengths) > 1:
        raise DataError("the columns of --data differ in length.")
    for position in range(next(iter(lengths), 1)):
        yield {name: values[position] if isinstance(values, list) else values for name, values in columns.items()}
