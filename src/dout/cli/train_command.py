"""`dout train`: train the net that a file defines, with a checkpoint to go on from."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import click

from dout.cli import options
from dout.cli.cli_target import split
from dout.cli.output.printing import save, tell
from dout.errors import TargetError, WrongLayersError, visible
from dout.files import CHART, refuse

if TYPE_CHECKING:
    from dout.train.history import History

PAIRS = (("x_train", "t_train"), ("x_train", "y_train"), ("X_train", "y_train"))
TESTS = (("x_test", "t_test"), ("x_test", "y_test"), ("X_test", "y_test"))
WHOLE, PARTS = ("epochs", "batch", "seed", "patience", "save_every"), ("clip",)
SETTINGS = (*WHOLE, *PARTS, "schedule", "shuffle", "keep")  # arguments of fit that a file may define
LOOKED_FOR = (
    "`net` (an object with forward and backward, or a list of layers) and `x_train` and `t_train` (arrays), or `data` "
    "(what makes batches (x, t))"
)


@click.command(short_help="Train the net that a file defines.")
@click.argument("target")
@click.option("--epochs", type=click.IntRange(1), help="How many epochs, those that --resume finds among them [10].")
@click.option("--set", "changes", metavar="NAME=NUMBER", multiple=True,
              help="A number of the optimizer (lr=0.1), or batch, seed, clip, patience or save_every.")  # fmt: skip
@click.option("--folder", metavar="FOLDER", type=options.PATH, help="Where the checkpoints are kept [FILE.training].")
@click.option("--resume", is_flag=True, help="Go on where the last checkpoint was written, if there is one.")
@click.option("--check", is_flag=True, help="First check the backward of each of your layers.")
@click.option("--plain", "compiled", flag_value="", help="Do not compile.")
@click.option("--fast", "compiled", flag_value="fast", help="Compile at once; one that goes on differs by rounding.")
@options.output("CURVE.svg", "Write the curves to CURVE.svg.")
@options.as_json
def train(
    target: str, epochs: int | None, changes: tuple[str, ...], folder: Path | None, resume: bool, check: bool,
    compiled: str | None, output: Path | None, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Train the net that TARGET defines: a file or module, perhaps with the name of the net (digits.py:net).

    At its top level, and not under `if __name__ == "__main__"`, the file defines `net`, an object with forward and
    backward or a list of layers, and `x_train` and `t_train`, arrays. It may define `loss`, `optimizer`, `metrics`,
    `x_test` and `t_test`, and what dout.train.fit takes: epochs, batch, seed, schedule, clip, patience, keep. In the
    place of the arrays it may define `data`, which makes batches (x, t). The file is EXECUTED, with your rights.

    Checkpoints are last.safetensors, after each epoch, and best.safetensors. Control-C ends after the step, with a
    checkpoint. --force starts anew where there are checkpoints.

    Exit code: 0 trained, 1 --check found a wrong layer, 2 wrong usage, or it cannot train, 130 interrupted.
    """
    from dout.run import quiet
    from dout.train import fit

    where, name = split(target)
    if output is not None:
        refuse(output, CHART, inputs=[where], force=force)  # before anything runs
    options.require("dout train", "safetensors")
    folder = folder or Path(f"{Path(where).stem}.training")
    more: dict[str, Any] = {"checkpoint": folder, "resume": resume, "check": check}
    more |= {"compiled": compiled, "progress": None if as_json else True}
    try:
        with quiet() if as_json else nullcontext():
            net, how = _defined(where, name or "net", epochs, changes)
            if force and not resume:
                for kept in ("last", "best"):
                    (folder / f"{kept}.safetensors").unlink(missing_ok=True)
            history = fit(net, **how, **more)
    except KeyboardInterrupt:
        if (folder / "last.safetensors").exists():
            click.echo(visible(f"dout: stopped; go on with: dout train {target} --resume"), err=True)
        raise
    except WrongLayersError as error:
        click.echo(visible(str(error), keep="\n"), err=True)
        sys.exit(1)
    if output is not None:
        save(output, history.svg(), CHART, inputs=[where], force=force)
    if as_json:
        click.echo(json.dumps(_document(target, folder, history), ensure_ascii=True, allow_nan=False))
    else:
        from dout.styled_lines import ascii_only

        tell(history.lines(), ascii_only)
        kept_files = [path for name in ("last", "best") if (path := folder / f"{name}.safetensors").exists()]
        click.echo(visible(f"checkpoints: {', '.join(map(str, kept_files))}"), err=True)


