"""Pictures of the computational graph: what they say, that they are well formed, and that nothing in them collides."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from cases import CASES, Case
from hypothesis import given, settings
from hypothesis import strategies as st

import symgrad as sg
from symgrad.cli import run
from symgrad.core.expression import add, mul, symbol
from symgrad.core.graph import Graph, Node
from symgrad.examples import ORDER, source
from symgrad.renderers.graph import FORMATS, draw, picture
from symgrad.renderers.latex_graph import graph_latex
from symgrad.renderers.layered import Link, Size, arrange
from symgrad.renderers.picture import node_id
from symgrad.renderers.text_width import shortened, text_width, wrapped

GOLDEN = Path(__file__).parent / "golden" / "graphs"
SVG = "{http://www.w3.org/2000/svg}"
MLP = {
    "x": [1.0, -1.0],
    "y": [0.5],
    "W1": [[0.5, 0.25], [-1.0, 2.0]],
    "b1": [0.0, 1.0],
    "W2": [[1.0, -2.0]],
    "b2": [0.25],
}
DRAWN = {
    "seed": (["w"], {"x": 3.0, "y": 6.0, "w": 1.0}, "w"),
    "fork": (["w"], {"x": 1.0, "y": 1.0, "w": 0.5, "c": 0.1}, "w"),
    "mlp": (["W1", "b1", "W2", "b2"], MLP, "W1"),
    "ridge": (["w"], {"x": 3.0, "y": 6.0, "w": 1.0, "lam": 0.1}, None),
}


def drawn(name: str, format: str = "svg") -> str:
    """A bundled example at its point."""
    wrt, at, highlight = DRAWN[name]
    derivation = sg.derive(sg.read(source(name)), wrt)
    return draw(derivation, format, sg.compile(derivation)(at), highlight)


def elements(svg: str, tag: str, **having: str) -> list[ET.Element]:
    """The elements of a picture with this tag, and with these words among their classes."""
    found = list(ET.fromstring(svg).iter(SVG + tag))
    wanted = set(having.get("cls", "").split())
    return [element for element in found if wanted <= set(element.get("class", "").split())]


def words(element: ET.Element) -> list[str]:
    """The lines of text in an element."""
    return ["".join(text.itertext()) for text in element.iter(SVG + "text")]


def chain(length: int) -> Graph:
    """Products one after the other, all of which read `w`."""
    steps = [Node(f"h{i + 1}", mul(symbol("w"), symbol(f"h{i}"))) for i in range(length)]
    return Graph((Node("w"), Node("h0"), *steps), (f"h{length}",))


@pytest.mark.parametrize("name", DRAWN)
def test_golden(name: str, request: pytest.FixtureRequest) -> None:
    """A picture is byte for byte what was looked at and approved."""
    file, actual = GOLDEN / f"{name}.svg", drawn(name) + "\n"
    if request.config.getoption("--update-golden"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(actual, encoding="utf-8")
    assert file.exists(), f"there is no golden/graphs/{file.name}; run pytest --update-golden and look at it"
    assert actual == file.read_text(encoding="utf-8"), f"golden/graphs/{file.name} differs; look at the new picture"


def test_no_orphans() -> None:
    """Every golden picture is drawn by a test."""
    assert sorted(file.stem for file in GOLDEN.iterdir()) == sorted(DRAWN)


def test_the_seed_says_everything() -> None:
    """Values, adjoints and local partials of the seed stand where they belong."""
    svg = drawn("seed")
    boxes = {group.get("id"): words(group) for group in elements(svg, "g", cls="node") if group.get("id")}
    assert boxes == {
        "node-x": ["x", "= 3"],
        "node-w": ["w", "= 1", "∂l/∂w = −18"],
        "node-y_pred": ["y_pred", "= x·w", "= 3", "∂l/∂y_pred = −6"],
        "node-y": ["y", "= 6"],
        "node-l": ["l", "= (y_pred − y)²", "= 9", "∂l/∂l = 1"],
    }
    assert sorted(words(label)[0] for label in elements(svg, "g", cls="label")) == ["3", "−6"]
    edges = {(e.get("data-from"), e.get("data-to")): e.get("class") for e in elements(svg, "g", cls="edge")}
    assert edges["node-w", "node-y_pred"] == edges["node-y_pred", "node-l"] == "edge live highlighted"
    assert edges["node-x", "node-y_pred"] == edges["node-y", "node-l"] == "edge faint"
    assert "highlighted: the path from w to l" in words(elements(svg, "g", cls="legend")[0])


def test_roles_and_formulas_of_tensors() -> None:
    """Shapes stand beside names, an inserted node is headed by its formula, definitions are those of the terminal."""
    boxes = {box.title: box for box in picture(sg.derive(sg.read(source("softmax")), ["W", "b"])).boxes}
    assert [boxes[n].role for n in ("X", "W", "Z", "L")] == ["input", "parameter", "intermediate", "output"]
    assert (boxes["P"].definition, boxes["P"].shape) == ("softmax(Z)", "(n,c)")
    inserted = boxes["logsumexp(Z, axis=1)"]
    assert (inserted.role, inserted.definition) == ("inserted", "")


def test_numbers_of_tensors() -> None:
    """A small tensor is a short list, a large one its shape; a partial between tensors is its formula by entries."""
    graph = sg.read("x: (n,); w: (n,); p = w*x; l = sum(p**2)")
    derivation = sg.derive(graph, ["w"])
    for length, value in ((2, "= [1,\N{NO-BREAK SPACE}1]"), (50, "= array (50,)")):
        at = {"x": [1.0] * length, "w": [1.0] * length}
        shown = picture(derivation, sg.compile(derivation)(at))
        assert {box.name: box.value for box in shown.boxes}["x"] == value
        assert {(a.parent, a.child): a.label for a in shown.arrows} == {
            ("w", "p"): "x[i]",
            ("x", "p"): "",
            ("p", "l"): "2·p[i]",
        }


def test_highlight_is_every_path_and_nothing_else() -> None:
    """All that lies between a node and the output is lit, and the legend counts the paths."""
    shown = picture(sg.read(source("ridge")), highlight="w")
    assert {box.name for box in shown.boxes if box.highlighted} == {"w", "y_pred", "e", "fit", "reg", "l"}
    assert shown.highlight == "the 2 paths from w to l"
    with pytest.raises(sg.SymgradError, match="no path leads from 'l2' to 'l'"):
        picture(sg.read("l2 = x**2; l = x**3", output="l"), highlight="l2")
    with pytest.raises(sg.SymgradError, match="Did you mean 'fit'"):
        picture(sg.read(source("ridge")), highlight="fitt")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_is_drawn_well_formed(case: Case) -> None:
    """Each case of the table parses as XML and has its ids once; DOT and Mermaid keep their grammar."""
    derivation = case.derive()
    evaluation = sg.compile(derivation)(case.at)
    svg, dot, mermaid = (draw(derivation, format, evaluation) for format in FORMATS)
    check_svg(svg)
    check_dot(dot)
    check_mermaid(mermaid)


def check_svg(svg: str) -> None:
    """Well formed, with alternative text and unique ids, without script or anything remote."""
    root = ET.fromstring(svg)
    assert root.find(SVG + "title") is not None
    assert root.find(SVG + "desc") is not None
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"node-[A-Za-z0-9_-]+", str(found)) for found in ids)
    allowed = {SVG + tag for tag in ("svg", "title", "desc", "style", "g", "path", "rect", "text", "tspan")}
    assert {element.tag for element in root.iter()} <= allowed
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not [name for name in attributes if name.startswith("on") or "href" in name]
    assert not re.search(r"url\(|@import|https?:", svg.replace('xmlns="http://www.w3.org/2000/svg"', ""))


STRING = r'"(?:[^"\\]|\\["\\n])*"'
OPTION = rf"\w+=(?:{STRING}|[\w.]+)"
DOT = re.compile(
    rf"digraph {STRING} \{{\n"
    rf"(?:  (?:{OPTION}|(?:node|edge|{STRING}(?: -> {STRING})?)(?: \[{OPTION}(?:, {OPTION})*\])?);\n)+\}}"
)
LABEL = r'"(?:[^"<>&`*\n]|<br/>)*"'
MERMAID = re.compile(
    r"flowchart LR\n  accTitle: [^\n]+(?:\n  accDescr: [^\n]+)?"
    rf"(?:\n  n\d+(?:\[/{LABEL}/\]|\(\[{LABEL}\]\)|\[{LABEL}\]|\[\[{LABEL}\]\]))+"
    rf"(?:\n  n\d+ (?:-->|==>|-\.->)(?:\|{LABEL}\|)? n\d+)*"
    r"(?:\n  classDef \w+ [\w:-]+;\n  class n\d+(?:,n\d+)* \w+;)*"
)


def check_dot(text: str) -> None:
    """The part of DOT's grammar that is used: every identifier and label is a quoted string."""
    assert DOT.fullmatch(text), text


