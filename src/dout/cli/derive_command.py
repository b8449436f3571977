"""`dout derive`: a class with the backward that its forward has, and what `dout check` says of it."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dout.cli import options
from dout.cli.cli_target import loaded, split
from dout.cli.output.printing import is_unicode, save
from dout.cli.used_values import with_values
from dout.errors import TargetError, visible
from dout.files import Kind, refuse, text_of

if TYPE_CHECKING:
    from dout.check.report.report import Report
    from dout.explain.derive.class_text import DerivedClass
    from dout.explain.model.explanation import Phrase

MODULE = Kind("a module", (".py",), rb'\A""".*\n\nWritten by `dout derive`')


@click.command(short_help="Write the backward of a layer from its forward.")
@click.argument("target")
@options.output("FILE.py", "Write a module with the class to FILE.py.")
@click.option("--in-place", is_flag=True, help="Write the backward into the file of TARGET.")
@click.option(
    "--style",
    type=click.Choice(["book", "pytorch", "jax"]),
    default="book",
    help="For NumPy as the book writes it [book], PyTorch or JAX.",
)
@options.init
@options.inputs
@options.as_json
@options.timeout(120)
def derive(
    target: str, output: Path | None, force: bool, in_place: bool, style: str, init: dict[str, Any],
    inputs: dict[str, Any], as_json: bool, timeout: float,
) -> None:  # fmt: skip
    """Derive the backward of TARGET from its forward, and print the class that has it.

    TARGET is a layer or function in a file or module (file.py:Name, package.module:Name), or the name of a ready-made
    layer (Sigmoid). dout chooses the arguments and inputs that you do not give. Nothing of yours is changed without
    --in-place. The file is EXECUTED, with your rights. So are programs of its repository, as `dout check` executes
    them, where a layer takes nothing that dout chooses.

    --style pytorch writes a torch.autograd.Function, --style jax a function with jax.custom_vjp, from the NumPy class:
    that class is what dout checks.

    Exit code: 0 derived, 1 the check of what was written found an error, 2 wrong usage, or nothing can be derived.
    """
    where = split(target)[0]
    if in_place and output is not None:
        raise click.UsageError("--in-place writes into the file of TARGET; leave -o out")
    if in_place and style != "book":
        raise click.UsageError("--in-place writes NumPy into your file; leave --style out")
    if output is not None:
        refuse(output, MODULE, inputs=[where], force=force)
    options.require("dout derive", "sympy", "flint")
    from dout.explain.formats.plain_spelling import in_ascii

    made, report = with_values(target, (init, inputs), partial(_derived, target, style, timeout), timeout)
    if in_place:
        _refuse_refuted(target, report)
        _write_in_place(target, where, made)
    if output is not None:
        save(output, _module(target, made), MODULE, inputs=[where], force=force)
    if as_json:
        click.echo(json.dumps(_document(target, made, report), ensure_ascii=True, allow_nan=False))
    elif output is None and not in_place:
        click.echo(visible(made.source.rstrip(), keep="\n\t"))
    for line in (*map(_sentence, made.notes), *_verdict(made, report)):
        click.echo(visible(line if is_unicode(sys.stderr) else in_ascii(line)), err=True)
    sys.exit(0 if report.ok else 1)


def _derived(
    target: str, style: str, timeout: float, init: dict[str, Any], inputs: dict[str, Any]
) -> tuple[DerivedClass, Report]:
    """The class, and the report on it."""
    from dout.check.verb.check_layer import check
    from dout.cli.guard import guarded
    from dout.explain.derive.class_writer import NotDerivedError
    from dout.explain.loops.looped_class import derived
    from dout.explain.styles.style_writer import styled
    from dout.trace.record.script import run_user_code

    with guarded(target, timeout=timeout, capture=True):
        found = loaded(target)
        try:
            made = run_user_code(lambda: styled(derived(found, init, inputs), style), target)
        except NotDerivedError as error:
            why = "; ".join(dict.fromkeys(map(_sentence, error.reasons)))
            raise TargetError(f"{target}: no backward was written: {why}") from None
        fixed_init, fixed = made.settings
        return made, check(made.layer, init={**fixed_init, **init}, **{**fixed, **inputs})


def _sentence(reason: Phrase) -> str:
    from dout.explain.formats.terminal_lines import sentence_text
    from dout.explain.formats.words import said_reason

    return sentence_text(said_reason(reason))


def _module(target: str, made: DerivedClass) -> str:
    """The module with the class, as a file that dout knows again as its own."""
    of = visible(target).replace("\\", "/").replace('"', "'")
    head = f"{made.name}, with the backward that its forward has.\n\nWritten by `dout derive` from {of}.\n"
    return f'"""{head}"""\n\n{made.module}'


def _refuse_refuted(target: str, report: Report) -> None:
    """Raise TargetError where a gradient does not hold everywhere: such a class belongs in no file of the user's."""
    from dout.judge.outcomes import Word

    if wrong := [verdict.argument for verdict in report.verdicts if verdict.word == Word.REFUTED]:
        raise TargetError(
            f"{target}: nothing was written in place: dout check finds a case in which the gradient of "
            f"{', '.join(wrong)} is wrong; without --in-place the class is printed"
        )


def _write_in_place(target: str, where: str, made: DerivedClass) -> None:
    """Put the methods in the place of those in the user's file. Raises TargetError where there is no such class."""
    from dout.check.project.fixed_files import fixed_file
    from dout.check.report.fix import Fix
    from dout.explain.verb.in_place import replaced_source

    name, file = split(target)[1], Path(where)
    if name is None or file.suffix != ".py" or not file.is_file():
        raise TargetError(f"{target}: --in-place writes into a file; name a class in one: FILE.py:Name")
    text = text_of(file)
    fixed_file(file, [Fix(where, text, replaced_source(text, name, made))]).write()
    click.echo(visible(f"wrote {file}"), err=True)


def _document(target: str, made: DerivedClass, report: Report) -> dict[str, Any]:
    return {
        "dout": "derived",
        "version": 1,
        "target": target,
        "name": made.name,
        "source": made.source,
        "module": made.module,
        "verdict": {name: str(word) for name, word in made.verdict.items()},
        "notes": [_sentence(note) for note in made.notes],
        "check": report.to_json(),
    }


def _verdict(made: DerivedClass, report: Report) -> list[str]:
    """What `dout check` says of the class: `dout check: ✓ x exact; finite at ±1000`, and a line for each trouble."""
    words = ", ".join(f"{verdict.word.mark} {verdict.argument} {verdict.word}" for verdict in report.verdicts)
    told = [finding for finding in report.findings if finding.severity != "note"]
    limits = [finding for finding in told if finding.severity == "error"] or not made.is_finite  # as it was run there
    finite = "" if limits else "; finite at ±1000"
    return [
        f"dout check: {words or 'no gradient was judged'}{finite}",
        *(f"{finding.severity} {finding.code}: {finding.message}" for finding in told),
    ]
