"""Running a script once and recording it; and loading a file for the classes in it."""

from __future__ import annotations

import importlib.util
import itertools
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import dropwhile
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from dout.errors import DoutError, EndOfRun, LimitError, TargetError, UserCodeError
from dout.files import is_there, text_of
from dout.graph import Node, Where
from dout.judge.judged_run import elements
from dout.ops.create import number
from dout.run import module_of, mro_of, qualname_of
from dout.trace.model.recorded import Event
from dout.trace.model.user_source import is_ours, is_user_code
from dout.trace.program import notebooks, project_root
from dout.trace.program.drawn_data import mentions
from dout.trace.program.main_module import as_main, importing_from
from dout.trace.program.missing_files import missing_files
from dout.trace.program.removed_numpy_names import INSTEAD, Removed
from dout.trace.program.script_imports import script_imports
from dout.trace.program.stub_modules import NeedsError
from dout.trace.record.module_statements import needed, statements
from dout.trace.record.record import finish
from dout.trace.record.round_loss import loss_of_round
from dout.trace.record.script_builtins import script_builtins
from dout.trace.record.trace import Trace
from dout.trace.record.training_step import leave_out_aside, leave_out_unfinished, take_updates
from dout.trace.record.turns_without_backward import keep_first_turn
from dout.trace.session.function_layers import FunctionLayer, PairsOf, no_pairs
from dout.trace.session.layer_calls import MethodsOf, plain_methods
from dout.trace.session.session import session
from dout.trace.session.side_effects import KeptRuntime
from dout.trace.tracer.script_tracer import ScriptTracer


@dataclass
class ScriptRun:
    """A script that has run: its recording, and why it did not come to its end, where it did not."""

    path: Path
    main: ModuleType
    tracer: ScriptTracer
    rounds: int
    methods_of: MethodsOf
    error: UserCodeError | None = None

    @property
    def layers(self) -> dict[str, type]:
        """The layer classes that the script has, by name."""
        return {name: cls for name, cls in vars(self.main).items() if isinstance(cls, type) and self.methods_of(cls)}

    def shows(self) -> bool:
        """Whether there is something to draw: of a file that runs none of its layers, what prepares data is nothing."""
        own = [cls for cls in self.layers.values() if module_of(cls) == self.main.__name__]
        methods = tuple(f"{qualname_of(base)}." for cls in own for base in mro_of(cls))
        ran = {site.f_code.co_qualname for site in self.tracer.site_of.values()}
        runs = not own or any(name.startswith(methods) and "__init__" not in name for name in ran)
        computes, ran_layers = any(node.inputs for node in self.tracer.nodes), bool(self.tracer.calls)
        prepared = self.error is not None and self.tracer.awaits_layers  # it raised before it came to its layers
        return computes and bool((runs and not prepared) or ran_layers or self.tracer.updates.first)

    def trace(self) -> Trace:
        """The trace of what was recorded. Raises TargetError where there is nothing to show, UnsupportedError …"""
        tracer = self.tracer
        if tracer.refused is not None:
            raise tracer.refused
        if tracer.rounds is not None and tracer.rounds > 1:
            had = self.rounds - tracer.rounds + 1
            raise self.error or TargetError(f"{self.path} has {had} forward–backward rounds, not {self.rounds}")
        if not self.shows():
            raise self.error or TargetError(_nothing_recorded(self))
        if tracer.before and not (tracer.updates.first or tracer.calls):  # no training step was found
            tracer.before["events"].update(tracer.events)
            vars(tracer).update(tracer.before)
        if self.error is None:
            leave_out_unfinished(tracer)
        losses = take_updates(tracer)
        if losses is None and not any(call.match for call in tracer.calls):
            keep_first_turn(tracer)
        leave_out_aside(tracer)
        size = elements(node for node in tracer.nodes if node in tracer.call_of or not tracer.calls)
        if size > MOST_COMPARED:
            what = "layers hold" if tracer.calls else "run holds"
            message = f"the {what} {size:,} numbers: gradients were not compared with derived ones"
            tracer.events.setdefault(Event("limit", message))
        ends = [*losses] if losses else _loss_of(tracer)
        if not ends and size <= MOST_COMPARED and (loss := loss_of_round(tracer)) is not None:
            ends = [loss]
        return finish(tracer, str(self.path), ends=ends, seeds=dict(losses or {}), compare=size <= MOST_COMPARED)


