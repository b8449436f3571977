"""Running a file of a person's statement by statement, so that one that fails takes nothing else with it.

A script that trains at its end, or reads data that are not there, still defines its layers. What fails is told; the
names it would have made, and libraries that are not installed, are stood for by what is harmless until it is used.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import copy
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any, Literal

from dout.adapt.source.attribute_reads import may_write
from dout.check.worker.audit_guard import Guard, GuardRules, shown
from dout.clock import spent
from dout.errors import EndOfRun
from dout.trace.model.user_source import is_ours, is_user_code
from dout.trace.program.project_root import reach
from dout.trace.program.script_imports import standing
from dout.trace.program.stub_modules import Missing, NeedsError, why_absent
from dout.trace.record.module_statements import future_flags, made_by
from dout.trace.record.script import users_traceback
from dout.trace.session.side_effects import KeptRuntime

Kind = Literal["raised", "exit", "time", "needs", "import", "refused", "died"]
_TICK = 0.2  # seconds between looks at the clock
_LEAST = 0.2  # seconds that a statement may take once the time is up
_REST = 3.0  # seconds for what follows a program's training
_SHARE = 0.25  # of the time for loading that what is no import may take, in a file that nobody named


@dataclass(frozen=True)
class Stop:
    """A statement that came to no good end: where, and why in words. `traceback` is the user's."""

    file: str
    line: int
    kind: Kind
    why: str
    traceback: str = ""

    def __str__(self) -> str:
        return f"{shown(self.file)}:{self.line} {self.why}"

    @property
    def place(self) -> tuple[str, int, Kind]:
        """What tells it from others."""
        return self.file, self.line, self.kind

    @property
    def is_failure(self) -> bool:
        """Whether the code itself failed: it is not for want of a library, and nobody refused it anything."""
        return self.kind in ("raised", "time", "died") or (self.kind == "exit" and self.why != _ENDS)


_ENDS = "ended the program"


class _OutOfTime(BaseException):
    """Ends a statement; no Exception, so that `except Exception` does not keep it alive."""


