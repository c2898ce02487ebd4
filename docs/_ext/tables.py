"""Tables and curves of this site: `{quotients}`, `{values}`, `{paths}`, `{sweeps}`, `{training}`.

Each is computed by symgrad when the page is built, told as a document, and shown by the extension's own node.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective, SphinxRole

import symgrad as sg
from symgrad.examples import ORDER, source
from symgrad.readers.values import values
from symgrad.renderers.chart import CHART_STYLE, DARK, LIGHT, line_chart
from symgrad.renderers.descent import Training, charts, step_table, told_training
from symgrad.renderers.document import Quantity, Remark, Table
from symgrad.renderers.quantities import Quantities
from symgrad.renderers.values import short
from symgrad.sphinxext.nodes import derivation, fill
from symgrad.sphinxext.state import note
from symgrad.sphinxext.work import in_formats

if TYPE_CHECKING:
    from sphinx.application import Sphinx


class Told(SphinxDirective):
    """A document about the loss that the content defines."""

    has_content = True
    option_spec: ClassVar[dict[str, Callable[[str], Any]]] = dict.fromkeys(
        ("wrt", "at", "data", "init", "lr", "epochs"), directives.unchanged_required
    )

    def run(self) -> list[nodes.Node]:
        self.chart = ""
        document = tuple(self.told())
        node = derivation()
        made = in_formats(document, {}, self.derivation)
        fill(node, made, f"table-{self.env.new_serialno('table')}")
        node["picture"] = self.chart
        node += nodes.literal_block(made.text, made.text, language="none")
        note(self.env, failed=False)
        return [node]

    def told(self) -> Iterator[Any]:
        """The blocks of the document."""
        raise NotImplementedError

    @property
    def derivation(self) -> sg.Derivation:
        """Of what the content defines, by `:wrt:`."""
        wrt = [name.strip() for name in self.options.get("wrt", "").split(",") if name.strip()]
        return sg.derive(sg.read("\n".join(self.content)), wrt or None)

    @property
    def point(self) -> dict[str, Any]:
        """`:at:`."""
        return values([self.options["at"]], ":at:")


class Values(Told):
    """Every node, its value, and the derivative of the output by it."""

    def told(self) -> Iterator[Table]:
        made = self.derivation
        at = sg.compile(made)(self.point)
        adjoints = {name: short(adjoint) for name, adjoint in at.adjoints.items()}
        rows = tuple((name, short(value), adjoints.get(name, ""), "") for name, value in at.nodes.items())
        yield Table(("", "value, downwards", "adjoint, upwards", ""), rows)


class Quotients(Told):
    """How much the output changes with a name, for smaller and smaller changes of it, beside the derivative."""

    def told(self) -> Iterator[Table]:
        made, point = self.derivation, self.point
        (name,) = made.wrt
        program = sg.compile(made)
        rows: list[tuple[Quantity | str, ...]] = []
        for change in (1, 0.1, 0.01, 0.001, 0.0001):
            after = program({**point, name: point[name] + change}).value - program(point).value
            rows.append((short(change), f"{after:.6g}", f"{after / change:.6g}", ""))
        rows.append((Quantities(made).adjoint(name), "", short(program(point).gradient[name]), ""))
        yield Table((f"change of {name}", f"change of {made.output}", "their quotient", ""), tuple(rows))


class Paths(Told):
    """The arrows and the paths of a chain of forks."""

    def told(self) -> Iterator[Table]:
        rows = []
        for forks in (1, 2, 4, 8, 16, 32):
            made = chain(forks)
            rows.append((str(forks), f"{paths(made, 'h0'):,}", str(len(made.terms)), ""))
        yield Table(("forks in a row", "paths", "arrows", ""), tuple(rows))

    @property
    def derivation(self) -> sg.Derivation:
        return chain(1)


def chain(forks: int) -> sg.Derivation:
    """Of `h0` through so many forks."""
    lines = [f"a{i} = tanh(h{i}); b{i} = h{i}**2; h{i + 1} = a{i} + b{i}" for i in range(forks)]
    return sg.derive(sg.read("\n".join(lines)), "h0")


def paths(made: sg.Derivation, leaf: str) -> int:
    """How many paths lead from a leaf to the output."""
    counted: dict[str, int] = {made.output: 1}
    for step in made.steps[1:]:
        counted[step.node] = sum(counted[term.child] for term in step.terms)
    return counted[leaf]


class Sweeps(Told):
    """For each bundled example, how many local partials are multiplied backwards, and how many forwards."""

    def told(self) -> Iterator[Table]:
        rows = []
        for name in ORDER:
            graph = sg.read(source(name))
            made = sg.derive(graph)
            forwards = sum(len(sg.derive(graph, leaf).terms) for leaf in made.wrt)
            rows.append((name, str(len(made.wrt)), str(len(made.terms)), str(forwards), ""))
        yield Table(("example", "leaves", "arrows, backwards", "arrows, forwards", ""), tuple(rows))

    @property
    def derivation(self) -> sg.Derivation:
        return chain(1)


class Trained(Told):
    """A run of gradient descent: how it was made, its log and its curves."""

    def told(self) -> Iterator[Any]:
        made = self.derivation
        data, start = (values(self.options[name].splitlines(), f":{name}:") for name in ("data", "init"))
        rate, epochs = float(self.options["lr"]), int(self.options["epochs"])
        run = sg.train(made, data, start, rate, epochs, log="steps", verify=True)
        training = Training(run, rate, "one sample")
        yield from (block for block in told_training(training) if isinstance(block, Remark))
        yield step_table(made, run.steps)
        self.chart = line_chart(charts(made, training)[0])


class ValueRole(SphinxRole):
    """A number in a sentence: `dl/dw of seed at x=3,y=6,w=1`, or `l of …`; the source is an example or a text."""

    FORM = re.compile(r"(?:[d∂](\w+)/[d∂])?(\w+) of (.*) at (.*)", re.DOTALL)

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        match = self.FORM.fullmatch(self.text)
        if match is None:
            raise ValueError(f"expected NAME of SOURCE at POINT, or dA/dB of …; found {self.text!r}")
        output, name, text, point = match.groups()
        graph = sg.read(source(text) if text in ORDER else text)
        made = sg.derive(graph, name, output=output) if output else sg.derive(graph, output=name)
        at = sg.compile(made)({key: value for key, value in values([point], "at").items() if key in made.gradient})
        number = short(at.gradient[name] if output else at.value).replace("-", "−")
        return [nodes.Text(number)], []


def style_charts(
    _app: Sphinx, _page: str, _template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """The colours of curves, on pages that have some; they follow the theme's light and dark."""
    if doctree is None or not any("chart" in node["picture"] for node in doctree.findall(derivation)):
        return
    pairs = zip(LIGHT, DARK, strict=True)
    colours = "".join(f".symgrad .chart .s{i}{{stroke:light-dark({a},{b})}}" for i, (a, b) in enumerate(pairs))
    context["metatags"] = context.get("metatags", "") + f"\n<style>{CHART_STYLE}{colours}</style>"


def setup(app: Sphinx) -> dict[str, bool]:
    kinds = {"values": Values, "quotients": Quotients, "paths": Paths, "sweeps": Sweeps, "training": Trained}
    for name, kind in kinds.items():
        app.add_directive(name, kind)
    app.add_role("value", ValueRole())
    app.connect("html-page-context", style_charts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