_PYTHON = f"Python {sys.version_info.major}.{sys.version_info.minor}"
_TOO_MANY = "a layer takes too many steps to be recorded; give it fewer or smaller samples, or draw a layer by itself"
MOST_COMPARED = 200_000_000  # numbers in layers whose gradients are derived: some seconds, and gigabytes


def run_script(
    path: str | Path,
    *,
    arguments: Sequence[str] = (),
    rounds: int = 1,
    run_on: bool = False,
    methods_of: MethodsOf = plain_methods,
    pairs_of: PairsOf = no_pairs,
    over: Callable[[], object] = lambda: None,
    on_round: Callable[[ScriptTracer], object] = lambda tracer: None,
) -> ScriptRun:
    """Run a Python file once as `__main__`, with these arguments, and record its layers and arrays.

    Of a training loop one forward–backward round is kept, the first or the one asked for; then the program is stopped,
    unless it is to `run_on`. Modules are found in the folders above and beside the file too, and well-known data sets
    of libraries that are not installed are stood for: the trace's events say so. Questions to the person (`input()`)
    are answered with an empty line, and plots are not shown. What the file raises, with the user's traceback, is the
    run's `error`: what was recorded before stays. Raises TargetError for a file that cannot be read, UserCodeError for
    a syntax error, UnsupportedError and EscapeError as `dout.trace` does. `over` is called when its code has ended,
    `on_round` with what is recorded at the end of each round, and of the program.
    """
    path = Path(path)
    is_notebook = path.suffix == notebooks.SUFFIX
    text, codes = _read(path, each=not is_notebook)  # a function counts from the statement on that defines it
    EndOfRun.begun = False
    has_class = re.search(r"^\s*class\b(.|\n)*\bdef (forward|backward|__call__)\b", text, re.MULTILINE) is not None
    tracer = ScriptTracer(rounds, runs_on=run_on, awaits_layers=has_class)
    tracer.on_round = on_round
    removed, said = Removed(), partial(tracer.note, "data")
    with (
        removed,  # before the session, which makes versions that record of what NumPy has by then
        session(tracer, methods_of=methods_of, pairs_of=pairs_of) as state,
        as_main(path, text, arguments, partial(tracer.note, "input")) as main,
        missing_files(path, said, ends=run_on) as files,
        script_imports(said, files.made_up),
        script_builtins(tracer, state, is_notebook) as names,
    ):
        run = ScriptRun(path, main, tracer, rounds, methods_of)
        main.__dict__["__builtins__"] = names
        try:
            pairs = partial(state.patches.functions, main.__dict__)
            errors = _run_each(codes, main, path, go_on=is_notebook, then=pairs)  # as a person runs its cells
            if not EndOfRun.begun:  # it may call it an error to be stopped
                run.error = _told(errors, [files.stood_for, *_answers(tracer)])
        except EndOfRun as end:
            over()  # before anything is asked of the run: it must not be ended once more
            end.arrived()
            if tracer.left_out and not tracer.calls and str(end):
                raise LimitError(f"{path} {end}: {_TOO_MANY}") from None
            if not run.shows():
                raise
            if str(end):
                tracer.events.setdefault(Event("limit", f"the program {end}: what it did until then is shown"))
        finally:
            over()
        on_round(tracer)
    for use in removed.take():
        message = f"np.{use.name}, which NumPy has removed, was answered: write {INSTEAD[use.name]}"
        tracer.events.setdefault(Event("data", message, use.where))
    return run


