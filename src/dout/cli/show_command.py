"""`dout show`: run it once and draw the graph, with every value and gradient."""

from __future__ import annotations

import json
import os
import shutil
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dout.errors import MissingFontWarning, TargetError, visible
from dout.files import is_there

if TYPE_CHECKING:
    from dout.draw.picture.picture import Picture
    from dout.trace.record.trace import Trace


def _millimetres(context: click.Context, option: click.Parameter, text: str | None) -> float | None:
    """A length with its unit, in millimetres."""
    from dout.draw.view_options import millimetres

    try:
        return millimetres(text)
    except ValueError as error:
        raise click.BadParameter(str(error), context, option) from None


@click.command()
@click.argument("target")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Write the picture to FILE; its suffix names the format: .svg .png .pdf .pptx .html .tex .dot .json .txt.",
)
@click.option("--force", is_flag=True, help="Replace what is at FILE, also where dout did not write it.")
@click.option("--input", "inputs", metavar="NAME=VALUE", multiple=True, help="An input for a layer's forward.")
@click.option("--init", metavar="NAME=VALUE", multiple=True, help="An argument for a layer's constructor.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@click.option("--round", "round_", metavar="N", default=1, type=click.IntRange(1), show_default=True,
              help="Which forward–backward round of a script to record.")  # fmt: skip
@click.option("--timeout", metavar="SECONDS", default=60.0, type=click.FloatRange(0), show_default=True,
              help="Stop a script that does not end; 0 lets it run.")  # fmt: skip
@click.option(
    "--open", "open_", metavar="all|none|NAME", multiple=True, help="Layers that show their inside [one that is alone]."
)
@click.option("--depth", type=click.IntRange(0), help="How deep layers in layers open at most.")
@click.option("--steps", is_flag=True, help="A page, a slide or a file for each step of the run.")
@click.option("--digits", type=click.IntRange(1, 17), default=4, show_default=True, help="Significant digits.")
@click.option("--values/--no-values", default=True, help="Draw the values.")
@click.option("--gradients/--no-gradients", default=True, help="Draw the gradients.")
@click.option("--backward", is_flag=True, help="Draw the hand-written backward in place of the forward.")
@click.option("--theme", type=click.Choice(["auto", "light", "dark", "print"]), default="auto", help="Its colours.")
@click.option("--width", metavar="LENGTH", callback=_millimetres, help="How wide on paper: 85mm, 8.5cm, 3.3in.")
@click.option("--browser", is_flag=True, help="Open the picture as a page in the browser.")
def show(
    target: str, output: str | None, force: bool, inputs: tuple[str, ...], init: tuple[str, ...], as_json: bool,
    round_: int, timeout: float, open_: tuple[str, ...], steps: bool, browser: bool, **options: Any,
) -> None:  # fmt: skip
    """Run TARGET once and draw its graph: every value above its edge, every gradient below.

    TARGET is a script (file.py), a layer or function in it (file.py:Name, package.module:Name), the name of a
    ready-made layer (Sigmoid), or a saved trace (trace.json). The file is EXECUTED.
    """
    if output is not None:
        from dout.cli.cli_target import split
        from dout.draw.picture.formats import kind_for

        kind_for(Path(output), steps=steps, inputs=[split(target)[0]], force=force)  # refuses before anything runs
    elif steps:
        raise click.UsageError("--steps needs -o FILE")
    file = None if output is None else Path(output).absolute()  # now: a script may change the directory
    from dout.draw import draw

    trace, said = _trace(target, inputs, init, as_json, round_, timeout)
    picture = draw(trace, open=_opened(open_), **options)
    shown = "" if as_json or output is not None or browser else _terminal(picture)
    if file is not None:
        _told(Path(output or ""), _saved(picture, file, steps, force))
    if browser:
        _browse(picture, file)
    if as_json:
        from dout.trace.model.trace_writer import to_document

        if said:
            click.echo(said, err=True)
        click.echo(json.dumps(to_document(trace), ensure_ascii=True, allow_nan=False))
    elif output is None:
        if said:
            click.echo(said)
        if shown:
            click.echo(shown)


