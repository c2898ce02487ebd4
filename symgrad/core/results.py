"""What evaluating, verifying and training hand on to whoever prints it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from symgrad.core.derivation import Derivation
from symgrad.core.display import bundle_of

if TYPE_CHECKING:  # what only derives need not load NumPy
    import numpy

Value: TypeAlias = "float | numpy.ndarray[Any, Any]"
"""A Python float for a scalar, an array for a tensor."""

Edge: TypeAlias = tuple[str, ...]
"""Child and parent, and the number of the occurrence where it is not the first."""

Ruling = Literal["yes", "no", "undecided"]
"""What a judgement comes to."""

Kind = Literal["partial", "adjoint", "gradient", "contribution", "seed", "value"]


@dataclass(frozen=True)
class Evaluation:
    """A derivation at one point; numbers are Python floats that hold the program's own dtype exactly.

    Args:
        value: the output.
        gradient: dL/dp for each name in `wrt`.
        nodes: the value of every named node of the primal.
        adjoints: dL/dv for every live node, the output's axes first where it has any.
        partials: ∂child/∂parent by edge, where both are scalars.
        contributions: Σ dL/dchild · ∂child/∂parent by edge, in the shape of the parent's adjoint.
    """

    value: Value
    gradient: Mapping[str, Value]
    nodes: Mapping[str, Value]
    adjoints: Mapping[str, Value]
    partials: Mapping[Edge, Value]
    contributions: Mapping[Edge, Value]


@dataclass(frozen=True)
class Verdict:
    """One quantity judged by one referee; a failed check is data, never an exception.

    A tensor is judged entry by entry, and its verdict tells the worst entry: one that failed, if any did, and among
    those the one farthest out of its tolerance.

    Args:
        kind: what was judged.
        of: the node differentiated (the child of a partial).
        by: the node it is differentiated by.
        referee: `"autograd"` for torch, `"step"` for the rigorous recomputation of one step, `"seed"`, `"certified"`
            for the true value that a function of somebody else's is held against, or `"truth"` for the distance of a
            program from the true value, which is the formula's and fails nothing.
        value: what the judged program gave.
        reference: what the referee gave.
        ulps: distance of the two in units in the last place of the reference.
        tolerance: the largest distance of value and reference that rounding explains at this point.
        passed: whether the distance is within the tolerance.
        note: a convention in force, or what is wrong; empty when there is nothing to say.
        judged: whose number this is: `"symgrad"`, `"autograd"`, or the name of a function of somebody else's.
        entry: which entry the numbers are those of; of a Jacobian's, the output's axes first.
        entries: how many entries were judged.
        failed_entries: how many of them failed.
        number: which of the child's occurrences of the parent it is, from 1.
    """

    kind: Kind
    of: str
    by: str
    referee: Literal["autograd", "step", "seed", "certified", "truth"]
    value: float
    reference: float
    ulps: float
    tolerance: float
    passed: bool
    note: str = ""
    judged: str = "symgrad"
    entry: tuple[int, ...] = ()
    entries: int = 1
    failed_entries: int = 0
    number: int = 1


@dataclass(frozen=True)
class Verification:
    """Verdicts at one or several points.

    Args:
        derivation: what was verified.
        points: the points, each a value for every leaf.
        verdicts: for each point, its verdicts in the order of the derivation.
        dtype: the precision the programs ran in.
        versions: the referees' versions, for the last line of the report.
    """

    derivation: Derivation
    points: tuple[Mapping[str, Value], ...]
    verdicts: tuple[tuple[Verdict, ...], ...]
    dtype: str
    versions: str

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Plain text and HTML for Jupyter."""
        return bundle_of(self)

    @property
    def passed(self) -> bool:
        """Whether every referee agrees everywhere, and every comparison says something."""
        return self.ruling == "yes"

    @property
    def ruling(self) -> Ruling:
        """`no` if a number is wrong, `undecided` if none is but a comparison says nothing, else `yes`."""
        if any(not self._says_nothing(v) for v in self.failures):
            return "no"
        return "undecided" if self.undecided or not self.verdicts else "yes"

    @property
    def failures(self) -> tuple[Verdict, ...]:
        """The verdicts that failed, first point first, from the output backwards."""
        return tuple(v for point in self.verdicts for v in point if not v.passed)

    @property
    def undecided(self) -> tuple[Verdict, ...]:
        """The verdicts that say nothing about a derivative, whether or not the two numbers are alike.

        They are those on an output that is not finite, which has no derivative there, and those that find nan beside
        nan or no certified value.
        """
        return tuple(v for point in self.verdicts for v in point if self._says_nothing(v))

    def _says_nothing(self, verdict: Verdict) -> bool:
        if verdict.referee == "certified":
            return math.isnan(verdict.reference) and math.isinf(verdict.tolerance)
        if verdict.referee != "autograd" or not verdict.passed:
            return False
        if verdict.kind == "value":
            return verdict.by == self.derivation.output
        return math.isnan(verdict.value)

    @property
    def worst_ulps(self) -> float:
        """The largest distance from autograd, or from the certified values, in ULPs."""
        referees = ("autograd", "certified")
        return max((v.ulps for p in self.verdicts for v in p if v.referee in referees), default=0.0)


@dataclass(frozen=True)
class StepRecord:
    """One update of a training run, as the log prints it.

    Args:
        epoch: from 0.
        inputs: the batch: a float for a single sample, else a list, nested for tensors, by name.
        loss: the loss of the batch before the update.
        gradient: dL/dp by parameter.
        parameters: the trained values before the update.
    """

    epoch: int
    inputs: Mapping[str, Any]
    loss: float
    gradient: Mapping[str, Value]
    parameters: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A training run.

    Args:
        parameters: the trained values.
        epochs: the loss of each epoch's last batch, as the lecture's log prints it.
        steps: one record a step when the log was kept, else empty.
        step_count: how many updates the parameters have seen, those before a resumed checkpoint included.
        verifications: one a step when every step was verified, else empty.
    """

    parameters: Mapping[str, Value]
    epochs: Sequence[float]
    steps: tuple[StepRecord, ...] = ()
    step_count: int = 0
    verifications: tuple[Verification, ...] = field(default=())

    @property
    def trajectory(self) -> tuple[Mapping[str, Value], ...]:
        """The trained values before each logged step and after the last; empty where no steps were kept."""
        return (*(step.parameters for step in self.steps), self.parameters) if self.steps else ()

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Plain text and HTML for Jupyter."""
        return bundle_of(self)