def _told(errors: Sequence[UserCodeError], made_up: Sequence[str]) -> UserCodeError | None:
    """The first error, with the data and answers that were made up before it: they may be the reason."""
    said = "; ".join(filter(None, made_up))
    if not errors or not said:
        return next(iter(errors), None)
    return UserCodeError(f"{errors[0]}, with {said}", errors[0].traceback)


def _answers(tracer: ScriptTracer) -> list[str]:
    """What was answered for a person: arguments, and lines of input."""
    return [event.message for event in tracer.events if event.kind == "input"]


def _loss_of(tracer: ScriptTracer) -> list[Node]:
    """The number that a program makes of what a forward function returned, by itself: the first that nothing uses."""
    made = {node for call in tracer.calls for node in tracer.nodes[slice(*call.span)]}
    back = {node for call in tracer.calls if call.kind == "backward" for node in tracer.nodes[slice(*call.span)]}
    reached = {n for call in tracer.calls if isinstance(call.instance, FunctionLayer) for n in call.outputs if n} - back
    for node in tracer.nodes if reached else ():
        if not reached.isdisjoint(node.inputs) and node not in back and back.isdisjoint(node.inputs):
            reached.add(node)
    used = {i for node in tracer.nodes for i in node.inputs if node.primitive is not number}
    ends = (n for n in tracer.nodes if n in reached - made - used and n.shape == () and n.kind == "f")
    return list(itertools.islice(ends, 1))


def _nothing_recorded(run: ScriptRun) -> str:
    """Why there is nothing to show, and what to write instead."""
    path = run.path
    if run.tracer.left_out:
        return f"{path} has no round that can be shown: {_TOO_MANY}"
    if answers := "; ".join(_answers(run.tracer)):
        return f"{path} ran without a layer: {answers}"
    if not run.layers:
        return f"{path} has no layer in it: no class with forward and backward, and no operation on NumPy arrays"
    return f"{path} calls none of its layers ({', '.join(run.layers)}); name one: dout show {path}:{[*run.layers][-1]}"


def load_file(path: str | Path, name: str = "") -> ModuleType:
    """Run a Python file as a module (its `__main__` block does not run) and return it, for what it calls `name`.

    Modules and files are found, and libraries that are not installed are stood for, as in `run_script`. What comes
    after the last statement that `name` needs is not run, but for functions and classes: a training at the end of the
    file. A statement that raises is left out, as long as the file has `name` without it. Raises as `run_script`,
    and UserCodeError.
    """
    path = Path(path)
    text, codes = _read(path, each=True)
    home = project_root.home(path, text)
    with (
        importing_from([*home.folders, str(path.resolve().parent)]),
        script_imports(_unsaid, _unsaid),
        missing_files(path, _unsaid),
    ):
        within = project_root.name_in_package(home.name, path)
        if "." in within and (known := project_root.loaded(within, path)) is not None:
            return known  # its package has imported it
        within = project_root.free_name(within, path)
        spec = importlib.util.spec_from_loader(within, loader=None, origin=str(path))
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        module.__file__ = str(path)
        sys.modules[within] = module
        try:
            top = name.partition(".")[0]
            errors = _run_each(needed(codes, top), module, path, go_on=bool(name))
            if errors and not (name and (top in module.__dict__ or top not in text)):
                raise errors[0]
        except BaseException:
            sys.modules.pop(within, None)  # half a module must not be found by the next import
            raise
    return project_root.at_home(module, within, path)


def _unsaid(message: str) -> None:
    """What stands in is not told: what uses it says so itself."""


def _run_each(
    codes: Sequence[CodeType], module: ModuleType, path: Path, *, go_on: bool, then: Callable[[], object] = lambda: None
) -> list[UserCodeError]:
    """Run statements, each and `then`; return what they raised: the first error, or, to `go_on`, all of them."""
    errors: list[UserCodeError] = []
    for code in codes:
        try:
            run_user_code(partial(exec, code, module.__dict__), path)
        except UserCodeError as error:
            errors.append(error)
            if not go_on:
                break
        then()
    return errors


