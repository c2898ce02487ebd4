"""Sums over many samples block by block, so that what lies between input and sum stays in the processor's cache.

A program qualifies if some size is the first axis of the inputs that have it, and everything with that axis is made
sample by sample and summed in the end: the gradient of a loss over a data set by its parameters. Whatever needs a sum
before the last sample was seen (a mean that is subtracted) or returns an array along the samples is left whole. Blocks
are summed in order, each by the library's own sum; up to one block, the bits are those of the whole sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sympy

from symgrad.backends.arrays import (
    Diagonal,
    Einsum,
    Full,
    Gather,
    Linear,
    MatrixProduct,
    Positions,
    Reduced,
    SizeOf,
    TensorProduct,
)
from symgrad.backends.contract import entries
from symgrad.backends.shapes import Shape, shape_of
from symgrad.backends.straight import Blocks, Recorder, reads_of
from symgrad.core.expression import Expr
from symgrad.core.indices import Extent

BYTES = 262_144
"""Bytes of the largest array made in a block: a few of them fit the cache that a core has to itself."""

FEWEST_ROWS = 512
"""Rows a block has at least: with fewer, calls and small matrix products cost more than the cache saves."""


def in_blocks(
    record: Recorder,
    leaves: Mapping[sympy.Symbol, Shape],
    results: Sequence[Expr],
    sizes: Mapping[str, Expr],
    fewest: int = FEWEST_ROWS,
) -> Blocks | None:
    """Plan the blocks of a program that qualifies; None for another.

    Args:
        record: its operations; positions along the samples are rewritten to be those in a block.
        leaves: its inputs and their shapes.
        results: what it returns.
        sizes: what tells a size by name.
        fewest: rows a block has at least.
    """
    live = record.live(results)
    first = dict.fromkeys(shape[0] for shape in leaves.values() if shape and isinstance(shape[0], str))
    for samples in first:
        if all(shape.count(samples) == (shape[:1] == (samples,)) for shape in leaves.values()):
            walk = _Walk(record, dict(leaves), samples)
            if walk.qualifies(live, results):
                return walk.blocks(sizes, fewest)
    return None


@dataclass
class _Walk:
    """One attempt: which operations a block has."""

    record: Recorder
    shapes: dict[sympy.Symbol, Shape]
    samples: Extent
    sizes: dict[Expr, Extent] = field(default_factory=dict)
    inside: list[sympy.Symbol] = field(default_factory=list)
    totals: list[sympy.Symbol] = field(default_factory=list)
    after: list[sympy.Symbol] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.leaves = tuple(leaf for leaf, shape in self.shapes.items() if self.samples in shape)

    def qualifies(self, live: Sequence[sympy.Symbol], results: Sequence[Expr]) -> bool:
        """Whether every operation can be done so."""
        if not all(self._admits(target, self.record.operations[target]) for target in live):
            return False
        return len(self.inside) > len(self.totals) > 0 and not any(self._has_samples(result) for result in results)

    def _admits(self, target: sympy.Symbol, operation: Expr) -> bool:
        if isinstance(operation, SizeOf):
            self.sizes[target] = self.shapes[operation.args[0]][int(operation.args[1])]
            return True
        shape = self.shapes[target] = shape_of(operation, self.shapes, self.sizes)
        reads = reads_of(operation)
        late = any(read in self.totals or read in self.after for read in reads)
        early = any(self._has_samples(read) for read in reads)
        if not early and self.samples not in shape:
            if late:
                self.after.append(target)
            return True
        self.inside.append(target)
        if late or shape.count(self.samples) > 1 or isinstance(operation, (Full, Linear, Diagonal)):
            return False
        if not self._keeps_places(operation):
            return False
        if self.samples in shape:
            return True
        self.totals.append(target)
        return self._sums(operation)

    def _keeps_places(self, operation: Expr) -> bool:
        """Whether a sample's own position is all that it is selected by, and is used for nothing else."""
        if not isinstance(operation, Gather):
            return not any(self._is_place(read) for read in reads_of(operation))
        array, *positions = operation.args
        own = [axis for axis, size in enumerate(shape_of(array, self.shapes, self.sizes)) if size == self.samples]
        return all(all(map(self._is_place, reads_of(p))) == (axis in own) for axis, p in enumerate(positions))

    def _is_place(self, read: Expr) -> bool:
        return isinstance(self.record.operations.get(read), Positions) and self._has_samples(read)

    def _has_samples(self, read: Expr) -> bool:
        return self.samples in self.shapes.get(read, ())

    def _sums(self, operation: Expr) -> bool:
        """Whether an operation that spends the samples' axis adds along it."""
        if isinstance(operation, Reduced):
            return operation.kind == "sum"
        if isinstance(operation, (MatrixProduct, TensorProduct, Einsum)):
            return all(self.samples in shape_of(side, self.shapes, self.sizes) for side in operation.args[:2])
        return False

    def blocks(self, sizes: Mapping[str, Expr], fewest: int) -> Blocks:
        """The plan."""
        for target in self.inside:
            if isinstance(self.record.operations[target], Positions):
                self.record.operations[target] = Positions(SizeOf(self.leaves[0], sympy.Integer(0)))
        made = [target for target in self.inside if target not in self.totals]
        rows = [[size for size in self.shapes[array] if size not in (self.samples, 1)] for array in made]
        width = tuple(sizes[s] if isinstance(s, str) else sympy.Integer(s) for s in max(rows, key=entries))
        return Blocks(self.leaves, frozenset(self.inside), frozenset(self.totals), frozenset(self.after), width, fewest)
