"""A hand-made derivative judged: right, wrong and how, or not to be decided."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy

from symgrad.answers.algebra import graph_in_decimals, in_decimals, is_identical
from symgrad.answers.diagnoses import diagnose
from symgrad.answers.equality import PRECISIONS, Outcome, compare, is_finite, lacks_value, settled
from symgrad.answers.evidence import Evidence, Sample, as_array
from symgrad.answers.grounds import Grounds
from symgrad.answers.handmade import read_answer, vocabulary
from symgrad.answers.reshaped import diagnose_shape
from symgrad.answers.showing import show
from symgrad.answers.trials import Trial
from symgrad.calculus.chain import derive
from symgrad.checks.entrywise import sizes_of
from symgrad.checks.scalar_balls import precision
from symgrad.core.answer import Answer
from symgrad.core.derivation import Derivation, require_derivation
from symgrad.core.expression import Expr, name_of, occurrences
from symgrad.core.graph import Graph, shape_text
from symgrad.core.indices import Index
from symgrad.core.memory import uncollected
from symgrad.core.names import listing
from symgrad.core.results import Ruling
from symgrad.errors import DataError
from symgrad.renderers.formula import TextPrinter

CONFIRMED = 3
"""Points at which what seems equal is compared in the highest precision."""

ENOUGH = 6
"""Points at which two formulas must be equal to be taken for equal."""


@uncollected
def check(
    derivation: Derivation,
    name: str,
    answer: str,
    *,
    at: Mapping[str, Any] | None = None,
    index: Collection[str] = (),
) -> Answer:
    """Judge a hand-made derivative.

    It is compared with the derived one in ball arithmetic (Johansson, IEEE Trans. Computers 66, 2017) at seeded random
    points inside the domain, on both sides of every case distinction, with precision raised until each comparison is
    decided. Enclosures that do not overlap prove the answer wrong; it is taken for right if at six points or more the
    enclosures overlap to 200 bits and every side of every case was seen or cannot occur.

    Args:
        derivation: of the loss.
        name: what the answer is the derivative by.
        answer: the answer in the text grammar, `2*x*(x*w - y)`, in the names of leaves, intermediates and adjoints
            (`dl_dy_pred*x`); in NumPy's style for tensors, `X.T @ r`, or in index notation, `dL_dW[i,j] = r[i]*x[j]`.
        at: a point to compare and show the numbers at, besides those that are chosen.
        index: the indices of an answer in index notation that has no left-hand side.

    Returns:
        The ruling and the diagnoses. A wrong answer is data, never an exception.

    Raises:
        ReadError: if the answer cannot be read.
        DataError: if no point lies in the domain of the loss, or the one given does not.
    """
    require_derivation(derivation, "check")
    return Judge(derivation, name).judge(answer, at, index)


class Judge:
    """Judges answers about one derivative.

    Args:
        derivation: of the loss.
        name: what the answers are derivatives by.
    """

    def __init__(self, derivation: Derivation, name: str) -> None:
        primal, output = derivation.primal, derivation.output
        needed = primal.ancestors(output)
        leaves = [leaf for leaf in primal.leaves if leaf in needed and leaf not in primal.selectors]
        self.name = name
        self.focused = derive(primal, name, output=output)
        self.full = derive(primal, [*leaves, *(() if name in leaves else (name,))], output=output)
        self.adjoint = self.full.adjoints[name]
        self.words: Graph = vocabulary(self.full, self.focused)
        self.grounds = Grounds(graph_in_decimals(self.words), name, output, self.adjoint)

    def judge(self, text: str, at: Mapping[str, Any] | None = None, index: Collection[str] = ()) -> Answer:
        """Judge one answer."""
        body, own = read_answer(text, self.words, self.full, self.name, index)
        given = None if at is None else self._given(at, body)
        answer = Answer(self.focused, self.name, text, body, own, "undecided")
        body = in_decimals(body)
        shape, due = tuple(i.size for i in own), self.words[self.adjoint].shape
        if shape != due:
            samples = self._samples(self.grounds.ordinary[:ENOUGH], body, own)
            return replace(answer, ruling="no", diagnoses=diagnose_shape(samples, shape, due))
        trials = (*(() if given is None else (given,)), *self.grounds.ordinary, *self.grounds.beside(body))
        outcomes = self._confirmed([(trial, self._outcome(trial, body, own)) for trial in trials], body, own)
        answer = replace(answer, points=len(trials))
        if any(outcome in ("different", "no value") for _, outcome in outcomes):
            return self._wrong(answer, body, outcomes, given)
        ruling, reason = self._settle(body, own, [trial for trial, outcome in outcomes if outcome == "same"])
        return replace(answer, ruling=ruling, reason=reason)

    def _confirmed(
        self, outcomes: list[tuple[Trial, Outcome]], body: Expr, own: tuple[Index, ...]
    ) -> list[tuple[Trial, Outcome]]:
        """The outcomes; where all seem equal, the first few are compared in the highest precision."""
        if any(outcome in ("different", "no value") for _, outcome in outcomes):
            return outcomes
        first = [trial for trial, outcome in outcomes if outcome == "same"][:CONFIRMED]
        parting = {id(trial) for trial in first if self._parts_later(trial, body, own)}
        return [(trial, "different" if id(trial) in parting else outcome) for trial, outcome in outcomes]

    def _parts_later(self, trial: Trial, body: Expr, own: tuple[Index, ...]) -> bool:
        """Whether two numbers that agree to 200 bits part in the most there are: 1 + exp(-200) is not 1."""
        with precision(PRECISIONS[-1]):
            yours = trial.line(body, own, PRECISIONS[-1])
            return compare(yours, trial.node(self.adjoint, PRECISIONS[-1])) == "different"

    def _outcome(self, trial: Trial, body: Expr, own: tuple[Index, ...]) -> Outcome:
        """The answer beside the derivative at one point."""
        outcome, bits = settled(lambda bits: (trial.line(body, own, bits), trial.node(self.adjoint, bits)))
        if outcome == "open":
            with precision(bits):
                valued = is_finite(trial.line(body, own, bits))
                if not valued and lacks_value(body, trial.space(bits, ())):
                    return "open" if self.grounds.is_on_edge(trial, body) else "no value"
        return outcome

    def _settle(self, body: Expr, own: tuple[Index, ...], same: list[Trial]) -> tuple[Ruling, str]:
        """Yes, if the points are enough and on all sides; otherwise why not."""
        if len(same) < ENOUGH:
            return "undecided", f"only {len(same)} points could be decided; give one with --at."
        unseen = self.grounds.unseen(body, same)
        if not unseen or is_identical(body, own, self.grounds.graph, self.adjoint):
            return "yes", ""
        (branch, sign), *_ = unseen
        side = TextPrinter().condition(branch.condition(sign))
        return "undecided", f"they agree at {len(same)} points, but none was found where {side}; give one with --at."

    def _wrong(
        self, answer: Answer, body: Expr, outcomes: Sequence[tuple[Trial, Outcome]], given: Trial | None
    ) -> Answer:
        """What is wrong, and a point that shows it."""
        evidence = Evidence(
            self.focused,
            self.full,
            self.name,
            body,
            answer.index,
            self.grounds,
            tuple(outcomes),
            self._samples([t for t, outcome in outcomes if outcome in ("same", "different")], body, answer.index),
        )
        shown = show(evidence, self.adjoint, given)
        with precision(PRECISIONS[0]):
            diagnoses = diagnose(evidence)
        agree = "" if given is None or shown.given else "At the point given the two agree."
        return replace(answer, ruling="no", diagnoses=diagnoses, reason=agree, **shown._asdict())

    def _samples(self, trials: Sequence[Trial], body: Expr, own: tuple[Index, ...]) -> tuple[Sample, ...]:
        """Both values at each point where both are enclosed."""
        bits = PRECISIONS[0]
        made = (Sample(t, as_array(t.line(body, own, bits)), as_array(t.node(self.adjoint, bits))) for t in trials)
        return tuple(sample for sample in made if is_finite(sample.yours) and is_finite(sample.expected))

    def _given(self, at: Mapping[str, Any], body: Expr) -> Trial:
        """The point that was given, completed where nothing depends on it."""
        for name in at:
            self.words[name]
        read = {name_of(o) for o in occurrences(body)} | {self.focused.output, self.adjoint}
        needed = self.words.ancestors(*read)
        missing = [leaf for leaf in self.words.leaves if leaf in needed and leaf not in at]
        if missing:
            raise DataError(f"the point has no value for {listing(missing)}.")
        given = {leaf: self._array(leaf, at[leaf]) for leaf in self.words.leaves if leaf in at}
        sizes = {**dict.fromkeys(self.words.sizes, 2), **sizes_of(self.words, given)}
        point = {**self.grounds.draw(0, sizes), **given}
        if not Trial(self.grounds.graph, point).is_certified:
            raise DataError("the arrays given are too large to be certified; give smaller ones.")
        trial = self.grounds.trial(point)
        if trial is None:
            raise DataError("the point given is outside the domain of the loss, or at a kink; there is no derivative.")
        return trial

    def _array(self, leaf: str, value: Any) -> Any:
        shape = self.words[leaf].shape
        array = numpy.asarray(value, dtype=float)
        if array.ndim != len(shape) or not numpy.isfinite(array).all():
            raise DataError(f"the value given for {leaf!r} is not finite, or is not of shape {shape_text(shape)}.")
        return array if shape else float(array)
