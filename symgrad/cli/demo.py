"""`symgrad demo`."""

from __future__ import annotations

import click

from symgrad.cli.options import FORMATS, chosen_format

DATA = {"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]}
START = {"w": 1.0}


@click.command()
@click.option(
    "-f", "--format", "format_", type=click.Choice([f for f in FORMATS if f not in ("html", "json")]), default="auto"
)
def demo(format_: str) -> int:
    """Run the whole job on the built-in example: derive, train, verify.

    The example is the lecture's: y_pred = x*w, loss (y_pred - y)**2, w = 1, x = 1, 2, 3, y = 2, 4, 6, one sample at a
    time, learning rate 0.01, 10 epochs, in float32. Exit code 1 if torch disagrees with any step.

    \b
    Example:
      symgrad demo
    """
    from symgrad.calculus import derive
    from symgrad.cli.train import log_printer, prediction_sayer
    from symgrad.examples import source
    from symgrad.readers import read
    from symgrad.renderers import render, render_document
    from symgrad.renderers.document import Remark
    from symgrad.renderers.verdicts import narrate_steps
    from symgrad.training import train

    chosen = chosen_format(format_, None)
    derivation = derive(read(source("seed")), ["w"])
    click.echo(render(derivation, chosen))
    click.echo()
    predict = prediction_sayer(derivation, {"x": "4"}, {}, "float32", "steps")
    click.echo(predict("before", START))
    run = train(derivation, DATA, START, lr=0.01, epochs=10, dtype="float32", log=log_printer("steps"), verify=True)
    click.echo(predict("after", run.parameters))
    click.echo()
    click.echo(
        render_document((Remark(("Each step against torch autograd",)), *narrate_steps(run.verifications)), chosen)
    )
    return 0 if all(verification.passed for verification in run.verifications) else 1
