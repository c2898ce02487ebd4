"""What deriving and printing networks on tensors costs as they get deeper."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import symgrad as sg
from symgrad.core.indices import entry

from . import floors
from .results import Results


def seconds(work: Callable[[], Any], repeats: int) -> float:
    """Median processor seconds."""
    taken = []
    for _ in range(repeats):
        entry.cache_clear()
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def dense(layers: int) -> str:
    """Dense layers of tanh."""
    lines = ["x0: (d,)", *(f"W{i}: (d, d)\nb{i}: (d,)" for i in range(layers))]
    lines += [f"x{i + 1} = tanh(W{i} @ x{i} + b{i})" for i in range(layers)]
    return "\n".join([*lines, f"L = sum(x{layers}**2)"])


def attention(layers: int) -> str:
    """Layers of attention with a skip connection."""
    lines = ["X0: (n, d)", "T: (n, d)"]
    for i in range(layers):
        lines += [f"{m}{i}: (d, d)" for m in ("Q", "K", "V")]
        lines += [f"S{i} = (X{i} @ Q{i}) @ (X{i} @ K{i}).T/sqrt(d)", f"A{i} = softmax(S{i})"]
        lines += [f"X{i + 1} = X{i} + A{i} @ (X{i} @ V{i})"]
    return "\n".join([*lines, f"L = sum((X{layers} - T)**2)"])


def test_deep_networks_derive_linearly(found: Results) -> None:
    """Deriving 96 dense layers costs eight times what 12 cost."""
    graphs = [sg.read(dense(layers)) for layers in (12, 96)]
    few, many = (seconds(lambda graph=graph: sg.derive(graph), 9) for graph in graphs)
    found.add("linear", "dense layers: derive", "size, 12 to 96 layers", math.log(many / few, 8), floors.EXPONENT)


def test_attention_prints_linearly(found: Results) -> None:
    """Printing twelve layers of attention costs four times what three cost."""
    derivations = [sg.derive(sg.read(attention(layers))) for layers in (3, 12)]
    few, many = (seconds(lambda d=d: sg.render(d, "unicode"), 3) for d in derivations)
    found.add("linear", "attention: print", "size, 3 to 12 layers", math.log(many / few, 4), floors.EXPONENT)
