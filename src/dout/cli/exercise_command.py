"""`dout exercise`: a backward to be written, graded without an answer key, with hints that do not give it away."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dout.cli import options
from dout.cli.cli_target import loaded, split
from dout.cli.output.printing import is_unicode, save, tell
from dout.errors import SheetError, visible

if TYPE_CHECKING:
    from dout.exercise.grade import Grade
    from dout.exercise.sheet import Sheet


_USUAL_PORT = 8765


@click.group(short_help="Write a backward: sheets, grades and hints.")
def exercise() -> None:
    """Learn to write a backward: make a sheet of a class, fill it in, and let dout grade it.

    No answer key is needed: the gradients are judged exactly, against the derivative of forward.
    """


@exercise.command("list", short_help="The exercises that dout has.")
@options.as_json
def list_(as_json: bool) -> None:
    """Print the exercises that dout has, in the order of the slides and the book."""
    from dout.exercise.exercise_set import exercises

    if as_json:
        rows = [{"number": e.number, "name": e.name, "about": e.about} for e in exercises()]
        click.echo(json.dumps({"dout": "exercises", "version": 1, "exercises": rows}, ensure_ascii=True))
        return
    width = max(len(e.name) for e in exercises())
    for e in exercises():
        click.echo(f"{e.number:2}  {e.name:{width}}  {e.about}")


def _lines(context: click.Context, option: click.Parameter, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, _, last = text.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal()):
        raise click.BadParameter(f"{text} is no range of lines; write 31-33", context, option)
    return int(first), int(last or first)


@exercise.command(short_help="Make a sheet of a class.")
@click.argument("target")
@options.output("FILE", "Write the sheet to FILE.py, or a notebook to FILE.ipynb [print it].")
@click.option("--format", "style", type=click.Choice(["plain", "nbgrader", "otter", "prairielearn"]), default="plain",
              help="Make it for: learners (plain), nbgrader, Otter-Grader, or PrairieLearn (writes a folder) "
                   "[plain].")  # fmt: skip
@click.option("--ask", type=click.Choice(["code", "steps"]), default="code",
              help="code: learners write the method. steps: they write the backward of each step, then of the whole "
                   "class [code].")  # fmt: skip
@click.option("--method", default="backward", help="The method that is to be written [backward].")
@click.option("--lines", metavar="A-B", callback=_lines, help="Only these lines of the file are to be written.")
def make(
    target: str, output: Path | None, force: bool, style: Any, ask: str, method: str, lines: tuple[int, int] | None
) -> None:
    """Make an exercise of TARGET: its class, without the lines that are to be written.

    TARGET is a class in a file (file.py:Name), or the number or name of one of dout's exercises. Nothing is executed,
    but with --ask steps: then the file is EXECUTED, with your rights.
    """
    from dout.exercise.exercise_set import exercise_named
    from dout.exercise.notebook_sheets import SUFFIX, notebook_of
    from dout.exercise.sheet import SHEET
    from dout.files import refuse

    if style in ("nbgrader", "otter") and (output is None or output.suffix != SUFFIX):
        raise click.UsageError(f"--format {style} writes a notebook: add -o FILE{SUFFIX}")
    if style == "prairielearn" and output is None:
        raise click.UsageError("--format prairielearn writes the folder of a question: add -o FOLDER")
    if ask == "steps" and (method != "backward" or lines is not None):
        raise click.UsageError("--ask steps asks for every step: leave out --method and --lines")

    where, name = split(target)
    inputs = [] if name is None else [where]
    if output is not None and style != "prairielearn":
        refuse(output, SHEET, inputs=inputs, force=force)
        if not force:
            _refuse_answers(output)
    if name is None and Path(where).suffix:
        raise SheetError(f"{visible(target)}: name the class in it: {visible(where)}:NAME")
    if ask == "steps":
        sheet = _steps_of(target, named=name is not None)
    else:
        sheet = exercise_named(where).sheet if name is None else _sheet_of(Path(where), name, method, lines)
    if output is None:
        click.echo(visible(sheet.text, keep="\n\t"), nl=False)
        return
    if style == "prairielearn":
        from dout.exercise.prairielearn_question import write_question

        write_question(sheet, output, force=force)
        click.echo(visible(f"wrote {output}"), err=True)
        click.echo("its README.md says how PrairieLearn gets it, and an image with dout", err=True)
        return
    text = notebook_of(sheet, style) if output.suffix == SUFFIX else sheet.text
    save(output, text, SHEET, inputs=inputs, force=force)
    click.echo(f"write your lines into it, then: dout exercise try {visible(str(output))}", err=True)


def _steps_of(target: str, *, named: bool) -> Sheet:
    """The sheet of the steps of a class, which runs; of an exercise of dout's, or of one in a file."""
    options.require("dout exercise make --ask steps", "sympy", "flint")
    from dout.cli.guard import guarded
    from dout.exercise.exercise_set import exercise_named
    from dout.exercise.sheet_runs import on_disk
    from dout.exercise.step_sheets import step_sheet
    from dout.trace.record.script import load_file, run_user_code

    if not named:
        exercise = exercise_named(target)
        with on_disk(exercise.sheet) as file:
            return step_sheet(getattr(load_file(str(file), exercise.name), exercise.name))
    with guarded(target, timeout=60, capture=True):
        found = loaded(target)
        made: Sheet = run_user_code(lambda: step_sheet(found), target)
        return made