def _trace(
    target: str, inputs: tuple[str, ...], init: tuple[str, ...], capture: bool, round_: int, timeout: float
) -> tuple[Trace, str]:
    """The trace of a target, and what there is to say about how it was made."""
    from dout.cli.cli_target import find, parse, split
    from dout.cli.guard import guarded

    where, name = split(target)
    given, built = parse(inputs, "--input"), parse(init, "--init")
    if name is None and where.endswith(".json") and is_there(where):
        from dout.trace.record.trace_reader import load

        return load(where), ""
    with guarded(target, timeout=timeout, capture=capture) as meter:
        if name is None and (is_there(where) or where.endswith(".py") or "/" in where):
            from dout.trace.record.script import record_script

            if given or built:
                raise TargetError(f"{target} is a script: --input and --init are for a layer, such as {target}:Sigmoid")
            trace, said = record_script(where, rounds=round_), ""
        else:
            trace, said = _layer(target, find(where, name), built, given)
    return replace(trace, printed="".join(meter.parts)), said


def _layer(target: str, found: Any, init: dict[str, Any], inputs: dict[str, Any]) -> tuple[Trace, str]:
    from dout.adapt import record_example
    from dout.adapt.interface.function_pairs import pair_of
    from dout.trace.record.script import run_user_code

    found = pair_of(found) or found
    trace, used = run_user_code(lambda: record_example(found, init, inputs), target)
    chosen = {key: value for key, value in used.items() if key not in inputs}
    told = " ".join(f"--input '{key}={_literal(value)}'" for key, value in chosen.items())
    return replace(trace, target=target), f"dout chose {told}" if told else ""


def _literal(value: Any) -> str:
    return repr(value.tolist() if hasattr(value, "tolist") else value)


def _saved(picture: Picture, file: Path, steps: bool = False, force: bool = False) -> tuple[Path, ...]:
    """The files written; where a font is missing, a line says so."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MissingFontWarning)
        files = picture.save(file, steps=steps, force=force)
    for line in dict.fromkeys(visible(str(warning.message)) for warning in caught):
        click.echo(f"dout: {line}", err=True)
    return files


def _told(output: Path, written: tuple[Path, ...]) -> None:
    """Say which files were written, in the words in which they were asked for."""
    first, last = (output.with_name(file.name) for file in (written[0], written[-1]))
    many = f" to {last.name}, one for each step" if len(written) > 1 else ""
    click.echo(visible(f"wrote {first}{many}"), err=True)


def _browse(picture: Picture, file: Path | None) -> None:
    """Open the page: the file that was written, if it is one, or a file of its own that stays for the browser."""
    import tempfile
    import webbrowser

    if file is None or file.suffix.lower() != ".html":
        descriptor, name = tempfile.mkstemp(prefix="dout-", suffix=".html")
        os.close(descriptor)
        (file,) = _saved(picture, Path(name))
    opened = _has_display() and webbrowser.open(file.as_uri())
    click.echo(f"opened {file}" if opened else f"there is no display here; the page is {file}", err=True)


def _has_display() -> bool:
    """Whether a window can open: a browser in the terminal would show the page's text at best."""
    windows = sys.platform in ("win32", "darwin", "cygwin")
    return windows or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def _terminal(picture: Picture) -> str:
    unicode = "utf" in (sys.stdout.encoding or "").lower()
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return picture.text(shutil.get_terminal_size((80, 24)).columns, color=color, unicode=unicode)


def _opened(names: tuple[str, ...]) -> str | tuple[str, ...]:
    """What --open says: a word for all layers, or names."""
    return "all" if "all" in names else names[0] if len(names) == 1 else names or "auto"
