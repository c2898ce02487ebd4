"""Random models on tensors: their gradients are torch's, and what is printed of them is true."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from naive import _Naive, evaluate
from random_tensors import Maker
from test_print_tensors import assert_claims, claims

import symgrad as sg
from symgrad.checks.points import random_points
from symgrad.errors import DataError
from symgrad.readers.json import read_json

SEEDS = range(60)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_model(seed: int) -> None:
    """Every adjoint agrees with autograd, every right-hand side reads back to its left, and JSON to the same text."""
    derivation = sg.derive(sg.read(Maker(seed).model()))
    if not derivation.primal.has_tensors:
        pytest.skip("the model has no tensor")
    try:
        (at,) = random_points(derivation, 1, seed)
    except DataError:
        pytest.skip("no ordinary point was found")
    assert sg.verify(derivation, at=at).failures == ()
    values = evaluate(derivation.gradient, at)
    for style in ("auto", "index"):
        text = sg.render(derivation, "text", tensors=style)  # type: ignore[arg-type]
        told = claims(text)
        assert {derivation.adjoints[name] for name in derivation.wrt} <= {name for name, _, _ in told}
        assert_claims(derivation.gradient, values, _Naive(values, sizes(derivation, at)), told)
    again = sg.derive(read_json(sg.render(derivation, "json")), derivation.wrt)
    assert sg.render(again, "text") == sg.render(derivation, "text")


def sizes(derivation: sg.Derivation, at: dict[str, Any]) -> dict[str, int]:
    """The length that each size has at a point."""
    primal = derivation.primal
    pairs = [p for leaf in primal.leaves for p in zip(primal[leaf].shape, np.shape(at[leaf]), strict=True)]
    return {size: length for size, length in pairs if isinstance(size, str)}
