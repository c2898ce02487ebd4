"""What is printed as Markdown arrives as it left: in MkDocs (Python-Markdown, arithmatex) and in Quarto (pandoc)."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from cases import CASES
from tensor_models import BY_NAME as MODEL

import symgrad as sg
from symgrad.cli import run
from symgrad.renderers.markdown import words

ROOT = Path(__file__).parent.parent
FORMULA = re.compile(r"\$\$\n(.*?)\n\$\$|(?<![\\$])\$(?!\$)((?:[^$\\]|\\.)*?)\$(?!\d)", re.DOTALL)
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
HOSTILE = (
    "a_b_c = abs(x_1)*w_2; l = (a_b_c - y)**2 + leaky_relu(x_1)*w1*w_1",
    "_u = where(x < 1, x*w, w**2); l = _u**2*_u",
    "ŷ = σ*β; l = (ŷ - y)**2/2*max(σ, β, 1)",
    "d_model_in = x**2*w**2; l = abs(d_model_in)*abs(x)",
)


def formulas(text: str) -> list[str]:
    """The formulas in a Markdown text, as a reader of its source would say."""
    return [tidy(block or inline) for block, inline in FORMULA.findall(FENCE.sub("", text))]


def tidy(latex: str) -> str:
    """Mathematics does not tell one space from several."""
    return " ".join(latex.split())


def printed() -> dict[str, str]:
    """Every case and model, with numbers, in each notation, and what else is printed of a few."""
    texts = {}
    for case in CASES:
        derivation = case.derive()
        evaluation = sg.compile(derivation)(case.at)
        texts[case.name] = sg.render(derivation, "markdown", evaluation=evaluation)
    for name, model in MODEL.items():
        derivation = sg.derive(sg.read(model.text))
        texts[f"{name}, in matrices"] = sg.render(derivation, "markdown")
        texts[f"{name}, in indices"] = sg.render(derivation, "markdown", detail="chain", tensors="index")
    for text in HOSTILE:
        derivation = sg.derive(sg.read(text))
        point = dict.fromkeys(derivation.primal.leaves, 0.75)
        texts[text] = sg.render(derivation, "markdown", notation="total")
        texts[f"{text}, verified"] = sg.render(sg.verify(derivation, point), "markdown")
    return texts


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return printed()


# MkDocs


class _Arrived(HTMLParser):
    """The formulas that arithmatex marks, the words of the page, and the kinds of its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.formulas: list[str] = []
        self.words = ""
        self.tags: list[str] = []
        self.within = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if dict(attrs).get("class") == "arithmatex":
            self.within = True
            self.formulas.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("span", "div"):
            self.within = False

    def handle_data(self, data: str) -> None:
        if self.within:
            self.formulas[-1] += data
        else:
            self.words += data


def through_mkdocs(text: str) -> _Arrived:
    """A page as MkDocs makes it with the settings of docs/markdown.md."""
    markdown = pytest.importorskip("markdown", reason="needs Python-Markdown, which the test extra brings")
    pytest.importorskip("pymdownx", reason="needs pymdown-extensions, which the test extra brings")
    page = _Arrived()
    extensions = ["toc", "tables", "fenced_code", "pymdownx.arithmatex"]
    settings = {"pymdownx.arithmatex": {"generic": True}}
    page.feed(markdown.markdown(text, extensions=extensions, extension_configs=settings))
    page.formulas = [tidy(re.sub(r"^\\[\[(]|\\[\])]$", "", formula.strip())) for formula in page.formulas]
    return page


def test_formulas_survive_mkdocs(texts: dict[str, str]) -> None:
    """Every formula of every case reaches MathJax or KaTeX letter by letter, and nothing becomes other markup."""
    count = 0
    for name, text in texts.items():
        page = through_mkdocs(text)
        assert page.formulas == formulas(text), name
        assert set(page.tags) <= {"p", "div", "span", "strong", "table", "thead", "tbody", "tr", "th", "td"}, name
        assert not re.search(r"[\\$]|&\w+;", page.words), name
        count += len(page.formulas)
    assert count > 900


def test_what_would_not_survive_is_noticed() -> None:
    """The comparison sees a formula that is split by an empty line, and one that Markdown takes for words."""
    for broken in ("$$\na\n\nb\n$$", "$ a_b $ and $c_d$ 5"):
        assert through_mkdocs(broken).formulas != formulas(broken)
    assert through_mkdocs(r"a\<b").words != "a<b"


