"""What a model predicts: its last node that does not depend on the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy

from symgrad.backends.numpy import compile_graph
from symgrad.backends.values import Value, plain
from symgrad.core.derivation import Derivation
from symgrad.core.names import listing, suggestion
from symgrad.errors import DataError

Predict = Callable[[Mapping[str, Any]], Value]
"""From the trained leaves' values to the prediction."""


def predictor(derivation: Derivation, inputs: Mapping[str, Any], constants: Mapping[str, Any], dtype: str) -> Predict:
    """A function that evaluates the model at an input.

    Args:
        derivation: the loss; leaves that are neither given nor trained are targets.
        inputs: the given values, by leaf.
        constants: further leaves with a value.
        dtype: the precision to work in.

    Returns:
        A function of the trained leaves' values. What it computes is the last definition that depends on every input
        and on no target, and is not the loss.

    Raises:
        DataError: if an input is not a leaf, or nothing can be computed from the given ones.
    """
    graph = derivation.primal
    for name in inputs:
        if name not in graph.leaves:
            hint = suggestion(name, graph.leaves) or f" The leaves are {listing(graph.leaves)}."
            raise DataError(f"--predict names {name!r}, which is not a leaf.{hint}")
    known = {**constants, **inputs}
    targets = [leaf for leaf in graph.leaves if leaf not in known and leaf not in derivation.wrt]
    beyond = graph.descendants(tuple(targets)) if targets else frozenset()
    from_inputs = frozenset.intersection(*(graph.descendants((name,)) for name in inputs))
    needed = graph.ancestors(derivation.output)
    candidates = (from_inputs & needed) - beyond - {derivation.output}
    nodes = [n for n in graph.nodes if n.body is not None and n.name in candidates and not n.inserted]
    if not nodes:
        without = f" and not on {listing(targets)}" if targets else ", other than the loss itself"
        raise DataError(
            f"--predict: no definition depends on {listing(inputs)}{without}; give the inputs of the model but not its "
            "target, and a name to what it predicts."
        )
    predicted = nodes[-1]
    leaves = [leaf for leaf in graph.leaves if leaf in graph.ancestors(predicted.name)]
    function = compile_graph(graph, (predicted.name,), leaves, dtype).function

    def predict(parameters: Mapping[str, Any]) -> Value:
        point = {**known, **parameters, **inputs}
        with numpy.errstate(all="ignore"):
            (value,) = function(*(_typed(point[leaf], dtype) for leaf in leaves))
        return plain(value, predicted.shape)

    return predict


def _typed(value: Any, dtype: str) -> Any:
    array = numpy.asarray(value, dtype)
    return array if array.ndim else array[()]
