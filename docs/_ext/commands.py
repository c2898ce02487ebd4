"""`{commands}`: the reference of the command line, from Click's own description of it.

sphinx-click reads help texts as reStructuredText, in which a backslash of LaTeX is lost and a formula may be markup;
here they are the plain text that they are.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

from symgrad.cli import cli
from symgrad.sphinxext.state import note

if TYPE_CHECKING:
    from sphinx.application import Sphinx


class Commands(SphinxDirective):
    """Every command, one section each."""

    def run(self) -> list[nodes.Node]:
        note(self.env, failed=False)  # read again when symgrad changes
        context = click.Context(cli, info_name="symgrad", **cli.context_settings)
        made: list[nodes.Node] = [*self.about(cli, context)]
        for name in cli.commands:
            command = cli.commands[name]
            section = nodes.section(ids=[f"symgrad-{name}"], names=[f"symgrad {name}"])
            section += nodes.title("", "", nodes.literal("", f"symgrad {name}"))
            section += list(self.about(command, click.Context(command, info_name=name, parent=context)))
            self.state.document.note_explicit_target(section)
            made.append(section)
        return made

    def about(self, command: click.Command, context: click.Context) -> Iterator[nodes.Node]:
        """What a command does, how it is called, its options, and an example."""
        told, _, example = inspect.cleandoc(command.help or "").partition("\n\n\b\n")
        for paragraph in told.split("\n\n"):
            yield nodes.paragraph("", " ".join(paragraph.split()))
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        yield code(usage)
        for parameter in command.get_params(context):
            if isinstance(parameter, click.Option) and (context.parent is None or "--help" not in parameter.opts):
                yield self.option(parameter, context)
        if example:
            yield nodes.rubric("", "Example")
            yield code(inspect.cleandoc(example.partition("\n")[2]), "console", prompt="$ ")

    def option(self, option: click.Option, context: click.Context) -> nodes.Node:
        """One option, which `{option}` can refer to."""
        program = context.command_path.replace(" ", "-")
        identifier = nodes.make_id(f"{program}-{option.opts[-1]}")
        signature = addnodes.desc_signature("", "", ids=[identifier], allnames=option.opts)
        for name in option.opts:
            signature += addnodes.desc_addname("", ", ") if len(signature) else nodes.Text("")
            signature += addnodes.desc_name(name, name)
            self.env.domains.standard_domain.add_program_option(program, name, self.env.docname, identifier)
        if not option.is_flag:
            signature += addnodes.desc_addname("", " " + option.make_metavar(context))
        self.state.document.note_explicit_target(signature)
        content = addnodes.desc_content("", *(nodes.paragraph("", text) for text in said_of(option)))
        return addnodes.desc("", signature, content, domain="std", objtype="option", classes=["std", "option"])


def said_of(option: click.Option) -> Iterator[str]:
    """The help of an option, and its default."""
    help_ = option.help or ""
    default: Any = option.default
    if option.required:
        help_ = f"{help_} Required.".strip()
    elif option.show_default and default is not None:
        help_ = f"{help_} Default: {default}.".strip()
    if help_:
        yield help_


def code(text: str, language: str = "text", prompt: str = "") -> nodes.literal_block:
    """A block of code."""
    return nodes.literal_block(text, prompt + text, language=language)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