def test_tables_keep_their_columns(texts: dict[str, str]) -> None:
    """A verification is a table whose rows have the columns of its head, whatever the names are."""
    for text in (texts[f"{hostile}, verified"] for hostile in HOSTILE):
        page = through_mkdocs(text)
        assert page.tags.count("table") == 1
        rows = len(re.findall(r"^\|", text, re.MULTILINE)) - 2
        assert page.tags.count("th") == 5
        assert page.tags.count("td") == 5 * rows


@pytest.mark.parametrize("character", list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"))
def test_words_survive(character: str) -> None:
    """Plain words arrive as they are, in a sentence and in a table."""
    text = f"a {character}b{character} c"
    assert through_mkdocs(words(text)).words.strip() == text
    assert text in through_mkdocs(f"| h | k |\n| --- | --- |\n| {words(text)} | z |").words.split("\n")


def test_a_report_keeps_its_picture(tmp_path: Path) -> None:
    """In a report the picture stays a fence of Mermaid's, and all else is as in a derivation."""
    page = tmp_path / "r.md"
    data = ["--data", "x=1,2,3", "--data", "y=2,4,6", "--init", "w=1"]
    assert run(["report", "y_pred = x*w; l = (y_pred - y)**2", "-w", "w", *data, "-o", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    arrived = through_mkdocs(text)
    assert arrived.formulas == formulas(text)
    assert arrived.tags.count("pre") == text.count("```mermaid") == 1
    assert arrived.tags.count("table") == 3
    assert arrived.tags.count("h1") == 1


# Quarto


def mathematics_in(document: Any) -> list[str]:
    """The formulas in pandoc's tree, in order."""
    if isinstance(document, dict):
        if document.get("t") == "Math":
            return [tidy(document["c"][1])]
        return mathematics_in(document.get("c"))
    return [formula for part in document for formula in mathematics_in(part)] if isinstance(document, list) else []


@pytest.mark.skipif(shutil.which("pandoc") is None, reason="needs pandoc (Debian: pandoc)")
def test_formulas_survive_quarto(texts: dict[str, str]) -> None:
    """pandoc, which Quarto reads with, finds the same formulas."""
    separator = "\n\n# symgrad\n\n"
    done = subprocess.run(
        ["pandoc", "-f", "markdown", "-t", "json"],
        input=separator.join(["", *texts.values()]),
        capture_output=True,
        text=True,
        check=True,
    )
    parts: list[list[Any]] = []
    for block in json.loads(done.stdout)["blocks"]:
        if block["t"] == "Header":
            parts.append([])
        else:
            parts[-1].append(block)
    for (name, text), blocks in zip(texts.items(), parts, strict=True):
        assert mathematics_in(blocks) == formulas(text), name
        assert "RawInline" not in json.dumps(blocks), name


# pages that are written before a build


def test_the_pages_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script in docs/markdown.md writes a page a model, only where the model is newer, and stops on a failure."""
    specification = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "pages.py")
    assert specification is not None
    pages = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(pages)
    called = []

    def symgrad(command: list[str], check: bool) -> subprocess.CompletedProcess[bytes]:
        called.append(command[2])
        return subprocess.CompletedProcess(command, run(command[1:]))

    monkeypatch.setattr(pages.subprocess, "run", symgrad)
    models, docs = tmp_path / "models", tmp_path / "docs"
    models.mkdir(), docs.mkdir()
    (models / "loss.sg").write_text("l = (x*w - y)**2")
    pages.write_pages(models, docs)
    pages.write_pages(models, docs)
    assert called == [str(models / "loss.sg")]
    assert (docs / "loss.md").read_text(encoding="utf-8").startswith("# The derivatives of l by x, w and y")
    (models / "loss.sg").write_text("l = ")
    os.utime(models / "loss.sg", (2e9, 2e9))
    with pytest.raises(SystemExit, match=r"loss.sg: no page"):
        pages.write_pages(models, docs)
    assert not (docs / "loss.md").exists()


@pytest.mark.skipif(shutil.which("pandoc") is None, reason="needs pandoc (Debian: pandoc)")
def test_formulas_become_words_own(texts: dict[str, str]) -> None:
    """Pandoc converts every formula, as for Word, Typst and MathML; what it could not it would leave as TeX."""
    every = dict.fromkeys(formula for text in texts.values() for formula in formulas(text))
    blocks = "\n\n".join(f"$$\n{formula}\n$$" for formula in every)
    done = subprocess.run(
        ["pandoc", "-f", "markdown", "-t", "html", "--mathml"], input=blocks, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout.count("<math ") == len(every) > 500
