"""Reports: one page with all its parts, in every format, and the charts in it."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from sound_pages import assert_sound
from tensor_models import BY_NAME as MODEL

import symgrad as sg
from symgrad.cli import run
from symgrad.renderers.chart import MOST_POINTS, Chart, Series, line_chart, thinned
from symgrad.renderers.options import DETAILS
from symgrad.renderers.plain_names import plain_name

SEED = "y_pred = x*w; l = (y_pred - y)**2"
TRAINING = ["--data", "x=1,2,3", "--data", "y=2,4,6", "--init", "w=1"]


def reported(folder: Path, *arguments: str, name: str = "r.html", code: int = 0) -> str:
    """What `symgrad report` writes."""
    assert run(["report", *arguments, "-o", str(folder / name)]) == code
    return (folder / name).read_text(encoding="utf-8")


def test_a_report_with_training(tmp_path: Path) -> None:
    """The seed's report has all its parts, and what a node of the picture marks exists."""
    page = reported(tmp_path, SEED, "-w", "w", *TRAINING)
    root = assert_sound(page)
    headings = [" ".join("".join(h.itertext()).split()) for h in root.iter("h2")]
    assert headings == ["Given", "Derivation", "At the point", "Verification: passed", "Training"]
    details = list(root.iter("details"))
    assert [d.get("open") for d in details] == ["open", None]
    assert len([part for part in root.iter() if part.tag.endswith("svg")]) == 3
    ids = {part.get("id") for part in root.iter()}
    lines = {part.get("data-line") for part in root.iter()}
    marks = re.findall(r':has\(#([\w-]+):is\(:hover, :focus\)\) \[data-line="(\w+)"\]', page)
    assert {name for _, name in marks} == {"x", "w", "y", "y_pred", "l"}
    assert {node for node, _ in marks} <= ids
    assert {"w", "y_pred", "l"} <= lines
    assert all(part.get("tabindex") == "0" for part in root.iter() if (part.get("id") or "").startswith("node-"))


@pytest.mark.parametrize("example", ["fork", "mlp", "attention", "layernorm", "softmax", "gmm", "logistic", "ridge"])
def test_reports_of_the_examples(example: str, tmp_path: Path) -> None:
    """Every bundled example makes a sound report, far below the limit."""
    from symgrad.examples import source

    page = reported(tmp_path, source(example))
    assert_sound(page)
    assert len(page.encode()) < 200_000
    assert page == reported(tmp_path, source(example), name="again.html")


def test_a_large_report_stays_small(tmp_path: Path) -> None:
    """What can be done without is left out of a page that would be too large."""
    from test_print_tensors import transformer

    from symgrad.renderers.report import LIMIT, Report, html

    page = html(Report(sg.derive(sg.read(transformer(6)))))
    assert_sound(page)
    assert len(page.encode()) < LIMIT


def test_a_heading_is_said_once(tmp_path: Path) -> None:
    """What folds a part of the page away is its heading, which does not stand in it again."""
    from symgrad.examples import source

    page = reported(tmp_path, source("ridge"), "-w", "w")
    assert page.count(">Local partials<") == 1


