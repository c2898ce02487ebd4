"""What a picture of a graph says, before anyone decides how to draw it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Role = Literal["input", "parameter", "intermediate", "inserted", "output"]

ROLES: tuple[Role, ...] = ("input", "parameter", "intermediate", "inserted", "output")


@dataclass(frozen=True)
class Box:
    """A node.

    Args:
        name: the node's own name.
        role: what it is in the graph; a parameter is a leaf that is differentiated by.
        title: what stands at its head: its name as printed, or the formula of an inserted node.
        shape: `(h,d)`; empty for a scalar.
        definition: the formula; empty for a leaf, and where it is the title.
        value: `= 3`; empty where no numbers were given.
        adjoint: `∂l/∂w = −18`; empty where there is none.
        highlighted: whether it lies on a highlighted path.
    """

    name: str
    role: Role
    title: str
    shape: str = ""
    definition: str = ""
    value: str = ""
    adjoint: str = ""
    highlighted: bool = False


@dataclass(frozen=True)
class Arrow:
    """An edge: the child reads the parent.

    Args:
        parent: the name of the node it starts at.
        child: the name of the node it leads to.
        live: whether derivatives flow back along it.
        label: the local partial in brief, to stand on the edge.
        told: the local partials in full.
        highlighted: whether it lies on a highlighted path.
    """

    parent: str
    child: str
    live: bool
    label: str = ""
    told: str = ""
    highlighted: bool = False


@dataclass(frozen=True)
class Picture:
    """A graph to draw.

    Args:
        boxes: the nodes, parents first.
        arrows: the edges.
        title: what it is, in a few words.
        description: the same picture in words, for whoever cannot see it.
        remarks: sentences to stand below it.
        highlight: what is highlighted, in words; empty where nothing is.
        words: what each role is called.
    """

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    title: str
    description: str
    remarks: tuple[str, ...]
    highlight: str
    words: dict[Role, str]


def node_id(name: str) -> str:
    """The id of a node's element: `node-w`; letters beyond ASCII are spelled by their code, `node--3b1-` for α."""
    return "node-" + re.sub(r"[^A-Za-z0-9_]", lambda match: f"-{ord(match[0]):x}-", name)
