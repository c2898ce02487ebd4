"""A derivation as a numeric program, compiled on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy

from symgrad.backends.module import Compiled
from symgrad.backends.numpy import compile_graph
from symgrad.backends.values import checked_point, plain
from symgrad.core.derivation import Derivation, require_derivation
from symgrad.core.names import listing, suggestion
from symgrad.core.results import Evaluation
from symgrad.errors import BackendError, DataError

BACKENDS = ("auto", "numpy", "torch", "jit")
"""Names `compile` knows; `auto` is numpy, which compiles at once and whose bits do not depend on what is installed."""

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Program:
    """A derivation as a numeric program: call it with a value for every leaf.

    Args:
        derivation: what it computes.
        backend: the backend that compiled it.
        dtype: `float32` or `float64`.
        fastmath: whether the jit backend may change the bits.
    """

    derivation: Derivation
    backend: str
    dtype: str
    fastmath: bool = False

    @property
    def source(self) -> str:
        """Readable Python that computes the value and the gradient, to be taken away; it needs no symgrad.

        It has the names of the loss where they are safe in code, else in comments.

        Of the jit backend it is the NumPy program that the native code was made from, operation by operation.
        """
        return self._gradient.source

    @property
    def ir(self) -> str:
        """What the jit backend compiles, as LLVM IR before optimisation; tensors have some once they met a point.

        Raises:
            BackendError: if the backend is another.
        """
        if self.backend != "jit":
            raise BackendError(f"the {self.backend} backend has no LLVM IR; compile with backend='jit'.")
        return str(getattr(self._gradient, "ir"))  # noqa: B009  only the jit backend's has it

    def __call__(self, at: Mapping[str, Any]) -> Evaluation:
        """Evaluate at a point.

        Args:
            at: for every leaf the output depends on a number, or nested lists or an array of its shape.

        Returns:
            The value, the gradient, and every node, adjoint and local partial: floats, and arrays for tensors.

        Raises:
            DataError: if a leaf has no value, a name is unknown, a value is not a number, or shapes do not fit.
        """
        values = self.point(at)
        results = self._run(self._everything, [values[leaf] for leaf in self.leaves])
        derivation, graph = self.derivation, self.derivation.gradient
        by_name = {n: plain(r, graph[n].shape) for n, r in zip(self._names, results, strict=True)}
        adjoints = {step.node: by_name[step.adjoint] for step in derivation.steps}
        return Evaluation(
            value=by_name[derivation.output],
            gradient={name: adjoints[name] for name in derivation.wrt},
            nodes={node.name: by_name[node.name] for node in graph.nodes if node.name in derivation.primal},
            adjoints=adjoints,
            partials={t.edge: by_name[t.partial_name] for t in derivation.terms if t.partial_name in graph},
            contributions={t.edge: by_name[t.contribution] for t in derivation.terms},
        )

    def value_and_gradient(self, at: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The value and the gradient alone, as fast as the backend goes.

        Args:
            at: for every leaf the backend's own number or array (a tensor for torch, on any device), which is not
                checked.

        Returns:
            The value, and dL/dp for each name in `wrt`, as the backend has them.
        """
        value, *gradient = self._fast(*[at[leaf] for leaf in self.leaves])
        return value, dict(zip(self.derivation.wrt, gradient, strict=True))

    @cached_property
    def leaves(self) -> tuple[str, ...]:
        """The leaves the program reads, in order."""
        return self.derivation.gradient.leaves

    def point(self, at: Mapping[str, Any]) -> dict[str, Any]:
        """`at` checked and in the program's dtype."""
        known = [n for n in at if n in self.derivation.primal and n not in self.derivation.gradient]
        return checked_point(self.derivation.gradient, {n: v for n, v in at.items() if n not in known}, self.dtype)

    def _run(self, compiled: Compiled, values: Sequence[Any]) -> tuple[Any, ...]:
        try:
            if self.backend == "torch":
                from symgrad.backends import torch  # loads torch, only on request

                return torch.on_arrays(compiled.function, values)
            with numpy.errstate(all="ignore"):
                return compiled.function(*values)
        except numpy.linalg.LinAlgError:
            raise DataError("a matrix is singular at this point, so that inv, solve or logdet has no value.") from None
        except ValueError:
            empty = [leaf for leaf, value in zip(self.leaves, values, strict=True) if not numpy.size(value)]
            if not empty:
                raise
            raise DataError(f"{listing(empty)} has no entries at this point, and this loss needs some.") from None

    @cached_property
    def _fast(self) -> Callable[..., tuple[Any, ...]]:
        """The gradient's function without NumPy's warnings, or without autograd."""
        if self.backend == "torch":
            from symgrad.backends import torch

            return torch.quietly(self._gradient.function)
        return numpy.errstate(all="ignore")(self._gradient.function)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.derivation.gradient.nodes)

    @cached_property
    def _everything(self) -> Compiled:
        return self._compiled(self._names)

    @cached_property
    def _gradient(self) -> Compiled:
        return self._compiled((self.derivation.output, *self.derivation.gradient.outputs))

    def _compiled(self, outputs: Sequence[str]) -> Compiled:
        compiler: Callable[..., Compiled] = compile_graph
        if self.backend == "torch":
            from symgrad.backends.torch import compile_graph as compiler
        if self.backend == "jit":
            from symgrad.backends import jit  # loads llvmlite, only on request

            compiler = partial(jit.compile_graph, fastmath=self.fastmath)
        return compiler(self.derivation.gradient, outputs, self.leaves, self.dtype)


def compile(
    derivation: Derivation, backend: str = "auto", dtype: str = "float64", *, fastmath: bool = False
) -> Program:
    """Compile a derivation.

    Args:
        derivation: what to compute.
        backend: `numpy`, `torch` (the same program on tensors, autograd off), `jit` (native code, which needs the extra
            `symgrad[jit]`), or `auto`, which is numpy.
        dtype: `float64` or `float32`; every operation rounds in it.
        fastmath: whether the jit backend may reassociate sums, fuse multiplications with additions and take every
            number for finite, which changes last digits.

    Returns:
        A program that evaluates the value, the gradient and everything between them.

    Raises:
        BackendError: if there is no such backend or dtype, the backend is not installed, or it lacks a function.
    """
    program = prepared(derivation, backend, dtype, fastmath=fastmath)
    program._gradient  # noqa: B018  compile now, so that what cannot be compiled is said here
    return program


def prepared(derivation: Derivation, backend: str, dtype: str, *, fastmath: bool = False) -> Program:
    """As `compile`, but what the program needs is compiled when it is first called.

    Raises:
        BackendError: if there is no such backend or dtype, or the backend is not installed.
    """
    require_derivation(derivation, "compile")
    if backend not in BACKENDS:
        raise BackendError(
            f"there is no backend {backend!r}; there is {listing(BACKENDS)}.{suggestion(backend, BACKENDS)}"
        )
    if dtype not in DTYPES:
        raise BackendError(f"there is no dtype {dtype!r}; there is {listing(DTYPES)}.{suggestion(dtype, DTYPES)}")
    if fastmath and backend != "jit":
        raise BackendError(f"fastmath is for backend='jit'; {backend!r} has no such choice.")
    if backend == "jit":
        from symgrad.backends import jit

        jit.require()
    return Program(derivation, "numpy" if backend == "auto" else backend, dtype, fastmath)
