"""The `derivation` directive and the `derivative` role."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.parsers.rst.states import RSTState
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from symgrad.sphinxext.cache import kept
from symgrad.sphinxext.nodes import derivation, derivative, fill, numbered_derivation
from symgrad.sphinxext.request import Mistake, Printed, Request
from symgrad.sphinxext.state import note

logger = logging.getLogger(__name__)


def _one_of(*words: str) -> Callable[[str | None], str]:
    """An option that takes one of some words; the first where none is given."""

    def convert(argument: str | None) -> str:
        return directives.choice(argument, words) if argument and argument.strip() else words[0]

    return convert


class DerivationDirective(SphinxDirective):
    """Shows a derivation of what its content defines, in symgrad's text grammar."""

    has_content = True
    option_spec: ClassVar[dict[str, Callable[[str], Any]]] = {
        "file": directives.path,
        "output": directives.unchanged_required,
        "wrt": directives.unchanged_required,
        "at": directives.unchanged_required,
        "detail": _one_of("steps", "answer", "chain", "elementary"),
        "notation": _one_of("auto", "partial", "total"),
        "name": directives.unchanged_required,
        "indices": directives.flag,
        "verify": _one_of("line", "table"),
        "graph": directives.flag,
        "highlight": directives.unchanged_required,
        "blanks": directives.flag,
        "solutions": directives.flag,
        "label": directives.unchanged_required,
        "caption": directives.unchanged_required,
        "class": directives.class_option,
    }

    def run(self) -> list[nodes.Node]:
        """The derivation; a mistake is an error at its own line."""
        self.origin: str | None = None
        try:
            return self.shown()
        except Mistake as mistake:
            return [self.reported(mistake)]

    def shown(self) -> list[nodes.Node]:
        """The node, and what Sphinx is to know about it."""
        from symgrad.sphinxext.work import printed

        request = self.request()
        made = kept(cache_folder(self.env), "derivation", request, printed)
        note(self.env, failed=any(kind == "verify" for kind, _ in made.warnings))
        self.warn(made)
        return self.noded(made)

    def request(self) -> Request:
        """What is asked for."""
        options = self.options
        at, arrays = self.point()
        highlight = options.get("highlight", "").strip()
        wrt = [name.strip() for name in re.split(r"[,\s]+", options.get("wrt", "")) if name.strip()]
        return Request(
            source=self.source(),
            output=options.get("output", "").strip(),
            wrt=tuple(wrt),
            at=at,
            arrays=arrays,
            detail=options.get("detail", "steps"),
            notation=options.get("notation", "auto"),
            names=options.get("name", ""),
            indices="indices" in options,
            verify=options.get("verify", ""),
            graph="graph" in options or bool(highlight),
            highlight=highlight,
            blanks="blanks" in options,
            solutions="solutions" in options,
        )

    def source(self) -> str:
        """The definitions: the content, or those in a file.

        Raises:
            Mistake: if there are none, or both, or the file cannot be read.
        """
        if "file" not in self.options:
            if not self.content:
                raise Mistake("there is nothing to derive; write definitions here, or name a file by :file:.", "")
            return "\n".join(self.content)
        if self.content:
            raise Mistake("the definitions are either here or in a :file:, not in both.", "file")
        path = self.beside(self.options["file"])
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror or error
            raise Mistake(f"cannot read {self.options['file']}: {reason}.", "file") from None
        self.origin = str(path)
        return text

    def point(self) -> tuple[str, tuple[str, ...]]:
        """`:at:`, one part a line, a file of arrays by its whole path; and what these files hold."""
        lines: list[str] = []
        for line in self.options.get("at", "").splitlines():
            if lines and lines[-1].count("[") > lines[-1].count("]"):
                lines[-1] += line  # a list goes on
            elif line.strip():
                lines.append(line.strip())
        digests = []
        for number, line in enumerate(lines):
            if "=" not in line and line.endswith(".npz"):
                path = self.beside(line)
                lines[number] = str(path)
                digests.append(sha256(path.read_bytes()).hexdigest() if path.is_file() else "")
        return "\n".join(lines), tuple(digests)

    def beside(self, name: str) -> Path:
        """A file beside the document, whose change is noticed."""
        relative, absolute = self.env.relfn2path(name)
        self.env.note_dependency(relative)
        return Path(absolute)

    def noded(self, made: Printed) -> list[nodes.Node]:
        """The node, with its caption, its plain text and its label."""
        caption = self.options.get("caption", "").strip()
        node = numbered_derivation() if caption else derivation()
        self.set_source_info(node)
        node["classes"] += self.options.get("class", [])
        number = self.env.new_serialno("symgrad")
        fill(node, made, f"{nodes.make_id(self.env.docname) or 'page'}-{number}")
        messages: list[nodes.Node] = []
        if caption:
            parsed, messages = self.parse_inline(caption)
            node += nodes.caption(caption, "", *parsed)
        node += nodes.literal_block(made.text, made.text, language="none")
        if made.described:
            node += nodes.paragraph(made.described, made.described)
        label = nodes.fully_normalize_name(self.options.get("label", ""))
        if label:
            node["names"].append(label)
            self.state.document.note_explicit_target(node, node)
        return [node, *messages]

    # what is said

    def warn(self, made: Printed) -> None:
        """Say what the reader and the referees say, at the directive's line."""
        for kind, message in made.warnings:
            logger.warning(message, type="symgrad", subtype=kind, location=self.get_location())

    def reported(self, mistake: Mistake) -> nodes.Node:
        """The docutils error for a mistake."""
        source, line = self.place(mistake)
        children = [nodes.literal_block(mistake.excerpt, mistake.excerpt)] if mistake.excerpt else []
        return self.state.document.reporter.error(f"derivation: {mistake.message}", *children, source=source, line=line)

    def place(self, mistake: Mistake) -> tuple[str, int]:
        """The file and the line of a mistake."""
        source, line = self.get_source_info()
        if mistake.place == "content" and self.origin is not None:
            return self.origin, mistake.line
        if mistake.place == "content":
            return self.content_line(mistake.line)
        opening = re.compile(rf"\s*:?{re.escape(mistake.place)}\s*:")
        for offset, text in enumerate(self.block_text.splitlines()):
            if mistake.place and opening.match(text):
                return source, line + offset
        return source, line

    def content_line(self, number: int) -> tuple[str, int]:
        """Where a line of the content stands; a parser other than docutils' own numbers them from the directive."""
        source, line = self.get_source_info()
        if isinstance(self.state, RSTState):
            here, offset = self.content.info(number - 1)
            return (here or source), (line if offset is None else offset + 1)
        return source, line + self.content_offset + number