def test_reports_in_markdown_and_latex(tmp_path: Path) -> None:
    """The same in Markdown, with Mermaid's picture, and in LaTeX, which compiles."""
    text = reported(tmp_path, SEED, "-w", "w", *TRAINING, name="r.md")
    for part in ("# The derivative of l by w", "```mermaid", "## Verification", "## Training", "| step |"):
        assert part in text
    latex = reported(tmp_path, SEED, "-w", "w", *TRAINING, name="r.tex")
    assert latex.startswith(r"\documentclass")
    assert r"\begin{align*}" in latex


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (Debian: texlive-latex-recommended)")
@pytest.mark.parametrize("source", [SEED, "σ = β*x; l = (σ - ŷ)**2/leaky_relu(σ)", MODEL["mlp_one_sample"].text])
def test_reports_in_pdf(source: str, tmp_path: Path) -> None:
    """A PDF comes out of an installed LaTeX, the same on every run."""
    training = TRAINING if source == SEED else ["--blanks", "--solutions"] if "tanh" in source else []
    for name in ("r.pdf", "again.pdf"):
        assert run(["report", source, *training, "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "r.pdf").read_bytes() == (tmp_path / "again.pdf").read_bytes()


def test_a_pdf_without_latex_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is no LaTeX, or it stops, one line says so."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert run(["report", SEED, "-o", str(tmp_path / "r.pdf")]) == 3
    assert "texlive-latex-recommended" in capsys.readouterr().err
    monkeypatch.setattr(shutil, "which", lambda name: name)
    stopped = subprocess.CompletedProcess([], 1, b"! Undefined control sequence.\n", b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: stopped)
    assert run(["report", SEED, "-o", str(tmp_path / "r.pdf")]) == 3
    assert "Undefined control sequence" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([SEED, "-o", "r.docx"], "cannot tell a format from 'r.docx'"),
        ([SEED, "--init", "w=1", "-o", "r.html"], "training needs --data"),
        ([SEED, *TRAINING, "--blanks", "-o", "r.html"], "a worksheet has no training"),
        ([SEED, "-w", "w", "--data", "x=1,2", "--init", "w=1", "-o", "r.html"], "there is no data for 'y'"),
    ],
)
def test_report_errors(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is missing is named."""
    monkeypatch.chdir(tmp_path)
    assert run(["report", *arguments]) == 2
    assert message in capsys.readouterr().err


# worksheets

FORK = "h = tanh(w*x); fit = (h - y)**2; pen = c*h**2; l = fit + pen"
AT = ["--at", "x=0.5,y=1,w=1.5,c=0.25"]
ANSWERS = ("tanh(wx) − y", "≈", "−0.122934744", "(h − y) + 2ch", "∂l/∂pen = 1", 'alttext="= x(1 − h²)"')


def test_a_worksheet_is_a_page_without_answers(tmp_path: Path) -> None:
    """A sheet has definitions, a picture, the point and blanks, and nothing that was computed."""
    sheet = reported(tmp_path, FORK, "-w", "w", *AT, "--blanks")
    root = assert_sound(sheet)
    headings = [" ".join("".join(h.itertext()).split()) for h in root.iter("h2")]
    assert headings == ["Given", "At the point", "Derivation"]
    assert "".join(next(root.iter("h1")).itertext()) == "Worksheet: the derivative of l by w"
    assert len([part for part in root.iter() if part.get("class") == "rule"]) == 17
    assert not [answer for answer in ANSWERS if answer in sheet]
    full = reported(tmp_path, FORK, "-w", "w", *AT)
    assert all(answer in full for answer in ANSWERS[:4])
    moved = reported(tmp_path, FORK, "-w", "w", "--at", "x=0.25,y=3,w=-0.5,c=7", "--blanks")
    without_point = re.compile(r"<h2>At the point</h2>.*?</section>", re.DOTALL)
    assert without_point.sub("", sheet) == without_point.sub("", moved)


def test_the_key_is_folded_away_or_alone(tmp_path: Path) -> None:
    """Below a sheet the key is folded shut and a section of its own; alone it is all there is."""
    page = reported(tmp_path, FORK, "-w", "w", *AT, "--blanks", "--solutions")
    (details,) = assert_sound(page).iter("details")
    assert details.get("open") is None
    assert "−0.122934744" in "".join(details.itertext())
    sheet, _, key = page.partition("<details")
    assert not [answer for answer in ANSWERS if answer in sheet]
    assert "(17) ≈ −0.122934744" in key
    alone = reported(tmp_path, FORK, "-w", "w", *AT, "--solutions")
    assert_sound(alone)
    assert "<svg" not in alone
    assert 'class="rule"' not in alone
    assert "(17) ≈ −0.122934744" in alone


@pytest.mark.parametrize("name", ["r.md", "r.tex"])
def test_worksheets_in_markdown_and_latex(name: str, tmp_path: Path) -> None:
    """The key comes last, in LaTeX on a page of its own; the sheet before it has no number of the answer."""
    page = reported(tmp_path, FORK, "-w", "w", *AT, "--blanks", "--solutions", name=name)
    sheet, _, key = page.partition("Key}" if name == "r.tex" else "**Key**")
    assert "0.122934744" in key
    assert "0.122934744" not in sheet
    assert "0.4121" not in sheet, "no adjoint in the picture"
    assert sheet.count("underline") == 17
    if name == "r.tex":
        assert sheet.rstrip().endswith("\\newpage\n\\textbf{")


# the problem on a worksheet


def test_the_sheet_tells_the_problem(tmp_path: Path) -> None:
    """A sheet has the definitions, even where the answer alone is asked for, and the point once; a key has neither."""
    derivation = sg.derive(sg.read(SEED), ["w"])
    evaluation = sg.compile(derivation)({"x": 3.0, "y": 6.0, "w": 1.5})
    for detail in DETAILS:
        sheet = sg.render(derivation, "text", evaluation=evaluation, detail=detail, blanks=True)
        assert sheet.startswith(
            "Given   y_pred = x*w\n        l      = (y_pred - y)**2\nAt x = 3, w = 1.5 and y = 6.\n"
        )
        key = sg.render(derivation, "text", evaluation=evaluation, detail=detail, solutions=True)
        assert key.startswith("Key")
        assert "Given" not in key
        assert "At x" not in sg.render(derivation, "text", detail=detail, blanks=True)
        assert "At x" not in sg.render(derivation, "text", evaluation=evaluation, detail=detail)
    small, large = sg.derive(sg.read("w: (n,)\nL = sum(w**2)")), {"w": [0.5] * 30}
    told = sg.render(small, "unicode", evaluation=sg.compile(small)(large), detail="answer", blanks=True)
    assert "Given   L = sum(w**2)" in told
    assert "At w = array of shape (30,), from 0.5 to 0.5." in told
    for suffix in ("html", "md", "tex"):
        file = tmp_path / f"r.{suffix}"
        assert run(["report", SEED, "-w", "w", "--at", "x=3,y=6,w=1", "--blanks", "-o", str(file)]) == 0
        page = file.read_text(encoding="utf-8")
        assert "At the point" in page
        assert not re.search(r"^(<p>)?At (?!the point)", page, re.MULTILINE), "its table says it"


# names and drawings


def test_names_are_printed_as_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--name` holds in formulas and in the picture, in every format; an unknown name is an error."""
    hat = [SEED, "-w", "w", "--name", r"y_pred=\hat{y}"]
    page = reported(tmp_path, *hat)
    assert "ŷ" in ET.tostring(next(p for p in ET.fromstring(page).iter() if p.tag.endswith("svg")), "unicode")
    assert 'alttext="= 2(ŷ − y)"' in page
    assert r"\hat{y}" in reported(tmp_path, *hat, name="r.md")
    latex = reported(tmp_path, *hat, name="r.tex")
    assert latex.count(r"\hat{y}") > 5
    assert "pred" not in latex.partition(r"\begin{document}")[2]
    assert run(["report", SEED, "--name", "z=Z", "-o", str(tmp_path / "r.html")]) == 2
    assert "'z'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("latex", "plain"),
    [
        (r"\vartheta", "ϑ"),
        (r"\varepsilon", "ε"),
        (r"\epsilon", "ϵ"),
        (r"\varphi_{1}", "φ_1"),
        (r"\ell", "ℓ"),
        (r"\hat{y}", "ŷ"),
        (r"\hat y", "ŷ"),
        (r"\bar{\theta}", "θ̄"),
        (r"\vec{v}_{\max}", "v⃗_max"),
        (r"\mathbf{W}^{(1)}", "W^(1)"),
        (r"\mathrm{y\_pred}", "y_pred"),
        (r"\unknown{x}", "unknownx"),
    ],
)
def test_names_in_plain_letters(latex: str, plain: str) -> None:
    """A name given in LaTeX has Unicode's letters and accents where there is no LaTeX."""
    assert plain_name(latex) == plain


