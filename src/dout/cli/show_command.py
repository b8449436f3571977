"""`dout show`: run it once and draw the graph, with every value and gradient."""

from __future__ import annotations

import json
import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dout.cli import options
from dout.cli.cli_target import loaded, split
from dout.cli.output.printing import has_colours, is_unicode
from dout.cli.used_values import with_values
from dout.errors import MissingFontWarning, TargetError, UserCodeError, visible

if TYPE_CHECKING:
    from dout.draw.picture.picture import Picture
    from dout.trace.record.trace import Trace
    from dout.trace.record.training import TrainingRound
    from dout.trace.session.function_layers import PairedFunctions
    from dout.trace.session.layer_calls import LayerMethods


def _millimetres(context: click.Context, option: click.Parameter, text: str | None) -> float | None:
    """A length with its unit, in millimetres."""
    from dout.draw.view_options import millimetres

    try:
        return millimetres(text)
    except ValueError as error:
        raise click.BadParameter(str(error), context, option) from None


def _opened(context: click.Context, option: click.Parameter, names: tuple[str, ...]) -> str | tuple[str, ...]:
    """A word for all layers, or names."""
    return "all" if "all" in names else names[0] if len(names) == 1 else names or "auto"


def _numbers(context: click.Context, option: click.Parameter, text: str | None) -> list[int]:
    """Numbers from 1 on, in their order."""
    try:
        found = sorted({int(part) for part in text.split(",")} if text else ())
    except ValueError:
        found = [0]
    if found and found[0] < 1:
        raise click.BadParameter(f"{text!r} is no list of numbers such as 1,10,100", context, option)
    return found


@click.command(short_help="Draw one run: every value and every gradient.")
@click.argument("target")
@click.argument("arguments", metavar="[-- ARGUMENT...]", nargs=-1, type=click.UNPROCESSED)
@options.output("FILE", "Write the picture to FILE. The suffix names the format: "
                        ".svg .png .pdf .pptx .html .tex .json .txt.")  # fmt: skip
@options.inputs
@options.init
@options.as_json
@click.option("--round", "round_", metavar="N", type=click.IntRange(1),
              help="Record the Nth forward–backward round of a script [1].")  # fmt: skip
@click.option("--rounds", metavar="N,N,...", callback=_numbers,
              help="Print or draw these rounds of a training side by side, and where a gradient vanishes.")  # fmt: skip
@click.option("--run-on", is_flag=True, help="Let a script go on to its end when its round is recorded.")
@options.timeout(60)
@click.option("--open", metavar="all|none|NAME", multiple=True, callback=_opened,
              help="Show what is inside these layers [a layer that is alone]. Repeat it for each name.")  # fmt: skip
@click.option("--depth", metavar="N", type=click.IntRange(0), help="Open layers in layers down to this depth.")
@click.option("--steps", is_flag=True, help="Make a page, a slide or a file for each step of the run.")
@click.option("--digits", metavar="N", type=click.IntRange(1, 17), default=4, help="Significant digits [4].")
@click.option("--values/--no-values", default=True, help="Draw the values.")
@click.option("--gradients/--no-gradients", default=True, help="Draw the gradients.")
@click.option("--backward", is_flag=True, help="Draw the hand-written backward instead of the forward.")
@click.option("--unfold", is_flag=True, help="Draw every turn of a loop, and every one of many equal layers.")
@click.option("--summary", is_flag=True, help="Print a table of layers: shapes, parameters, memory, multiply-adds.")
@click.option("--theme", type=click.Choice(["auto", "light", "dark", "print"]), default="auto",
              help="The colours [auto].")  # fmt: skip
@click.option("--width", metavar="LENGTH", callback=_millimetres, help="The width on paper: 85mm, 8.5cm, 3.3in.")
@click.option("--direction", type=click.Choice(["right", "down"]), default="right",
              help="The way that edges run in a file [right].")  # fmt: skip