def check_mermaid(text: str) -> None:
    """Made-up identifiers, quoted labels without anything that Markdown, HTML or Mermaid would read."""
    assert MERMAID.fullmatch(text), text


def test_latex_highlights_and_colours_as_the_svg_does() -> None:
    """The LaTeX drawing has the thick lines of the SVG, its adjoints and partials in red, and its shapes."""
    wrt, at, highlight = DRAWN["mlp"]
    derivation = sg.derive(sg.read(source("mlp")), wrt)
    svg, latex = drawn("mlp"), graph_latex(picture(derivation, sg.compile(derivation)(at), highlight))
    thick = [e for kind in ("node", "edge") for e in elements(svg, "g", cls=f"{kind} highlighted")]
    assert len(re.findall(r"^q 2.25 w .* 0.706 0.325 0.035 RG", latex, re.MULTILINE)) == len(thick)
    red = elements(svg, "text", cls="adjoint") + elements(svg, "g", cls="label")
    assert latex.count(r"\color[rgb]{0.639,0.157,0.122}") == len(red)
    shapes = [tspan.text for tspan in elements(svg, "tspan", cls="shape")]
    assert [shape for shape in shapes if rf" {shape}}}" not in latex] == []
    assert graph_latex(picture(derivation)).count("0.706 0.325 0.035") == 0


