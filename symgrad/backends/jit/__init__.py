"""The compiled backend: a lowered program as native code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symgrad.backends.jit import engine
from symgrad.backends.jit.abi import Native
from symgrad.backends.jit.scalar import ScalarProgram
from symgrad.backends.lower import lower
from symgrad.backends.module import Compiled, Lines
from symgrad.backends.numpy import is_native
from symgrad.backends.numpy_code import NumpyPrinter
from symgrad.core.graph import Graph
from symgrad.core.memory import uncollected


@dataclass(frozen=True)
class CompiledNative(Compiled):
    """Native code, and the Python that says the same.

    Args:
        native: the function, which knows the LLVM IR it was compiled from.
    """

    native: Native

    @property
    def ir(self) -> str:
        """The LLVM IR before optimisation, with the user's names in comments."""
        return self.native.ir


@uncollected
def compile_graph(
    graph: Graph, outputs: Sequence[str], leaves: Sequence[str], dtype: str, fastmath: bool = False
) -> CompiledNative:
    """Compile part of a graph to native code.

    Args:
        graph: what to compute.
        outputs: names of the nodes to return.
        leaves: names of the inputs, in order; scalars or arrays of `dtype`.
        dtype: `float32` or `float64`.
        fastmath: whether the compiler may reassociate, contract and ignore what is not finite.

    Raises:
        BackendError: if llvmlite is not installed, or something has no native form.
    """
    program = lower(graph, outputs, leaves, is_native)
    lines = Lines(program, dtype, NumpyPrinter(program.has_arrays))
    native: Native
    if program.has_arrays:
        from symgrad.backends.jit import tensors

        native = tensors.native(graph, program, leaves, dtype, fastmath)
    else:
        native = ScalarProgram(program, dtype, fastmath)
    return CompiledNative(native, lines, native)


def require() -> None:
    """Load llvmlite.

    Raises:
        BackendError: if it is not installed.
    """
    engine.tools()
