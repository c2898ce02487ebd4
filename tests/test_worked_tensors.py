"""Published worked examples on vectors and matrices: values, gradients and Jacobians as their authors print them.

The file is that of `test_worked_examples`. A formula is read by symgrad's own reader over the names of the nodes and
held against the derivation at the published point and at random ones; what the authors print wrong must be told apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest

import symgrad as sg
from symgrad.backends.numpy import compile_graph
from symgrad.core.graph import Graph, Node
from symgrad.readers.text import read_line

Entry = Mapping[str, Any]

ENTRIES: tuple[Entry, ...] = tuple(
    entry
    for line in (Path(__file__).parent / "data" / "worked_examples.jsonl").read_text(encoding="utf-8").splitlines()
    if (entry := json.loads(line))["shapes"]
)

RTOL = 1e-10


def having(*keys: str) -> pytest.MarkDecorator:
    """Parametrize by the entries that publish something."""
    chosen = [e for e in ENTRIES if any(key in e["expected"] or key in e for key in keys)]
    assert chosen
    return pytest.mark.parametrize("entry", chosen, ids=lambda e: e["id"])


def graph_of(entry: Entry) -> Graph:
    """The definitions with their shapes."""
    shapes = {name: tuple(shape) for name, shape in entry["shapes"].items()}
    return sg.read("\n".join(f"{name} = {body}" for name, body in entry["definitions"]), shapes)


def points(entry: Entry, graph: Graph) -> Iterator[dict[str, Any]]:
    """The published point, if it is whole, and four random ones in the domain and under the assumptions."""
    if all(leaf in entry["inputs"] for leaf in graph.leaves):
        yield {leaf: entry["inputs"][leaf] for leaf in graph.leaves}
    for seed in range(4):
        generator = numpy.random.default_rng(seed)
        point: dict[str, Any] = {}
        for leaf in graph.leaves:
            low, high = entry.get("domain", {}).get(leaf, (-1.5, 1.5))
            value = generator.uniform(low, high, size=graph[leaf].shape)
            assumed = entry.get("assume", {}).get(leaf)
            if assumed == "symmetric":
                value = value + value.T
            if assumed == "invertible":
                value = value + 4 * numpy.eye(len(value))
            if assumed == "onehot":
                value = numpy.eye(value.shape[1])[generator.integers(0, value.shape[1], len(value))]
            point[leaf] = value if graph[leaf].shape else float(value)
        yield point


def evaluated(text: str, graph: Graph, at: Mapping[str, Any]) -> Any:
    """A published formula over the names of the nodes, at a point."""
    body, index = read_line(text, graph)
    extended = Graph((*graph.nodes, Node("published", body, index=index)), ("published",))
    leaves = graph.leaves
    function = compile_graph(extended, ("published",), leaves, "float64").function
    return function(*(numpy.asarray(at[leaf], dtype="float64") for leaf in leaves))[0]


def unit(entry: Entry, published: float) -> float:
    """How far a published number may be from the truth."""
    digits = entry["published_precision"]
    if digits is None:
        return abs(published) * 1e-15
    return 0.5 * 10.0 ** (numpy.floor(numpy.log10(abs(published))) - int(digits) + 1)


@having("value")
def test_published_values(entry: Entry) -> None:
    """The loss at the published point is the published number, to its digits."""
    derivation = sg.derive(graph_of(entry), entry["wrt"])
    found = sg.compile(derivation)(entry["inputs"]).value
    published = float(entry["expected"]["value"])
    assert abs(found - published) <= unit(entry, published)


@having("grad")
def test_published_gradients(entry: Entry) -> None:
    """The gradient at the published point is the published array."""
    derivation = sg.derive(graph_of(entry), entry["wrt"])
    found = sg.compile(derivation)(entry["inputs"]).gradient
    for name, published in entry["expected"]["grad"].items():
        numpy.testing.assert_allclose(found[name], published, rtol=1e-14)


@having("formula", "jacobian_formula")
def test_published_formulas(entry: Entry) -> None:
    """Every published formula equals the derivation, entry by entry, at every point."""
    graph = graph_of(entry)
    derivation = sg.derive(graph, entry["wrt"])
    program = sg.compile(derivation)
    formulas = {**entry["expected"].get("formula", {}), **entry["expected"].get("jacobian_formula", {})}
    assert formulas
    for at in points(entry, graph):
        adjoints = program(at).adjoints
        for name, text in formulas.items():
            expected = evaluated(text, graph, at)
            broadcast = numpy.broadcast_to(expected, numpy.shape(adjoints[name]))
            numpy.testing.assert_allclose(adjoints[name], broadcast, rtol=RTOL, atol=1e-12, err_msg=f"{name}: {text}")


@having("published_wrong")
def test_published_errors_are_told_apart(entry: Entry) -> None:
    """What a source prints wrong differs from the derivation somewhere."""
    graph = graph_of(entry)
    program = sg.compile(sg.derive(graph, entry["wrt"]))
    for name, text in entry["published_wrong"]["formula"].items():
        differences = [
            numpy.max(numpy.abs(program(at).adjoints[name] - evaluated(text, graph, at))) for at in points(entry, graph)
        ]
        assert max(differences) > 1e-6, f"{name}: {text}"


def test_every_entry_is_used() -> None:
    """Each vector and matrix entry publishes something that one of the tests above reads."""
    keys = {"value", "grad", "formula", "jacobian_formula"}
    assert len(ENTRIES) == 33
    for entry in ENTRIES:
        assert set(entry["expected"]) <= keys, entry["id"]
        assert set(entry["expected"]) & keys, entry["id"]
