"""A report: definitions, picture, derivation, verification and training on one page."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from symgrad.core.derivation import Derivation
from symgrad.core.memory import uncollected
from symgrad.core.results import Evaluation, Verification
from symgrad.renderers import document_of, page
from symgrad.renderers.chart import CHART_STYLE
from symgrad.renderers.descent import Training, charts, step_table, told_training
from symgrad.renderers.document import Adjoints, Convention, Document, Given, Legend, Table, Tensors
from symgrad.renderers.graph import draw
from symgrad.renderers.html import HtmlRenderer
from symgrad.renderers.picture import node_id
from symgrad.renderers.titles import names_in, title_of
from symgrad.renderers.values import whole
from symgrad.renderers.verdicts import narrate_verification

LIMIT = 200_000
"""A page is kept below so many bytes; what can be done without is left out first."""

SPARED = ((), ("indices",), ("indices", "picture"), ("indices", "picture", "steps"))
"""What is left out, at each attempt to keep below the limit."""

MARKED = 150
"""In a larger graph the picture's nodes highlight nothing."""

_DEFINING = (Given, Tensors, Convention, Legend)


@dataclass(frozen=True)
class Report:
    """What a report tells.

    Args:
        derivation: the derivation.
        point: a value for every leaf, if there is one.
        evaluation: the derivation's numbers there.
        verification: its verification, there or at random points.
        training: a run, if there was data.
    """

    derivation: Derivation
    point: Mapping[str, Any] | None = None
    evaluation: Evaluation | None = None
    verification: Verification | None = None
    training: Training | None = None

    @property
    def title(self) -> str:
        """What the page is called."""
        return title_of(self.derivation)

    @property
    def names(self) -> list[str]:
        """The names of all nodes."""
        return names_in(self.derivation)

    def parts(self, brief: bool = False) -> tuple[Document, Document]:
        """The definitions, and the derivation, which may be `brief`."""
        told = document_of(self.derivation, self.evaluation, "chain" if brief else "steps")
        return (
            tuple(block for block in told if isinstance(block, _DEFINING)),
            tuple(block for block in told if not isinstance(block, _DEFINING)),
        )

    def point_table(self) -> Table:
        """The values of the leaves."""
        return Table(("name", "value"), tuple((name, whole(value)) for name, value in (self.point or {}).items()))


@uncollected
def html(report: Report) -> str:
    """The report as one page without a script; a node of the picture that is pointed at marks its lines."""
    made = ""
    for spared in SPARED:
        made = _page(report, spared)
        if len(made.encode()) < LIMIT:
            break
    return made


def _page(report: Report, spared: Collection[str]) -> str:
    """The page, without what is spared."""
    printer = HtmlRenderer(known=report.names, fold=True)
    definitions, derivation = report.parts(brief="steps" in spared)
    content = [printer.content(definitions)]
    if "picture" not in spared:
        content.append(_figure(report))
    content += ["<h2>Derivation</h2>", printer.content(derivation)]
    if report.derivation.primal.has_tensors and "indices" not in spared:
        content.append(_in_indices(report, printer))
    if report.point:
        content += ["<h2>At the point</h2>", printer.content((report.point_table(),))]
    if report.verification is not None:
        kind = "passed" if report.verification.passed else "failed"
        content.append(f'<h2>Verification: <span class="{kind}">{kind}</span></h2>')
        content.append(printer.content(narrate_verification(report.verification)))
    if report.training is not None:
        content += _training(report.derivation, report.training, printer)
    content.append("<footer><p>Made by symgrad.</p></footer>")
    return page.page(report.title, "\n".join(content), page.FIGURE_STYLE + CHART_STYLE + _marks(report))


def _figure(report: Report) -> str:
    """The picture; its nodes can be pointed at, by mouse and by keyboard."""
    picture = draw(report.derivation, "svg", report.evaluation).replace('role="img"', 'role="group"', 1)
    picture = picture.replace('<g id="node-', '<g tabindex="0" role="img" id="node-')
    caption = "The computational graph. Point at a node, or step to it with the tab key, and its lines are marked."
    return f'<figure>\n<div class="scroll">{picture}</div>\n<figcaption>{caption}</figcaption>\n</figure>'


def _marks(report: Report) -> str:
    """The rules by which a node of the picture marks its lines."""
    if len(report.names) > MARKED:
        return ""
    rules = [f'.symgrad:has(#{node_id(n)}:is(:hover, :focus)) [data-line="{n}"]' for n in report.names]
    return ",\n".join(rules) + " { background: var(--mark); }\n"


def _in_indices(report: Report, printer: HtmlRenderer) -> str:
    """The same derivation in index notation, folded shut."""
    told = document_of(report.derivation, None, "chain", tensors="index")
    plain = [replace(block, heading=False) if isinstance(block, Adjoints) else block for block in told]
    shown = tuple(block for block in plain if not isinstance(block, _DEFINING))
    return f"<details>\n<summary>The same in index notation</summary>\n{printer.content(shown)}\n</details>"


def _training(derivation: Derivation, training: Training, printer: HtmlRenderer) -> list[str]:
    content = ["<h2>Training</h2>", printer.content(told_training(training))]
    content += [f'<figure class="scroll">\n{chart}\n</figure>' for chart in charts(derivation, training)]
    steps = training.run.steps
    if steps:
        log = printer.content((step_table(derivation, steps),))
        content.append(
            f"<details>\n<summary>Log: the first and the last of {len(steps)} steps</summary>\n{log}\n</details>"
        )
    return content
