"""`dout compile`: layers as a module of their own, with NumPy and Numba and without dout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dout.cli.cli_target import split
from dout.errors import TargetError, needs, visible
from dout.files import Kind, is_there, refuse, write

if TYPE_CHECKING:
    from dout.engine.export import Layer, Standalone

MODULE = Kind("a module", (".py",), rb"\A\"\"\".*\n\nWritten by `dout compile`")
_DTYPES = ("float32", "float64")


@click.command()
@click.argument("target")
@click.option("-o", "--output", metavar="FAST.py", required=True, help="Write the module to FAST.py.")
@click.option("--force", is_flag=True, help="Replace what is at FAST.py, also where dout did not write it.")
@click.option("--init", metavar="NAME=VALUE", multiple=True, help="An argument for the layer's constructor.")
@click.option("--input", "inputs", metavar="NAME=VALUE", multiple=True, help="An input: x=array(100,784).")
@click.option("--dtype", type=click.Choice(_DTYPES), help="Of all floats [both].")
@click.option("--timeout", metavar="SECONDS", default=120.0, type=click.FloatRange(0), show_default=True,
              help="Stop after so long; 0: no limit.")  # fmt: skip
def compile(
    target: str, output: str, force: bool, init: tuple[str, ...], inputs: tuple[str, ...], dtype: str | None,
    timeout: float,
) -> None:  # fmt: skip
    """Write the layers of TARGET, made fast, as a module that needs NumPy and Numba, and not dout.

    TARGET is a file with layers, one layer in a file or module (file.py:Name, package.module:Name), or the name of a
    ready-made layer (Sigmoid). The module has the same classes: a forward or backward calls kernels where it is given
    what these were written for, any batch size, and does what yours does everywhere else. Arguments and inputs that are
    not given are chosen. The file is EXECUTED, with your rights.

    Exit code: 0 written, 2 usage, or nothing can be compiled.
    """
    file = Path(output).absolute()  # now: the user's code may change the directory
    refuse(Path(output), MODULE, inputs=[split(target)[0]], force=force)
    _needed()
    made, reads = _written(target, (init, inputs), (dtype,) if dtype else _DTYPES, timeout)
    if not made.fast:
        raise TargetError(f"{output} was not written, nothing of {target} can be compiled: {_first(made)}")
    write([file], [made.text.encode()], MODULE, inputs=reads, force=force)
    click.echo(visible(f"wrote {output}"), err=True)
    click.echo(visible(f"fast: {', '.join(made.fast)}"))
    for name, why in made.plain.items():
        click.echo(visible(f"plain: {name}: {why}"))


def _needed() -> None:
    from importlib.util import find_spec

    if find_spec("numba") is None:
        raise TargetError(needs("dout compile", "numba"))


def _first(made: Standalone) -> str:
    name, why = next(iter(made.plain.items()))
    return f"{name}: {why}"


def _written(
    target: str, options: tuple[tuple[str, ...], ...], dtypes: tuple[str, ...], timeout: float
) -> tuple[Standalone, list[str]]:
    """The module of a target, and the files of the user's that were loaded for it."""
    from dout.cli.cli_target import parse
    from dout.cli.guard import guarded
    from dout.cli.progress import Progress
    from dout.engine.export import standalone
    from dout.trace.record.script import run_user_code
    from dout.trace.session.user_modules import user_modules

    init, inputs = (parse(given, f"--{kind}") for given, kind in zip(options, ("init", "input"), strict=True))
    with guarded(target, timeout=timeout, capture=True):
        module, classes = _found(target)
        if len(classes) > 1 and (init or inputs):
            named = f"{target}:{classes[-1].__name__}"
            raise TargetError(f"{target} has {len(classes)} layers; --init and --input are for one: {named}")
        with Progress("compiling", len(classes)) as progress:
            layers = run_user_code(lambda: [_layer(cls, init, inputs, len(classes) == 1) for cls in classes], target)
            made: Standalone = run_user_code(lambda: standalone(module, layers, dtypes, done=progress.advance), target)
        reads = [str(user.__file__) for user in user_modules(module.__name__) if getattr(user, "__file__", None)]
    return made, reads


def _found(target: str) -> tuple[Any, list[type]]:
    """The module of a target, and the layers in it that are meant."""
    from dout.cli.cli_target import find
    from dout.trace.record.script import load_file
    from dout.trace.session.layer_calls import is_layer

    where, name = split(target)
    if name is None and is_there(where):
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
    from dout.adapt.search.example import example
    from dout.engine.export import Layer

    try:
        return Layer(cls, example(cls, init, inputs))
    except TargetError as error:
        if alone:
            raise
        return Layer(cls, None, str(error))
