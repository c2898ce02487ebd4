"""The forms a derivation is told in: paths, worked forms in named intermediates, closed forms in leaves.

Every form is made from the derivation's own partials, so what is printed is the result of the printed factors. All of
them are bounded: a form that would outgrow its limit is not made, and whoever prints it says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import sympy

from symgrad.calculus.cancellation import shorten
from symgrad.calculus.simplify import plus, tidy, times
from symgrad.core.derivation import Derivation, Step, Term
from symgrad.core.expression import Expr, is_larger, name_of, occurrences, size, substitute, symbol

WORKED_LIMIT = 30
"""A worked adjoint larger than this is referred to by name in the steps below it."""

CLOSED_LIMIT = 60
"""The largest closed form that is made (operations and operands)."""

PATH_LIMIT = 6
"""More paths than this are told backwards, node by node, not one by one."""

LENGTH_LIMIT = 8
"""A longer path is told backwards."""


@dataclass(frozen=True)
class Path:
    """One way from a name to the output.

    Args:
        terms: the edges, from the output backwards.
        product: the tidied product of their partials.
    """

    terms: tuple[Term, ...]
    product: Expr

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes from the name to the output."""
        return (self.terms[-1].parent, *(term.child for term in reversed(self.terms)))


@dataclass(frozen=True)
class Forms:
    """The forms of one derivation, made on demand."""

    derivation: Derivation

    @cached_property
    def path_counts(self) -> Mapping[str, int]:
        """How many paths lead from each live node to the output."""
        counts: dict[str, int] = {}
        for step in self.derivation.steps:
            reaching = sum(counts[term.child] for term in step.terms)
            counts[step.node] = 1 if step.node == self.derivation.output else reaching
        return counts

    def paths(self, name: str, limit: int = PATH_LIMIT) -> tuple[Path, ...]:
        """The paths from `name` to the output in graph order, at most `limit` of them."""
        found: list[tuple[Term, ...]] = []
        stack: list[tuple[str, tuple[Term, ...]]] = [(name, ())]
        while stack and len(found) < limit:
            node, terms = stack.pop()
            if node == self.derivation.output:
                found.append(tuple(reversed(terms)))
                continue
            stack += [(term.child, (*terms, term)) for term in reversed(self.derivation.step(node).terms)]
        return tuple(Path(terms, times(*(t.partial for t in terms))) for terms in found if terms)

    @cached_property
    def told_by_paths(self) -> bool:
        """Whether the paths can be told one by one: few, short, and sharing no node but their ends."""
        inner: list[str] = []
        for name in self.derivation.wrt:
            if self.path_counts[name] > PATH_LIMIT:
                return False
            for path in self.paths(name):
                if len(path.terms) > LENGTH_LIMIT:
                    return False
                inner += path.nodes[1:-1]
        return len(set(inner)) == len(inner) and not set(inner) & set(self.derivation.wrt)

    @cached_property
    def has_fork(self) -> bool:
        """Whether some node reaches the output by more than one edge, so that totals and locals differ."""
        return any(len(step.terms) > 1 for step in self.derivation.steps)

    @cached_property
    def has_ambiguity(self) -> bool:
        """Whether some node reads the output both directly and indirectly, so that ∂l/∂v could mean either."""
        output = self.derivation.output
        return any(len(s.terms) > 1 and any(t.child == output for t in s.terms) for s in self.derivation.steps)

    @cached_property
    def worked(self) -> Mapping[str, Expr]:
        """For each live node its adjoint in the named intermediates, or in adjoints' names where those are long."""
        worked: dict[str, Expr] = {}
        for step in self.derivation.steps:
            products = [times(self.upstream(term, worked), term.partial) for term in step.terms]
            one = sympy.Integer(1) if step.node == self.derivation.output else plus(*products)
            worked[step.node] = shorten(one)
        return worked

    def upstream(self, term: Term, worked: Mapping[str, Expr] | None = None) -> Expr:
        """The adjoint of the term's child as it appears in the step: worked out if that is short, else its name."""
        if term.child not in self._upstream:
            self._upstream[term.child] = self._told(term, self.worked if worked is None else worked)
        return self._upstream[term.child]

    @cached_property
    def _upstream(self) -> dict[str, Expr]:
        """What was told of a child once is told again."""
        return {}

    def _told(self, term: Term, worked: Mapping[str, Expr]) -> Expr:
        steps = self.derivation.step(term.child).terms
        is_local = len(steps) == 1 and steps[0].child == self.derivation.output
        form = steps[0].partial if is_local else worked[term.child]  # told as a local partial, and so it stands
        if is_larger(form, WORKED_LIMIT) or self.names_adjoint(form):
            return symbol(self.derivation.adjoints[term.child])
        return form

    @cached_property
    def _adjoint_names(self) -> frozenset[str]:
        return frozenset(self.derivation.adjoints.values())

    def names_adjoint(self, form: Expr) -> bool:
        """Whether a worked form refers to an adjoint by its name."""
        return any(name_of(o) in self._adjoint_names for o in occurrences(form))

    @cached_property
    def _closed_sizes(self) -> Mapping[str, int]:
        """For each name, adjoints included, how large it is once written in leaves alone."""
        sizes: dict[str, int] = {}
        for node in self.derivation.primal.nodes:
            sizes[node.name] = 1 if node.body is None else self._grown(node.body, sizes)
        for step in self.derivation.steps:
            sizes[step.adjoint] = self._grown(self.worked[step.node], sizes)
        return sizes

    @staticmethod
    def _grown(expression: Expr, sizes: Mapping[str, int]) -> int:
        return size(expression) + sum(sizes.get(name_of(o), 1) - 1 for o in occurrences(expression))

    def closed_size(self, step: Step) -> int:
        """How many operations and operands the closed form of the step's adjoint has."""
        return self._closed_sizes[step.adjoint]

    def closed(self, expression: Expr) -> Expr | None:
        """`expression` in leaves alone, or None where that is too large to read."""
        made = self._in_leaves(expression)
        return made if made is None or made == expression else shorten(made)

    def _in_leaves(self, expression: Expr) -> Expr | None:
        primal = self.derivation.primal
        if all(name in primal and primal[name].is_leaf for name in map(name_of, occurrences(expression))):
            return expression
        if self._grown(expression, self._closed_sizes) > CLOSED_LIMIT:
            return None
        adjoint_of = {step.adjoint: step.node for step in self.derivation.steps}
        mapping: dict[sympy.Basic, Expr] = {}
        for occurrence in dict.fromkeys(occurrences(expression)):
            name = name_of(occurrence)
            if name in adjoint_of:
                form: Expr | None = self.worked[adjoint_of[name]]
            else:
                form = primal[name].body
            if form is not None:
                closed = self._in_leaves(form)
                assert closed is not None  # a part is no larger than the whole
                mapping[occurrence] = closed
        return tidy(substitute(expression, mapping)) if mapping else expression
