"""The key to a worksheet as a table of HTML."""

from __future__ import annotations

from abc import abstractmethod

from symgrad.renderers.blanks import numbered
from symgrad.renderers.document import Blank, Inline, Key, Product, Quantity, Solution, Sum
from symgrad.renderers.formula import FormulaPrinter
from symgrad.renderers.html_tensors import HtmlTensors
from symgrad.renderers.mathml import MathmlPrinter
from symgrad.renderers.values import valued


class HtmlKey(HtmlTensors):
    """The block that only worksheets have."""

    @abstractmethod
    def inline(self, inline: Inline, least: int = 0) -> str:
        """Mathematics within a formula."""

    def key(self, block: Key) -> list[str]:
        """One row a formula: its number, the formula, its value with the number of that, and what gives it away."""
        aliases = {name: letter for name in block.aliases if (letter := self.alias(name, block))}
        formula = self.formula.with_derivatives(block.quantities, aliases)
        plain = self.unicode.name_derivatives(block)
        rows = "".join(self._solution(solution, formula, plain) for solution in block.solutions)
        table = f'<div class="scroll"><table class="equations key"><tbody>{rows}</tbody>\n</table></div>'
        if self.fold:
            return [f'<details class="solutions">\n<summary>Key</summary>\n{table}\n</details>']
        return ["<h2>Key</h2>", table]

    def _solution(self, solution: Solution, formula: MathmlPrinter, plain: FormulaPrinter) -> str:
        answer = solution.formula
        if isinstance(answer, (Quantity, Product, Sum, Blank)):
            shown = self.math(self.inline(answer), self.unicode.inline(answer))
        else:
            shown = self.math(formula.print(answer), plain.print(answer))
        cases = [self.math(formula.condition(c), plain.condition(c), display=False) for c in solution.cases]
        told = ", ".join(cases) + self.reason(solution.because, formula, plain)
        value = "" if solution.value is None else f"{numbered(solution.value[0])} {valued(solution.value[1])}"
        kind = "value listed" if solution.value and isinstance(solution.value[1], list) else "value"
        return (
            f'\n<tr><th scope="row">{numbered(solution.blank)}</th><td>{shown}</td>'
            f'<td class="{kind}">{value}</td><td class="note">{told}</td></tr>'
        )