@pytest.mark.parametrize("format", FORMATS)
def test_hostile_names_are_only_text(format: str) -> None:
    """Names that are words or syntax of a format, in the source or given for printing, stay names."""
    derivation = sg.derive(sg.read("end = x*graph_; subgraph = end*α + node**2; default = subgraph**2 + click"))
    names = {
        "x": '<script>alert("1")</script>',
        "end": 'a"]; b["c',
        "node": "&amp; # %% `c` **b** $$x$$ _y_",
        "click": '\\" \x00\x1b]\n2. -->',
    }
    at = dict.fromkeys(derivation.primal.leaves, 1.5)
    text = draw(derivation, format, sg.compile(derivation)(at), "x", names)
    {"svg": check_svg, "dot": check_dot, "mermaid": check_mermaid}[format](text)
    if format == "svg":
        assert names["x"] in words(elements(text, "g", cls="node parameter")[0])[0]
        assert node_id("α") in text


def test_ids_tell_names_apart() -> None:
    """No two names share an id."""
    names = ["a", "A", "_a", "a_", "α", "β", "ab", "aβ", "node", "x1", "é", "u3b1", "_3b1_"]
    ids = [node_id(name) for name in names]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", ORDER)
def test_nothing_overlaps_and_every_text_fits(name: str) -> None:
    """In each bundled example boxes and labels keep apart, and lines of text are narrower than their box."""
    svg = draw(sg.derive(sg.read(source(name))))
    areas = []
    for group in elements(svg, "g", cls="node"):
        if not group.get("id"):
            continue
        x, y = map(float, re.findall(r"-?[\d.]+", str(group.get("transform"))))
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", str(group.find("*[@class='box']").get("d", "")))]
        box = group.find(SVG + "rect")
        width = float(box.get("width")) if box is not None else max(numbers[::2]) - min(numbers[::2])
        height = float(box.get("height")) if box is not None else max(numbers[1::2]) - min(numbers[1::2])
        areas.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
        for line in group.iter(SVG + "text"):
            bold = line.get("class") == "name"
            assert text_width(line.text or "", float(line.get("font-size", 12)), bold) < width
    assert not [pair for pair in combinations(areas, 2) if overlap(*pair)]


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Whether two rectangles do."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@st.composite
def graphs(draw_from: st.DrawFn) -> tuple[list[Size], list[Link]]:
    """Items of any size, and links among them, some with a label."""
    sizes = st.builds(Size, st.integers(10, 120), st.integers(10, 90))
    items = draw_from(st.lists(sizes, min_size=1, max_size=14))
    pairs = st.tuples(st.integers(0, len(items) - 1), st.integers(0, len(items) - 1))
    found = draw_from(st.lists(pairs, max_size=30, unique=True))
    label = st.one_of(st.none(), st.builds(Size, st.integers(8, 60), st.just(17)))
    return items, [Link(a, b, draw_from(label)) for a, b in found if a < b]


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_layout_of_any_graph(graph: tuple[list[Size], list[Link]]) -> None:
    """Items and labels keep apart, parents stand left of children, and no edge runs over a box."""
    items, links = graph
    layout = arrange(items, links)
    placed = [*zip(layout.items, items, strict=True)]
    placed += [(r.label, k.label) for r, k in zip(layout.routes, links, strict=True) if r.label and k.label]
    areas = [(x - s.width / 2, y - s.height / 2, x + s.width / 2, y + s.height / 2) for (x, y), s in placed]
    inside = (-1.0, -1.0, layout.width + 1.0, layout.height + 1.0)
    assert all(inside[0] <= a[0] and inside[1] <= a[1] and a[2] <= inside[2] and a[3] <= inside[3] for a in areas)
    shrunk = [(a[0] + 1, a[1] + 1, a[2] - 1, a[3] - 1) for a in areas]
    assert not [pair for pair in combinations(shrunk, 2) if overlap(*pair)]
    for link, route in zip(links, layout.routes, strict=True):
        assert layout.items[link.start][0] < layout.items[link.end][0]
        between = [*route.runs, *((a[1], b[0], y) for a, b in pairwise(route.runs) for y in (a[2], b[2]))]
        for start, end, y in between:
            for number, area in enumerate(shrunk[: len(items)]):
                assert number in (link.start, link.end) or not overlap((start, y, end, y), area)


