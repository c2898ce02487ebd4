"""What deriving costs as the graph grows."""

from __future__ import annotations

import statistics
import time

import symgrad as sg


def seconds(text: str, wrt: list[str]) -> float:
    """Time to read, derive and compile a model."""
    start = time.perf_counter()
    sg.compile(sg.derive(sg.read(text), wrt))
    return time.perf_counter() - start


def chain(length: int, name: str) -> str:
    """A chain of tanh nodes; another name each time, since SymPy remembers what it has built."""
    return "\n".join(f"{name}{i + 1} = tanh(w*{name}{i} + b)" for i in range(length))


def test_chain_is_linear() -> None:
    """2,000 chained nodes cost about ten times what 200 cost."""
    seconds(chain(50, "g"), ["w", "b"])
    small = statistics.median(seconds(chain(200, f"s{n}_"), ["w", "b"]) for n in range(9))
    large = statistics.median(seconds(chain(2000, f"l{n}_"), ["w", "b"]) for n in range(3))
    print(f"\n200 nodes {small:.3f} s, 2,000 nodes {large:.2f} s: {large / small:.1f} times")
    assert large < 10
    assert large / small <= 15


def test_logistic_map() -> None:
    """The logistic map iterated 24 times derives in under a second."""
    text = ";".join(f"x{i + 1} = r*x{i}*(1 - x{i})" for i in range(24))
    start = time.perf_counter()
    sg.derive(sg.read(text), ["x0"])
    found = time.perf_counter() - start
    print(f"\nlogistic map, 24 times: {found:.3f} s")
    assert found < 1
