"""Reading back what the JSON renderer wrote."""

from __future__ import annotations

import json
from typing import Any

from symgrad.core.graph import Graph
from symgrad.core.names import why_not_a_name
from symgrad.errors import ReadError
from symgrad.readers.text import read

SCHEMA = 1


def read_json(text: str, *, output: str | None = None) -> Graph:
    """The graph of a derivation written as JSON.

    The formulas are read by the text grammar, like any other; nothing in the file is executed.

    Args:
        text: a JSON document with `"schema": 1`.
        output: the name of the output, if it is not the one in the file.

    Raises:
        ReadError: if it is not such a document, or a formula in it cannot be read.
    """
    document = _document(text)
    nodes = document.get("nodes")
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        raise ReadError('this JSON has no list of "nodes"; write it with symgrad derive -f json.')
    lines = []
    for node in nodes:
        name, body = node.get("name"), node.get("body")
        if not isinstance(name, str) or (reason := why_not_a_name(name)):
            raise ReadError(
                f"the node name {name!r} is not a name" + (f": {reason}." if isinstance(name, str) else ".")
            )
        if body is None:
            lines.append(f"{name}: ()")
        elif isinstance(body, str) and not any(c in body for c in ";#\n"):
            lines.append(f"{name} = {body}")
        else:
            raise ReadError(f"the body of node {name!r} is not one formula.")
    wanted = output if output is not None else document.get("output")
    return read("\n".join(lines), output=wanted if isinstance(wanted, str) else None)


def wrt_of(text: str) -> tuple[str, ...] | None:
    """The names a JSON derivation was taken with respect to, or None if it does not say."""
    wrt = _document(text).get("wrt")
    return tuple(str(name) for name in wrt) if isinstance(wrt, list) and wrt else None


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise ReadError(f"this is not JSON: {error.msg}.", text, error.pos) from None
    except RecursionError:
        raise ReadError("this JSON is nested too deeply.") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ReadError(f'this is not a symgrad document: it has no "schema": {SCHEMA}.')
    return document
