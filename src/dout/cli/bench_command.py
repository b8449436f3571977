"""`dout bench`: plain NumPy against `dout.compile`, call by call, at several sizes."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dout.cli.cli_target import split
from dout.cli.cli_values import written
from dout.errors import TargetError, needs, visible
from dout.files import SVG_MARK, Kind, is_there, refuse, write

if TYPE_CHECKING:
    from dout.adapt.search.example_search import Example
    from dout.engine.bench.bench import Bench

CHART = Kind("a chart", (".svg",), SVG_MARK)
_SCALES = {"k": 1e3, "m": 1e6}


def _elements(context: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...]:
    """Numbers of elements: 1000,64k,1M."""
    found = []
    for part in (text or "").lower().split(",") if text else ():
        scale = _SCALES.get(part.strip()[-1:], 1)
        try:
            number = int(float(part.strip().rstrip("km")) * scale)
        except (ValueError, OverflowError):
            number = 0
        if not 0 < number <= 10**9:
            raise click.BadParameter(f"{part!r} is no number of elements; write 1000,64k,1M", context, option)
        found.append(number)
    return tuple(found)


@click.command()
@click.argument("target")
@click.option("--init", metavar="NAME=VALUE", multiple=True, help="An argument for the layer's constructor.")
@click.option("--input", "inputs", metavar="NAME=VALUE", multiple=True, help="An input: x=array(100,784).")
@click.option("--sizes", "elements", metavar="N,N…", callback=_elements,
              help="Elements of the first input [1k,64k,1M]: it is made longer along one axis.")  # fmt: skip
@click.option("--dtype", type=click.Choice(["float32", "float64"]), help="Of all floats that are given [as they are].")
@click.option("-o", "--output", metavar="FILE.svg", help="Write the chart to FILE.svg.")
@click.option("--force", is_flag=True, help="Replace what is at FILE.svg, also where dout did not write it.")
@click.option("--plan", is_flag=True, help="Print what the compiled calls do: steps, bytes, memory.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@click.option("--timeout", metavar="SECONDS", default=120.0, type=click.FloatRange(0), show_default=True,
              help="Stop after so long; 0: no limit.")  # fmt: skip
def bench(
    target: str, init: tuple[str, ...], inputs: tuple[str, ...], elements: tuple[int, ...], dtype: str | None,
    output: str | None, force: bool, plan: bool, as_json: bool, timeout: float,
) -> None:  # fmt: skip
    """Time TARGET in plain NumPy and compiled, forward and backward, at several sizes.

    TARGET is a layer or function in a file or module (file.py:Name, package.module:Name), or the name of a ready-made
    layer (Sigmoid). Arguments and inputs that are not given are chosen. Before anything is timed the results are
    compared; the two then take turns, and the medians count. The file is EXECUTED, with your rights.

    Exit code: 0 fine, 1 where compiled results differ, 2 usage, or something cannot run.
    """
    file, reads = None if output is None else Path(output).absolute(), [split(target)[0]]
    if output is not None:
        refuse(Path(output), CHART, inputs=reads, force=force)  # before anything runs, which may change the directory
    _needed()
    measured, chosen = _measured(target, (init, inputs), elements, dtype, timeout)
    if file is not None:
        from dout.cli.bench_chart import svg

        write([file], [svg(measured).encode(errors="replace")], CHART, inputs=reads, force=force)
        click.echo(visible(f"wrote {output}"), err=True)
    if as_json:
        click.echo(json.dumps(_document(target, measured, chosen), ensure_ascii=True, allow_nan=False))
    else:
        _tell(target, measured, chosen, plan)
    sys.exit(0 if measured.agrees else 1)


def _needed() -> None:
    from importlib.util import find_spec

    if find_spec("numba") is None:
        raise TargetError(needs("dout bench", "numba"))


def _measured(
    target: str, options: tuple[tuple[str, ...], ...], elements: tuple[int, ...], dtype: str | None, timeout: float
) -> tuple[Bench, list[str]]:
    """What was measured, and the options that dout chose."""
    from dout.cli.cli_target import parse
    from dout.cli.guard import guarded
    from dout.cli.progress import Progress
    from dout.engine.bench.bench import SIZES
    from dout.engine.bench.bench import bench as measure
    from dout.trace.record.script import run_user_code

    where, name = split(target)
    init, inputs = (parse(given, f"--{kind}") for given, kind in zip(options, ("init", "input"), strict=True))
    with (
        guarded(target, timeout=timeout, capture=True),
        Progress("measuring", len(elements or SIZES)) as progress,
    ):
        found, used = run_user_code(lambda: _with_example(_found(target, where, name), init, inputs), target)
        measured = run_user_code(
            lambda: measure(found, used, elements=elements, dtype=dtype, done=progress.advance), target
        )
    return measured, _chosen(used, init, inputs)


def _found(target: str, where: str, name: str | None) -> Any:
    """What a target names; of a file alone, the one layer that it has."""
    from dout.check.project.discover import layers_in, named
    from dout.cli.cli_target import find, of_numpy
    from dout.trace.record.script import load_file

    if name is not None or not is_there(where):
        return find(where, name)
    module = load_file(where)
    layers = layers_in(module)
    if len(layers) != 1:
        each = ", ".join(f"{where}:{key}" for key in layers) or f"as in {where}:Name"
        raise TargetError(f"{target} has {len(layers) or 'no'} layers; name one layer or function: {each}")
    return of_numpy(named(module, layers[0]), f"{where}:{layers[0]}")


def _with_example(found: Any, init: dict[str, Any], inputs: dict[str, Any]) -> tuple[Any, Example]:
    """What is measured, and on what: a function together with its backward, where it has one that runs."""
    from dout.adapt.interface.function_pairs import pair_of
    from dout.adapt.search.example import example

    pair = pair_of(found)
    if pair is not None:
        with suppress(TargetError):
            return pair, example(pair, init, inputs)
    return found, example(found, init, inputs)


def _chosen(used: Example, init: dict[str, Any], inputs: dict[str, Any]) -> list[str]:
    """The options that give the same example again."""
    options = [("--init", key, item) for key, item in used.init.items() if key not in init]
    options += [("--input", key, item) for key, item in used.inputs.items() if key not in inputs]
    return [f"{option} '{key}={text}'" for option, key, item in options if (text := written(item, key)) is not None]


def _tell(target: str, measured: Bench, chosen: list[str], plan: bool) -> None:
    """Print the table with its bars, and the plan or how to see it."""
    from dout.check.report.report import coloured, plain
    from dout.cli.bench_chart import in_ascii, lines_of
    from dout.engine.compile.plan_text import lines_of as plan_lines

    lines = list(lines_of(measured))
    if chosen:
        lines.append([(visible(f"dout chose {' '.join(chosen)}"), "dim")])
    if plan:
        styles = {"kernel": "good", "slow": "fair"}
        lines += [
            [],
            *(
                [(text, styles.get(style, style)) for text, style in line]
                for line in plan_lines(measured.plan.functions)
            ),
        ]
    else:
        lines.append([(visible(f"what it does: dout bench {target} --plan"), "dim")])
    if "utf" not in (sys.stdout.encoding or "").lower():
        lines = in_ascii(lines)
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        from rich.console import Console

        Console(highlight=False, soft_wrap=True).print(coloured(lines))
    else:
        click.echo(plain(lines))


def _document(target: str, measured: Bench, chosen: list[str]) -> dict[str, Any]:
    import numpy as np

    from dout import __version__
    from dout.engine.runtime.parallel_threshold import cores

    return {
        "dout": "bench/1",
        "version": __version__,
        "target": target,
        "name": measured.name,
        "dtype": measured.dtype,
        "numpy": np.__version__,
        "cores": cores(),
        "agrees": measured.agrees,
        "chosen": chosen,
        "sizes": [
            {
                "shapes": {name: list(shape) for name, shape in size.shapes.items()},
                "first_calls_seconds": size.first,
                "rounds": size.rounds,
                "differs": size.differs or None,
                "calls": [
                    {
                        "call": part.name,
                        "plain_seconds": part.plain,
                        "compiled_seconds": part.compiled,
                        "ratio": part.ratio,
                        "runs_plainly": part.plainly,
                    }
                    for part in size.parts
                ],
            }
            for size in measured.sizes
        ],
        "notes": list(measured.notes),
        "plan": str(measured.plan),
    }
