"""`dout compile`: layers as a module of their own, with NumPy and Numba and without dout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dout.cli import options
from dout.cli.cli_target import load, split
from dout.cli.output.printing import save
from dout.errors import TargetError, visible
from dout.files import Kind, refuse

if TYPE_CHECKING:
    from dout.engine.export import Layer, Standalone

MODULE = Kind("a module", (".py",), rb"\A\"\"\".*\n\nWritten by `dout compile`")


@click.command(short_help="Write fast layers as a module without dout.")
@click.argument("target")
@options.output("FAST.py", "Write the module to FAST.py.", required=True)
@options.init
@options.inputs
@options.dtype("The dtype of all floats [both].")
@options.timeout(120)
def compile(
    target: str, output: Path, force: bool, init: dict[str, Any], inputs: dict[str, Any], dtype: str | None,
    timeout: float,
) -> None:  # fmt: skip
    """Write the layers of TARGET, made fast, as a module that needs NumPy and Numba, and not dout.

    TARGET is a file with layers, one layer in a file or module (file.py:Name, package.module:Name), or the name of a
    ready-made layer (Sigmoid). The module has the same classes. Their forward and backward call kernels for the dtypes
    and shapes that these were written for, with any batch size; for all others they run your code. dout chooses the
    arguments and inputs that you do not give. The file is EXECUTED, with your rights.

    Exit code: 0 written, 2 wrong usage, or nothing can be compiled.
    """
    refuse(output, MODULE, inputs=[split(target)[0]], force=force)  # before anything runs
    options.require("dout compile", "numba")
    made, reads = _compiled(target, init, inputs, (dtype,) if dtype else options.DTYPES, timeout)
    plain = [f"{name}: {why}" for name, why in made.plain.items()]
    if not made.fast:
        raise TargetError(f"{output} was not written: nothing of {target} can be compiled: {plain[0]}")
    save(output, made.text, MODULE, inputs=reads, force=force)
    for line in (f"fast: {', '.join(made.fast)}", *(f"plain: {each}" for each in plain)):
        click.echo(visible(line))


def _compiled(
    target: str, init: dict[str, Any], inputs: dict[str, Any], dtypes: tuple[str, ...], timeout: float
) -> tuple[Standalone, list[str]]:
    """The module of a target, and the files of the user's that were loaded for it."""
    from dout.cli.guard import guarded
    from dout.cli.output.progress import Progress
    from dout.engine.export import standalone
    from dout.trace.record.script import run_user_code
    from dout.trace.session.user_modules import user_modules

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
    """The module of a target, and the layers to compile."""
    from dout.check.project.discover import classes_in
    from dout.trace.session.layer_calls import is_layer

    module, found = load(target)
    if found is None:
        layers = list(dict.fromkeys(cls for _, cls in classes_in(module) if is_layer(cls)))
        if not layers:
            raise TargetError(f"{target} has no layer: no class in it has forward and backward")
        return module, layers
    if not (isinstance(found, type) and is_layer(found)):
        raise TargetError(f"{target} is not a layer: it is no class with forward and backward")
    return sys.modules[found.__module__], [found]


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