@pytest.mark.parametrize("name", [r"w^{(1)}", "w'", r"\mathbf{w}^{*}_{2}"])
def test_names_with_a_superscript(name: str) -> None:
    """What is raised to a power, or has entries, and has a superscript of its own gets no second one."""
    scalar, vector = sg.derive(sg.read("l = w**3")), sg.derive(sg.read("w: (d,)\nl = w[0]**3"))
    assert rf"\left({name}\right)^{{2}}" in sg.render(scalar, "latex", names={"w": name})
    assert re.search(r"\\left\(\(?w|\\left\(\(\\mathbf", sg.render(vector, "latex", names={"w": name}))
    page = sg.render(scalar, "html", names={"w": r"w^{(1)}"})
    assert "<msup><mrow><mo" in page
    assert "<msup><msup>" not in page
    entries = sg.render(vector, "html", names={"w": r"w^{(1)}"})
    assert "<msubsup><mi>w</mi><mrow><mn>0</mn></mrow><mi>(1)</mi></msubsup>" in entries
    assert "(w^(1))³" in sg.render(scalar, "unicode", names={"w": r"w^{(1)}"})


def test_zero_has_no_sign() -> None:
    """−0.0 prints as 0 in every format; a verdict that fails for it shows both numbers in full."""
    derivation = sg.derive(sg.read("l = -relu(w)"))
    at = sg.compile(derivation)({"w": -1.0})
    assert str(at.gradient["w"]) == str(at.value) == "-0.0"
    for format in ("text", "unicode", "latex", "markdown", "html"):
        assert not re.search("[-−]0(?![.\\d])", sg.render(derivation, format, evaluation=at)), format
    verified = sg.verify(derivation, {"w": -1.0})
    assert "-0" not in sg.render(verified, "text")
    (point,) = verified.verdicts
    wrong = tuple(replace(v, value=-0.0, reference=0.0, passed=False) for v in point)
    told = sg.render(replace(verified, verdicts=(wrong,)), "text")
    assert re.search(r"-0\.0 +0\.0", told)
    assert "is -0.0, where" in told


