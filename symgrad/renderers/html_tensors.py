"""Definitions with shapes, and adjoints with shapes and reasons, as tables of HTML."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import sympy

from symgrad.core.indices import Index
from symgrad.renderers.blanks import equals_blank_html
from symgrad.renderers.document import (
    AdjointRow,
    Adjoints,
    Blank,
    Entrywise,
    Formula,
    Key,
    Name,
    Reason,
    Slope,
    Tensors,
)
from symgrad.renderers.formula import FormulaPrinter
from symgrad.renderers.mathml import MathmlPrinter
from symgrad.renderers.mathml_pieces import EQUALS, escaped, mathml_name, upright
from symgrad.renderers.tensor_lines import compact
from symgrad.renderers.text import UnicodeRenderer
from symgrad.renderers.values import valued

DEFINES = '<mo form="infix">:=</mo>'


class HtmlTensors:
    """The blocks that only derivations with tensors have."""

    formula: MathmlPrinter
    unicode: UnicodeRenderer
    fold: bool

    @staticmethod
    @abstractmethod
    def math(content: str, alternative: str, display: bool = True) -> str:
        """A formula, and how it reads where it cannot be set."""

    @abstractmethod
    def named(self, name: str) -> str:
        """A node's name within words."""

    def definitions(self, block: Tensors) -> list[str]:
        """The definitions with their shapes, and those of the leaves."""
        rows = ""
        for name, index, body, shape in block.rows:
            left = self.math(self.formula.subscripted(self.formula.name(name), index), self._defined(name, index))
            printer = self.unicode.formula if body.has(sympy.Indexed) else self.unicode.matrices
            right = self.math(EQUALS + self.formula.print(body), f"= {printer.print(body)}")
            rows += (
                f'\n<tr data-line="{escaped(name)}"><th scope="row">{left}</th><td>{right}</td>'
                f'<td class="shape">{compact(shape)}</td></tr>'
            )
        leaves = ", ".join(
            f'<span data-line="{escaped(name)}">{self.named(name)} <span class="legend">{compact(shape)}</span></span>'
            for name, shape in (*block.inputs, *block.parameters)
        )
        table = f'<div class="scroll"><table class="equations"><tbody>{rows}</tbody>\n</table></div>'
        return ["<h2>Given</h2>", table, f"<p>Here {leaves}.</p>"]

    def _defined(self, name: str, index: Sequence[Index]) -> str:
        subscripts = f"[{self.unicode.formula.subscripts(index)}]" if index else ""
        return self.unicode.formula.name(name) + subscripts

    def adjoints(self, block: Adjoints) -> list[str]:
        """One row a derivative: the equation, its value, its shape and why."""
        aliases = {name: letter for name in block.aliases if (letter := self.alias(name, block))}
        formula = self.formula.with_derivatives(block.quantities, aliases)
        plain = self.unicode.name_derivatives(block)
        has_values = any(row.value is not None for row in block.rows)
        rows = "".join(self._adjoint(row, block, formula, plain, has_values) for row in block.rows)
        table = f'<div class="scroll"><table class="equations"><tbody>{rows}</tbody>\n</table></div>'
        if not block.heading:
            return [table]
        if self.fold:
            return [f'<details open="open">\n<summary>Backward</summary>\n{table}\n</details>']
        return ["<h2>Backward</h2>", table]

    @staticmethod
    def alias(identifier: str, block: Adjoints | Key) -> str:
        """The letter of a derivative; empty where it has none."""
        alias = block.aliases.get(identifier)
        if alias is None:
            return ""
        letter = mathml_name(alias.letter)
        return letter if alias.number is None else f"<msub>{letter}<mn>{alias.number}</mn></msub>"

    def _adjoint(
        self, row: AdjointRow, block: Adjoints, formula: MathmlPrinter, plain: FormulaPrinter, has_values: bool
    ) -> str:
        alias, letter = self.alias(row.quantity.identifier, block), self.unicode.alias(row.quantity.identifier, block)
        quantity, told = self.formula.derivative(row.quantity, row.index), self.unicode.adjoint(row.quantity, row.index)
        left = self.math(alias + DEFINES + quantity, f"{letter} := {told}") if alias else self.math(quantity, told)
        if isinstance(row.formula, Blank):
            right = equals_blank_html(row.formula)
        else:
            right = self.math(EQUALS + formula.print(row.formula), f"= {plain.print(row.formula)}")
        value = equals_blank_html(row.value) if isinstance(row.value, Blank) else valued(row.value)
        cells = f'<td class="shape">{compact(row.shape)}</td>'
        cells += f'<td class="note">{self.reason(row.reason, formula, plain)}</td>'
        kind = "value listed" if isinstance(row.value, list) else "value"
        cells += f'<td class="{kind}">{value}</td>' if has_values else ""
        return f'\n<tr data-line="{escaped(row.quantity.by)}"><th scope="row">{left}</th><td>{right}</td>{cells}</tr>'

    def reason(self, reason: Reason, formula: MathmlPrinter, plain: FormulaPrinter) -> str:
        """Why, in words and formulas."""
        text = ""
        for part in reason:
            match part:
                case str():
                    text += escaped(part)
                case Name():
                    text += self.named(part.name)
                case Formula():
                    text += self.math(formula.print(part.expression), plain.print(part.expression), display=False)
                case Entrywise():
                    text += self.math("<mo>⊙</mo>", "⊙", display=False)
                case Slope():
                    of, by, value = part.of, part.by, part.value
                    d = upright("∂")
                    above, below = f"<mrow>{d}{formula.print(of)}</mrow>", f"<mrow>{d}{formula.print(by)}</mrow>"
                    content = f"<mfrac>{above}{below}</mfrac>{EQUALS}{formula.print(value)}"
                    alternative = f"∂{plain.print(of)}/∂{plain.print(by)} = {plain.print(value)}"
                    text += self.math(content, alternative)
        return text
