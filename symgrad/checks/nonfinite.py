"""Where infinity or NaN began: the node, the operand, and what met what.

A gradient is NaN though its value is fine in two ways that mirror each other: zero comes from above and meets an
infinite local derivative, or infinity comes from above and meets a local derivative of zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy

from symgrad.checks.entry_values import EntryValues, Place, Trouble, subscripted
from symgrad.checks.entrywise import sizes_of
from symgrad.core.derivation import Derivation, Term
from symgrad.core.graph import Node
from symgrad.core.indices import Index, subscripts_of
from symgrad.core.results import Evaluation, Verdict
from symgrad.renderers.formula import TextPrinter


def where_it_began(derivation: Derivation, program: Evaluation, dtype: str = "float64") -> str:
    """The first number of an evaluation that is not finite, and why.

    Args:
        derivation: its formulas say what was computed.
        program: values, contributions and adjoints as a program had them, symgrad's or torch's.
        dtype: the precision it computed in.

    Returns:
        A sentence without its full stop; nothing where every number is finite.
    """
    search = _Search(derivation, program, dtype)
    return search.in_values() or search.in_contributions() or search.in_sums()


def suspect(derivation: Derivation, program: Evaluation, dtype: str = "float64") -> str:
    """The first operation of the loss, in whatever branch, that has no finite value or derivative at this point.

    Args:
        derivation: its primal is searched.
        program: the values of its nodes.
        dtype: the precision to overflow in.

    Returns:
        A sentence without its full stop; nothing where there is none.
    """
    return _Search(derivation, program, dtype).suspect()


def with_origins(
    verdicts: Iterable[Verdict], derivation: Derivation, programs: Mapping[str, Evaluation], dtype: str
) -> Iterator[Verdict]:
    """Verdicts, the first on a number that is not finite with a note where that began, once for each program.

    Args:
        verdicts: from the output backwards.
        derivation: what was computed.
        programs: what `symgrad` and `autograd` computed.
        dtype: the precision they computed in.
    """
    told: set[str] = set()
    for verdict in verdicts:
        numbers = {verdict.judged: verdict.value}
        if verdict.referee == "autograd":
            numbers["autograd"] = verdict.reference
        wrong = [w for w, n in numbers.items() if not math.isfinite(n) and w not in told and w in programs]
        told.update(wrong)
        origins = {whose: where_it_began(derivation, programs[whose], dtype) for whose in wrong}
        notes = [f"in {' and '.join(_sharing(o, origins))}, {o}" for o in dict.fromkeys(origins.values()) if o]
        yield replace(verdict, note="; ".join(filter(None, [verdict.note, *notes]))) if notes else verdict


def _sharing(origin: str, origins: Mapping[str, str]) -> list[str]:
    return [whose for whose, other in origins.items() if other == origin]


@dataclass
class _Search:
    derivation: Derivation
    program: Evaluation
    dtype: str

    def __post_init__(self) -> None:
        self.sizes = sizes_of(self.derivation.primal, self.program.nodes)
        self.entries = EntryValues(self.program.nodes, self.sizes, self.dtype)

    def in_values(self) -> str:
        """The first value that is not finite though everything it reads is."""
        for node in self.derivation.primal.nodes:
            value = self.program.nodes.get(node.name)
            at = _first(value)
            if at is None:
                continue
            where = f"the value of {node.name}{subscripted(at)} is {_number(value, at)}"
            if node.body is None:
                return where
            trouble = self.entries.trouble(node.body, dict(zip(node.index, at, strict=True)), slopes=False)
            return f"{where}: {_told(trouble)}" if trouble else where
        return ""

    def in_contributions(self) -> str:
        """The first contribution that is not finite, from the output backwards."""
        for step in self.derivation.steps:
            for term in step.terms:
                sent = self.program.contributions.get(term.edge)
                at = _first(sent)
                if at is not None:
                    what = f"the contribution of {term.child} to {term.parent}{subscripted(at)} is {_number(sent, at)}"
                    return f"{what}: {self.why(term, at)}".removesuffix(": ")
        return ""

    def in_sums(self) -> str:
        """The first sum of finite contributions that is not."""
        for step in self.derivation.steps:
            total = self.program.adjoints.get(step.node)
            at = _first(total)
            if at is not None:
                output = self.derivation.output
                return f"d{output}/d{step.node}{subscripted(at)} is {_number(total, at)}, a sum that overflows"
        return ""

    def suspect(self) -> str:
        """The first trouble in any line."""
        for node in self.derivation.primal.nodes:
            if node.body is None or node.name not in self.program.nodes:
                continue
            for at in numpy.ndindex(numpy.shape(self.program.nodes[node.name])):
                trouble = self.entries.trouble(node.body, dict(zip(node.index, at, strict=True)), slopes=True)
                if trouble:
                    return f"in {node.name}{subscripted(at)}, {_told(trouble)}"
        return ""

    def why(self, term: Term, at: tuple[int, ...]) -> str:
        """What met what where a child hands on no finite number to its parent."""
        child = self.derivation.primal[term.child]
        assert child.body is not None
        for place in self._places(child, term, at):
            trouble = self.entries.trouble(child.body, place, slopes=True)
            if trouble is None:
                continue
            upstream = self._upstream(child, place)
            if upstream is not None and upstream[1] == 0 and trouble.taken:
                return f"zero times infinity, since {upstream[0]} = 0 and {_told(trouble)}"
            if not trouble.taken:
                return f"zero times infinity, in the branch that where does not take: {_told(trouble)}"
            return _told(trouble)
        return self._met(child, term)

    def _met(self, child: Node, term: Term) -> str:
        """The mirror case: the line itself is harmless, but infinity came from above."""
        adjoint = self.program.adjoints.get(child.name)
        from_above = _first(adjoint)
        if from_above is not None:
            name = f"d{self.derivation.output}/d{child.name}{subscripted(from_above)}"
            return f"infinity times zero, since {name} is {_number(adjoint, from_above)} already"
        partial = self.program.partials.get(term.edge)
        if partial is not None and not math.isfinite(float(partial)):
            return f"the local partial of {term.child} by {term.parent} is {float(partial)}"
        return "the product overflows" if numpy.isinf(self.program.contributions[term.edge]).any() else ""

    def _places(self, child: Node, term: Term, at: tuple[int, ...]) -> list[Place]:
        """The child's entries that read the parent's entry `at`."""
        own = at[len(self.derivation.axes) :]
        subscripts = zip(subscripts_of(term.occurrence), own, strict=False)
        known: dict[Index, int] = {s: position for s, position in subscripts if isinstance(s, Index)}
        fixed = {i: known[i] for i in child.index if i in known}
        rest = tuple(i for i in child.index if i not in known)
        return list(self.entries.places(rest, fixed))

    def _upstream(self, child: Node, place: Place) -> tuple[str, float] | None:
        """The child's adjoint at a place."""
        adjoint = self.program.adjoints.get(child.name)
        entry = tuple(place[i] for i in child.index)
        if adjoint is None or numpy.ndim(adjoint) != len(entry):
            return None
        return f"d{self.derivation.output}/d{child.name}{subscripted(entry)}", float(numpy.asarray(adjoint)[entry])


def _first(value: Any) -> tuple[int, ...] | None:
    """The first entry that is not finite."""
    if value is None or numpy.isfinite(value).all():
        return None
    return tuple(int(n) for n in numpy.argwhere(~numpy.isfinite(numpy.asarray(value)))[0])


def _number(value: Any, at: tuple[int, ...]) -> str:
    return str(float(numpy.asarray(value)[at]))


def _told(trouble: Trouble) -> str:
    """`log(x) is -inf where x = 0`."""
    formula = TextPrinter().print(trouble.part)
    where = ", ".join(f"{name} = {number:.9g}" for name, number in trouble.operands[:4])
    what = "has an infinite derivative" if trouble.is_of_derivative else f"is {trouble.value}"
    if trouble.is_of_derivative and math.isnan(trouble.slope):
        what = "has no derivative"
    return f"{formula} {what}" + (f" where {where}" if where else "")
