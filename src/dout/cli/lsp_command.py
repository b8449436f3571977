"""`dout lsp`: findings, fixes and derivations in an editor."""

from __future__ import annotations

import click

from dout.cli import options


@click.command(short_help="Serve an editor: findings as you save, fixes, derivations.")
def lsp() -> None:
    """Serve an editor that speaks the Language Server Protocol, on stdin and stdout.

    A file is checked when it is opened and when it is saved; each fix that dout check --fix knows is a quick fix; the
    derivation of a layer shows over the name of its backward. The files are EXECUTED, as dout check executes them.
    """
    options.require("dout lsp", "pygls", "flint")
    from dout.cli.session.editor_server import serve

    serve()
