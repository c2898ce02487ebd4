"""A report: definitions, picture, derivation, verification and training on one page."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from symgrad.core.derivation import Derivation
from symgrad.core.memory import uncollected
from symgrad.core.results import Evaluation, Verification
from symgrad.renderers import document_of, page
from symgrad.renderers.chart import CHART_STYLE, line_chart
from symgrad.renderers.descent import Training, charts, step_table, told_training
from symgrad.renderers.document import Adjoints, Convention, Document, Gap, Given, Key, Legend, Table, Tensors
from symgrad.renderers.graph import picture
from symgrad.renderers.html import HtmlRenderer
from symgrad.renderers.picture import Picture, node_id
from symgrad.renderers.svg import to_svg
from symgrad.renderers.titles import names_in, title_of
from symgrad.renderers.values import exactly
from symgrad.renderers.verdicts import narrate_verification
from symgrad.renderers.worksheet import point_of, without_partials

LIMIT = 200_000
"""A page is kept below so many bytes; what can be done without is left out first."""

SPARED = ((), ("indices",), ("indices", "picture"), ("indices", "picture", "steps"))
"""What is left out, at each attempt to keep below the limit."""

MARKED = 150
"""In a larger graph the picture's nodes highlight nothing."""

LEAST_SCALE = 0.72
"""To so much a picture may shrink on a narrow screen."""

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
        names: how to print a name, in LaTeX.
        blanks: whether it is a worksheet, with the definitions, the picture without numbers and blanks to fill in.
        solutions: whether the key to the worksheet is on it.

    Raises:
        GraphError: if one of `names` is no node.
    """

    derivation: Derivation
    point: Mapping[str, Any] | None = None
    evaluation: Evaluation | None = None
    verification: Verification | None = None
    training: Training | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    blanks: bool = False
    solutions: bool = False

    def __post_init__(self) -> None:
        for name in self.names:
            self.derivation.primal[name]

    @property
    def is_worksheet(self) -> bool:
        """Whether it is for handing out: what would give answers away is not on it."""
        return self.blanks or self.solutions

    @property
    def title(self) -> str:
        """What the page is called."""
        title = title_of(self.derivation)
        if not self.is_worksheet:
            return title
        return f"{'Worksheet' if self.blanks else 'Key'}: {title[0].lower()}{title[1:]}"

    @property
    def known(self) -> list[str]:
        """The names of all nodes."""
        return names_in(self.derivation)

    @property
    def picture(self) -> Picture:
        """The graph with its numbers; on a worksheet without them."""
        drawn = picture(self.derivation, None if self.is_worksheet else self.evaluation, names=self.names)
        return without_partials(drawn) if self.is_worksheet else drawn

    def parts(self, brief: bool = False) -> tuple[Document, Document, Document]:
        """The definitions, the derivation, which may be `brief`, and the key to it."""
        told = document_of(
            self.derivation,
            self.evaluation,
            "chain" if brief else "steps",
            blanks=self.blanks,
            solutions=self.solutions,
        )
        point = point_of(self.derivation, self.evaluation) if self.evaluation else None  # which has a table here
        rest = [block for block in told if not isinstance(block, (*_DEFINING, Key)) and block != point]
        while rest and isinstance(rest[-1], Gap):
            rest.pop()
        return (
            tuple(block for block in told if isinstance(block, _DEFINING)),
            tuple(rest),
            tuple(block for block in told if isinstance(block, Key)),
        )

    def point_table(self) -> Table:
        """The values of the leaves."""
        return Table(("name", "value"), tuple((name, exactly(value)) for name, value in (self.point or {}).items()))


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
    printer = HtmlRenderer(report.names, report.known, fold=not report.is_worksheet)
    definitions, derivation, key = report.parts(brief="steps" in spared)
    content = [printer.content(definitions)] if definitions else []
    if "picture" not in spared and definitions:
        content.append(_figure(report))
    if report.point and report.is_worksheet:
        content += _point(report, printer)
    if derivation:
        content += ["<h2>Derivation</h2>", printer.content(derivation)]
    if report.is_worksheet:
        content.append(HtmlRenderer(report.names, report.known, fold=report.blanks).content(key))
    else:
        content += _evidence(report, printer, spared)
    content.append("<footer><p>Made by symgrad.</p></footer>")
    return page.page(report.title, "\n".join(content), page.FIGURE_STYLE + CHART_STYLE + _marks(report))


def _evidence(report: Report, printer: HtmlRenderer, spared: Collection[str]) -> list[str]:
    """What follows the derivation: other notation, numbers, judgement, training."""
    content = []
    if report.derivation.primal.has_tensors and "indices" not in spared:
        content.append(_in_indices(report, printer))
    if report.point:
        content += _point(report, printer)
    if report.verification is not None:
        kind = "passed" if report.verification.passed else "failed"
        word = "undecided" if report.verification.ruling == "undecided" else kind
        content.append(f'<h2>Verification: <span class="{kind}">{word}</span></h2>')
        content.append(printer.content(narrate_verification(report.verification)))
    if report.training is not None:
        content += _training(report.derivation, report.training, printer)
    return content


def _point(report: Report, printer: HtmlRenderer) -> list[str]:
    return ["<h2>At the point</h2>", printer.content((report.point_table(),))]


def _figure(report: Report) -> str:
    """The picture; its nodes can be pointed at, by mouse and by keyboard."""
    drawn = to_svg(report.picture).replace('role="img"', 'role="group"', 1)
    drawn = drawn.replace('<g id="node-', '<g tabindex="0" role="img" id="node-')
    drawn = legible(drawn)
    caption = "The computational graph. Point at a node, or step to it with the tab key, and its lines are marked."
    return f'<figure>\n<div class="scroll">{drawn}</div>\n<figcaption>{caption}</figcaption>\n</figure>'


def legible(picture: str) -> str:
    """The picture, which shrinks with its place only as long as its letters stay readable; then it scrolls."""

    def no_narrower(width: re.Match[str]) -> str:
        return f'{width[1]}" style="min-width: {LEAST_SCALE * float(width[1]):.0f}px'

    return re.sub(r'(?<= width=")([\d.]+)(?=")', no_narrower, picture, count=1)


def _marks(report: Report) -> str:
    """The rules by which a node of the picture marks its lines."""
    if len(report.known) > MARKED:
        return ""
    rules = [f'.symgrad:has(#{node_id(n)}:is(:hover, :focus)) [data-line="{n}"]' for n in report.known]
    return ",\n".join(rules) + " { background: var(--mark); }\n"


def _in_indices(report: Report, printer: HtmlRenderer) -> str:
    """The same derivation in index notation, folded shut."""
    told = document_of(report.derivation, None, "chain", tensors="index")
    plain = [replace(block, heading=False) if isinstance(block, Adjoints) else block for block in told]
    shown = tuple(block for block in plain if not isinstance(block, _DEFINING))
    return f"<details>\n<summary>The same in index notation</summary>\n{printer.content(shown)}\n</details>"


def _training(derivation: Derivation, training: Training, printer: HtmlRenderer) -> list[str]:
    content = ["<h2>Training</h2>", printer.content(told_training(training))]
    content += [f'<figure class="scroll">\n{line_chart(chart)}\n</figure>' for chart in charts(derivation, training)]
    steps = training.run.steps
    if steps:
        log = printer.content((step_table(derivation, steps),))
        content.append(
            f"<details>\n<summary>Log: the first and the last of {len(steps)} steps</summary>\n{log}\n</details>"
        )
    return content
