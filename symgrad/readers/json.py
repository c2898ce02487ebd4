"""Reading back what the JSON renderer wrote."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from symgrad.core.graph import Graph, shape_text
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
    lines = [line for node in nodes for line in _lines(node)]
    wanted = output if output is not None else document.get("output")
    graph = read("\n".join(lines), output=wanted if isinstance(wanted, str) else None)
    inserted = {node["name"] for node in nodes if node.get("inserted") is True}
    return _with_inserted(graph, inserted) if inserted else graph


def _lines(node: dict[str, Any]) -> list[str]:
    """A node as a declaration of its shape, if it has axes, and a definition, if it has one."""
    name, body = node.get("name"), node.get("body")
    if not isinstance(name, str) or (reason := why_not_a_name(name)):
        raise ReadError(f"the node name {name!r} is not a name" + (f": {reason}." if isinstance(name, str) else "."))
    shape, index = node.get("shape", []), node.get("index", [])
    if not isinstance(shape, list) or not all(_is_size(size) for size in shape):
        raise ReadError(f"the shape of node {name!r} is not a list of sizes.")
    declaration = f"{name}: {shape_text(tuple(shape))}"
    if body is None:
        return [declaration]
    if not isinstance(index, list) or not all(isinstance(i, str) and not why_not_a_name(i) for i in index):
        raise ReadError(f"the index of node {name!r} is not a list of names.")
    if not isinstance(body, str) or any(c in body for c in ";#\n"):
        raise ReadError(f"the body of node {name!r} is not one formula.")
    if len(index) != len(shape):
        raise ReadError(f"node {name!r} has {len(index)} indices, but its shape is {shape_text(tuple(shape))}.")
    return [declaration, f"{name}[{', '.join(index)}] = {body}"] if shape else [f"{name} = {body}"]


def _is_size(size: object) -> bool:
    if isinstance(size, str):
        return why_not_a_name(size) is None
    return isinstance(size, int) and not isinstance(size, bool) and size > 0


def _with_inserted(graph: Graph, names: set[str]) -> Graph:
    """The graph with nodes marked as the reader's own."""
    marked = (replace(n, inserted=True) if n.name in names and not n.is_leaf else n for n in graph.nodes)
    return Graph(tuple(marked), graph.outputs)


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
