"""Models in files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from symgrad.core.graph import Graph
from symgrad.errors import ReadError
from symgrad.readers.json import read_json
from symgrad.readers.text import read


def read_file(
    path: str | Path, shapes: Mapping[str, tuple[str | int, ...]] | None = None, *, output: str | None = None
) -> Graph:
    """Read a model from a file.

    Args:
        path: `model.sg` (the text grammar) or `model.json` (what the JSON renderer wrote).
        shapes: as for `read`.
        output: as for `read`.

    Returns:
        The graph.

    Raises:
        ReadError: if the file cannot be opened, is not UTF-8 text or does not hold a model.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReadError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from None
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error.strerror or error}.") from None
    if Path(path).suffix == ".json":
        return read_json(text, output=output)
    return read(text, shapes, output=output)
