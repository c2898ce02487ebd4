"""JSON, lossless: every formula in the text grammar, every number with all its digits."""

from __future__ import annotations

import json
import math
from typing import Any

from symgrad.calculus.forms import Forms
from symgrad.core.derivation import Derivation, Step
from symgrad.core.results import Evaluation
from symgrad.renderers.formula import TextPrinter
from symgrad.renderers.latex_formula import LatexPrinter, distinct_names

SCHEMA = 1
PATH_LIMIT = 64
"""At most this many paths are listed for a name."""


def to_json(derivation: Derivation, evaluation: Evaluation | None = None) -> str:
    """A derivation as JSON (`"schema": 1`), which `symgrad` reads back to the same text.

    `value` fields are there only with an evaluation; a number that is not finite is the string `"nan"`, `"inf"` or
    `"-inf"`, since JSON has none. `worked` and `closed` are null where the form would be too large.
    """
    primal = derivation.primal
    latex = LatexPrinter(distinct_names(node.name for node in primal.nodes))
    text, forms = TextPrinter(), Forms(derivation)

    def valued(entry: dict[str, Any], value: float | None) -> dict[str, Any]:
        return entry if value is None else {**entry, "value": _number(value)}

    def role(name: str) -> str:
        if name == derivation.output:
            return "output"
        if not primal[name].is_leaf:
            return "intermediate"
        return "parameter" if name in derivation.wrt else "input"

    nodes = []
    for node in primal.nodes:
        entry: dict[str, Any] = {"name": node.name, "role": role(node.name), "index": [], "summed": []}
        entry["body"] = None if node.body is None else text.print(node.body)
        entry["latex"] = (
            latex.name(node.name) if node.body is None else f"{latex.name(node.name)} = {latex.print(node.body)}"
        )
        entry["shape"] = list(node.shape)
        nodes.append(valued(entry, evaluation.nodes.get(node.name) if evaluation else None))
    edges = [
        valued(
            {
                "name": t.partial_name,
                "child": t.child,
                "parent": t.parent,
                "partial": text.print(t.partial),
                "rule": t.rule,
            },
            evaluation.partials[t.child, t.parent] if evaluation else None,
        )
        for t in derivation.terms
    ]
    steps = [
        valued(
            {
                "node": step.node,
                "terms": [_term(derivation, step, t.child) for t in step.terms],
                "adjoint": step.adjoint,
            },
            evaluation.adjoints[step.node] if evaluation else None,
        )
        for step in derivation.steps
    ]
    gradients = [
        valued(_gradient(derivation, forms, name, text), evaluation.gradient[name] if evaluation else None)
        for name in derivation.wrt
    ]
    whole = {
        "schema": SCHEMA,
        "output": derivation.output,
        "wrt": list(derivation.wrt),
        "nodes": nodes,
        "edges": edges,
        "steps": steps,
        "gradients": gradients,
    }
    return json.dumps(whole, ensure_ascii=False, allow_nan=False, indent=1)


def _term(derivation: Derivation, step: Step, child: str) -> str:
    term = next(t for t in step.terms if t.child == child)
    return f"{derivation.adjoints[child]}*{term.partial_name}"


def _gradient(derivation: Derivation, forms: Forms, name: str, text: TextPrinter) -> dict[str, Any]:
    step = derivation.step(name)
    worked = forms.worked[name]
    closed = forms.closed(worked)
    return {
        "wrt": name,
        "paths": [list(path.nodes) for path in forms.paths(name, PATH_LIMIT)] if step.terms else [],
        "path_count": forms.path_counts[name],
        "leibniz": " + ".join(_term(derivation, step, t.child) for t in step.terms) or text.print(worked),
        "worked": text.print(worked),
        "closed": None if closed is None else text.print(closed),
    }


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
