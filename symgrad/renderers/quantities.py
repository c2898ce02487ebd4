"""How the derivatives of one derivation are written: d or ∂, and under which identifier in text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from symgrad.calculus.forms import Forms
from symgrad.core.derivation import Derivation, Term
from symgrad.core.names import fresh
from symgrad.errors import RenderError
from symgrad.renderers.document import Quantity
from symgrad.renderers.options import Notation


@dataclass(frozen=True)
class Quantities:
    """The names of a derivation's adjoints and local partials.

    Args:
        derivation: whose.
        notation: `partial` writes every derivative with ∂, `total` writes totals with d; `auto` decides by the forks.
    """

    derivation: Derivation
    notation: Notation = "auto"

    @cached_property
    def forms(self) -> Forms:
        """The derivation's forms, made once."""
        return Forms(self.derivation)

    @cached_property
    def totals(self) -> bool:
        """Whether totals are told apart from local partials with d.

        Raises:
            RenderError: if `partial` is asked for where ∂ could mean two things.
        """
        if self.notation == "partial" and self.forms.has_ambiguity:
            raise RenderError(
                "with notation 'partial' one name would have two meanings here, as it reaches the output both directly "
                "and indirectly; use 'total' or 'auto'."
            )
        return self.notation == "total" or (self.notation == "auto" and self.forms.has_fork)

    def adjoint(self, node: str) -> Quantity:
        """dL/dnode."""
        return Quantity(self.derivation.output, node, self.totals, self.derivation.adjoints[node])

    def partial(self, term: Term) -> Quantity:
        """∂child/∂parent."""
        identifier = term.partial_name if self.totals else self._identifiers[term]
        return Quantity(term.child, term.parent, False, identifier)

    def is_direct(self, node: str) -> bool:
        """Whether only the output reads the node, so that its adjoint is a local partial."""
        if node == self.derivation.output:
            return False
        terms = self.derivation.step(node).terms
        return len(terms) == 1 and terms[0].child == self.derivation.output

    @cached_property
    def _identifiers(self) -> Mapping[Term, str]:
        """Names of the local partials where no total competes for them: `dy_pred_dw`."""
        taken = {node.name for node in self.derivation.primal.nodes} | {*self.derivation.adjoints.values()}
        names = {}
        for term in self.derivation.terms:
            if term.child == self.derivation.output and not self.forms.has_ambiguity:
                names[term] = self.derivation.adjoints[term.parent]
            else:
                names[term] = fresh(f"d{term.child}_d{term.parent}", taken)
            taken.add(names[term])
        return names
