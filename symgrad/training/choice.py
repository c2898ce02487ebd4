"""Whether a run is worth compiling."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import sympy

from symgrad.core.expression import HALF
from symgrad.functions import row_of
from symgrad.training.batches import Batches

PER_LINE, LOADING, PER_COMPILED_LINE = 7e-8, 0.3, 2e-4
"""Seconds, measured on one machine: of a line in Python's loop, of loading the compiler, of a line to compile."""

_EXACT = frozenset({"abs", "sign", "relu", "max", "min"})
"""Functions without a rounding of their own."""


def pays(batches: Batches, optimizer: str, options: Mapping[str, Any], epochs: int) -> bool:
    """Whether `backend="auto"` should compile a run.

    It does where the run is long enough to pay for loading the compiler and for compiling, and where the numbers do not
    tell: plain gradient descent, sample by sample, of a model that takes arithmetic and square roots alone, whose bits
    are those of the numpy backend. Otherwise a longer run of the same model would have other last digits in its first
    steps than a short one.

    Args:
        batches: the samples and the gradient's graph.
        optimizer: its name.
        options: the optimizer's keyword arguments.
        epochs: how often to go through the samples.
    """
    lines, steps = len(batches.graph.nodes), epochs * batches.per_epoch
    if steps * lines * PER_LINE < LOADING + lines * PER_COMPILED_LINE:
        return False
    if optimizer.lower() != "sgd" or options or batches.graph.has_tensors:
        return False
    return find_spec("llvmlite") is not None and all(
        node.body is None or is_exact(node.body) for node in batches.graph.nodes
    )


def is_exact(body: sympy.Basic) -> bool:
    """Whether an expression is computed by operations that IEEE 754 rounds one way only."""
    for part in sympy.preorder_traversal(body):
        match part:
            case sympy.Pow():
                exponent = part.exp
                if not (exponent.is_Rational and abs(exponent) in (HALF, 1, 2, 3)):
                    return False
            case sympy.Piecewise():
                continue
            case sympy.Function() if row_of(part).name not in _EXACT:
                return False
    return True
