"""The objectives that gradients are measured on, as symgrad's text, and their derivations."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from pathlib import Path

import symgrad as sg
from symgrad.calculus.batch import batch
from symgrad.errors import SymgradWarning

MIXTURE = ("alpha", "M", "Q", "T")
NETWORK = ("W1", "b1", "W2", "b2")
REGRESSION = ("w", "b")
OBSERVATION = ("r1", "r2", "r3", "c1", "c2", "c3", "f", "o1", "o2", "k1", "k2", "p1", "p2", "p3", "w")
"""What a residual is differentiated by: 11 numbers of the camera, 3 of the point, the weight."""
MEASURED = ("m1", "m2")


def source(name: str, **sizes: int) -> str:
    """The text of an objective, with numbers for the sizes that are named.

    Args:
        name: the file's name without its suffix.
        sizes: numbers for names in the declared shapes; the others stay names.
    """
    text = (Path(__file__).parent / f"{name}.sg").read_text(encoding="utf-8")
    for size, number in sizes.items():
        text = re.sub(rf"\b{size}\b", str(number), text)
    return text


def logistic_regression() -> sg.Derivation:
    """The gradient of logistic regression by `w` and `b`."""
    return sg.derive(sg.read(source("logistic_regression")), REGRESSION)


def perceptron() -> sg.Derivation:
    """The gradient of a network's loss by its four parameters."""
    return sg.derive(sg.read(source("perceptron")), NETWORK)


def gaussian_mixture(**sizes: int) -> sg.Derivation:
    """The gradient of the mixture's objective by its parameters; `d` and `k` may be numbers."""
    return sg.derive(sg.read(source("gaussian_mixture", **sizes)), MIXTURE)


def reprojection() -> sg.Derivation:
    """Both residuals and their Jacobian, for many observations at once: every leaf has one value an observation.

    The derivations of `u` and `v` share one graph, to which batching adds an index. The outputs of its gradient are
    `v`, and then the derivatives of `u` and of `v` by each of `OBSERVATION`.
    """
    with warnings.catch_warnings(action="ignore", category=SymgradWarning):  # v does not use u
        model = sg.read(source("reprojection"))
    of_u, of_v = (sg.derive(model, OBSERVATION, output=output) for output in "uv")
    nodes = dict.fromkeys((*of_u.gradient.nodes, *of_v.gradient.nodes))
    rows = (*of_u.gradient.outputs, *of_v.gradient.outputs)
    graph = sg.Graph(tuple(nodes), ("v", *rows))
    one = replace(of_u, gradient=graph)
    many, _ = batch(one, (*OBSERVATION, *MEASURED))
    needed = many.ancestors("u", *graph.outputs)
    kept = tuple(node for node in many.nodes if node.name in needed)
    return replace(of_u, gradient=sg.Graph(kept, graph.outputs))
