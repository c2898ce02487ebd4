"""How native code is called: one signature for every compiled program.

    void NAME(ptr inputs, ptr outputs, ptr work)

- `inputs`: an array of pointers, one a leaf, in the order of the program's inputs. Each points to the leaf's entries,
  of the program's dtype (or `int64` for labels), row-major without gaps, aligned to their own size. A scalar is one
  entry.
- `outputs`: likewise one pointer a result; the entries are written whole and never read before they are written. No
  output overlaps an input or another output.
- `work`: scratch memory of `Routine.work` bytes, aligned to 64; null where that is 0. What it holds before and after a
  call means nothing.

Sizes are known when the code is generated: a program on tensors has one routine for each set of shapes it meets. A
routine keeps no state, allocates nothing and does not call Python (but for `polygamma`, see `functions`), so it may run
in several threads at once, each with its own memory.

A result that is a plain number, whatever the inputs, has no output: `Routine.outputs` holds the number instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

TYPES: Mapping[str, str] = {"float32": "float", "float64": "double", "int64": "i64"}
"""The type of LLVM for each dtype."""

SIZES: Mapping[str, int] = {"float32": 4, "float64": 8, "int64": 8}
"""Bytes an entry."""


@dataclass(frozen=True)
class External:
    """A C function that native code calls.

    Args:
        declaration: as LLVM IR declares it, attributes included.
        address: where it is; asked for once, when the code is linked.
    """

    declaration: str
    address: Callable[[], int]


@dataclass(frozen=True)
class Slot:
    """The memory of one input or output: its shape in numbers, and its dtype."""

    shape: tuple[int, ...]
    dtype: str


Output: TypeAlias = Slot | float
"""Where a result is written, or the number that it always is."""


@dataclass(frozen=True)
class Routine:
    """A native function as LLVM IR, to be linked alone or with what calls it.

    Args:
        name: its name in LLVM IR, without the `@`.
        definition: the function, and the private functions and globals that only it uses, without declarations.
        externals: by their names, the C functions and intrinsics' declarations it needs.
        inputs: one a leaf.
        outputs: one a result; pointers are passed for the slots only.
        work: bytes of scratch memory.
        helpers: definitions that other routines of a module may need too, by their names; each is written once.
    """

    name: str
    definition: str
    externals: Mapping[str, External]
    inputs: tuple[Slot, ...]
    outputs: tuple[Output, ...]
    work: int = 0
    helpers: Mapping[str, str] = field(default_factory=dict)


def module(routines: Sequence[Routine], *more: str) -> tuple[str, dict[str, External]]:
    """The LLVM IR of several routines and further definitions, and the externals to link it with."""
    externals = {name: external for routine in routines for name, external in routine.externals.items()}
    declarations = [external.declaration for _, external in sorted(externals.items())]
    helpers = {name: text for routine in routines for name, text in routine.helpers.items()}
    definitions = [*helpers.values(), *(routine.definition for routine in routines)]
    return "\n".join([*declarations, *definitions, *more]) + "\n", externals


class Native(Protocol):
    """A program that takes a value for every leaf, in order, and returns a tuple of its results.

    Values are numbers or arrays of the program's dtype (`int64` for labels); results are NumPy scalars and arrays of
    it, which are nobody else's, and Python numbers for results that are plain numbers.
    """

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        """The results at a point."""

    @property
    def ir(self) -> str:
        """The LLVM IR compiled so far, for a reader."""
