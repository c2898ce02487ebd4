"""What judging a hand-made derivative hands on to whoever prints it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import sympy

from symgrad.core.derivation import Derivation
from symgrad.core.display import bundle_of
from symgrad.core.expression import Expr
from symgrad.core.indices import Extent, Index
from symgrad.core.results import Ruling, Value

Fault = Literal[
    "sign",
    "factor",
    "missing factor",
    "extra factor",
    "stopped early",
    "path forgotten",
    "local partial",
    "other variable",
    "transposed",
    "cases",
    "path's sign",
    "path's factor",
    "missing term",
    "term's sign",
    "shape",
    "unsummed",
    "broadcast",
    "no value",
]


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a hand-made derivative, in one statement.

    Args:
        fault: which statement it is.
        factor: of `sign` and `factor`, what the answer is a multiple by; of `missing factor`, `extra factor`, `path's
            factor` the factor itself; of `missing term` and `term's sign` the term.
        path: nodes from the name to where the statement points: the forgotten path, the edge, the way still to go.
        node: the node that the answer is about: where it stopped, or what it is the derivative by.
        condition: of `cases` where the answer is right; None if no one comparison says it.
        operand: of `transposed` the matrix within the answer; None if it is the whole.
        axes: of `unsummed` the axes that are left over.
        shape: the answer's own, where that is wrong.
        others: of `path forgotten`, how many further paths are.
    """

    fault: Fault
    factor: Expr | None = None
    path: tuple[str, ...] = ()
    node: str | None = None
    condition: sympy.Basic | None = None
    operand: str | None = None
    axes: tuple[int, ...] = ()
    shape: tuple[Extent, ...] = ()
    others: int = 0


@dataclass(frozen=True)
class Answer:
    """A hand-made derivative, judged.

    Args:
        derivation: symgrad's own, by `name` alone.
        name: what was differentiated by.
        text: the answer as it was given.
        body: the answer as it was read.
        index: its own indices.
        ruling: `yes` and `no` are certain up to coincidence at every point; all else is `undecided`.
        diagnoses: what is wrong, the most helpful first; none where nothing is, or nothing simple.
        points: how many points were compared.
        at: the point where the two numbers are those shown; None where there is nothing to show.
        given: whether that point was given.
        value: the answer's value there; NaN where it has none.
        reference: the derivative's value there.
        entry: which entry of a tensor the two are.
        reason: why nothing was decided, or what else there is to say; empty otherwise.
    """

    derivation: Derivation
    name: str
    text: str
    body: Expr
    index: tuple[Index, ...]
    ruling: Ruling
    diagnoses: tuple[Diagnosis, ...] = ()
    points: int = 0
    at: Mapping[str, Value] | None = None
    given: bool = False
    value: float | None = None
    reference: float | None = None
    entry: tuple[int, ...] = ()
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.ruling == "yes"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """The judgement in plain text, for Jupyter."""
        return bundle_of(self)