def test_a_size_that_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The shape that the message proposes is one that the reader takes."""
    arguments = ["x: (d,)\nW: (h, d)\nL = sum((W @ x)**2)", "--data", "x=[[1,2],[3,4]]", "--init", "W=glorot"]
    assert run(["report", *arguments, "-w", "W", "-o", str(tmp_path / "r.html")]) == 2
    message = capsys.readouterr().err
    proposed = re.search(r"as in W: (\(.*\))\.", message)
    assert proposed, message
    assert proposed[1] == "(3, 3)"


def test_latex_has_the_picture_and_the_charts(tmp_path: Path) -> None:
    """A report in LaTeX draws the graph and, after training, both charts, with packages that every LaTeX has."""
    assert reported(tmp_path, SEED, "-w", "w", name="r.tex").count(r"\begin{picture}") == 1
    latex = reported(tmp_path, SEED, "-w", "w", *TRAINING, name="r.tex")
    sizes = re.findall(r"\\begin\{picture\}\(([\d.]+),([\d.]+)\)", latex)
    assert len(sizes) == 3
    packages = set(re.findall(r"\\usepackage(?:\[.*?\])?\{(.*?)\}", latex))
    assert packages == {"fontenc", "lmodern", "inputenc", "geometry", "amsmath,color,graphicx"}
    for width, drawn in zip((float(width) for width, _ in sizes), latex.split(r"\begin{picture}")[1:], strict=True):
        operators = drawn.partition(r"\symgradlines{%")[2].partition("}}")[0]
        lines = re.findall(r"([-\d.]+) ([-\d.]+) [ml]\b", operators)
        assert lines
        assert all(-1 <= float(x) <= width + 1 for x, _ in lines)


def test_a_picture_too_wide_for_a_page_is_left_out() -> None:
    """Letters that no one could read are not drawn."""
    from symgrad.renderers.graph import picture
    from symgrad.renderers.latex_graph import graph_latex

    chain = "; ".join(["h1 = tanh(w)", *(f"h{i} = tanh(h{i - 1})" for i in range(2, 30))])
    assert graph_latex(picture(sg.read(chain))) == ""
    assert r"\begin{picture}" in graph_latex(picture(sg.read(SEED)))


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("∂l/∂ŷ = −2", r"$\partial$l/$\partial$\^{y} = $-$2"),
        ("10⁻⁷·x²", r"10$^{-7}\cdot$x$^{2}$"),
        (r"50% & a_b {c} \input", r"50\% \& a\_b \{c\} \textbackslash{}input"),
        ("σ < β̂", r"$\sigma$ $<$ $\hat{\beta}$"),
        ("w⃗ = ℓ", r"$\vec{w}$ = $\ell$"),
    ],
)
def test_words_of_a_drawing(text: str, latex: str) -> None:
    """What a picture says is spelled for LaTeX, and nothing in it is a command."""
    from symgrad.renderers.latex_words import words

    assert words(text) == latex


def test_the_way_of_what_is_trained_ends_where_the_run_does() -> None:
    """The parameters that a chart shows are those of the run, to the last bit."""
    from symgrad.renderers.descent import Training, charts

    derivation = sg.derive(sg.read(SEED), ["w"])
    found = sg.train(derivation, {"x": [1.0, 2.0], "y": [2.0, 4.0]}, {"w": 1.0}, epochs=2, log="steps")
    _, way = charts(derivation, Training(found, 0.01, "one sample"))
    (series,) = way.series
    assert len(series.points) == found.step_count + 1
    assert series.points[0] == (0.0, 1.0)
    assert series.points[-1] == (float(found.step_count), found.parameters["w"])


# charts


def test_a_chart_tells_itself() -> None:
    """A chart has a title, a description with its ends, ticks and a legend."""
    lines = [Series("a<b", ((0.0, 1.0), (1.0, 0.001))), Series("c", ((0.0, 2.0), (1.0, 0.5)))]
    root = ET.fromstring(line_chart(Chart("T & t", "step", "loss", lines, True)))
    assert root[0].text == "T & t"
    assert root[1].text == "loss, logarithmic, by step: a<b from 1 to 0.001; c from 2 to 0.5"
    texts = [part.text for part in root.iter("text")]
    assert {"0.001", "0.1", "10", "step", "loss, logarithmic", "a<b", "c"} <= set(texts)


@pytest.mark.parametrize(
    "points", [((0.0, 5.0),), ((0.0, 0.0), (1.0, 0.0)), ((1.0, -1e300), (2.0, 1e300)), ((0.0, 1e-300), (1.0, 2e-300))]
)
def test_charts_of_odd_values(points: tuple[tuple[float, float], ...]) -> None:
    """One point, a flat line, huge and tiny values are drawn within the frame."""
    chart = line_chart(Chart("t", "x", "y", [Series("s", points)]))
    ET.fromstring(chart)
    assert not re.search("nan|inf", chart)
    places = [float(n) for n in re.findall(r"-?[\d.]+", re.search(r'class="line s0" d="([^"]*)"', chart)[1])]  # type: ignore[index]
    assert all(0 <= place <= 640 for place in places)


def test_thinning_keeps_peaks() -> None:
    """A long series keeps its ends, its lowest and its highest point."""
    points = [(float(i), float(i % 7)) for i in range(10_000)]
    points[1234] = (1234.0, 99.0)
    kept = thinned(points)
    assert len(kept) <= MOST_POINTS
    assert {points[0], points[-1], points[1234]} <= set(kept)
