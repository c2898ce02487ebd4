"""The seed's training loop beside torch eager's, step for step the same, alternating in one run.

pytest tests/benchmarks
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

import symgrad as sg

EPOCHS = 1000
STEPS = 3 * EPOCHS
DATA = {"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]}
FLOOR = 20


def with_symgrad() -> float:
    """Train the seed by the numpy backend."""
    run = sg.train(DERIVATION, DATA, {"w": 1.0}, lr=0.01, epochs=EPOCHS, dtype="float32")
    return run.parameters["w"]


def with_torch() -> float:
    """Train the seed by torch eager, as the lecture's program does."""
    w = torch.tensor(1.0, requires_grad=True)
    for _ in range(EPOCHS):
        for x, y in zip(DATA["x"], DATA["y"], strict=True):
            loss = (x * w - y) ** 2
            loss.backward()
            w.data = w.data - 0.01 * w.grad.data
            w.grad.data.zero_()
    return float(w.detach())


DERIVATION = sg.derive(sg.read("y_pred = x*w; l = (y_pred - y)**2"), ["w"])


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("loop", [with_symgrad, with_torch])
def test_seed_loop(benchmark: Any, loop: Callable[[], float]) -> None:
    """Each loop by itself; both end at the same float32 number."""
    benchmark.group = f"seed, {STEPS} steps"
    assert benchmark(loop) == with_torch()


def test_seed_ratio() -> None:
    """The numpy backend is at least 20 times as fast a step as torch eager."""
    times: dict[Callable[[], float], list[float]] = {with_symgrad: [], with_torch: []}
    for _ in range(7):
        for loop, seconds in times.items():
            start = time.perf_counter()
            loop()
            seconds.append(time.perf_counter() - start)
    ours, theirs = (statistics.median(seconds) / STEPS * 1e6 for seconds in times.values())
    print(f"\nsymgrad {ours:.2f} us a step, torch eager {theirs:.1f} us a step: {theirs / ours:.0f} times")
    assert theirs / ours >= FLOOR
