"""What deriving costs as the graph grows."""

from __future__ import annotations

import time

import symgrad as sg


def seconds(text: str, wrt: list[str]) -> float:
    """Time to read, derive and compile a model."""
    start = time.perf_counter()
    sg.compile(sg.derive(sg.read(text), wrt))
    return time.perf_counter() - start


def chain(length: int) -> str:
    """A chain of tanh nodes."""
    return "\n".join(f"h{i + 1} = tanh(w*h{i} + b)" for i in range(length))


def test_chain_is_linear() -> None:
    """2,000 chained nodes cost about ten times what 200 cost; a little more is the memory's."""
    seconds(chain(50), ["w", "b"])
    small = min(seconds(chain(200), ["w", "b"]) for _ in range(5))
    large = min(seconds(chain(2000), ["w", "b"]) for _ in range(3))
    print(f"\n200 nodes {small:.3f} s, 2,000 nodes {large:.2f} s: {large / small:.1f} times")
    assert large / small <= 16


def test_logistic_map() -> None:
    """The logistic map iterated 24 times derives in under a second."""
    text = ";".join(f"x{i + 1} = r*x{i}*(1 - x{i})" for i in range(24))
    start = time.perf_counter()
    sg.derive(sg.read(text), ["x0"])
    found = time.perf_counter() - start
    print(f"\nlogistic map, 24 times: {found:.3f} s")
    assert found < 1
