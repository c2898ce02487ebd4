"""The formulas of a judged answer: the user's own, the one that was due, and the derivatives a sentence names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from symgrad.calculus.forms import Forms
from symgrad.calculus.matrices import matrix_form
from symgrad.calculus.tensor_forms import TensorForms
from symgrad.core.answer import Answer
from symgrad.core.expression import Expr, add, name_of, occurrences
from symgrad.renderers.document import Quantity
from symgrad.renderers.formula import FormulaPrinter
from symgrad.renderers.text import LineRenderer, UnicodeRenderer


@dataclass(frozen=True)
class AnswerFormulas:
    """Prints what an answer is about.

    Args:
        answer: which.
        renderer: the format.
    """

    answer: Answer
    renderer: LineRenderer

    @cached_property
    def quantities(self) -> Mapping[str, Quantity]:
        """The adjoints an answer or the expected form may name, by their identifiers."""
        return {a: self.quantity(node) for node, a in self.answer.derivation.adjoints.items()}

    @cached_property
    def printer(self) -> FormulaPrinter:
        """Formulas, the derivatives in them told as such."""
        formula = self.renderer.formula
        return formula.with_derivatives(self.quantities, {}) if isinstance(self.renderer, UnicodeRenderer) else formula

    @cached_property
    def totals(self) -> bool:
        """Whether totals are told with d."""
        derivation = self.answer.derivation
        forms = TensorForms(derivation) if derivation.primal.has_tensors else Forms(derivation)
        return forms.has_fork

    def quantity(self, node: str) -> Quantity:
        """The derivative of the output by a node."""
        derivation = self.answer.derivation
        identifier = derivation.adjoints.get(node, f"d{derivation.output}_d{node}")
        return Quantity(derivation.output, node, self.totals, identifier, len(derivation.axes))

    def derivative(self, node: str) -> str:
        """∂l/∂node, or its identifier."""
        return self.renderer.quantity(self.quantity(node))

    def partial(self, child: str, parent: str) -> str:
        """∂child/∂parent."""
        identifier = f"d{child}_d{parent}"
        if self.totals:
            found = (t for t in self.answer.derivation.terms if (t.child, t.parent) == (child, parent))
            identifier = next((t.partial_name for t in found), identifier)
        return self.renderer.quantity(Quantity(child, parent, False, identifier))

    def formula(self, expression: Expr) -> str:
        """An expression."""
        return self.printer.print(expression)

    @cached_property
    def yours(self) -> str:
        """The answer: as it was read, in matrix notation, or as it was typed."""
        answer = self.answer
        if not answer.derivation.primal.has_tensors:
            return self.formula(answer.body)
        if "[" not in answer.text:
            shapes = {node.name: node.shape for node in answer.derivation.gradient.nodes}
            if all(name_of(o) in shapes for o in occurrences(answer.body)):
                form = matrix_form(answer.body, answer.index, shapes, as_written=True)
                if form is not None:
                    return self.formula(form)
        return " ".join(answer.text.split())

    @cached_property
    def expected(self) -> str:
        """What was due, in the names the answer uses: of leaves, or of intermediates too."""
        answer, derivation = self.answer, self.answer.derivation
        if derivation.primal.has_tensors:
            return self._expected_tensor()
        forms = Forms(derivation)
        worked = forms.worked[answer.name]
        closed = forms.closed(worked)
        primal = derivation.primal
        read = [name_of(o) for o in occurrences(answer.body)]
        named = [name for name in read if name not in primal or not primal[name].is_leaf]
        keeps_names = closed is None or (named and not forms.names_adjoint(worked))
        return self.formula(worked if keeps_names or closed is None else closed)

    def _expected_tensor(self) -> str:
        answer, forms = self.answer, TensorForms(self.answer.derivation)
        line = forms.lines[answer.name]
        line = line if self._names_adjoints else forms.answer(line)
        formula = add(*(part.formula for part in line.parts))
        form = forms.matrix(formula, line.index)
        if form is not None:
            return self.formula(form)
        left = self.renderer.adjoint(self.quantity(answer.name), line.index)
        return f"{left} = {self.formula(formula)}"

    @cached_property
    def _names_adjoints(self) -> bool:
        return any(name_of(o) in self.quantities for o in occurrences(self.answer.body))