def test_a_planar_graph_is_drawn_without_crossings() -> None:
    """Two roots that share a child, and each have one of their own, are ordered so that nothing crosses."""
    layout = arrange([Size(20, 20)] * 7, [Link(0, 5), Link(1, 4), Link(1, 5), Link(2, 4), Link(3, 5), Link(5, 6)])
    heights = [y for _, y in layout.items[:4]]
    assert heights.index(max(heights)) == 2 or heights.index(min(heights)) == 2
    assert sorted(range(4), key=lambda item: heights[item])[1:3].count(1) == 1


@pytest.mark.parametrize("make", [lambda: chain(2000), lambda: wide(2000)], ids=["chain", "wide"])
def test_a_huge_graph_is_drawn_at_once(make: object) -> None:
    """Two thousand nodes take less than two seconds, are drawn with names alone, and the picture says so."""
    graph = make()  # type: ignore[operator]
    start = time.perf_counter()
    svg = draw(graph)
    assert time.perf_counter() - start < 2.0
    assert len(elements(svg, "g", cls="node")) >= 2000
    assert "only names are drawn" in svg
    check_svg(svg)
    assert graph_latex(picture(graph)) == "", "no page is large enough"


def wide(count: int) -> Graph:
    """One sum of many leaves."""
    names = [f"x{i}" for i in range(count)]
    return Graph((*map(Node, names), Node("l", add(*map(symbol, names)))), ("l",))


def test_same_bytes_on_every_run() -> None:
    """No hash seed shows in a picture."""
    code = (
        "import symgrad as sg; from symgrad.examples import source; from symgrad.renderers.graph import FORMATS, draw\n"
        "for name in ('attention', 'ridge'):\n"
        "    for format in FORMATS: print(draw(sg.derive(sg.read(source(name))), format, highlight='w' if name == "
        "'ridge' else 'K'))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
        ).stdout
        for seed in ("0", "1")
    }
    assert len(seen) == 1


def test_text_is_wrapped_within_its_width() -> None:
    """Lines fit, nothing is lost, and what is cut ends in an ellipsis."""
    text = "n*logsumexp(alpha) - sum(logsumexp(S, axis=1)) + n*d*log(2*pi)/2"
    lines = wrapped(text, 150.0, 12.0, 9)
    assert " ".join(lines).replace("* ", "*") == text
    for shown in (lines, wrapped("x" * 500, 150.0, 12.0, 3), [shortened("w" * 99, 150.0, 14.0)]):
        assert all(text_width(line, 12.0) <= 150.0 for line in shown)
    assert wrapped("x" * 500, 150.0, 12.0, 3)[-1].endswith("…")
    assert text_width("é", 10) == text_width("e", 10)


def test_a_formula_begins_on_the_line_of_its_sign() -> None:
    """A formula as wide as a line may be stands beside its equals sign, in a wider box."""
    svg = draw(sg.read("Z: (n,c); Y: (n,c); L = -sum(Y*log_softmax(Z, axis=1))"))
    (output,) = (words(group) for group in elements(svg, "g", cls="node output") if group.get("id"))
    assert output == ["L", "= -sum(Y*log_softmax(Z))"]


def test_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The command writes what the function draws; a file's suffix chooses the format."""
    options = ["--wrt", "w", "--at", "x=3,y=6,w=1", "--highlight", "w"]
    assert run(["graph", source("seed"), *options]) == 0
    assert capsys.readouterr().out == drawn("seed") + "\n"
    for name, format in (("a.svg", "svg"), ("a.gv", "dot"), ("a.mmd", "mermaid")):
        assert run(["graph", source("seed"), *options, "-o", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_text(encoding="utf-8") == drawn("seed", format) + "\n"
    assert run(["graph", source("seed"), "-o", str(tmp_path / "a.doc")]) == 2
    assert "cannot tell a format from 'a.doc'" in capsys.readouterr().err
    assert run(["graph", source("seed"), "--highlight", "v"]) == 2


def test_help_is_light() -> None:
    """`symgrad graph -h` loads neither SymPy nor NumPy."""
    code = (
        "import sys; from symgrad.cli import run; run(['graph', '-h'])\n"
        "sys.exit('sympy' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_unknown_format() -> None:
    """A format that is nearly right is suggested."""
    with pytest.raises(sg.SymgradError, match="Did you mean 'svg'"):
        draw(sg.read("l = x**2"), "svgz")
