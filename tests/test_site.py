"""The documentation site builds strictly, needs nothing from elsewhere, and holds what it promises."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

import symgrad
from symgrad import errors
from symgrad.cli import cli
from symgrad.examples import ORDER

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
NEEDED = ("furo", "myst_parser", "sphinx")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
builds = pytest.mark.skipif(bool(MISSING), reason=f"needs the docs extra; there is no {', '.join(MISSING)}")


@dataclass
class Page(HTMLParser):
    """What a built page holds: its ids, where its links lead, what it loads."""

    text: str
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the ids and addresses of a tag."""
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in ("src", "href", "srcset", "data", "poster", "action"):
                self.loads.append(value or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Page]:
    """The built pages, by name; a warning of Sphinx's is an error."""
    out = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-n",
        "-W",
        "-E",
        "-d",
        str(out / ".doctrees"),
        str(DOCS),
        str(out),
    ]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert (made.returncode, made.stderr) == (0, "")
    return {
        path.relative_to(out).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in [*out.glob("*.html"), *out.glob("_static/**/*.css")]
    }


@builds
def test_nothing_comes_from_elsewhere(site: dict[str, Page]) -> None:
    """No page and no style sheet loads anything from another address, and mathematics needs no script."""
    for name, page in site.items():
        assert not [address for address in page.loads if re.match(r"(https?:)?//", address)], name
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", page.text), name
        assert not [address for address in page.loads if "mathjax" in address], name
    assert "<math" in site["chain_rule.html"].text


@builds
def test_links_lead_to_a_place(site: dict[str, Page]) -> None:
    """Every link within the site names a page that is there, and a place on it."""
    followed = 0
    for name, page in site.items():
        for link in page.links:
            target, _, place = link.partition("#")
            if "://" in link or target.startswith("_sources"):
                continue
            followed += 1
            assert (target or name) in site, f"{name}: {link}"
            assert not place or unquote(place) in site[target or name].ids, f"{name}: {link}"
    assert followed > 1000


@builds
def test_places_have_names_of_their_own(site: dict[str, Page]) -> None:
    """No id stands twice on a page, though each picture has its own for its nodes."""
    for name, page in site.items():
        assert sorted(set(page.ids)) == sorted(page.ids), name
    assert sum("table-" in name or "chain-rule-" in name for name in site["chain_rule.html"].ids) > 5


@builds
def test_every_example_is_in_the_gallery(site: dict[str, Page]) -> None:
    """With its picture, its derivation in MathML, and its verification."""
    text = site["gallery.html"].text
    parts = re.split(r'<section id="example-(\w+)"', text)
    assert tuple(parts[1::2]) == ORDER
    for name, part in zip(parts[1::2], parts[2::2], strict=True):
        assert "<math" in part, name
        assert "<svg" in part, name
        assert 'class="verdict passed"' in part, name


@builds
def test_reference_is_complete(site: dict[str, Page]) -> None:
    """Every public name, every error, every command and every option has a place."""
    ids = set(site["reference.html"].ids)
    own = [name for name, kind in vars(errors).items() if isinstance(kind, type) and kind.__module__ == errors.__name__]
    wanted = {f"symgrad.{name}" for name in symgrad.__all__ if name not in own} | {
        f"symgrad.errors.{name}" for name in own
    }
    assert wanted | {"symgrad.testing.assert_gradients"} <= ids
    for name, command in cli.commands.items():
        options = {option for p in command.params for option in p.opts if option.startswith("--")}
        assert {f"symgrad-{name}", *(f"symgrad-{name}{option[1:]}" for option in options)} <= {*site["cli.html"].ids}


def test_every_page_is_in_the_contents() -> None:
    """The front page's tables of contents hold each page once."""
    contents = re.findall(r"^```\{toctree\}\n(.*?)^```", (DOCS / "index.md").read_text(encoding="utf-8"), re.M | re.S)
    entries = [line for block in contents for line in block.splitlines() if line and not line.startswith(":")]
    listed = [re.sub(r".*<(\w+)>$", r"\1", entry) for entry in entries]
    pages = {path.stem for path in DOCS.iterdir() if path.suffix in (".md", ".ipynb")}
    assert sorted(listed) == sorted(pages - {"index"})


def test_explanation_is_verified_throughout() -> None:
    """Every derivation in the explanation of the chain rule asks to be compared with torch."""
    blocks = re.findall(
        r"^```\{derivation\}\n(.*?)^```", (DOCS / "chain_rule.md").read_text(encoding="utf-8"), re.M | re.S
    )
    assert len(blocks) >= 8
    assert all(re.search("^:verify:", block, re.M) for block in blocks)