def _sheet_of(file: Path, name: str, method: str, lines: tuple[int, int] | None) -> Sheet:
    from dout.exercise.blanks import blanked
    from dout.exercise.sheet import file_text

    return blanked(file_text(file), name, method=method, lines=lines, where=str(file))


def _refuse_answers(output: Path) -> None:
    """Raise SheetError where a file has answers in it, which would be lost."""
    from dout.exercise.notebook_sheets import sheet_of_file

    try:
        written = output.exists() and not sheet_of_file(output).is_blank
    except SheetError:  # an empty file
        return
    if written:
        raise SheetError(f"{visible(str(output))} has an answer in it, which would be lost; --force replaces it")


@exercise.command("try", short_help="Grade what was written into a sheet.")
@click.argument("file", metavar="SHEET", type=options.PATH)
@click.option("--sheet", "original", metavar="SHEET", type=options.PATH,
              help="Take only the lines between the marks, and put them into this sheet.")  # fmt: skip
@options.as_json
@options.timeout(10)
def try_(file: Path, original: Path | None, as_json: bool, timeout: float) -> None:
    """Grade the lines that were written into SHEET: points, each with its reason.

    What was written runs in a process of its own, which may not write files, start programs or reach the network.

    Exit code: 0 all points, 1 points are missing, 2 the file is no sheet.
    """
    options.require("dout exercise", "flint")
    from dout.exercise.grade import graded
    from dout.exercise.notebook_sheets import sheet_of_file

    sheet = sheet_of_file(file)
    if original is not None:
        sheet = sheet_of_file(original).with_answers_of(sheet, visible(str(file)))
    grade = graded(sheet, timeout=timeout)
    if as_json:
        click.echo(json.dumps(grade.to_json(), ensure_ascii=True))
    else:
        _tell(grade, file)
    sys.exit(0 if grade.ok else 1)


def _tell(grade: Grade, file: Path) -> None:
    from dout.exercise.grade_text import grade_lines

    tell(grade_lines(grade))
    if not grade.ok:
        click.echo(f"for a hint: dout exercise hint {visible(str(file))}", err=True)


@exercise.command(short_help="A hint, in three degrees.")
@click.argument("file", metavar="SHEET", type=options.PATH)
@click.option("--degree", type=click.IntRange(1, 3), default=1,
              help="1: what is asked; 2: the steps on the way back; 3: the derivative of each step [1].")  # fmt: skip
@click.option("--lang", "language", type=click.Choice(["en", "ja"]), default="en", help="The language [en].")
@options.timeout(60)
def hint(file: Path, degree: int, language: Any, timeout: float) -> None:
    """Print a hint for SHEET. No hint shows a line of the backward: to put the steps together is the exercise.

    The file is EXECUTED, with your rights.
    """
    options.require("dout exercise hint", "sympy", "flint")
    from dout.cli.guard import guarded
    from dout.exercise.hints import hint_on, most_degree
    from dout.exercise.notebook_sheets import sheet_of_file
    from dout.trace.record.script import run_user_code

    sheet = sheet_of_file(file)
    target, most = f"{file}:{sheet.name}", most_degree(sheet)
    unicode = is_unicode(sys.stdout)
    with guarded(target, timeout=timeout, capture=True):
        found = loaded(target)
        made = run_user_code(lambda: hint_on(found, min(degree, most), unicode=unicode, language=language), target)
    click.echo(made)
    if degree < most:
        click.echo(f"for more: dout exercise hint {visible(str(file))} --degree {degree + 1}", err=True)


@exercise.command(short_help="A page to fill in sheets.")
@click.argument("files", metavar="[SHEET]…", nargs=-1, type=options.PATH)
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="The port [8765, or a free one].")
def serve(files: tuple[Path, ...], port: int) -> None:
    """Open exercises on a page: the lines to write, the graph, the grade and hints side by side.

    Without a SHEET these are dout's own. A sheet is EXECUTED, in a process of its own, as `dout check` runs code. The
    page is served to this machine alone, and only with the whole address that is printed.
    """
    options.require("dout exercise serve", "sympy", "flint")
    from dout.exercise.exercise_set import exercises
    from dout.exercise.notebook_sheets import sheet_of_file

    sheets = [(visible(str(file)), sheet_of_file(file)) for file in files]
    sheets = sheets or [(f"{e.number}  {e.name}", e.sheet) for e in exercises()]
    server = _server(sheets, port)
    click.echo(f"open {server.address}\nControl-C ends it", err=True)
    with server:
        server.serve()


def _server(sheets: list[tuple[str, Sheet]], port: int) -> Any:
    """The server, at the port that was given; else at the usual one: what is written stays with host and port."""
    from dout.exercise.page.sheet_server import SheetServer

    for one in (port,) if port else (_USUAL_PORT, 0):
        try:
            return SheetServer(sheets, one)
        except OSError as error:
            why = error.strerror
    raise SheetError(f"port {port} cannot be used: {why}")
