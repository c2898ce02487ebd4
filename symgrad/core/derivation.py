"""The derivation: every local partial, every path and the gradient, which is a graph again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from symgrad.core.display import bundle_of
from symgrad.core.expression import Expr
from symgrad.core.graph import Graph
from symgrad.core.indices import Index
from symgrad.core.names import listing
from symgrad.errors import GraphError


@dataclass(frozen=True, slots=True)
class Term:
    """One factor of the chain rule: an edge of the graph, told from child to parent.

    Args:
        child: the node nearer to the output.
        parent: the node the child reads.
        partial: ∂child/∂parent with the other parents held fixed, in symbols of the primal.
        written: the same before it was tidied; terms that cancel in `partial` still stand here, and their rounding is
            what another program may have committed.
        rule: the name of the rule that gave it.
        partial_name: the node of the gradient graph that holds the partial; between tensors there is none, since the
            partial has the axes of both, and the name is only kept free.
        contribution: the node of the gradient graph that holds Σ dL/dchild · ∂child/∂parent.
        occurrence: the parent as the child's body reads it, `p` or `p[J]`.
        summed: the indices of the child's body that are summed around the occurrence.
        number: which of the child's occurrences of this parent it is, from 1.
    """

    child: str
    parent: str
    partial: Expr
    written: Expr
    rule: str
    partial_name: str
    contribution: str
    occurrence: Expr
    summed: tuple[Index, ...] = ()
    number: int = 1

    @property
    def edge(self) -> tuple[str, ...]:
        """The child and the parent, and the number of the occurrence where it is not the first."""
        return (self.child, self.parent) if self.number == 1 else (self.child, self.parent, str(self.number))


@dataclass(frozen=True, slots=True)
class Step:
    """All paths into one node, and their sum.

    Args:
        node: the node whose adjoint this step gives.
        terms: one for each live child, in graph order; none for the output, and for a node that never reaches it.
        adjoint: the node of the gradient graph that holds dL/dnode.
    """

    node: str
    terms: tuple[Term, ...]
    adjoint: str


@dataclass(frozen=True)
class Derivation:
    """What `derive` returns: the chain rule applied once, step by step.

    Args:
        primal: the graph that was derived.
        output: the node that is differentiated; where it is no scalar, the adjoints are Jacobians.
        wrt: the nodes it is differentiated with respect to.
        steps: one a live node, in reverse topological order: the output first.
        gradient: a graph of the primal, the local partials, the contributions and the adjoints; its outputs are the
            adjoints of `wrt`. An adjoint has the axes of its node, after the output's own, if it has any.
        axes: the indices of the output in the adjoints; none for a scalar output.
    """

    primal: Graph
    output: str
    wrt: tuple[str, ...]
    steps: tuple[Step, ...]
    gradient: Graph
    axes: tuple[Index, ...] = ()

    @cached_property
    def asked(self) -> frozenset[str]:
        """The names in `wrt`, to look one up."""
        return frozenset(self.wrt)

    @cached_property
    def _steps(self) -> Mapping[str, Step]:
        return {step.node: step for step in self.steps}

    def step(self, node: str) -> Step:
        """The step that gives the adjoint of `node`.

        Raises:
            GraphError: if no path from `wrt` to the output passes through the node.
        """
        if node not in self._steps:
            raise GraphError(f"no step gives d{self.output}/d{node}; there are steps for {listing(self._steps)}.")
        return self._steps[node]

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Every edge, from the output backwards."""
        return tuple(term for step in self.steps for term in step.terms)

    @cached_property
    def adjoints(self) -> Mapping[str, str]:
        """Name of the adjoint's node for each live node."""
        return {step.node: step.adjoint for step in self.steps}

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Plain text, LaTeX and HTML for Jupyter."""
        return bundle_of(self)


def require_derivation(given: object, caller: str) -> None:
    """Refuse what is no derivation, as text and a graph are none.

    Args:
        given: what a function was handed.
        caller: its name.

    Raises:
        GraphError: if it is something else.
    """
    if not isinstance(given, Derivation):
        kind = type(given).__name__
        raise GraphError(f"{caller} takes a derivation, as derive(read('l = x**2')) gives one; this is a {kind}.")
