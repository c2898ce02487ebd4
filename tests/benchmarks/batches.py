"""Models on numbers, evaluated for many samples at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy

import symgrad as sg
from symgrad.calculus.batch import batch

SAMPLES = 1_000


def batched(derivation: sg.Derivation) -> tuple[sg.Derivation, list[Any]]:
    """The mean loss over samples and its gradient, every leaf with a value a sample.

    Args:
        derivation: of a model on numbers.

    Returns:
        The derivation over a batch, and a value for each of its leaves: between ½ and 1.
    """
    leaves = derivation.gradient.leaves
    graph, count = batch(derivation, leaves)
    draw = numpy.random.default_rng(0)
    values = [numpy.float64(SAMPLES) if leaf == count else draw.uniform(0.5, 1, SAMPLES) for leaf in graph.leaves]
    return replace(derivation, gradient=sg.Graph(graph.nodes, graph.outputs[1:])), values