@click.option("--browser", is_flag=True, help="Open the picture as a page in the browser.")
def show(
    target: str, arguments: tuple[str, ...], output: Path | None, force: bool, inputs: dict[str, Any],
    init: dict[str, Any], as_json: bool, round_: int | None, rounds: list[int], run_on: bool, timeout: float,
    steps: bool, browser: bool, summary: bool, **view: Any,
) -> None:  # fmt: skip
    """Run TARGET once and draw its graph: every value above its edge, every gradient below.

    TARGET is a script (file.py), a layer or function in it (file.py:Name, package.module:Name), the name of a
    ready-made layer (Sigmoid), or a saved trace (trace.json). The file is EXECUTED, with your rights. So are programs
    of its repository, as `dout check` executes them, where a layer takes nothing that dout chooses.
    """
    if rounds:
        if as_json or browser or round_:
            raise click.UsageError(
                "--rounds prints a table, or draws one with -o: leave out --json, --browser, --round"
            )
        chart = None if output is None else _Chart(output, steps, force, view["theme"], view["width"])
        _watch(target, rounds, arguments, timeout, chart)
        return
    if output is not None:
        from dout.draw.picture.formats import kind_for

        kind_for(output, steps=steps, inputs=[split(target)[0]], force=force)  # refuses before anything runs
    elif steps:
        raise click.UsageError("--steps needs a file to write: add -o FILE")
    from dout.draw import draw

    trace, said, error = _recorded(
        target, _Given(inputs, init, arguments, round_, run_on), capture=as_json, timeout=timeout
    )
    picture = draw(trace, **view)
    told = summary or not (output is not None or browser)
    shown = _terminal(picture, summary) if told and not as_json else ""
    if output is not None:
        files = _saved(picture, output, steps, force)
        _tell_written(files, "step")
    if browser:
        _browse(picture, output)
    if as_json:
        from dout.trace.model.trace_writer import to_document

        if said:
            click.echo(said, err=True)
        click.echo(json.dumps(to_document(trace), ensure_ascii=True, allow_nan=False))
    elif told:
        for text in filter(None, (said, shown)):
            click.echo(text)
    kinds = () if as_json else ("round",) if told else ("round", "limit")  # a terminal picture tells its limits
    for stop in (event for event in trace.events if event.kind in kinds):
        click.echo(visible(f"! {stop}"), err=not told)
    if error is not None:
        raise error


def _tell_written(files: Sequence[Path], each: str) -> None:
    many = f" to {files[-1].name}, one for each {each}" if len(files) > 1 else ""
    click.echo(visible(f"wrote {files[0]}{many}"), err=True)


@dataclass(frozen=True)
class _Chart:
    """Where the rounds of a training are to be drawn, and how."""

    file: Path
    steps: bool
    force: bool
    theme: Any
    width: float | None


def _watch(target: str, rounds: list[int], arguments: tuple[str, ...], timeout: float, chart: _Chart | None) -> None:
    """Run a training, and show some of its rounds side by side."""
    from dout.check.project.target_kind import kind_of
    from dout.cli.guard import guarded
    from dout.draw.picture.training_picture import chart_kind
    from dout.draw.terminal.training_table import training_table
    from dout.trace.record.script import run_script
    from dout.trace.record.training import Training

    if kind_of(*split(target)) != "file" or split(target)[1] is not None:
        raise TargetError(f"{target} is no script; --rounds is for a program that trains")
    if chart is not None:
        chart_kind(chart.file, steps=chart.steps, force=chart.force)  # refuses before anything runs
    training = Training(rounds)
    with guarded(target, timeout=timeout, capture=False) as meter:
        run = run_script(
            target, arguments=arguments, rounds=max(rounds), methods_of=_methods_of, pairs_of=_pairs_of,
            over=meter.over, on_round=training.over,
        )  # fmt: skip
    if chart is not None and any(each.number in rounds for each in training.rounds):
        _draw_rounds(target, training.rounds, rounds, chart)
    else:
        columns = shutil.get_terminal_size((80, 24)).columns
        click.echo(training_table(training.rounds, rounds, columns, unicode=is_unicode(sys.stdout)), nl=False)
    if run.error is not None:
        raise run.error


def _draw_rounds(target: str, rounds: Sequence[TrainingRound], wanted: Sequence[int], chart: _Chart) -> None:
    """Write the chart of a training."""
    from dout.draw.paint.training_chart import TrainingChart
    from dout.draw.picture.training_picture import save_training
    from dout.draw.terminal.training_table import remarks
    from dout.draw.view_options import Look

    made = TrainingChart(Path(target).name, rounds, wanted, Look(chart.theme, chart.width))
    files = save_training(made, chart.file, steps=chart.steps, force=chart.force)
    for text in remarks(rounds, wanted):
        click.echo(visible(text), err=True)
    _tell_written(files, "round")


@dataclass(frozen=True)
class _Given:
    """What the command line gives to the code that runs."""

    inputs: dict[str, Any]
    init: dict[str, Any]
    arguments: tuple[str, ...]
    round: int | None
    run_on: bool


