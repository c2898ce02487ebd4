"""Diagnoses about the way from a name to the output: paths, local partials, and the adjoints in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from symgrad.answers.evidence import Evidence, Sample
from symgrad.calculus.forms import Forms, Path
from symgrad.calculus.simplify import times
from symgrad.core.answer import Diagnosis
from symgrad.core.derivation import Term
from symgrad.core.expression import ONE, Expr
from symgrad.core.indices import entry, free_indices

PATHS = 6
"""Of more paths no combinations are tried, only one missing path at a time."""

MANY_PATHS = 64
"""More paths than this are told edge by edge."""

EDGES = 40
"""In a derivation of more edges no single one is suspected."""


def direct(evidence: Evidence) -> Iterator[Diagnosis]:
    """The answer is the local partial of the output, which is only one of several ways."""
    terms = evidence.focused.step(evidence.name).terms
    if len(terms) > 1:
        yield from _local(evidence, [term for term in terms if term.child == evidence.focused.output])


def further_down(evidence: Evidence) -> Iterator[Diagnosis]:
    """The answer is the local partial of an intermediate."""
    terms = evidence.focused.step(evidence.name).terms
    yield from _local(evidence, [term for term in terms if term.child != evidence.focused.output])


def _local(evidence: Evidence, terms: Sequence[Term]) -> Iterator[Diagnosis]:
    if not evidence.is_scalar:
        return
    for term in terms:
        if term.partial.free_symbols and evidence.equals(lambda s, t=term: s.line(t.partial)):  # type: ignore[misc]
            yield Diagnosis("local partial", path=(term.parent, term.child), node=term.child)


def forgotten(evidence: Evidence) -> Iterator[Diagnosis]:
    """The answer lacks the term of one path, or of several."""
    forms = Forms(evidence.focused)
    if not forms.has_fork:
        return
    if evidence.is_scalar and forms.path_counts[evidence.name] <= MANY_PATHS:
        yield from _forgotten_paths(evidence, forms.paths(evidence.name, MANY_PATHS))
    for term in _edges(evidence):
        if len(evidence.full.step(term.parent).terms) > 1 and evidence.equals(
            lambda s, t=term: evidence.faulty(s, t, lambda value: value * 0)  # type: ignore[misc]
        ):
            yield Diagnosis("path forgotten", path=(term.parent, term.child))


def _forgotten_paths(evidence: Evidence, paths: Sequence[Path]) -> Iterator[Diagnosis]:
    values = {id(s): [s.line(path.product) for path in paths] for s in evidence.telling}
    for count in range(1, len(paths) if len(paths) <= PATHS else 2):
        for missing in combinations(range(len(paths)), count):

            def left(sample: Sample, missing: tuple[int, ...] = missing) -> Any:
                return sample.expected - sum(values[id(sample)][n] for n in missing)

            if evidence.equals(left):
                yield Diagnosis("path forgotten", path=paths[missing[0]].nodes, others=count - 1)


def _edges(evidence: Evidence) -> tuple[Term, ...]:
    """The edges between the name and the output."""
    wanted = {term.edge for term in evidence.focused.terms}
    terms = tuple(term for term in evidence.full.terms if term.edge in wanted)
    return terms if len(terms) <= EDGES else ()


def spoiled_edge(evidence: Evidence) -> Iterator[Diagnosis]:
    """One local partial has the wrong sign, or was left out, on its own path only."""
    for term in _edges(evidence):
        path = (term.parent, term.child)
        if evidence.equals(lambda s, t=term: evidence.faulty(s, t, lambda value: -value)):  # type: ignore[misc]
            yield Diagnosis("path's sign", path=path)
        bare = _without_partial(evidence, term)
        if bare is not None and evidence.equals(lambda s, t=term, b=bare: evidence.faulty(s, t, b)):  # type: ignore[misc]
            yield Diagnosis("path's factor", factor=term.partial, path=path)


def _without_partial(evidence: Evidence, term: Term) -> Expr | None:
    """The contribution without its local partial, where both sides have the same axes."""
    full = evidence.full
    node = full.gradient[term.contribution]
    child = full.primal[term.child]
    upstream = entry(full.adjoints[term.child], (*full.axes, *child.index))
    if term.summed or set(free_indices(upstream)) != set(node.index) or term.partial == ONE:
        return None
    return upstream


def stopped_early(evidence: Evidence) -> Iterator[Diagnosis]:
    """The answer is the adjoint of an intermediate on the way."""
    focused = evidence.focused
    for node, adjoint in focused.adjoints.items():
        if node in (evidence.name, focused.output) or focused.primal[node].inserted:
            continue
        if len(evidence.full.gradient[adjoint].index) != len(evidence.index):
            continue
        if evidence.equals(lambda s, n=node: s.node(evidence.full.adjoints[n])):  # type: ignore[misc]
            way = _only_way(evidence, node)
            if evidence.is_scalar and way is not None:
                product = times(*(term.partial for term in way))
                if product.free_symbols and _is_whole(evidence, node):
                    path = tuple(dict.fromkeys(n for t in reversed(way) for n in (t.parent, t.child)))
                    yield Diagnosis("missing factor", factor=product, path=path)
            path = () if way is None else (evidence.name, *(term.child for term in reversed(way)))
            yield Diagnosis("stopped early", node=node, path=path)


def _only_way(evidence: Evidence, node: str) -> tuple[Term, ...] | None:
    """The edges from a node down to the name, where there is one way only."""
    terms = [t for t in evidence.focused.terms if t.child == node]
    way: list[Term] = []
    while len(terms) == 1:
        way.append(terms[0])
        if terms[0].parent == evidence.name:
            return tuple(way)
        terms = [t for t in evidence.focused.terms if t.child == terms[0].parent]
    return None


def _is_whole(evidence: Evidence, node: str) -> bool:
    """Whether every way from the name to the output passes the node."""
    counts = Forms(evidence.focused).path_counts
    below = Forms(evidence.focused).paths(evidence.name, MANY_PATHS)
    return counts[evidence.name] <= MANY_PATHS and all(node in path.nodes for path in below)


def another(evidence: Evidence) -> Iterator[Diagnosis]:
    """The answer is the derivative by another name."""
    for node, adjoint in evidence.full.adjoints.items():
        if node in evidence.focused.adjoints or evidence.full.primal[node].inserted:
            continue
        if evidence.equals(lambda s, a=adjoint: s.node(a)):  # type: ignore[misc]
            yield Diagnosis("other variable", node=node)
