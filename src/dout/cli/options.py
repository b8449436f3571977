"""The options that several commands share: each is declared once, and read once."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dout.errors import TargetError, needs

if TYPE_CHECKING:
    from dout.cli.output.cli_values import Values

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

DTYPES = ("float32", "float64")
PATH = click.Path(path_type=Path)
JSON_HELP = "Print one JSON document and nothing else."


def _values(context: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> Values:
    from dout.cli.output.cli_values import parse

    return parse(texts, option.opts[0])


init = click.option("--init", metavar="NAME=VALUE", multiple=True, callback=_values,
                    help="An argument of the constructor: n_in=784. Repeat it for each argument.")  # fmt: skip
inputs = click.option("--input", "inputs", metavar="NAME=VALUE", multiple=True, callback=_values,
                      help="An input of forward: x=[1.0, 2.0], or by its shape: x=array(3,4).")  # fmt: skip
as_json = click.option("--json", "as_json", is_flag=True, help=JSON_HELP)


def output(metavar: str, help: str, **more: Any) -> Decorator:
    """`-o FILE`, and `--force`."""
    force = click.option("--force", is_flag=True, help=f"Replace {metavar} even if dout did not write it.")
    written = click.option("-o", "--output", metavar=metavar, type=PATH, help=help, **more)
    return lambda command: written(force(command))


def dtype(help: str) -> Decorator:
    """`--dtype`, one of two."""
    return click.option("--dtype", type=click.Choice(DTYPES), help=help)


def timeout(seconds: float) -> Decorator:
    """`--timeout` of a command that runs the user's code itself."""
    return click.option("--timeout", metavar="SECONDS", default=seconds, type=click.FloatRange(0),
                        help=f"Stop after this time [{seconds:g}]; 0: no limit.")  # fmt: skip


def require(command: str, *modules: str) -> None:
    """Raise TargetError where a package that a command needs is not installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise TargetError(needs(command, module))
