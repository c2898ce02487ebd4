"""Sums over selections, Σ_i [k = t[i]]·a[i]: each `a[i]` is added where `t[i]` says, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symgrad.backends.jit import arithmetic
from symgrad.backends.jit.inlining import scatter_of
from symgrad.backends.jit.nests import Definition, Read

if TYPE_CHECKING:
    from symgrad.backends.jit.emission import Emission


def emitted(emission: Emission, definition: Definition) -> None:
    """Loops that compute a definition of this form.

    The numbers that are added to one entry are added in the order of `i`, beginning with 0.
    """
    found = scatter_of(definition)
    assert found is not None
    place, term = found
    target = Read(definition.array, (place, *definition.subscripts[1:]))

    def add() -> None:
        operands = emission.term(target), emission.term(term)
        emission.store(target, arithmetic.applied(emission.lines, "+", operands))

    emission.nest(definition.axes, lambda: emission.clear(definition))
    emission.nest((*definition.folds, *definition.axes[1:]), add)
