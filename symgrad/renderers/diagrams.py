"""A picture as text for other programs: DOT for Graphviz, and Mermaid, which many wikis and forges draw themselves.

Node shapes say the role in both, as in the SVG: a parallelogram is an input, a pill a parameter, a double frame the
output. Every identifier is quoted (DOT) or made up (Mermaid, whose parser trips over words such as `end`), and every
label is escaped, so a name can say anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from symgrad.renderers.picture import Arrow, Box, Picture, Role, node_id

_DOT_STYLES: Mapping[Role, str] = {
    "input": "shape=parallelogram",
    "parameter": 'shape=box, style="rounded"',
    "intermediate": "shape=box",
    "inserted": 'shape=box, style="dashed", fontsize=11',
    "output": "shape=box, peripheries=2",
}

_DOT_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "&": "&amp;"})

_MERMAID_SHAPES: Mapping[Role, tuple[str, str]] = {
    "input": ("[/", "/]"),
    "parameter": ("([", "])"),
    "intermediate": ("[", "]"),
    "inserted": ("[", "]"),
    "output": ("[[", "]]"),
}


def to_dot(picture: Picture) -> str:
    """The picture in DOT."""
    notes = [picture.title, *([f"Highlighted: {picture.highlight}."] if picture.highlight else []), *picture.remarks]
    lines = [
        f"digraph {_quoted(picture.title)} {{",
        "  rankdir=LR;",
        f"  label={_quoted(*notes)};",
        "  labelloc=b;",
        '  node [fontname="Helvetica,Arial,sans-serif"];',
        '  edge [fontname="Helvetica,Arial,sans-serif", fontsize=11];',
    ]
    for box in picture.boxes:
        lit = ", penwidth=3" if box.highlighted else ""
        lines.append(
            f"  {_quoted(box.name)} [label={_quoted(*lines_of(box))}, {_DOT_STYLES[box.role]}, "
            f"id={_quoted(node_id(box.name))}, class={_quoted(box.role)}{lit}];"
        )
    lines += [f"  {_quoted(a.parent)} -> {_quoted(a.child)}{_dot_options(a)};" for a in picture.arrows]
    return "\n".join([*lines, "}"])


def _dot_options(arrow: Arrow) -> str:
    options = [f"label={_quoted(arrow.label)}"] if arrow.label else []
    options += ["penwidth=3"] if arrow.highlighted else ["color=gray60"] if not arrow.live else []
    return f" [{', '.join(options)}]" if options else ""


def _quoted(*lines: str) -> str:
    """Lines as one DOT string; Graphviz reads `&` as the start of an entity, and a backslash as that of an escape."""
    return '"' + r"\n".join(_plain(line).translate(_DOT_ESCAPES) for line in lines) + '"'


def to_mermaid(picture: Picture) -> str:
    """The picture as a Mermaid flowchart."""
    ids = {box.name: f"n{number}" for number, box in enumerate(picture.boxes, 1)}
    told = [*([f"Highlighted: {picture.highlight}."] if picture.highlight else []), *picture.remarks]
    lines = ["flowchart LR", f"  accTitle: {_mermaid(picture.title)}"]
    lines += [f"  accDescr: {_mermaid(' '.join(told))}"] if told else []
    for box in picture.boxes:
        opening, closing = _MERMAID_SHAPES[box.role]
        label = "<br/>".join(map(_mermaid, lines_of(box)))
        lines.append(f'  {ids[box.name]}{opening}"{label}"{closing}')
    for arrow in picture.arrows:
        label = f'|"{_mermaid(arrow.label)}"|' if arrow.label else ""
        link = "==>" if arrow.highlighted else "-->" if arrow.live else "-.->"
        lines.append(f"  {ids[arrow.parent]} {link}{label} {ids[arrow.child]}")
    for style, found in (
        ("inserted", [ids[box.name] for box in picture.boxes if box.role == "inserted"]),
        ("highlighted", [ids[box.name] for box in picture.boxes if box.highlighted]),
    ):
        if found:
            look = "stroke-dasharray:3" if style == "inserted" else "stroke-width:3px"
            lines += [f"  classDef {style} {look};", f"  class {','.join(found)} {style};"]
    return "\n".join(lines)


def _mermaid(text: str) -> str:
    """A label in quotes: whatever HTML, Markdown or Mermaid would take for its own is written as its code."""
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", "#95;", re.sub(r"[^\w\s().,=+/^−·∂²³√≈:@-]", _coded, _plain(text)))
    return re.sub(r"^(\d+)\.(?=\s)", r"\1#46;", text)


def _coded(match: re.Match[str]) -> str:
    character = match[0]
    return f"#{ord(character)};" if character.isascii() else character


def lines_of(box: Box) -> list[str]:
    """What stands in a node's box, line by line."""
    head = f"{box.title} {box.shape}".rstrip()
    return [head, *(line for line in (f"= {box.definition}" if box.definition else "", box.value, box.adjoint) if line)]


def _plain(text: str) -> str:
    """One line without control characters."""
    return "".join(character if character.isprintable() else " " for character in text)
