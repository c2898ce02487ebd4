"""Networks beside torch eager, alternating in one process on one thread, and what deriving them costs.

pytest tests/benchmarks -s
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from threadpoolctl import threadpool_limits

import symgrad as sg
from symgrad.examples import source

BATCH = 128
CLASSIFIER = """
X: (n, d)
t: (n,)
W1: (d, h)
b1: (h,)
W2: (h, c)
b2: (c,)
z1 = X @ W1 + b1
a = tanh(z1)
z2 = a @ W2 + b2
L = sum(logsumexp(z2) - select(z2, t))/n
"""
PARAMETERS = ("W1", "b1", "W2", "b2")
NUMPY_LIMIT = 1.3
TORCH_LIMIT = 1.0
SCATTER = 0.03
"""How far the median of a ratio of two equal programs strays from 1 on a busy machine of two cores."""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


def _point(d: int, h: int, c: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) / shape[0] ** 0.5

    labels = torch.randint(0, c, (BATCH,), generator=generator)
    return {
        "X": normal(BATCH, d),
        "t": labels,
        "W1": normal(d, h),
        "b1": normal(h),
        "W2": normal(h, c),
        "b2": normal(c),
    }


def _eager(point: dict[str, torch.Tensor]) -> Callable[[], torch.Tensor]:
    """Loss and four gradients by torch's own forward and backward."""
    leaves = {name: point[name].clone().requires_grad_() for name in PARAMETERS}

    def step() -> torch.Tensor:
        for leaf in leaves.values():
            leaf.grad = None
        hidden = torch.tanh(point["X"] @ leaves["W1"] + leaves["b1"])
        loss = torch.nn.functional.cross_entropy(hidden @ leaves["W2"] + leaves["b2"], point["t"])
        loss.backward()
        return loss

    return step


@pytest.mark.parametrize(("d", "h", "c"), [(10, 32, 10), (784, 256, 10)])
def test_network_ratio(d: int, h: int, c: int) -> None:
    """The torch backend takes no longer than torch eager, the numpy backend at most 1.3 times, batch 128, float32."""
    derivation = sg.derive(sg.read(CLASSIFIER), PARAMETERS)
    tensors = _point(d, h, c)
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    numpys, torchs = (sg.compile(derivation, backend, "float32") for backend in ("numpy", "torch"))
    steps: dict[str, Callable[[], Any]] = {
        "eager": _eager(tensors),
        "numpy": lambda: numpys.value_and_gradient(arrays),
        "torch": lambda: torchs.value_and_gradient(tensors),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(400):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - start)
    median = {name: statistics.median(seconds) for name, seconds in times.items()}
    ratio = {name: median[name] / median["eager"] for name in ("numpy", "torch")}
    eager = median["eager"] * 1e6
    print(f"\n{d}-{h}-{c}: eager {eager:.0f} us, numpy {ratio['numpy']:.2f}, torch {ratio['torch']:.3f} of that")
    assert ratio["numpy"] <= NUMPY_LIMIT
    assert ratio["torch"] <= TORCH_LIMIT + SCATTER


def _seconds(work: Callable[[], Any], repeats: int = 5) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def test_network_derives_at_once() -> None:
    """Reading and deriving the 784-256-10 network takes under 0.3 s."""
    text = CLASSIFIER.replace("(n, d)", "(n, 784)").replace("(d, h)", "(784, 256)").replace("(h,)", "(256,)")
    text = text.replace("(h, c)", "(256, 10)").replace("(c,)", "(10,)")
    seconds = _seconds(lambda: sg.derive(sg.read(text), PARAMETERS))
    print(f"\n784-256-10: read and derived in {seconds:.4f} s")
    assert seconds < 0.3


def _deep(layers: int) -> str:
    lines = [f"x0: (d,)\n{chr(10).join(f'W{i}: (d, d){chr(10)}b{i}: (d,)' for i in range(layers))}"]
    lines += [f"x{i + 1} = tanh(W{i} @ x{i} + b{i})" for i in range(layers)]
    return "\n".join([*lines, f"L = sum(x{layers}**2)"])


def test_deep_network_is_linear() -> None:
    """Deriving 48 layers costs about twice what 24 cost."""
    graphs = {layers: sg.read(_deep(layers)) for layers in (12, 24, 48)}
    seconds = {layers: _seconds(lambda g=graph: sg.derive(g), 9) for layers, graph in graphs.items()}
    ratio = seconds[48] / seconds[12]
    print(f"\n12 layers {seconds[12]:.4f} s, 48 layers {seconds[48]:.4f} s: {ratio:.1f} times")
    assert ratio <= 6


def _attention(layers: int) -> str:
    lines = ["X0: (n, d)", "T: (n, d)"]
    for i in range(layers):
        lines += [f"{m}{i}: (d, d)" for m in ("Q", "K", "V")]
        lines += [f"S{i} = (X{i} @ Q{i}) @ (X{i} @ K{i}).T/sqrt(d)", f"A{i} = softmax(S{i})"]
        lines += [f"X{i + 1} = X{i} + A{i} @ (X{i} @ V{i})"]
    return "\n".join([*lines, f"L = sum((X{layers} - T)**2)"])


def test_attention_stack_prints_linearly() -> None:
    """Twelve layers of attention print in under a second, and in about twice the time of six."""
    derivations = {layers: sg.derive(sg.read(_attention(layers))) for layers in (3, 6, 12)}
    seconds = {n: _seconds(lambda d=d: sg.render(d, "unicode"), 3) for n, d in derivations.items()}
    ratio = seconds[12] / seconds[3]
    print(f"\n3 layers {seconds[3]:.3f} s, 12 layers {seconds[12]:.3f} s: {ratio:.1f} times")
    assert seconds[12] < 1
    assert ratio <= 6


def test_examples_derive_quickly() -> None:
    """Every bundled example reads and derives in under 0.1 s."""
    for name in ("mlp", "softmax", "layernorm", "attention", "gmm"):
        assert _seconds(lambda n=name: sg.derive(sg.read(source(n)))) < 0.1
