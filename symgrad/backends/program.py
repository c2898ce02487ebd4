"""A derivation as a numeric program, compiled on demand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy

from symgrad.backends.numpy import Compiled, compile_graph, scalar_type
from symgrad.core.derivation import Derivation
from symgrad.core.names import listing, suggestion
from symgrad.core.results import Evaluation
from symgrad.errors import BackendError, DataError

BACKENDS = ("auto", "numpy")
"""Names `compile` knows; `auto` is the best that is installed."""

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Program:
    """A derivation as a numeric program: call it with a value for every leaf.

    Args:
        derivation: what it computes.
        backend: the backend that compiled it.
        dtype: `float32` or `float64`.
    """

    derivation: Derivation
    backend: str
    dtype: str

    @property
    def source(self) -> str:
        """Readable Python that computes the value and the gradient, to be taken away."""
        return self._gradient.source

    def __call__(self, at: Mapping[str, float]) -> Evaluation:
        """Evaluate at a point.

        Args:
            at: a number for every leaf the output depends on.

        Returns:
            The value, the gradient, and every node, adjoint and local partial.

        Raises:
            DataError: if a leaf has no value, a name is unknown or a value is not a number.
        """
        values = self.point(at)
        with numpy.errstate(all="ignore"):
            results = self._everything.function(*(values[leaf] for leaf in self.leaves))
        by_name = dict(zip(self._names, (float(result) for result in results), strict=True))
        derivation = self.derivation
        adjoints = {step.node: by_name[step.adjoint] for step in derivation.steps}
        return Evaluation(
            value=by_name[derivation.output],
            gradient={name: adjoints[name] for name in derivation.wrt},
            nodes={
                node.name: by_name[node.name] for node in derivation.gradient.nodes if node.name in derivation.primal
            },
            adjoints=adjoints,
            partials={(term.child, term.parent): by_name[term.partial_name] for term in derivation.terms},
            contributions={(term.child, term.parent): by_name[term.contribution] for term in derivation.terms},
        )

    @property
    def leaves(self) -> tuple[str, ...]:
        """The leaves the program reads, in order."""
        return self.derivation.gradient.leaves

    def point(self, at: Mapping[str, float]) -> dict[str, numpy.floating]:
        """`at` checked and in the program's dtype."""
        known = {node.name for node in self.derivation.primal.nodes}
        for name in at:
            if name not in known:
                raise DataError(f"the point names {name!r}, which is not in the graph.{suggestion(name, known)}")
        missing = [leaf for leaf in self.leaves if leaf not in at]
        if missing:
            raise DataError(f"the point lacks {listing(missing)}; give every leaf a value, as in {missing[0]}=1.")
        real = scalar_type(self.dtype)
        values = {}
        with numpy.errstate(over="ignore"):
            for leaf in self.leaves:
                try:
                    values[leaf] = real(float(at[leaf]))
                except (TypeError, ValueError, OverflowError):
                    raise DataError(
                        f"the point gives {leaf!r} the value {at[leaf]!r}, which is not a number."
                    ) from None
                if math.isfinite(at[leaf]) and not numpy.isfinite(values[leaf]):
                    raise DataError(f"the value {at[leaf]!r} of {leaf!r} does not fit into {self.dtype}.")
        return values

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.derivation.gradient.nodes)

    @cached_property
    def _everything(self) -> Compiled:
        return compile_graph(self.derivation.gradient, self._names, self.leaves, self.dtype)

    @cached_property
    def _gradient(self) -> Compiled:
        outputs = (self.derivation.output, *self.derivation.gradient.outputs)
        return compile_graph(self.derivation.gradient, outputs, self.leaves, self.dtype)


def compile(derivation: Derivation, backend: str = "auto", dtype: str = "float64") -> Program:
    """Compile a derivation.

    Args:
        derivation: what to compute.
        backend: `numpy`, or `auto` for the best one installed.
        dtype: `float64` or `float32`; every operation rounds in it.

    Returns:
        A program that evaluates the value, the gradient and everything between them.

    Raises:
        BackendError: if there is no such backend or dtype.
    """
    if backend not in BACKENDS:
        raise BackendError(
            f"there is no backend {backend!r}; there is {listing(BACKENDS)}.{suggestion(backend, BACKENDS)}"
        )
    if dtype not in DTYPES:
        raise BackendError(f"there is no dtype {dtype!r}; there is {listing(DTYPES)}.{suggestion(dtype, DTYPES)}")
    program = Program(derivation, "numpy", dtype)
    program._gradient  # noqa: B018  compile now, so that what cannot be compiled is said here
    return program
