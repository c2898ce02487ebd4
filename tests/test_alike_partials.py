"""Partials found for one line and renamed for another are those that the rules give for the other."""

from __future__ import annotations

import pytest
from cases import CASES
from tensor_models import MODELS

import symgrad as sg
from symgrad.calculus import alike
from symgrad.calculus.alike import PartialsByForm
from symgrad.calculus.partial import partials
from symgrad.core.expression import Expr, name_of, occurrences, substitute
from symgrad.core.graph import Graph
from symgrad.core.indices import entry, subscripts_of

GRAPHS = {problem.name: problem.text for problem in (*CASES, *MODELS)}


def renamed(expression: Expr) -> Expr:
    """Every name with a letter behind it; indices stay."""

    def other(occurrence: Expr) -> Expr:
        return entry(f"{name_of(occurrence)}_r", tuple(renamed(s) for s in subscripts_of(occurrence)))

    return substitute(expression, {o: other(o) for o in occurrences(expression)})


def differ(graph: Graph, live: frozenset[str]) -> list[str]:
    """Lines whose partials by way of a form are not those of the rules, each line met under two names."""
    wanted = live | {f"{name}_r" for name in live}
    shapes = {name: node.shape for node in graph.nodes for name in (node.name, f"{node.name}_r")}
    by_form = PartialsByForm(wanted, shapes)
    lines = [(node.body, entry(node.name, node.index)) for node in graph.nodes if node.body is not None]
    lines += [(renamed(body), renamed(value)) for body, value in lines]
    return [str(value) for body, value in lines if by_form.of(body, value) != partials(body, value, wanted, shapes)]


@pytest.mark.parametrize("name", GRAPHS)
def test_renamed_partials_are_the_rules_own(name: str) -> None:
    """Every line of every named problem, and the same line under other names; some parents are held fixed."""
    graph = sg.read(GRAPHS[name])
    everything = frozenset(node.name for node in graph.nodes)
    assert differ(graph, everything) == []
    assert differ(graph, everything - {graph.leaves[0]}) == []


def test_a_wrong_renaming_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """If renaming gave back what it was given, the second of two like lines would differ."""
    monkeypatch.setattr(alike, "_renamed", lambda found, _: found)
    graph = sg.read("a = tanh(x*w)\nl = a**2")
    assert differ(graph, frozenset({"a", "x", "w"})) == ["a_r", "l_r"]


def test_like_lines_are_derived_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hundred neurons the rules see one, of a line that reads one name twice another."""
    seen: list[Expr] = []
    monkeypatch.setattr(alike, "partials", lambda *line: seen.append(line[0]) or partials(*line))
    lines = ["h0 = tanh(w0*x + b0)", *(f"h{i} = tanh(w{i}*h{i - 1} + b{i})" for i in range(1, 100))]
    sg.derive(sg.read("\n".join([*lines, "l = h99*h99"])))
    assert [body.func.__name__ for body in seen] == ["tanh", "Mul"]