@dataclass
class LoadRun:
    """Everything that is run while one job is loaded: how long it may take, what became of it."""

    rules: GuardRules
    guard: Guard
    kept: KeptRuntime
    at: Callable[[str, int], None] = lambda file, line: None
    told: Callable[[Stop], None] = lambda stop: None
    stops: list[Stop] = field(default_factory=list)
    lost: list[tuple[str, str]] = field(default_factory=list)  # classes that were not made: file and name
    spent: float = 0.0
    ended: bool = False  # the author's code has asked to end: what follows is read for its definitions only
    shown: bool = False  # a training was cut short, and what follows may fail for want of what it would have made
    hears: Callable[[FrameType, str, Any], object] | None = None  # is told of each call, but of those of imports

    def note(self, stop: Stop) -> None:
        """Keep and tell that a statement came to no good end."""
        self.stops.append(stop)
        self.told(stop)

    def module(self, module: ModuleType, text: str, file: str) -> None:
        """Run a file's text as a module. Raises SyntaxError where it is no Python."""
        tree = ast.parse(text, file)
        flags = future_flags(tree)
        if (says := ast.get_docstring(tree, clean=False)) is not None:
            module.__doc__ = says
        _Statements(self, module, file, flags, tree).run(tree.body)

    def tests(self, module: ModuleType, file: str) -> None:
        """Run the tests that a module has defined, each as a statement: functions, and methods of classes of tests."""
        runner = _Statements(self, module, file, 0, ast.Module([], []))
        for call in _test_calls(module):
            runner.run(ast.parse(call).body)

    @contextlib.contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Raise _OutOfTime inside after so many seconds, and again, where that is caught."""
        if seconds <= 0 or not hasattr(signal, "setitimer") or threading.current_thread() is not _MAIN:
            yield
            return

        until = spent() + seconds

        def ring(number: int, frame: Any) -> None:
            if spent() >= until:
                raise _OutOfTime

        outer, kept = signal.getitimer(signal.ITIMER_REAL), signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, min(seconds, _TICK), _TICK)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, *outer)
            signal.signal(signal.SIGALRM, kept)

    def seconds(self, statement: ast.stmt) -> float:
        """How long a statement may take; 0: no limit."""
        whole = self.rules.timeout
        if not whole or isinstance(statement, ast.Import | ast.ImportFrom):
            return whole
        return max((whole if self.rules.asked else whole * _SHARE) - self.spent, min(_LEAST, whole))


_MAIN = threading.main_thread()
_BUILTINS = vars(builtins)


class _Statements:
    """Runs the statements of one module."""

    def __init__(self, run: LoadRun, module: ModuleType, file: str, flags: int, tree: ast.Module) -> None:
        self.whole, self.module, self.file, self.flags, self.tree = run, module, file, flags, tree
        self.names = module.__dict__

    def run(self, body: Iterable[ast.stmt]) -> None:
        """Run them all; the branches of an `if` one by one as well."""
        for statement in body:
            if self.whole.ended and not isinstance(statement, _DEFINES):
                continue
            if isinstance(statement, ast.If):
                self.run(statement.body if self._holds(statement) else statement.orelse)
            elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
                self._one(statement)

    def _holds(self, statement: ast.If) -> bool:
        """Whether a condition holds; one that cannot be told does not."""
        found: list[bool] = []
        if not self._is_left_out(statement):
            code = self._compiled(ast.Expression(statement.test), "eval")
            self._guarded(statement, lambda: found.append(bool(eval(code, self.names))))
        return bool(found and found[0])

    def _one(self, statement: ast.stmt) -> None:
        if not self._is_left_out(statement):
            code = self._compiled(ast.Module([statement], []), "exec")
            self._guarded(statement, lambda: exec(code, self.names))

    def _compiled(self, tree: Any, mode: str) -> Any:
        return compile(tree, self.file, mode, flags=self.flags, dont_inherit=True)

    def _is_left_out(self, statement: ast.stmt) -> bool:
        """Whether this statement ended the process before; what it makes is then stood for."""
        if (self.file, statement.lineno) not in self.whole.rules.left_out:
            return False
        self._stand_for(statement, f"{_FOLLOWS}{shown(self.file)}:{statement.lineno}")
        return True

    def _guarded(self, statement: ast.stmt, work: Callable[[], Any]) -> None:
        """Do a statement's work; whatever Python can catch is noted."""
        whole, since, imports = self.whole, spent(), isinstance(statement, ast.Import | ast.ImportFrom)
        whole.at(self.file, statement.lineno)
        refused = len(whole.guard.refused)
        limit = whole.seconds(statement)
        try:
            with whole.limited(limit):
                self.names["__builtins__"] = _BUILTINS
                heard = sys.getprofile()
                sys.setprofile(None if imports else whole.hears)
                try:
                    work()
                finally:
                    changed = whole.kept.put_back()  # before any other line of ours: it may have replaced `len`
                    sys.setprofile(heard)
                    whole.guard.note_replaced(f"{shown(self.file)}:{statement.lineno}", changed)
        except _OutOfTime:
            self._stopped(statement, "time", f"did not end within {round(limit, 1):g} s, while it was loaded")
        except SystemExit as stop:
            whole.ended = True
            why = _ENDS if stop.code in (None, 0) else f"ended with exit code {stop.code}"
            self._stopped(statement, "exit", why)
        except EndOfRun:  # it has shown what it does; what follows is short, or is not needed
            whole.shown = True
            whole.spent = max(whole.spent, whole.rules.timeout - _REST)
        except NeedsError as error:
            self._stopped(statement, "needs", str(error))
        except BaseException as error:
            if imports and isinstance(error, Exception):
                self._import_each(statement, error)
            else:
                is_refused = len(whole.guard.refused) > refused and isinstance(error, OSError)
                self._failed(statement, error, is_refused)
        finally:
            if not imports:
                whole.spent += spent() - since

    def _failed(self, statement: ast.stmt, error: BaseException, refused: bool) -> None:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if not is_ours(f.filename)]
        own = [f.lineno for f in frames if f.filename == self.file and f.lineno]
        self._leave_incomplete(statement, [frame.name for frame in frames])
        limit = " (see --memory)" if isinstance(error, MemoryError) else ""
        what = f"raised {type(error).__name__}{limit}" + (f": {error}"[:200] if str(error) else "")
        shown_ = users_traceback(error)
        self._stopped(statement, "refused" if refused else "raised", what, shown_, own[-1] if own else None)

    def _leave_incomplete(self, statement: ast.stmt, ran: Sequence[str]) -> None:
        """Let nobody use an object of the file's own whose method was to be called, `net.add(Dense(2))`, and never ran.

        It has not what the call was to give it: whatever the program does with it then is not what its author meant.
        """
        match statement:
            case ast.Expr(ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method))) if method not in ran:
                held = self.names.get(name)
                function = getattr(type(held), method, None)
                code = getattr(function, "__code__", None)
                is_users = code is not None and is_user_code(code.co_filename)
                if isinstance(held, list | dict | set) or (is_users and may_write(function)):
                    self.names[name] = Missing(f"{_FOLLOWS}{shown(self.file)}:{statement.lineno}")

    def _stopped(self, statement: ast.stmt, kind: Kind, why: str, shown_: str = "", line: int | None = None) -> None:
        stop = Stop(self.file, line or statement.lineno, kind, why, shown_)
        again = kind == "needs" and any(s.kind == "needs" and s.why == why for s in self.whole.stops)
        if not (again or self.whole.shown or (kind == "needs" and _FOLLOWS in why)):
            self.whole.note(stop)
        self._stand_for(statement, why.removeprefix("needs ") if kind == "needs" else f"{_FOLLOWS}{stop}")

    def _stand_for(self, statement: ast.stmt, reason: str) -> None:
        """Let the names that a statement would have made be harmless until they are used."""
        stands = Missing(reason)
        for name in made_by(self._compiled(ast.Module([statement], []), "exec")):
            self.names.setdefault(name, stands)
        classes = [node for node in ast.walk(statement) if isinstance(node, ast.ClassDef) and _may_be_layer(node)]
        self.whole.lost += [(self.file, node.name) for node in classes if self.names.get(node.name) is stands]

    # --- imports ------------------------------------------------------------------------------------------------------

    def _import_each(self, statement: ast.stmt, error: Exception) -> None:
        """Import what can be, name by name, also from a folder that the author's path would have had in it."""
        assert isinstance(statement, ast.Import | ast.ImportFrom)
        for alias in statement.names:
            one = copy.copy(statement)
            one.names = [alias]
            code = self._compiled(ast.Module([one], []), "exec")
            try:
                self._import(code)
            except Exception as failed:
                self._stand_for_import(one, alias, failed)

    def _import(self, code: Any) -> None:
        tried: set[str] = set()
        while True:
            try:
                exec(code, self.names)
            except ModuleNotFoundError as error:
                top = (error.name or "").partition(".")[0]
                if not top or top in tried or not reach(top, Path(self.file)):
                    raise
                tried.add(top)
            else:
                return

    def _stand_for_import(self, statement: ast.Import | ast.ImportFrom, alias: ast.alias, error: Exception) -> None:
        module = alias.name if isinstance(statement, ast.Import) else statement.module or ""
        reason = self._reason(module, statement, error)
        stands = standing(module, reason)
        if alias.name == "*":
            for name in self._unbound():
                self.names[name] = stands
        elif isinstance(statement, ast.Import):
            self.names[alias.asname or alias.name.partition(".")[0]] = stands
        else:
            with contextlib.suppress(AttributeError):
                self.names[alias.asname or alias.name] = getattr(stands, alias.name)
        if type(stands) is Missing and not any(reason in stop.why for stop in self.whole.stops):
            self.whole.note(Stop(self.file, statement.lineno, "import", f"needs {reason}"))

    def _reason(self, module: str, statement: ast.Import | ast.ImportFrom, error: Exception) -> str:
        top = module.partition(".")[0]
        if isinstance(error, ModuleNotFoundError):
            found = error.name or module
            inside = found.partition(".")[0] != top
            absent = why_absent(found.partition(".")[0])
            return f"{found}, which {absent}" + (f" (for {module})" if inside and module else "")
        if isinstance(error, SyntaxError):
            return f"{module or 'a module'}, which is not valid Python ({shown(error.filename or '')}:{error.lineno})"
        why = f"{type(error).__name__}: {error}"[:200]
        if isinstance(error, ImportError) and isinstance(statement, ast.ImportFrom):
            stopped = next((s for s in reversed(self.whole.stops) if s.file != self.file), None)
            made = f" ({stopped})" if stopped else ""
            return f"{statement.names[0].name} of {module or 'its package'}, which has none{made}"
        return f"{module}, which cannot be imported ({why})"

    def _unbound(self) -> set[str]:
        """The names that this file uses and nobody makes: what a failed `from … import *` should have brought."""
        nodes = list(ast.walk(self.tree))
        used = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        made = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
        made |= {n.arg for n in nodes if isinstance(n, ast.arg)} | {name for n in nodes for name in _defined(n)}
        return used - made - set(self.names) - set(vars(builtins))


