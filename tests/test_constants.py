"""Numbers of a loss: computed in double precision among themselves, rounded once where they meet a value."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest

import symgrad as sg
from symgrad.backends import DTYPES
from symgrad.backends.lower import lower
from symgrad.backends.module import constant_values
from symgrad.backends.passes import hoisted
from symgrad.functions import BY_NAME

LOSSES = (
    "l = (sqrt(2)*sqrt(3)*x*w - y)**2",
    "l = (-sqrt(2)*sqrt(3)*x*w - y)**2",
    "l = (0.1/0.3*x*w - y)**2",
    "l = (0.1*0.3*x*w - y)**2",
    "l = (1/sqrt(3)*x*w - y)**2",
    "l = (1/3*x*w - y)**2 - 1/sqrt(7)/x*w",
    "l = (x*w/sqrt(3)/sqrt(2) - y)**2",
    "l = (sqrt(3) - pi + x*w - y)**2",
    "l = (pi*0.1*x*w - 2*pi - y)**2",
    "l = (where(x*w > 1, pi, sqrt(3))*0.3*pi*w - y)**2",
    "l = (where(pi > sqrt(2), 0.1, 3)*0.3*w - x*y)**2",
    "l = (leaky_relu(sqrt(2) - 3)*0.3*w - x*y)**2",
)
"""Each with numbers that meet each other before they meet a value."""

DATA = {"x": numpy.linspace(0.1, 2, 7), "y": numpy.linspace(0.3, 4, 7)}


def trajectory(text: str, dtype: str, backend: str, **options: Any) -> tuple[Any, ...]:
    """Parameters, losses and steps of a run."""
    derivation = sg.derive(sg.read(text), ["w"])
    run = sg.train(derivation, DATA, {"w": 0.7}, lr=0.01, epochs=4, dtype=dtype, backend=backend, **options)
    return run.parameters, run.epochs, run.step_count


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("text", LOSSES)
def test_every_way_to_train_has_the_same_bits(text: str, dtype: str) -> None:
    """Silent, logged, called back and verified."""
    expected = trajectory(text, dtype, "numpy", log="steps")
    assert trajectory(text, dtype, "numpy") == expected
    assert trajectory(text, dtype, "numpy", log=lambda _: None) == expected
    assert trajectory(text, dtype, "numpy", verify=True) == expected


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("text", LOSSES)
def test_native_code_has_the_same_bits(text: str, dtype: str) -> None:
    """Silent, logged, called back and verified."""
    pytest.importorskip("llvmlite", reason="the extra jit is not installed")
    expected = trajectory(text, dtype, "numpy", log="steps")
    assert trajectory(text, dtype, "jit") == expected
    assert trajectory(text, dtype, "jit", log="steps") == expected
    assert trajectory(text, dtype, "jit", log=lambda _: None) == expected
    assert trajectory(text, dtype, "jit", verify=True) == expected


def test_numbers_that_meet_are_one_constant() -> None:
    """The loop rounds their product once; the losses above are such that rounding each by itself is another number."""
    derivation = sg.derive(sg.read(LOSSES[0]), ["w"])
    program = lower(derivation.gradient, ("l",), derivation.gradient.leaves, lambda row: bool(row.numpy))
    assert len(program.constants) == 2
    assert list(constant_values(hoisted(program)).values())[2:] == [math.sqrt(2) * math.sqrt(3)]
    single = numpy.float32
    assert single(math.sqrt(2) * math.sqrt(3)) != single(math.sqrt(2)) * single(math.sqrt(3))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", ["numpy", "torch", "jit"])
@pytest.mark.parametrize("branches", ["sqrt(2), sqrt(3)", "pi, 2", "where(w > 0, pi, 3), 2", "2*w, pi"])
def test_a_constant_in_a_branch_has_the_programs_precision(branches: str, backend: str, dtype: str) -> None:
    """Otherwise `exp` of it, and all that follows, would be float64."""
    if backend == "jit":
        pytest.importorskip("llvmlite", reason="the extra jit is not installed")
    derivation = sg.derive(sg.read(f"l = exp(where(x > 0, {branches}))*w"), ["w"])
    program = sg.compile(derivation, backend, dtype)
    if backend == "torch":
        import torch

        point = {name: torch.tensor(0.7, dtype=getattr(torch, dtype)) for name in ("x", "w")}
    else:
        point = {name: getattr(numpy, dtype)(0.7) for name in ("x", "w")}
    value, gradient = program.value_and_gradient(point)
    assert {str(v.dtype).removeprefix("torch.") for v in (value, *gradient.values())} == {dtype}


@pytest.mark.parametrize("backend", ["torch", "jit"])
@pytest.mark.parametrize("name", sorted({row.name for row in BY_NAME.values()}))
def test_functions_of_numbers(name: str, backend: str) -> None:
    """A function of numbers alone is computed once, by NumPy, by its definition where NumPy lacks it."""
    if backend == "jit":
        pytest.importorskip("llvmlite", reason="the extra jit is not installed")
    arguments = {"polygamma": "1, sqrt(2)", "acosh": "sqrt(3)"}.get(name, "1/sqrt(3)")
    if BY_NAME[name].definition is not None:
        arguments = "sqrt(2) - 2"
    if BY_NAME[name].arity == 2 and name != "polygamma":
        arguments = "1/sqrt(3), sqrt(2)"
    derivation = sg.derive(sg.read(f"l = {name}({arguments})*w"), ["w"])
    expected = sg.compile(derivation)({"w": 0.7}).value
    assert sg.compile(derivation, backend)({"w": 0.7}).value == pytest.approx(expected, rel=1e-15)