def _recorded(target: str, given: _Given, *, capture: bool, timeout: float) -> tuple[Trace, str, UserCodeError | None]:
    """The trace of a target, a line that names the inputs that dout chose, and what a script raised after that."""
    from dout.check.project.target_kind import kind_of
    from dout.cli.guard import guarded

    where, name = split(target)
    is_script = name is None and kind_of(where, name) == "file"
    if is_script and where.endswith(".json"):
        from dout.trace.record.trace_reader import load as load_trace

        return load_trace(where), "", None
    if is_script and (given.inputs or given.init):
        raise TargetError(f"{target} is a script; --input and --init are for a layer in it, such as {target}:Sigmoid")
    if not is_script and (given.round or given.arguments or given.run_on):
        option = "--round" if given.round else "--run-on" if given.run_on else given.arguments[0]
        raise TargetError(f"{target} is no script; {option} is for a script, which calls its layers itself")
    if not is_script:
        return with_values(target, (given.init, given.inputs), partial(_layer, target, capture, timeout), timeout)
    from dout.trace.record.script import run_script

    layers: dict[str, type] = {}

    def methods_of(cls: type) -> LayerMethods | None:
        layers[cls.__name__] = cls
        return _methods_of(cls)

    with guarded(target, timeout=timeout, capture=capture) as meter:
        run = run_script(
            where, arguments=given.arguments, rounds=given.round or 1, run_on=given.run_on, methods_of=methods_of,
            pairs_of=_pairs_of, over=meter.over,
        )  # fmt: skip
        trace = _excused(run.trace(), layers)
    return trace.told(printed="".join(meter.parts)), "", run.error


def _excused(trace: Trace, layers: Mapping[str, Any]) -> Trace:
    """The trace, in which gradients that are right by a convention are not wrong: as `dout check` judges them."""
    if not trace.wrong:
        return trace
    from dout.check.verb.excused_gradients import with_conventions

    return with_conventions(trace, layers)


def _methods_of(cls: type) -> LayerMethods | None:
    """The methods of a layer; None where the class is none, or nobody can tell."""
    from dout.trace.session.layer_calls import plain_methods

    plain = plain_methods(cls)
    if plain is not None and _takes_dout_by_name(cls):
        return plain
    from dout.adapt.interface.script_layers import methods_of

    return methods_of(cls)


def _pairs_of(names: Mapping[str, Any]) -> Iterator[PairedFunctions]:
    """The functions of a module that go forward and back; not those that give a local derivative."""
    if any("back" in name or "bprop" in name for name in map(str.lower, names)):
        from dout.adapt.interface.script_layers import pairs_of

        yield from pairs_of(names)


def _takes_dout_by_name(cls: type) -> bool:
    """Whether backward has one argument, called `dout`: then nobody has to be asked, which takes a moment to load."""
    code = getattr(getattr(cls, "backward", None), "__code__", None)
    return code is not None and code.co_varnames[1 : code.co_argcount] == ("dout",)


def _layer(
    target: str, capture: bool, timeout: float, init: dict[str, Any], inputs: dict[str, Any]
) -> tuple[Trace, str, None]:
    """The trace of a layer or function, and a line that names the values that dout chose."""
    from dout.adapt import record_example
    from dout.adapt.target import Target
    from dout.cli.guard import guarded
    from dout.cli.output.cli_values import as_options
    from dout.trace.record.script import run_user_code

    with guarded(target, timeout=timeout, capture=capture) as meter:
        layer = loaded(target)
        paired = Target.paired(layer)
        trace, used = run_user_code(lambda: record_example(paired, init, inputs), target)
        trace = _excused(trace, {call.cls: layer for call in trace.calls if call.parent is None})
    told = " ".join([*as_options("--init", used.init, init), *as_options("--input", used.inputs, inputs)])
    own = f"{' and '.join(used.stand_ins)} holds simple layers of dout's, for none was given" * bool(used.stand_ins)
    said = "\n".join(filter(None, (f"dout chose {told}" if told else "", own)))
    return trace.told(target=target, printed="".join(meter.parts)), said, None


def _saved(picture: Picture, file: Path, steps: bool = False, force: bool = False) -> tuple[Path, ...]:
    """Write the picture, and say which font is missing. Returns the files written."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MissingFontWarning)
        files = picture.save(file, steps=steps, force=force)
    for line in dict.fromkeys(visible(str(warning.message)) for warning in caught):
        click.echo(f"dout: {line}", err=True)
    return files


def _browse(picture: Picture, file: Path | None) -> None:
    """Open the page: the file that was written, if it is one, or a file of its own that stays for the browser."""
    import tempfile
    import webbrowser

    if file is None or file.suffix.lower() != ".html":
        descriptor, name = tempfile.mkstemp(prefix="dout-", suffix=".html")
        os.close(descriptor)
        (file,) = _saved(picture, Path(name))
    opened = _has_display() and webbrowser.open(file.absolute().as_uri())
    click.echo(f"opened {file}" if opened else f"there is no display here; the page is {file}", err=True)


def _has_display() -> bool:
    """Whether a window can open: a browser in the terminal would show the page's text at best."""
    windows = sys.platform in ("win32", "darwin", "cygwin")
    return windows or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def _terminal(picture: Picture, summary: bool) -> str:
    columns = shutil.get_terminal_size((80, 24)).columns
    if summary:
        return picture.summary(columns, unicode=is_unicode(sys.stdout))
    return picture.text(columns, color=has_colours(), unicode=is_unicode(sys.stdout))