def run_user_code(run: Callable[[], Any], what: str | Path) -> Any:
    """Run the user's code. Its exceptions become a UserCodeError with their own traceback; SystemExit ends it."""
    kept, NeedsError.first = KeptRuntime(), ""
    try:
        try:
            return run()
        finally:
            kept.put_back()  # before any other line of ours: it may have replaced `len`
    except DoutError:
        raise
    except NeedsError as error:
        at = _users_line(error)
        raise UserCodeError(f"{what} {error}{at}") from None
    except SystemExit as stop:
        if stop.code not in (None, 0):
            why = f": it {NeedsError.first}" if NeedsError.first else _missed(stop.__context__)
            if not why and len(sys.argv) == 1 and mentions(r"sys\.argv|from sys import argv|ArgumentParser"):
                why = ": it was given no arguments; write them after --"
            raise UserCodeError(f"{what} ended with exit code {stop.code}{why}") from None
    except Exception as error:
        shown = users_traceback(error)
        if isinstance(error, SyntaxError) and error.filename and error.lineno:
            line = Where(error.filename, error.lineno)
            raise UserCodeError(f"{what} cannot run: {line} is not valid {_PYTHON}", shown) from None
        why = f"{_users_line(error)}{_missed(error)}"
        raise UserCodeError(f"{what} raised {type(error).__name__}{why}", shown) from None
    return None


def _missed(error: BaseException | None) -> str:
    """The file that is not there, in words; "" for any other error."""
    return f": there is no {error.filename}" if isinstance(error, FileNotFoundError) and error.filename else ""


def _users_line(error: BaseException) -> str:
    """Where in the user's code an error was raised, for the end of a message."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not is_ours(f.filename)]
    frames = [f for f in frames if is_user_code(f.filename)] or frames
    return f", at {Where(frames[-1].filename, frames[-1].lineno or 0)}" if frames else ""


def users_traceback(error: BaseException) -> str:
    """The traceback of an error as the user would see it without dout."""
    report = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = report
    while part is not None:
        kept = [f for f in part.stack if not is_ours(f.filename) and not f.filename.startswith("<frozen")]
        users = list(dropwhile(lambda f: not is_user_code(f.filename), kept))  # what called it was called by us
        part.stack = traceback.StackSummary.from_list(users or kept)
        part = part.__cause__ or part.__context__
    return "".join(report.format())


def _read(path: Path, *, each: bool = False) -> tuple[str, list[CodeType]]:
    """The text of a script and its code: one code, that of a notebook one a cell, or `each` statement by itself."""
    if not is_there(path):
        raise TargetError(f"there is no file {path}")
    try:
        if path.suffix != notebooks.SUFFIX:
            parts = {str(path): text_of(path)}
        else:
            parts = {f"{path}, cell {n}": cell for n, cell in enumerate(notebooks.cells_of(path), 1)}
            for name, cell in parts.items():
                notebooks.remember(name, cell)
        codes = [code for name, part in parts.items() for code in (statements if each else _whole)(part, name)]
        return "\n".join(parts.values()), codes
    except (OSError, UnicodeDecodeError) as error:
        raise TargetError(f"{path} cannot be read: {error}") from None
    except (SyntaxError, ValueError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        at = Where(getattr(error, "filename", None) or str(path), line) if line else path
        shown = "".join(traceback.format_exception_only(error))
        raise UserCodeError(f"{at} is not valid {_PYTHON}", shown) from None
    except (RecursionError, MemoryError):
        raise TargetError(f"{path} is nested too deeply: Python cannot read it") from None


def _whole(text: str, name: str) -> list[CodeType]:
    return [compile(text, name, "exec", dont_inherit=True)]
