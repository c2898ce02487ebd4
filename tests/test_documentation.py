"""Every example in the README and in docs/ runs, and prints what stands there."""

from __future__ import annotations

import doctest
import re
import shlex
import warnings
from pathlib import Path

import pytest

import symgrad
from symgrad.cli import run

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def console_examples() -> list[tuple[str, str, str]]:
    """Page, command and expected output of each console block."""
    found = []
    for page in PAGES:
        for block in CONSOLE.findall(page.read_text(encoding="utf-8")):
            command, _, output = block.partition("\n")
            assert command.startswith("$ symgrad "), f"{page.name}: {command!r}"
            found.append((page.name, command[2:], output))
    return found


def test_there_are_examples() -> None:
    """The README shows a derivation, a verification and a training run."""
    commands = [command.split()[1] for page, command, _ in console_examples() if page == "README.md"]
    assert {"derive", "verify", "train"} <= set(commands)


@pytest.mark.parametrize(("page", "command", "output"), console_examples())
def test_console_example(capsys: pytest.CaptureFixture[str], page: str, command: str, output: str) -> None:
    """A command in the documentation prints what the documentation says."""
    run(shlex.split(command)[1:])
    assert without_version(capsys.readouterr().out) == without_version(output), page


def without_version(text: str) -> str:
    """Text that does not depend on which torch is installed."""
    return re.sub(r"torch \d[\w.]*", "torch", text)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if ">>> " in page.read_text(encoding="utf-8")], ids=lambda p: p.name
)
def test_python_examples(page: Path) -> None:
    """The Python sessions of a page are true ones."""
    failures, tried = doctest.testfile(str(page), module_relative=False)
    assert tried >= 5
    assert failures == 0


def test_docstring_examples() -> None:
    """The example in the package's docstring is a true one."""
    failures, tried = doctest.testmod(symgrad)
    assert tried >= 4
    assert failures == 0


def test_results_show_themselves_in_a_notebook() -> None:
    """A derivation shows itself in LaTeX, plain text and HTML, a verification as its table."""
    derivation = symgrad.derive(symgrad.read("l = (x*w - y)**2"), "w")
    bundle = derivation._repr_mimebundle_(include=None, exclude=None)
    assert bundle["text/plain"] == symgrad.render(derivation, "unicode")
    assert bundle["text/latex"] == symgrad.render(derivation, "latex")
    verification = symgrad.verify(derivation, {"x": 1.0, "w": 2.0, "y": 3.0})
    bundle = verification._repr_mimebundle_()
    assert bundle["text/plain"] == symgrad.render(verification, "unicode")
    assert "<table" in bundle["text/html"]


def test_links_between_pages_lead_somewhere() -> None:
    """A relative link in a page names a file that exists."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_public_names_are_few_and_documented() -> None:
    """Fewer than twenty public names, each with a docstring; `dir` and `*` agree on them."""
    assert len(symgrad.__all__) < 20
    for name in symgrad.__all__:
        assert (getattr(symgrad, name).__doc__ or "").strip(), name
        assert name in dir(symgrad)
    with pytest.raises(AttributeError, match="no attribute 'derivative'"):
        symgrad.derivative  # noqa: B018


def test_grammar_page_lists_every_function() -> None:
    """docs/grammar.md names each function of the table, and no other."""
    from symgrad.functions import BY_NAME, SPELLINGS

    page = (ROOT / "docs" / "grammar.md").read_text(encoding="utf-8")
    listed = set(" ".join(re.findall(r"^\| \w[\w ]* \| `([^`]*)` \|$", page, re.MULTILINE)).split())
    assert listed == set(BY_NAME) | SPELLINGS


def test_version_is_in_the_changelog() -> None:
    """The changelog has a section for what is not yet released, or for this version."""
    page = (ROOT / "docs" / "changelog.md").read_text(encoding="utf-8")
    assert "## Unreleased" in page or f"## {symgrad.__version__}" in page


def test_no_warning_of_our_own_leaks() -> None:
    """A plain use of the library warns of nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        derivation = symgrad.derive(symgrad.read("l = (x*w - y)**2"), "w")
        assert symgrad.verify(derivation, {"x": 1.0, "w": 2.0, "y": 3.0}).passed


def test_verify_needs_points() -> None:
    """No point, or one that is not finite, is refused; an empty verification never passes."""
    derivation = symgrad.derive(symgrad.read("l = x**2"), "x")
    with pytest.raises(symgrad.SymgradError, match="there is no point"):
        symgrad.verify(derivation, [])
    with pytest.raises(symgrad.SymgradError, match="not finite"):
        symgrad.verify(derivation, {"x": float("nan")})
