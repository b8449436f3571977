"""`dout derive`: a class with the backward that its forward has, and what `dout check` says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dout.cli import options
from dout.cli.cli_target import load, split
from dout.cli.printing import save
from dout.errors import TargetError, visible
from dout.files import Kind, refuse

if TYPE_CHECKING:
    from dout.check.report.layer_report import Report
    from dout.explain.derive.class_writer import Derived

MODULE = Kind("a module", (".py",), rb'\A""".*\n\nWritten by `dout derive`')
SOURCE = Kind("a Python file", (".py",), rb"")  # the user's own: it is asked to be changed


@click.command(short_help="Write the backward of a layer from its forward.")
@click.argument("target")
@options.output("FILE.py", "Write a module with the class to FILE.py.")
@click.option("--style", type=click.Choice(["book", "pytorch", "jax"]), default="book",
              help="How forward and backward are written [book].")  # fmt: skip
@click.option("--in-place", is_flag=True, help="Write the backward into the file of TARGET.")
@options.init
@options.inputs
@options.as_json
@options.timeout(120)
def derive(
    target: str, output: Path | None, force: bool, style: str, in_place: bool, init: dict[str, Any],
    inputs: dict[str, Any], as_json: bool, timeout: float,
) -> None:  # fmt: skip
    """Derive the backward of TARGET from its forward, and print the class that has it.

    TARGET is a layer or function in a file or module (file.py:Name, package.module:Name), or the name of a ready-made
    layer (Sigmoid). dout chooses the arguments and inputs that you do not give. Nothing of yours is changed without
    --in-place. The file is EXECUTED, with your rights.

    Exit code: 0 derived, 1 the check of what was written found an error, 2 wrong usage, or nothing can be derived.
    """
    where = split(target)[0]
    if in_place and output is not None:
        raise click.UsageError("--in-place writes into the file of TARGET; leave -o out")
    if in_place and style != "book":
        raise click.UsageError("--in-place writes a backward in the book's style; leave --style out")
    if output is not None:
        refuse(output, MODULE, inputs=[where], force=force)
    for module in ("sympy", "flint"):
        options.require("dout derive", module)
    made, report = _derived(target, init, inputs, style, timeout)
    if in_place:
        _write_in_place(target, where, made)
    if output is not None:
        save(output, _module(target, made), MODULE, inputs=[where], force=force)
    if as_json:
        click.echo(json.dumps(_document(made, report), ensure_ascii=True, allow_nan=False))
    elif output is None and not in_place:
        click.echo(visible(made.source.rstrip(), keep="\n\t"))
    click.echo(visible(_verdict(report)), err=True)
    raise SystemExit(0 if report.ok else 1)


def _derived(
    target: str, init: dict[str, Any], inputs: dict[str, Any], style: str, timeout: float
) -> tuple[Derived, Report]:
    """The class, and the report on it."""
    from dout.check.verb.check_layer import check
    from dout.cli.guard import guarded
    from dout.explain.derive.class_writer import derived
    from dout.trace.record.script import run_user_code

    with guarded(target, timeout=timeout, capture=True):
        found = load(target)[1]
        if found is None:
            raise TargetError(f"{target} is a module; name one layer or function in it: {target}:NAME")
        made = run_user_code(lambda: derived(found, init, inputs, style), target)
        return made, check(made.layer, init=init, **inputs)