_OF = re.compile(r"\s*[d∂]([^\W\d]\w*)\s*/\s*[d∂]([^\W\d]\w*)\s+of\s+(\S.*)", re.DOTALL)


class DerivativeRole(SphinxRole):
    """A derivative in one line: `dl/dw of (x*w - y)**2`."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """The formula; a mistake is an error where the role stands."""
        from symgrad.sphinxext.work import printed_inline

        try:
            made = kept(cache_folder(self.env), "derivative", self.request(), printed_inline)
        except Mistake as mistake:
            children = [nodes.literal_block(mistake.excerpt, mistake.excerpt)] if mistake.excerpt else []
            message = self.inliner.document.reporter.error(
                f"derivative: {mistake.message}", *children, line=self.lineno
            )
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]
        note(self.env, failed=False)
        for kind, text in made.warnings:
            logger.warning(text, type="symgrad", subtype=kind, location=self.get_location())
        node = derivative()
        fill(node, made, "inline")
        node += nodes.Text(made.text)
        return [node], []

    def request(self) -> Request:
        """What is asked for.

        Raises:
            Mistake: if it does not begin with a derivative.
        """
        match = _OF.fullmatch(self.text)
        if match is None:
            raise Mistake(
                f"expected dl/dw of a formula, such as dl/dw of (x*w - y)**2; found {self.text!r}.", "content"
            )
        output, by, source = match.groups()
        if "=" not in re.sub(r"[<>!=]=", "", source):
            source = f"{output} = {source}"
        return Request(source, output, (by,))


def cache_folder(env: BuildEnvironment) -> Path:
    """Where results are kept."""
    return Path(env.doctreedir) / "symgrad"
