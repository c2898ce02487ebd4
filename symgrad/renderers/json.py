"""JSON, lossless: every formula in the text grammar, every number with all its digits."""

from __future__ import annotations

import json
import math
from typing import Any

from symgrad.calculus.forms import Forms
from symgrad.calculus.tensor_forms import Line, TensorForms
from symgrad.core.derivation import Derivation, Term
from symgrad.core.results import Evaluation
from symgrad.renderers.formula import TextPrinter
from symgrad.renderers.latex_formula import LatexPrinter, distinct_names

SCHEMA = 1
PATH_LIMIT = 64
"""At most this many paths are listed for a name."""


def to_json(derivation: Derivation, evaluation: Evaluation | None = None) -> str:
    """A derivation as JSON (`"schema": 1`), which `symgrad` reads back to the same text.

    `value` fields are there only with an evaluation, nested lists for tensors; a number that is not finite is the
    string `"nan"`, `"inf"` or `"-inf"`, since JSON has none. `worked` and `closed` are null where the form would be too
    large, `matrix` where there is no usual matrix notation.
    """
    if derivation.primal.has_tensors:
        return json.dumps(_with_tensors(derivation, evaluation), ensure_ascii=False, allow_nan=False, indent=1)
    text = TextPrinter()
    whole = {
        "schema": SCHEMA,
        "output": derivation.output,
        "wrt": list(derivation.wrt),
        "nodes": _nodes(derivation, evaluation, text),
        "edges": [
            _valued(
                {
                    "name": term.partial_name,
                    "child": term.child,
                    "parent": term.parent,
                    "partial": text.print(term.partial),
                    "rule": term.rule,
                },
                evaluation.partials[term.edge] if evaluation else None,
            )
            for term in derivation.terms
        ],
        "steps": [
            _valued(
                {"node": step.node, "terms": [_product(derivation, t) for t in step.terms], "adjoint": step.adjoint},
                evaluation.adjoints[step.node] if evaluation else None,
            )
            for step in derivation.steps
        ],
        "gradients": [
            _valued(entry, evaluation.gradient[str(entry["wrt"])] if evaluation else None)
            for entry in _gradients(derivation, text)
        ],
    }
    return json.dumps(whole, ensure_ascii=False, allow_nan=False, indent=1)


def _with_tensors(derivation: Derivation, evaluation: Evaluation | None) -> dict[str, Any]:
    """The same for nodes with axes: adjoints in index notation, and in matrix notation where there is one."""
    text, forms = TextPrinter(), TensorForms(derivation)
    steps = []
    for step in derivation.steps:
        line = forms.lines.get(step.node)
        entry = {
            "node": step.node,
            "terms": [term.contribution for term in step.terms],
            "adjoint": step.adjoint,
            **(_notations(forms, line, text) if line else {}),
        }
        steps.append(_valued(entry, evaluation.adjoints.get(step.node) if evaluation else None))
    gradients = []
    for name in derivation.wrt:
        line = forms.lines[name]
        entry = {"wrt": name, **_notations(forms, line, text), "shape": [i.size for i in line.index]}
        gradients.append(_valued(entry, evaluation.gradient[name] if evaluation else None))
    edges = []
    for term in derivation.terms:
        entry = {
            "child": term.child,
            "parent": term.parent,
            "occurrence": text.print(term.occurrence),
            "number": term.number,
            "summed": [str(index) for index in term.summed],
            "partial": text.print(term.partial),
            "rule": term.rule,
        }
        # between tensors a partial has the axes of both and no value
        edges.append(_valued(entry, evaluation.partials.get(term.edge) if evaluation else None))
    return {
        "schema": SCHEMA,
        "output": derivation.output,
        "wrt": list(derivation.wrt),
        "nodes": _nodes(derivation, evaluation, text),
        "edges": edges,
        "steps": steps,
        "gradients": gradients,
    }


def _notations(forms: TensorForms, line: Line, text: TextPrinter) -> dict[str, Any]:
    """A line's indices, its formula in entries, and in matrix notation or null; formulas name adjoints."""
    matrix = forms.matrix(line.formula, line.index)
    return {
        "index": [str(index) for index in line.index],
        "indexed": text.print(line.formula),
        "matrix": None if matrix is None else text.print(matrix),
    }


def _nodes(derivation: Derivation, evaluation: Evaluation | None, text: TextPrinter) -> list[dict[str, Any]]:
    primal = derivation.primal
    latex = LatexPrinter(distinct_names(node.name for node in primal.nodes))
    entries = []
    for node in primal.nodes:
        name = latex.subscripted(latex.name(node.name), node.index)
        entry: dict[str, Any] = {
            "name": node.name,
            "role": _role(derivation, node.name),
            "index": [str(index) for index in node.index],
            "summed": [str(index) for index in node.summed],
            "body": None if node.body is None else text.print(node.body),
            "latex": name if node.body is None else f"{name} = {latex.print(node.body)}",
            "shape": list(node.shape),
            **({"inserted": True} if node.inserted and derivation.primal.has_tensors else {}),
        }
        entries.append(_valued(entry, evaluation.nodes.get(node.name) if evaluation else None))
    return entries


def _role(derivation: Derivation, name: str) -> str:
    if name == derivation.output:
        return "output"
    if not derivation.primal[name].is_leaf:
        return "intermediate"
    return "parameter" if name in derivation.wrt else "input"


def _product(derivation: Derivation, term: Term) -> str:
    return f"{derivation.adjoints[term.child]}*{term.partial_name}"


def _gradients(derivation: Derivation, text: TextPrinter) -> list[dict[str, Any]]:
    forms = Forms(derivation)
    entries = []
    for name in derivation.wrt:
        step, worked = derivation.step(name), forms.worked[name]
        closed = forms.closed(worked)
        entries.append(
            {
                "wrt": name,
                "paths": [list(path.nodes) for path in forms.paths(name, PATH_LIMIT)] if step.terms else [],
                "path_count": forms.path_counts[name],
                "leibniz": " + ".join(_product(derivation, t) for t in step.terms) or text.print(worked),
                "worked": text.print(worked),
                "closed": None if closed is None else text.print(closed),
            }
        )
    return entries


def _valued(entry: dict[str, Any], value: Any) -> dict[str, Any]:
    return entry if value is None else {**entry, "value": _plain(value)}


def _plain(value: Any) -> Any:
    """A float, or nested lists of floats, as JSON has them."""
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value if math.isfinite(value) else str(value)
