"""The chain rule, applied backwards over the graph, once."""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.calculus.partial import Partial, partials
from symgrad.core.derivation import Derivation, Step, Term
from symgrad.core.expression import ONE, ZERO, add, mul, symbol
from symgrad.core.graph import Graph, Node
from symgrad.core.memory import uncollected
from symgrad.core.names import fresh, listing, suggestion
from symgrad.errors import GraphError


@uncollected
def derive(graph: Graph, wrt: Sequence[str] | str | None = None, *, output: str | None = None) -> Derivation:
    """Differentiate a graph by the chain rule, backwards, each node once.

    For every edge from a child to a parent the pullback is `dL/dchild · ∂child/∂parent`; the adjoint of a node is the
    sum over its children (Griewank and Walther, Evaluating Derivatives, 2008, section 3.2). The cost is linear in
    the graph: nothing is substituted into anything.

    Args:
        graph: the loss and everything it is made of.
        wrt: names to differentiate by; every leaf when left out. An intermediate may be named too.
        output: the node to differentiate, a scalar; the graph's first output when left out.

    Returns:
        The derivation; its `gradient` is a graph again. A name that the output does not depend on has gradient 0.

    Raises:
        GraphError: if a name is not in the graph, occurs twice, or there is nothing to differentiate by.
        NotDifferentiableError: if a function has no rule.
    """
    loss = graph[output if output is not None else graph.output].name
    names = _wrt(graph, wrt, loss)
    needed = graph.ancestors(loss)
    live = graph.descendants(names) & needed
    local = _local_partials(graph, live)
    taken = {node.name for node in graph.nodes}
    made: list[Node] = [node for node in graph.nodes if node.name in needed or node.name in names]

    def name(wanted: str) -> str:
        chosen = fresh(wanted, taken)
        taken.add(chosen)
        return chosen

    adjoint: dict[str, str] = {}
    steps: list[Step] = []
    children = _children(local)
    for node in (*(n.name for n in reversed(graph.nodes) if n.name in live), *(n for n in names if n not in live)):
        adjoint[node] = name(f"d{loss}_d{node}")
        edges = children.get(node, [])
        terms, nodes = [], []
        for child in edges:
            partial = local[child][node]
            partial_name = name(f"p{child}_p{node}")
            contribution = adjoint[node] if len(edges) == 1 else name(f"d{loss}_d{node}_via_{child}")
            terms.append(
                Term(child, node, partial.expression, partial.written, partial.rule, partial_name, contribution)
            )
            pulled = mul(symbol(adjoint[child]), symbol(partial_name))
            nodes += [Node(partial_name, partial.expression), Node(contribution, pulled)]
        if len(edges) != 1:
            total = add(*(symbol(term.contribution) for term in terms))
            nodes.append(Node(adjoint[node], ONE if node == loss else total if terms else ZERO))
        made += nodes
        steps.append(Step(node, tuple(terms), adjoint[node]))
    gradient = Graph(tuple(made), tuple(adjoint[n] for n in names))
    return Derivation(graph, loss, names, tuple(steps), gradient)


def _wrt(graph: Graph, wrt: Sequence[str] | str | None, loss: str) -> tuple[str, ...]:
    if wrt is None:
        names = tuple(leaf for leaf in graph.leaves if leaf in graph.ancestors(loss))
        if not names:
            raise GraphError(f"{loss!r} is a constant: there is no leaf to differentiate it by.")
        return names
    names = (wrt,) if isinstance(wrt, str) else tuple(wrt)
    if not names:
        raise GraphError("wrt is empty; name at least one leaf, or leave it out for every leaf.")
    for position, name in enumerate(names):
        if name not in graph:
            hint = suggestion(name, (n.name for n in graph.nodes)) or f" The leaves are {listing(graph.leaves)}."
            raise GraphError(f"cannot differentiate by {name!r}: it is not in the graph.{hint}")
        if name in names[:position]:
            raise GraphError(f"wrt names {name!r} twice; once is enough.")
    return names


def _local_partials(graph: Graph, live: frozenset[str]) -> dict[str, dict[str, Partial]]:
    """For each live child its partials by live parent."""
    found = {}
    for node in graph.nodes:
        if node.name in live and node.body is not None:
            found[node.name] = partials(node.body, symbol(node.name), live)
    return found


def _children(local: dict[str, dict[str, Partial]]) -> dict[str, list[str]]:
    """For each parent its live children, the one nearest to the start first."""
    children: dict[str, list[str]] = {}
    for child, parents in local.items():
        for parent in parents:
            children.setdefault(parent, []).append(child)
    return children
