"""Second derivatives: the gradient of a graph is a graph, so it is derived again."""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.calculus.chain import derive
from symgrad.core.derivation import Derivation
from symgrad.core.expression import Expr, add, mul
from symgrad.core.graph import Graph, Node
from symgrad.core.indices import Index, entry, fresh_index, total
from symgrad.core.memory import uncollected
from symgrad.core.names import fresh
from symgrad.errors import GraphError


@uncollected
def hessian(derivation: Derivation, wrt: Sequence[str] | str | None = None) -> dict[str, Derivation]:
    """The second derivatives of a scalar output, one row of blocks a name.

    Args:
        derivation: the first derivatives.
        wrt: the names to differentiate the gradient by; those of the derivation when left out.

    Returns:
        For each name `p` of the derivation the Jacobian of `dL/dp`; its adjoint by `q` has the axes of `p` and then
        those of `q`. Compile and call it like any derivation; render it to see it.

    Raises:
        GraphError: if the derivation is a Jacobian already, or a name is not in it.
    """
    _refuse_jacobian(derivation)
    names = derivation.wrt if wrt is None else wrt
    return {p: derive(derivation.gradient, names, output=derivation.adjoints[p]) for p in derivation.wrt}


@uncollected
def hvp(derivation: Derivation) -> Derivation:
    """The Hessian times a vector, without the Hessian (Pearlmutter, Neural Computation 6(1), 1994).

    The scalar `Σ_p Σ dL/dp · v_p` is differentiated once more, with a new leaf `v_p` of the shape of each `p` in
    `wrt`.

    Args:
        derivation: the first derivatives of a scalar output.

    Returns:
        A derivation with the same `wrt`, whose gradient by `q` is `Σ_p ∂²L/∂q∂p · v_p`; it needs values for the new
        leaves `v_p` besides those of the old ones.

    Raises:
        GraphError: if the derivation is a Jacobian.
    """
    _refuse_jacobian(derivation)
    gradient = derivation.gradient
    taken = {node.name for node in gradient.nodes}
    letters = taken | {i.name for node in gradient.nodes for i in (*node.index, *node.summed)}
    vectors: list[Node] = []
    terms: list[Expr] = []
    for name in derivation.wrt:
        vectors.append(Node(fresh(f"v_{name}", taken), shape=gradient[name].shape))
        taken.add(vectors[-1].name)
        index = _indices(vectors[-1], letters)
        product = mul(entry(derivation.adjoints[name], index), entry(vectors[-1].name, index))
        terms.append(total(product, index))
    directional = Node(fresh(f"d{derivation.output}_along_v", taken), add(*terms))
    graph = Graph((*gradient.nodes, *vectors, directional), (directional.name,))
    return derive(graph, derivation.wrt)


def _indices(node: Node, letters: set[str]) -> tuple[Index, ...]:
    made: list[Index] = []
    for size in node.shape:
        made.append(fresh_index(size, letters))
        letters.add(made[-1].name)
    return tuple(made)


def _refuse_jacobian(derivation: Derivation) -> None:
    if derivation.axes:
        raise GraphError(
            f"the output {derivation.output!r} is no scalar; second derivatives are taken of a scalar such as its sum."
        )
