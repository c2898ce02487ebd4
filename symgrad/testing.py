"""The judge for your own tests: `assert_gradients(my_backward, "l = (x*w - y)**2", wrt="w")`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from symgrad.core.derivation import Derivation
from symgrad.core.graph import Graph
from symgrad.foreign.calls import Framework
from symgrad.foreign.judgement import verify_function
from symgrad.renderers import render


def assert_gradients(
    fn: Callable[..., Any],
    source: Derivation | Graph | str | Path,
    *,
    at: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    wrt: Sequence[str] | str | None = None,
    random: int = 5,
    seed: int = 0,
    dtype: str = "float64",
    framework: Framework = "auto",
) -> None:
    """Pass if every gradient that `fn` computes is right, entry by entry.

    Args:
        fn: as for `symgrad.verify_function`: gradients, or a function of tensors that autograd differentiates.
        source: the loss as text, a `.sg` file, a graph, or its derivation.
        at: one point or several; random points when left out.
        wrt: the names it gives gradients for; every leaf when left out.
        random: how many random points, where `at` is left out.
        seed: of the random points.
        dtype: the precision of the numbers it is given.
        framework: `numpy`, `torch` or `auto`.

    Raises:
        AssertionError: with the report, if any gradient is wrong.
        SymgradError: if the function cannot be called or judged at all.
    """
    __tracebackhide__ = True  # pytest shows the caller's line
    verification = verify_function(
        fn, source, at, wrt=wrt, random=random, seed=seed, dtype=dtype, framework=framework
    )  # fmt: skip
    if not verification.passed:
        raise AssertionError(f"wrong gradients\n{render(verification, 'text')}")


__all__ = ["assert_gradients"]
