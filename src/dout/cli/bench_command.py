"""`dout bench`: plain NumPy against `dout.compile`, call by call, at several sizes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dout.cli import options
from dout.cli.cli_target import load, of_numpy, split
from dout.cli.output.printing import save, tell
from dout.cli.used_values import with_values
from dout.errors import TargetError, visible
from dout.files import CHART, refuse

if TYPE_CHECKING:
    from dout.adapt.interface.interface import Interface
    from dout.adapt.search.example_search import Example
    from dout.engine.bench.bench import Bench

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
            message = f"{part!r} is not a number of elements; write numbers and commas alone: --sizes 1000,64k,1M"
            raise click.BadParameter(message, context, option)
        found.append(number)
    return tuple(found)


@click.command(short_help="Time plain NumPy against the compiled layer.")
@click.argument("target")
@options.init
@options.inputs
@click.option("--sizes", "elements", metavar="N,N…", callback=_elements,
              help="Elements of the first input [1k,64k,1M]. It grows along one axis.")  # fmt: skip
@options.dtype("The dtype of all floats that are given [as they are].")
@options.output("FILE.svg", "Write the chart to FILE.svg.")
@click.option("--plan", is_flag=True, help="Print what the compiled calls do: steps, bytes, memory.")
@options.as_json
@options.timeout(120)
def bench(
    target: str, init: dict[str, Any], inputs: dict[str, Any], output: Path | None, force: bool, plan: bool,
    as_json: bool, **how: Any,
) -> None:  # fmt: skip
    """Time TARGET in plain NumPy and compiled, forward and backward, at several sizes.

    TARGET is a layer, a network or a function in a file or module (file.py:Name, package.module:Name,
    net.py:Net.gradient), a file with one layer or network, a script that trains a network, or the name of a ready-made
    layer (Sigmoid). dout chooses the arguments and inputs that you do not give; a script runs until it asks its network
    for gradients. dout compares the results before it times anything. Plain and compiled calls then take turns, and the
    medians count. Of a network you also see the time by layer. The file is EXECUTED, with your rights. So are programs
    of its repository, as `dout check` executes them, where a layer takes nothing that dout chooses.

    Exit code: 0 fine, 1 compiled results differ, 2 wrong usage, or something cannot run.
    """
    from dout.cli.output.cli_values import as_options

    reads = [split(target)[0]]
    if output is not None:
        refuse(output, CHART, inputs=reads, force=force)  # before anything runs
    options.require("dout bench", "numba")
    measured, used = with_values(target, (init, inputs), partial(_measured, target, **how), how["timeout"])
    if output is not None:
        from dout.cli.output.bench_chart import svg

        save(output, svg(measured), CHART, inputs=reads, force=force)
    chosen = as_options("--init", used.chosen_init, init) + as_options("--input", used.chosen_inputs, inputs)
    if as_json:
        click.echo(json.dumps(_document(target, measured, chosen), ensure_ascii=True, allow_nan=False))
    else:
        _tell(target, measured, chosen, plan)
    sys.exit(0 if measured.agrees else 1)


def _measured(
    target: str, init: dict[str, Any], inputs: dict[str, Any], *, elements: tuple[int, ...], dtype: str | None,
    timeout: float,
) -> tuple[Bench, Example]:  # fmt: skip
    """The measurement, and the example that it used."""
    import numpy as np

    from dout.cli.guard import guarded
    from dout.cli.output.progress import Progress
    from dout.engine.bench.bench import SIZES
    from dout.engine.bench.bench import bench as measure
    from dout.trace.record.script import run_user_code

    def run() -> tuple[Bench, Example]:
        layer = None if is_script(target) else _found(target)
        if layer is None:
            from dout.engine.bench.script_network import network_of

            named, given, interface = network_of(Path(target))
            found, used = _with_example(named, init, {**given, **inputs}, interface)
            own = tuple(int(np.size(item)) for item in used.inputs.values() if np.ndim(item))[:1]
            return measure(found, used, elements=elements or own, dtype=dtype, done=progress.advance), used
        found, used = _with_example(layer, init, inputs)
        return measure(found, used, elements=elements, dtype=dtype, done=progress.advance), used

    with guarded(target, timeout=timeout, capture=True), Progress("measuring", len(elements or SIZES)) as progress:
        both: tuple[Bench, Example] = run_user_code(run, target)
    return both


def _found(target: str) -> Any:
    """The layer or function that a target names; of a file without a name, its only layer or network.

    None where a file of several layers also trains what it makes of them.
    """
    from dout.check.program.program_choice import is_program
    from dout.check.project.discover import layers_in, named

    module, found = load(target)
    if found is not None:
        return found
    layers = layers_in(module)
    if not layers:
        raise TargetError(f"{target} has no class with forward and backward; name a function: {target}:NAME")
    if len(layers) > 1 and is_program(Path(target)):
        return None
    if len(layers) > 1 and (network := _network_of(module, layers)):
        layers = [network]
    if len(layers) > 1:
        each = ", ".join(f"{target}:{key}" for key in layers)
        raise TargetError(f"{target} has {len(layers)} layers; name one of them, or a function: {each}")
    return of_numpy(named(module, layers[0]), f"{target}:{layers[0]}")


def is_script(target: str) -> bool:
    """Whether a target is a file that defines no layers, but runs."""
    from dout.check.program.program_choice import is_program
    from dout.check.project.discover import may_define_layers

    where, name = split(target)
    path = Path(where)
    return name is None and path.suffix == ".py" and path.is_file() and not may_define_layers(path) and is_program(path)


def _network_of(module: Any, layers: Sequence[str]) -> str | None:
    """The only class of a file whose code names other layers of it, or None."""
    import ast
    import inspect
    from textwrap import dedent

    found = []
    for name in layers:
        with suppress(OSError, TypeError, SyntaxError):
            tree = ast.parse(dedent(inspect.getsource(getattr(module, name))))
            words = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            if words & ({*layers} - {name}):
                found.append(name)
    return found[0] if len(found) == 1 else None


def _with_example(
    found: Any, init: dict[str, Any], inputs: dict[str, Any], interface: Interface | None = None
) -> tuple[Any, Example]:
    """The target with an example; a function together with its backward, if it has one that runs."""
    from dout.adapt.interface.function_pairs import pair_of
    from dout.adapt.search.example import example

    pair = pair_of(found)
    if pair is not None:
        with suppress(TargetError):
            return pair, example(pair, init, inputs)
    return found, example(found, init, inputs, interface)


def _tell(target: str, measured: Bench, chosen: list[str], plan: bool) -> None:
    """Print the table with its bars, and the plan or how to see it."""
    from dout.cli.output.bench_chart import in_ascii, lines_of
    from dout.engine.compile.plan_text import lines_of as plan_lines

    lines = list(lines_of(measured))
    if chosen:
        lines.append([(visible(f"dout chose {' '.join(chosen)}"), "dim")])
    if plan:
        lines += [[], *plan_lines(measured.plan.functions)]
    else:
        lines.append([(visible(f"what it does: dout bench {target} --plan"), "dim")])
    tell(lines, in_ascii)


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
        "layers": [
            {
                "layers": list(one.layers),
                "plain_seconds": one.plain,
                "compiled_seconds": one.compiled,
                "shares_steps": one.shares,
            }
            for one in measured.layers
        ],
        "notes": list(measured.notes),
        "plan": str(measured.plan),
    }
