"""`dout explain`: the derivation of a layer's backward, in words and formulas."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import click

from dout.cli import options
from dout.cli.cli_target import loaded, split
from dout.cli.output.printing import is_unicode, save, tell
from dout.cli.used_values import with_values
from dout.errors import TargetError

FORMATS = ("terminal", "markdown", "html", "latex", "json")


def _numbers(context: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> dict[str, Any]:
    """Inputs that are single numbers: 'x=100, y=2', or one option each."""
    from dout.cli.output.cli_values import parse

    values = parse([part.strip() for text in texts for part in text.split(",")], option.opts[0])
    for name, value in values.items():
        if not isinstance(value, int | float):
            raise click.BadParameter(f"{name} is not a single number; write --numbers 'x=1.5'", context, option)
    return values


@click.command(short_help="Derive the backward of a layer, step by step.")
@click.argument("target")
@options.output("FILE", "Write the explanation to FILE. The suffix names the format: .txt .md .html .tex .json.")
@click.option("--brief", is_flag=True, help="Only the formula, its derivative, and what backward needs.")
@click.option("--numbers", metavar="NAME=NUMBER", multiple=True, callback=_numbers,
              help="Show the numbers of one run beside the formulas: x=1.5.")  # fmt: skip
@click.option("--open", "opened", metavar="NAME", multiple=True,
              help="Explain what is inside this layer or function, too. Repeat it for each name.")  # fmt: skip
@click.option("--lang", "language", type=click.Choice(["en", "ja"]), default="en", help="The language [en].")
@click.option("--format", "format_", type=click.Choice(FORMATS),
              help="The format [that of FILE; else terminal].")  # fmt: skip
@options.init
@options.inputs
@options.as_json
@options.timeout(60)
def explain(
    target: str, output: Path | None, force: bool, brief: bool, numbers: dict[str, Any], opened: tuple[str, ...],
    language: Any, format_: str | None, init: dict[str, Any], inputs: dict[str, Any], as_json: bool, timeout: float,
) -> None:  # fmt: skip
    """Derive the backward of TARGET from its forward: step by step, then simplified, beside your own backward.

    TARGET is a layer or function in a file or module (file.py:Name, package.module:Name), or the name of a ready-made
    layer (Sigmoid). A layer needs no backward. dout chooses the arguments and inputs that you do not give. Every = that
    is printed was verified in exact arithmetic. The file is EXECUTED, with your rights. So are programs of its
    repository, as `dout check` executes them, where a layer takes nothing that dout chooses.

    Exit code: 0 explained, 2 wrong usage, or nothing can be explained.
    """
    if as_json and format_ not in (None, "json"):
        raise click.UsageError("--json prints a JSON document; leave --format out")
    form = _refused(output, format_, target, force)
    options.require("dout explain", "sympy", "flint")
    from dout.explain.verb.explanation_files import FORMATS as BY_WORD
    from dout.explain.verb.explanation_files import Wanted

    word = "json" if as_json else format_ or "terminal"
    is_page = (output is not None and form.kind.suffixes[0] == ".html") or word == "html"
    pictured = is_page and not brief
    made, picture = with_values(
        target,
        (init, inputs),
        partial(_explained, target, opened, timeout, numbers=numbers, pictured=pictured),
        timeout,
    )
    wanted = Wanted(language, bool(numbers), brief, picture)
    if output is not None:
        save(output, form.write(made, wanted), form.kind, inputs=[split(target)[0]], force=force)
    if as_json or (output is None and word != "terminal"):
        click.echo(BY_WORD[word].write(made, wanted), nl=False)
    elif output is None:
        _tell(made, language, bool(numbers), brief)


def _refused(output: Path | None, word: str | None, target: str, force: bool) -> Any:
    """The format of a file that may be written, before anything runs; None without a file."""
    if output is None:
        return None
    from dout.explain.verb.explanation_files import refuse_file

    return refuse_file(output, word, [split(target)[0]], force)


def _explained(
    target: str, opened: tuple[str, ...], timeout: float, init: dict[str, Any], inputs: dict[str, Any], *,
    numbers: dict[str, Any], pictured: bool,
) -> tuple[Any, str]:  # fmt: skip
    """The explanation of a target, and for a page the picture of one run."""
    from dout.cli.guard import guarded
    from dout.explain.derivation.derivation import explained
    from dout.trace.record.script import run_user_code

    with guarded(target, timeout=timeout, capture=True):
        found = loaded(target)
        more = {"opened": opened} if opened else {}

        def made_with(given: dict[str, Any]) -> Any:
            return explained(found, init, {**inputs, **given}, **more)

        made, numbers = run_user_code(lambda: _with_numbers(made_with, numbers, target), target)
        return made, _picture(found, init, {**inputs, **numbers}, made.recorded) if pictured else ""


def _with_numbers(
    made_with: Callable[[dict[str, Any]], Any], numbers: dict[str, Any], target: str
) -> tuple[Any, dict[str, Any]]:
    """The explanation with single numbers; of a layer that takes arrays alone, with arrays of one number each.

    Raises TargetError where its other values are no single numbers, so that none could be shown.
    """
    import numpy as np

    from dout.explain.formats.outline import is_scalar

    if not numbers:
        return made_with({}), {}
    for given in (numbers, {name: np.array([float(number)]) for name, number in numbers.items()}):
        with suppress(Exception):  # whatever the user's code raises: it takes no single number
            made = made_with(given)
            raised = any(reason.key == "backward_raises" for reason in made.not_explained)
            if is_scalar(made) and not raised and not any(quantity.axes for quantity in made.forward):
                return made, given
    known = {quantity.name for quantity in made_with({}).forward}  # raises what it raises without numbers, too
    if not numbers.keys() <= known:
        made_with(numbers)  # says that there is no such input
    name = next(iter(numbers))
    raise TargetError(
        f"{target} works on arrays, and --numbers shows single numbers: leave it out, or give an array: "
        f"--input '{name}=array(2,3)'"
    )


def _picture(found: Any, init: dict[str, Any], inputs: dict[str, Any], recorded: tuple[str, ...]) -> str:
    """One run as SVG, in which values have the names of the explanation; nothing where it cannot be drawn."""
    from dout.adapt import example, record_example
    from dout.draw import draw
    from dout.draw.writers.svg import write_svg
    from dout.errors import DoutError

    try:
        known = example(found, init, inputs)
        picture = draw(record_example(found, known.init, known.inputs)[0])
        given = {node: name for name, node in picture.trace.graph.inputs.items()}
        names = {**given, **dict(zip(picture.trace.computed, recorded, strict=False))}
        return write_svg(picture.drawing, names=names)
    except DoutError:
        return ""


def _tell(made: Any, language: Any, numbers: bool, brief: bool) -> None:
    """Print the explanation on a terminal, as wide as that is."""
    from dout.explain.formats.terminal_lines import to_lines

    width = shutil.get_terminal_size((100, 24)).columns
    unicode = is_unicode(sys.stdout)
    tell(to_lines(made, width=width, unicode=unicode, language=language, numbers=numbers, short=brief))
