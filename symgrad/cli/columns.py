"""Columns of data from the command line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from symgrad.errors import DataError
from symgrad.readers.values import arrays, number, value


def columns(given: Iterable[str], leaves: Collection[str]) -> dict[str, Any]:
    """`--data` as columns: those of a file that the model reads, and those written out; one number is a constant.

    Of a CSV file the columns `X[0]`, `X[1]`, … together are the rows of `X`.

    Raises:
        DataError: if a column is given twice, or a value is not a number.
    """
    found: dict[str, Any] = {}
    for part in given:
        name, equals, text = (piece.strip() for piece in part.partition("="))
        if equals and name.isidentifier():
            new: Mapping[str, Any] = {name: _written_out(name, text)}
        elif not part.strip():
            raise DataError("--data is empty; write NAME=1,2,3 or the name of a CSV file.")
        elif part.strip().endswith(".npz"):
            new = {name: array for name, array in arrays(part.strip()).items() if name in leaves}
        else:
            new = _of_csv(part, leaves)
        for column in new:
            if column in found:
                raise DataError(f"--data gives the column {column!r} twice.")
        found.update(new)
    return found


def _written_out(name: str, text: str) -> Any:
    """`1,2,3` or `[[1,2],[3,4]]`; one number is a constant."""
    if text.startswith("["):
        return value(text, f"--data {name}")
    cells = [cell for cell in text.split(",") if cell.strip()]
    if not cells:
        raise DataError(f"--data {name} has no values; write {name}=1,2,3.")
    parsed = [number(cell.strip(), f"--data {name}") for cell in cells]
    return parsed if len(parsed) > 1 or text.endswith(",") else parsed[0]


def _of_csv(path: str, leaves: Collection[str]) -> dict[str, Any]:
    """The columns of a CSV file that the model reads, numbered ones joined."""
    from symgrad.training.data import read_csv

    found: dict[str, Any] = {}
    parts: dict[str, dict[int, list[float]]] = {}
    for header, cells in read_csv(path, lambda header: header in leaves or _numbered(header)[0] in leaves).items():
        name, place = _numbered(header)
        if header in leaves or place is None:
            found[header] = cells
        else:
            parts.setdefault(name, {})[place] = cells
    for name, numbered in parts.items():
        if sorted(numbered) != list(range(len(numbered))) or name in found:
            raise DataError(f"{path}: the columns of {name!r} are to be {name}[0], {name}[1], … without a gap.")
        found[name] = [list(row) for row in zip(*(numbered[k] for k in range(len(numbered))), strict=True)]
    return found


def _numbered(header: str) -> tuple[str, int | None]:
    """`X[3]` as `X` and 3."""
    match = re.fullmatch(r"(\w+)\[(\d+)\]", header)
    return (match[1], int(match[2])) if match else (header, None)


def rows(columns: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Columns as points.

    Raises:
        DataError: if they differ in length.
    """
    lengths = {len(cells) for cells in columns.values() if isinstance(cells, list)}
    if len(lengths) > 1:
        raise DataError("the columns of --data differ in length.")
    for position in range(next(iter(lengths), 1)):
        yield {name: cells[position] if isinstance(cells, list) else cells for name, cells in columns.items()}
