"""`dout show`: run it once and draw the graph, with every value and gradient."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from dout.errors import TargetError

if TYPE_CHECKING:
    from dout.trace.model import Trace

Theme = Literal["auto", "light", "dark"]
SUFFIXES = (".svg", ".json", ".txt")


@click.command()
@click.argument("target")
@click.option("-o", "--output", metavar="FILE", help=f"Write the picture to FILE ({', '.join(SUFFIXES)}).")
@click.option("--input", "inputs", metavar="NAME=VALUE", multiple=True, help="An input for a layer's forward.")
@click.option("--init", metavar="NAME=VALUE", multiple=True, help="An argument for a layer's constructor.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@click.option("--round", "round_", metavar="N", default=1, type=click.IntRange(1), show_default=True,
              help="Which forward–backward round of a script to record.")  # fmt: skip
@click.option("--timeout", metavar="SECONDS", default=60.0, type=click.FloatRange(0), show_default=True,
              help="Stop a script that does not end; 0 lets it run.")  # fmt: skip
@click.option("--theme", type=click.Choice(["auto", "light", "dark"]), default="auto", help="Colours of the SVG.")
def show(
    target: str, output: str | None, inputs: tuple[str, ...], init: tuple[str, ...], as_json: bool, round_: int,
    timeout: float, theme: Theme,
) -> None:  # fmt: skip
    """Run TARGET once and draw its graph: every value above its edge, every gradient below.

    TARGET is a script (file.py), a layer or function in it (file.py:Name, package.module:Name), the name of a
    ready-made layer (Sigmoid), or a saved trace (trace.json). The file is EXECUTED.
    """
    if output is not None and Path(output).suffix not in SUFFIXES:
        raise TargetError(f"{output}: a picture ends in {', '.join(SUFFIXES)}")
    file = None if output is None else Path(output).absolute()  # now: a script may change the directory
    trace, said = _trace(target, inputs, init, as_json, round_, timeout)
    if file is not None:
        _write(trace, file, theme)
        click.echo(f"wrote {output}", err=True)
    if as_json:
        from dout.trace.document import to_document

        if said:
            click.echo(said, err=True)
        click.echo(json.dumps(to_document(trace), ensure_ascii=True, allow_nan=False))
    elif output is None:
        if said:
            click.echo(said)
        click.echo(_terminal(trace))


def _trace(
    target: str, inputs: tuple[str, ...], init: tuple[str, ...], capture: bool, round_: int, timeout: float
) -> tuple[Trace, str]:
    """The trace of a target, and what there is to say about how it was made."""
    from dout.cli.guard import guarded
    from dout.cli.target import find, parse, split

    where, name = split(target)
    given, built = parse(inputs, "--input"), parse(init, "--init")
    if name is None and where.endswith(".json") and Path(where).exists():
        from dout.trace.loading import load

        return load(where), ""
    with guarded(target, timeout=timeout, capture=capture) as meter:
        if name is None and (Path(where).exists() or where.endswith(".py") or "/" in where):
            from dout.trace.script import record_script

            if given or built:
                raise TargetError(f"{target} is a script: --input and --init are for a layer, such as {target}:Sigmoid")
            trace, said = record_script(where, rounds=round_), ""
        else:
            trace, said = _layer(target, find(where, name), built, given)
    return replace(trace, printed="".join(meter.parts)), said


def _layer(target: str, found: Any, init: dict[str, Any], inputs: dict[str, Any]) -> tuple[Trace, str]:
    from dout.adapt import record_example
    from dout.trace.script import run_user_code

    trace, used = run_user_code(lambda: record_example(found, init, inputs), target)
    chosen = {key: value for key, value in used.items() if key not in inputs}
    told = " ".join(f"--input '{key}={_literal(value)}'" for key, value in chosen.items())
    return replace(trace, target=target), f"dout chose {told}" if told else ""


def _literal(value: Any) -> str:
    return repr(value.tolist() if hasattr(value, "tolist") else value)


def _write(trace: Trace, path: Path, theme: Theme) -> None:
    from dout.draw import to_svg, to_terminal
    from dout.trace.document import save

    try:
        if path.suffix == ".svg":
            path.write_text(to_svg(trace, theme=theme), encoding="utf-8")
        elif path.suffix == ".txt":
            path.write_text(to_terminal(trace) + "\n", encoding="utf-8")
        else:
            save(trace, path)
    except OSError as error:
        raise TargetError(f"{path} cannot be written: {error.strerror or error}") from None


def _terminal(trace: Trace) -> str:
    from dout.draw import to_terminal

    unicode = "utf" in (sys.stdout.encoding or "").lower()
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return to_terminal(trace, width=shutil.get_terminal_size((80, 24)).columns, color=color, unicode=unicode)
