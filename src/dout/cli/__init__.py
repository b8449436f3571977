"""The command `dout`: one file a command. Exit codes: 0 fine, 1 a finding of severity error, 2 cannot run."""

from __future__ import annotations

import gc
import os
import sys
import threading

import click

from dout import __version__
from dout.cli.bench_command import bench
from dout.cli.cache_command import cache
from dout.cli.check_command import check
from dout.cli.compile_command import compile
from dout.cli.derive_command import derive
from dout.cli.exercise_command import exercise
from dout.cli.explain_command import explain
from dout.cli.export_command import export
from dout.cli.lsp_command import lsp
from dout.cli.output.kept_output import replayed
from dout.cli.show_command import show
from dout.cli.train_command import train
from dout.errors import DoutError, EndOfRun, UserCodeError, visible

_MOST = 20_000  # characters of one message


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dout")
def commands() -> None:
    """Plain NumPy layers in. Seen, verified, explained and fast layers out.

    Every command that takes a file EXECUTES that file.
    """


commands.add_command(show)
commands.add_command(check)
commands.add_command(explain)
commands.add_command(derive)
commands.add_command(exercise)
commands.add_command(bench)
commands.add_command(compile)
commands.add_command(export)
commands.add_command(train)
commands.add_command(lsp)
commands.add_command(cache)


def main() -> None:
    """Run the command; say what is wrong in one message on stderr, and never show a traceback of ours."""
    try:
        if sys.argv[1:2] == ["check"]:
            gc.disable()  # until what judges layers is loaded: to go through it took a tenth of a small check
            if (code := replayed(sys.argv[1:])) is not None:
                sys.exit(code)
        commands.main(prog_name="dout", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("dout: interrupted", err=True)
        sys.exit(130)
    except DoutError as error:
        if isinstance(error, UserCodeError) and error.traceback:
            click.echo(_visible(error.traceback), err=True, nl=False)
        click.echo(f"dout: {_visible(str(error))}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader has gone: nothing more can be said to it
        sys.exit(0)
    finally:
        if EndOfRun.begun:
            _leave_threads()


def _leave_threads() -> None:
    """End the process where a program that was stopped has left threads: they wait for what it would have said."""
    if any(not thread.daemon and thread is not threading.main_thread() for thread in threading.enumerate()):
        stop = sys.exc_info()[1]
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(stop.code or 0) if isinstance(stop, SystemExit) else 0)


def _visible(text: str) -> str:
    """Text of the user's that is safe in a terminal: control characters are shown, not obeyed; endless text is cut."""
    shown = visible(text, keep="\n\t")
    if len(shown) <= _MOST:
        return shown
    half = _MOST // 2
    return f"{shown[:half]}\n… {len(shown) - _MOST} characters …\n{shown[-half:]}"