def _defined(where: str, name: str, epochs: int | None, changes: tuple[str, ...]) -> tuple[Any, dict[str, Any]]:
    """The net that a file defines, and the other arguments of `fit`. Raises TargetError where something is missing."""
    from dout.train import Adam

    found = vars(_module(where))
    if name not in found:
        others = _named(found)
        hint = f"; or name another one: {where}:{others[0]}" if others else ""
        raise TargetError(f"{where} has no `{name}`{hint}. Looked for {LOOKED_FOR}")
    data = _pair(found, PAIRS) or ((found["data"], None) if "data" in found else None)
    if data is None:
        raise TargetError(f"{where} has no data. Looked for {LOOKED_FOR}")
    how = {key: found[key] for key in SETTINGS if key in found and not isinstance(found[key], ModuleType)}
    how |= {"x": data[0], "t": data[1], "loss": found.get("loss"), "optimizer": found.get("optimizer") or Adam()}
    how |= {"metrics": found.get("metrics", ()), "validation": _pair(found, TESTS)}
    for change in changes:
        _set(change, how)
    return found[name], how | ({"epochs": epochs} if epochs else {})


def _module(where: str) -> ModuleType:
    """The file or module, as Python itself runs it: nothing stands for data that is not there."""
    from dout.trace.record.script import run_user_code

    def run() -> ModuleType:
        path = Path(where)
        if path.suffix != ".py" and not path.exists():
            sys.path.insert(0, str(Path.cwd()))
            return importlib.import_module(where)
        if not path.is_file():
            raise TargetError(f"there is no file {where}")
        sys.path.insert(0, str(path.resolve().parent))
        spec = importlib.util.spec_from_file_location(f"__trained_{path.stem}__", path)
        if spec is None or spec.loader is None:
            raise TargetError(f"{where} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    module: ModuleType = run_user_code(run, where)
    return module


def _pair(found: dict[str, Any], names: tuple[tuple[str, str], ...]) -> tuple[Any, Any] | None:
    return next(((found[x], found[t]) for x, t in names if x in found and t in found), None)


def _named(found: dict[str, Any]) -> list[str]:
    """The names in a file that a net may have."""
    return [
        name for name, item in found.items()
        if not name.startswith("_") and (isinstance(item, list) or callable(getattr(type(item), "forward", None)))
    ]  # fmt: skip


def _set(change: str, how: dict[str, Any]) -> None:
    """Change a number of the optimizer, or a setting. Raises TargetError."""
    name, _, text = change.partition("=")
    held = vars(how["optimizer"])
    numbers = {key: value for key, value in held.items() if type(value) in (int, float) and key != "t"}
    known = [*numbers, *WHOLE, *PARTS]
    if name not in known:
        raise TargetError(f"--set {change!r}: there is no {name!r}; write one of {', '.join(known)}: --set lr=0.1")
    try:
        value = int(text) if name in WHOLE or type(numbers.get(name)) is int else float(text)
    except ValueError:
        kind = "whole number" if name in WHOLE else "number"
        raise TargetError(f"--set {change!r}: {text!r} is no {kind}: --set {name}={numbers.get(name, 1)}") from None
    if name in numbers:
        setattr(how["optimizer"], name, value)
    else:
        how[name] = value


def _document(target: str, folder: Path, history: History) -> dict[str, Any]:
    from math import isfinite

    from dout import __version__

    return {
        "dout": "training/1", "version": __version__, "target": target, "folder": str(folder),
        "watched": history.watched, "stopped": history.stopped,
        "epochs": [
            {key: int(value) if key == "epoch" else value if isfinite(value) else None for key, value in row.items()}
            for row in history.rows
        ],
    }  # fmt: skip
