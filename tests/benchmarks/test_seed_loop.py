"""The seed's training loop, `y_pred = x*w; l = (y_pred - y)**2`, one sample a step, beside other ways to run it."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy
import pytest
import torch

import symgrad as sg

from . import floors, references
from .race import Race
from .results import Results

DATA = {"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]}
RATE = 0.01
SAMPLES = 3
FAST, MIDDLE, SLOW = 3_000_000, 5_000, 100
"""Epochs a run: as many as make a run long beside its start."""

SAME_BITS = ("torch eager", "symgrad, NumPy backend", "symgrad, jit backend", "C")
"""Those that round as torch eager does, operation by operation."""

DERIVATION = sg.derive(sg.read("y_pred = x*w; l = (y_pred - y)**2"), ["w"])

Loop = Callable[[int], float]
"""From the number of epochs to the parameter in the end."""


def by_symgrad(backend: str) -> Loop:
    """`sg.train`, whole calls of it, in float32."""
    return lambda epochs: sg.train(
        DERIVATION, DATA, {"w": 1.0}, lr=RATE, epochs=epochs, dtype="float32", backend=backend
    ).parameters["w"]


def by_torch(epochs: int, loss_of: Callable[..., torch.Tensor] = lambda x, w, y: (x * w - y) ** 2) -> float:
    """The lecture's program."""
    w = torch.tensor(1.0, requires_grad=True)
    for _ in range(epochs):
        for x, y in zip(DATA["x"], DATA["y"], strict=True):
            loss = loss_of(x, w, y)
            loss.backward()
            w.data = w.data - RATE * w.grad.data
            w.grad.data.zero_()
    return float(w.detach())


def by_torch_compile() -> Loop:
    """The same with the loss compiled."""
    with warnings.catch_warnings(action="ignore"):
        compiled = torch.compile(lambda x, w, y: (x * w - y) ** 2)
        pairs = [(torch.tensor(x), torch.tensor(y)) for x, y in zip(DATA["x"], DATA["y"], strict=True)]
        compiled(pairs[0][0], torch.tensor(1.0, requires_grad=True), pairs[0][1]).backward()

    def loop(epochs: int) -> float:
        w = torch.tensor(1.0, requires_grad=True)
        for _ in range(epochs):
            for x, y in pairs:
                compiled(x, w, y).backward()
                w.data = w.data - RATE * w.grad.data
                w.grad.data.zero_()
        return float(w.detach())

    return loop


def by_jax() -> Loop:
    """The whole loop compiled, as JAX is fastest: a scan over samples within a scan over epochs."""
    import jax

    pairs = tuple(jax.numpy.array(DATA[name], "float32") for name in ("x", "y"))
    slope = jax.grad(lambda w, x, y: (x * w - y) ** 2)

    def step(w: Any, pair: Any) -> tuple[Any, None]:
        return w - RATE * slope(w, *pair), None

    def loop(epochs: int) -> float:
        return float(run(jax.numpy.float32(1.0), epochs))

    run = jax.jit(
        lambda w, n: jax.lax.fori_loop(0, n, lambda _, old: jax.lax.scan(step, old, pairs)[0], w),
    )
    return loop


def by_micrograd(epochs: int) -> float:
    """Scalars that remember what made them, in pure Python."""
    from micrograd.engine import Value

    w = Value(1.0)
    for _ in range(epochs):
        for x, y in zip(DATA["x"], DATA["y"], strict=True):
            loss = (w * x - y) ** 2
            w.grad = 0.0
            loss.backward()
            w.data -= RATE * w.grad
    return float(w.data)


def by_c() -> Loop:
    """Hand-written, the losses of all epochs kept as `sg.train` keeps them, and torch's bits: nothing is contracted."""
    function = references.compiled_c("seed", "-ffp-contract=off").seed
    function.restype = references.Float
    x, y = (numpy.array(DATA[name], "float32") for name in ("x", "y"))
    losses = numpy.empty(FAST, "float32")
    arguments = [references.address(x), references.address(y), SAMPLES]

    def loop(epochs: int) -> float:
        return function(*arguments, epochs, references.Float(RATE), references.Float(1.0), references.address(losses))

    return loop


def loops(found: Results) -> Mapping[str, tuple[Loop, int]]:
    """Every loop that can run here, and its epochs."""
    made: dict[str, tuple[Loop, int]] = {
        "symgrad, NumPy backend": (by_symgrad("numpy"), MIDDLE),
        "torch eager": (by_torch, SLOW),
    }
    optional: dict[str, tuple[str, Callable[[], Loop], int]] = {
        "symgrad, jit backend": ("llvmlite", lambda: by_symgrad("jit"), FAST),
        "JAX, the loop compiled": ("jax", by_jax, FAST),
        "micrograd": ("micrograd", lambda: by_micrograd, SLOW),
    }
    for name, (package, make, epochs) in optional.items():
        if importlib.util.find_spec(package):
            made[name] = (make(), epochs)
        else:
            found.skip(name, f"{package} is not installed")
    if references.MISSING:
        found.skip("C", references.MISSING)
    else:
        made["C"] = (by_c(), FAST)
    try:
        made["torch.compile"] = (by_torch_compile(), SLOW)
    except Exception as error:  # noqa: BLE001  it needs a compiler of its own, and fails in many ways
        found.skip("torch.compile", f"it fails here: {type(error).__name__}")
    return made


def test_seed_loop(race: Race, found: Results) -> None:
    """A step of symgrad beside a step of torch eager, and of C; every loop ends at the same number."""
    rivals = loops(found)
    expected = by_torch(50)
    for name, (loop, _) in rivals.items():
        assert loop(50) == (expected if name in SAME_BITS else pytest.approx(expected, rel=1e-6)), name
    times = race({name: lambda run=run, n=n: run(n) for name, (run, n) in rivals.items()}, seconds=20)
    eager = "torch eager"

    def longer(name: str, beside: str) -> float:
        return times.ratio(name, beside) * rivals[beside][1] / rivals[name][1]

    bounds = {"symgrad, NumPy backend": floors.SEED_NUMPY, "symgrad, jit backend": floors.SEED_JIT}
    for name in rivals:
        if name != eager:
            found.add("seed", name, eager, 1 / longer(name, eager), bounds.get(name))
    found.draw("seed", "times as fast a step as torch eager", [(i, 1 / longer(n, eager)) for i, n in enumerate(rivals)])
    if {"C", "symgrad, jit backend"} <= set(rivals):
        found.add(
            "seed beside C", "symgrad, jit backend", "C", longer("symgrad, jit backend", "C"), floors.SEED_JIT_BESIDE_C
        )
