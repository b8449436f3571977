"""`dout compile`: layers as a module of their own, with NumPy and Numba and without dout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dout.errors import TargetError, needs, visible

if TYPE_CHECKING:
    from dout.engine.standalone import Layer, Standalone

_DTYPES = ("float32", "float64")


@click.command()
@click.argument("target")
@click.option("-o", "--output", metavar="FAST.py", required=True, help="Write the module to FAST.py.")
@click.option("--init", metavar="NAME=VALUE", multiple=True, help="An argument for the layer's constructor.")
@click.option("--input", "inputs", metavar="NAME=VALUE", multiple=True, help="An input: x=array(100,784).")
@click.option("--dtype", type=click.Choice(_DTYPES), help="Of all floats [both].")
@click.option("--timeout", metavar="SECONDS", default=120.0, type=click.FloatRange(0), show_default=True,
              help="Stop after so long; 0: no limit.")  # fmt: skip
def compile(
    target: str, output: str, init: tuple[str, ...], inputs: tuple[str, ...], dtype: str | None, timeout: float
) -> None:  # fmt: skip
    """Write the layers of TARGET, made fast, as a module that needs NumPy and Numba, and not dout.

    TARGET is a file with layers, one layer in a file or module (file.py:Name, package.module:Name), or the name of a
    ready-made layer (Sigmoid). The module has the same classes: a forward or backward calls kernels where it is given
    what these were written for, any batch size, and does what yours does everywhere else. Arguments and inputs that are
    not given are chosen. The file is EXECUTED, with your rights.

    Exit code: 0 written, 2 usage, or nothing can be compiled.
    """
    file = _place(output, target)
    _needed()
    made = _written(target, file, (init, inputs), (dtype,) if dtype else _DTYPES, timeout)
    if not made.fast:
        raise TargetError(f"{output} was not written, nothing of {target} can be compiled: {_first(made)}")
    from dout.draw.files import write

    write([file], [made.text.encode()])
    click.echo(f"wrote {output}", err=True)
    click.echo(visible(f"fast: {', '.join(made.fast)}"))
    for name, why in made.plain.items():
        click.echo(visible(f"plain: {name}: {why}"))


def _place(output: str, target: str) -> Path:
    """Where the module goes. TargetError where it cannot go there."""
    from dout.cli.target import split
    from dout.draw.files import refuse

    file = Path(output).absolute()  # now: the user's code may change the directory
    if file.suffix.lower() != ".py":
        raise TargetError(f"{output} cannot be written: a module is a .py file, as in -o fast.py")
    refuse(Path(output))
    source = Path(split(target)[0])
    if source.exists() and file.exists() and file.samefile(source):
        raise TargetError(f"{output} cannot be written: it is the file that is compiled; write -o fast.py")
    return file


def _needed() -> None:
    from importlib.util import find_spec

    if find_spec("numba") is None:
        raise TargetError(needs("dout compile", "numba"))


def _first(made: Standalone) -> str:
    name, why = next(iter(made.plain.items()))
    return f"{name}: {why}"


def _written(
    target: str, file: Path, options: tuple[tuple[str, ...], ...], dtypes: tuple[str, ...], timeout: float
) -> Standalone:
    """The module of a target, which is to be written to a file."""
    from dout.cli.guard import guarded
    from dout.cli.progress import Progress
    from dout.cli.target import parse
    from dout.engine.standalone import standalone
    from dout.trace.script import run_user_code

    init, inputs = (parse(given, f"--{kind}") for given, kind in zip(options, ("init", "input"), strict=True))
    with guarded(target, timeout=timeout, capture=True):
        module, classes = _found(target)
        source = getattr(module, "__file__", None)
        if source is not None and file.exists() and file.samefile(source):
            raise TargetError(f"{file} cannot be written: it is the file that is compiled; write -o fast.py")
        if len(classes) > 1 and (init or inputs):
            named = f"{target}:{classes[-1].__name__}"
            raise TargetError(f"{target} has {len(classes)} layers; --init and --input are for one: {named}")
        with Progress("compiling", len(classes)) as progress:
            layers = run_user_code(lambda: [_layer(cls, init, inputs, len(classes) == 1) for cls in classes], target)
            made: Standalone = run_user_code(lambda: standalone(module, layers, dtypes, done=progress.advance), target)
    return made


def _found(target: str) -> tuple[Any, list[type]]:
    """The module of a target, and the layers in it that are meant."""
    from dout.cli.target import find, split
    from dout.trace.layercalls import is_layer
    from dout.trace.script import load_file

    where, name = split(target)
    if name is None and Path(where).is_file():
        module = load_file(where)
        own = [c for c in vars(module).values() if isinstance(c, type) and c.__module__ == module.__name__]
        layers = list(dict.fromkeys(filter(is_layer, own)))
        if not layers:
            raise TargetError(f"{target} has no layer: no class with forward and backward")
        return module, layers
    cls = find(where, name)
    if not (isinstance(cls, type) and is_layer(cls)):
        raise TargetError(f"{target} is no layer class: it has no forward and backward")
    return sys.modules[cls.__module__], [cls]


def _layer(cls: type, init: dict[str, Any], inputs: dict[str, Any], alone: bool) -> Layer:
    """A layer with an example; one of many may have none."""
    from dout.adapt.example import example
    from dout.engine.standalone import Layer

    try:
        return Layer(cls, example(cls, init, inputs))
    except TargetError as error:
        if alone:
            raise
        return Layer(cls, None, str(error))
