"""`symgrad examples`."""

from __future__ import annotations

import click

from symgrad.errors import DataError


@click.command()
@click.argument("name", required=False)
def examples(name: str | None) -> None:
    """List the bundled sources, or print one.

    \b
    Example:
      symgrad examples fork | symgrad derive - --wrt w
    """
    from symgrad.core.names import suggestion
    from symgrad.examples import ORDER, source, summary

    if name is None:
        for known in ORDER:
            click.echo(f"{known:10}{summary(known)}")
        return
    if name not in ORDER:
        raise DataError(
            f"there is no example {name!r}.{suggestion(name, ORDER) or ' There are ' + ', '.join(ORDER) + '.'}"
        )
    click.echo(source(name), nl=False)