_FOLLOWS = "what was to be made by "  # a stop that follows from an earlier one is not told again
_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)


def _test_calls(module: ModuleType) -> Iterator[str]:
    """The calls that run a module's tests, of those that need no arguments."""
    for name, item in list(vars(module).items()):
        if isinstance(item, FunctionType) and name.startswith("test") and not _required(item):
            yield f"{name}()"
        elif isinstance(item, type) and item.__module__ == module.__name__ and "test" in name.lower():
            case = hasattr(item, "debug")  # of unittest: with what sets it up
            methods = {n: getattr(item, n) for n in dir(item) if n.startswith("test")}
            free = [n for n, m in methods.items() if isinstance(m, FunctionType) and len(_required(m)) == 1]
            yield from (f"{name}({n!r}).debug()" if case else f"{name}().{n}()" for n in free)


def _required(function: FunctionType) -> list[str]:
    """The arguments by place that a call must give."""
    code, defaults = function.__code__, function.__defaults__ or ()
    return list(code.co_varnames[: code.co_argcount - len(defaults)])


def _may_be_layer(node: ast.ClassDef) -> bool:
    """Whether a class has a base, or forward or backward."""
    return bool(node.bases) or any(name in ("forward", "backward") for item in node.body for name in _defined(item))


def _defined(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
