"""HTML and Markdown: valid, complete in themselves, readable without a script, and nothing in a name is markup."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from cases import BY_NAME as CASE
from cases import CASES, Case
from sound_pages import assert_sound
from tensor_models import BY_NAME as MODEL
from tensor_models import MODELS, Model, derived

import symgrad as sg
from symgrad.cli import run
from symgrad.renderers import document_of
from symgrad.renderers.document import Name, Remark
from symgrad.renderers.html import HtmlRenderer
from symgrad.renderers.markdown import MarkdownRenderer

GOLDEN = Path(__file__).parent / "golden"
SHOWN = ("seed", "ridge", "shared_intermediate", "fork_three_ways", "where_huber", "greek_and_accents", "wrt_absent")
SHOWN_TENSORS = ("mlp_one_sample", "attention", "batch_norm", "labels_in_indices", "gaussian_nll")
HOW_TO_UPDATE = "run pytest --update-golden and read the diff"

SEED = "y_pred = x*w; l = (y_pred - y)**2"


def told(name: str) -> tuple[sg.Derivation, sg.Evaluation | None]:
    """A case or a model, with its numbers if it has some."""
    if name in CASE:
        derivation = CASE[name].derive()
        return derivation, sg.compile(derivation)(CASE[name].at)
    return derived(name), None


def printed(name: str, format: str) -> str:
    """What is kept: of HTML the content alone."""
    derivation, evaluation = told(name)
    if format == "md":
        return sg.render(derivation, "markdown", evaluation=evaluation) + "\n"
    known = [node.name for node in derivation.primal.nodes]
    return HtmlRenderer(known=known).content(document_of(derivation, evaluation)) + "\n"


@pytest.mark.parametrize("format", ["md", "html"])
@pytest.mark.parametrize("name", [*SHOWN, *SHOWN_TENSORS])
def test_golden(name: str, format: str, request: pytest.FixtureRequest) -> None:
    """What is printed is byte for byte what was read and approved."""
    file, actual = GOLDEN / "pages" / f"{name}.{format}", printed(name, format)
    if request.config.getoption("--update-golden"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(actual, encoding="utf-8")
    assert file.exists(), f"there is no golden/pages/{file.name}; {HOW_TO_UPDATE}"
    assert actual == file.read_text(encoding="utf-8"), f"golden/pages/{file.name} differs; {HOW_TO_UPDATE}"


def test_no_orphans() -> None:
    """Every golden page is compared."""
    wanted = {f"{name}.{format}" for name in (*SHOWN, *SHOWN_TENSORS) for format in ("md", "html")}
    assert {file.name for file in (GOLDEN / "pages").iterdir()} == wanted


# HTML


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_scalars_make_sound_pages(case: Case) -> None:
    """The page of every case, with its numbers, is sound and small."""
    derivation = case.derive()
    page = sg.render(derivation, "html", evaluation=sg.compile(derivation)(case.at))
    assert_sound(page)
    assert len(page.encode()) < 200_000


@pytest.mark.parametrize("tensors", ["auto", "index"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_tensors_make_sound_pages(model: Model, tensors: str) -> None:
    """The page of every model is sound and small, in matrix and in index notation."""
    assert_sound(page := sg.render(derived(model.name), "html", tensors=tensors))  # type: ignore[arg-type]
    assert len(page.encode()) < 100_000


def test_a_page_without_an_alternative_is_caught() -> None:
    """The probe sees a missing alternative, a script, an address and broken XML."""
    page = sg.render(told("seed")[0], "html")
    assert_sound(page)
    for old, new in (
        (' alttext="l"', ""),
        ("<main>", "<main><script/>"),
        ("<h2>", '<h2 title="https://x">'),
        ("<mi>", "<mi><"),
    ):
        assert old in page
        with pytest.raises((AssertionError, ET.ParseError)):
            assert_sound(page.replace(old, new, 1))


def test_the_alternative_is_the_unicode_form() -> None:
    """A formula reads as it does on a terminal."""
    page = sg.render(told("seed")[0], "html")
    assert 'alttext="= 2(y_pred − y)"' in page
    assert 'alttext="∂l/∂w"' in page


def test_quantities_are_fractions_and_names_wear_accents() -> None:
    """∂l/∂w is a fraction, ŷ wears a hat, W1 has a subscript, a Σ its index below."""
    page = sg.render(told("greek_and_accents")[0], "html")
    assert '<mover accent="true"><mi>y</mi><mo stretchy="false">^</mo></mover>' in page
    page = sg.render(derived("mlp_in_indices"), "html", tensors="index")
    assert "<msub><mi>W</mi><mn>1</mn></msub>" in page
    assert '<munder><mo movablelimits="false">∑</mo><mrow><mi>' in page


HOSTILE = [
    "<script>alert(1)</script>", '"><svg onload=x>', "a&b<c", r"\input{/etc/passwd}", "`x`", "$$x$$", "]]>", "a|b",
    "\x00\x1b",
]  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_names_are_escaped(hostile: str) -> None:
    """A name that is given for printing never becomes markup, in HTML or Markdown."""
    derivation, evaluation = told("seed")
    page = sg.render(derivation, "html", evaluation=evaluation, names={"w": hostile})
    root = assert_sound(page)
    assert not [part for part in root.iter() if part.tag in ("script", "svg")]
    verification = sg.verify(derivation, CASE["seed"].at)
    assert_sound(sg.render(verification, "html", names={"w": hostile}))
    for subject in (derivation, verification):
        text = sg.render(subject, "markdown", names={"w": hostile})
        assert "<script" not in text
        assert "<svg" not in text
        assert text.replace("$$", "").count("$") % 2 == 0
        assert "`" not in text


def test_hostile_words_are_escaped() -> None:
    """Nothing in a sentence is markup."""
    document = (Remark(("a_b *c* <i>d</i> [e](f) | $g$ & `h`", Name("w"))),)
    assert_sound(HtmlRenderer().render(document))
    text = MarkdownRenderer().render(document)
    assert text == r"a\_b \*c\* &lt;i&gt;d&lt;/i&gt; \[e\](f) \| \$g\$ &amp; \`h\`$w$"


# Markdown


@pytest.mark.parametrize("name", [*CASE, *MODEL])
def test_markdown_keeps_mathematics(name: str) -> None:
    """Read as CommonMark first, mathematics stays what it was: no emphasis, no tag, no list, no lost backslash."""
    markdown_it = pytest.importorskip("markdown_it", reason="needs markdown-it-py, which the docs extra brings")
    text = sg.render(told(name)[0], "markdown")
    assert "\n\n\n" not in text
    tokens = markdown_it.MarkdownIt("commonmark").parse(text)
    kinds = {token.type for token in tokens} | {child.type for token in tokens for child in token.children or ()}
    assert kinds <= {
        "paragraph_open", "paragraph_close", "inline", "text", "softbreak", "hardbreak", "strong_open", "strong_close",
        "text_special",
    }  # fmt: skip
    for block in re.findall(r"\$\$\n(.*?)\n\$\$", text, re.DOTALL):
        assert not re.search(r"\\(?!\\$|[A-Za-z])", block.replace("\\\\\n", "\n")), block
        assert not re.search(r"\\\\(?!\n)", block)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (Debian: texlive-latex-recommended)")
def test_markdown_mathematics_compiles(tmp_path: Path) -> None:
    """The mathematics in Markdown is LaTeX with amsmath."""
    from test_latex_compiles import errors_of

    body = []
    for name in (*CASE, *MODEL):
        text = sg.render(told(name)[0], "markdown")
        body += [rf"\[{block}\]" for block in re.findall(r"\$\$\n(.*?)\n\$\$", text, re.DOTALL)]
        body += re.findall(r"(?<!\$)\$[^$\n]+\$(?!\$)", re.sub(r"\$\$\n.*?\n\$\$", "", text, flags=re.DOTALL))
    assert errors_of("\n\n".join(body), tmp_path) == []


def test_a_verification_is_a_table() -> None:
    """Numbers stand in a table of Markdown, quantities as mathematics."""
    text = sg.render(sg.verify(told("seed")[0], CASE["seed"].at), "markdown")
    assert r"| $\partial l/\partial w$ | -18 | -18 | 0 ulp | ok |" in text


# what else can be printed


def trained() -> sg.Run:
    """A short run."""
    derivation = sg.derive(sg.read(SEED), ["w"])
    return sg.train(derivation, {"x": [1.0, 2.0], "y": [2.0, 4.0]}, {"w": 1.0}, epochs=2, log="steps", verify=True)


@pytest.mark.parametrize("format", ["text", "unicode", "latex", "markdown", "html", "json"])
def test_runs_and_graphs_are_printed(format: str) -> None:
    """A training run and the definitions of a graph are printed in every format."""
    run = trained()
    assert "1.1" in sg.render(run, format)
    assert "x" in sg.render(sg.read(SEED), format)
    assert "W1" in sg.render(derived("mlp_one_sample").primal, format).replace("W_{1}", "W1").replace("W _{1}", "W1")
    if format == "html":
        for subject in (
            run,
            sg.read(SEED),
            derived("mlp_one_sample").primal,
            sg.verify(told("seed")[0], CASE["seed"].at),
        ):
            assert_sound(sg.render(subject, format))


def test_notebooks_get_every_form() -> None:
    """Each result shows itself as text and HTML, formulas as LaTeX too, a graph with its picture, a run with curves."""
    derivation = told("seed")[0]
    for result in (derivation.primal, derivation, sg.verify(derivation, CASE["seed"].at), trained()):
        bundle = result._repr_mimebundle_(include=None, exclude=None)
        assert bundle["text/plain"] == sg.render(result, "unicode")
        root = assert_sound(bundle["text/html"])
        assert root.get("class") == "symgrad"
        is_formula = isinstance(result, (sg.Graph, sg.Derivation))
        assert ("text/latex" in bundle) == is_formula
        assert ("<svg" in bundle["text/html"]) == (not isinstance(result, sg.Verification))


def test_suffixes_choose_the_format(tmp_path: Path) -> None:
    """`-o file.html` and `-o file.md` print those formats."""
    for name, begins in (("d.html", "<!DOCTYPE html>"), ("d.md", "**Given**")):
        assert run(["derive", SEED, "-w", "w", "-o", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)
