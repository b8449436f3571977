"""Loading what a job names, in the process that judges it: its modules, its neighbours, and what they could not do."""

from __future__ import annotations

import ast
import builtins
import importlib
import os
import sys
from abc import ABCMeta
from collections.abc import Callable, Sequence
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from dout.adapt.interface.method_pairs import pairs_of
from dout.check.program.observed_layers import Observer
from dout.check.project.discover import LARGE, UNREADABLE, Job, classes_in, line_of_class, why_unreadable
from dout.check.verb.recorded_round import RecordedRound
from dout.check.worker.audit_guard import Guard, GuardRules, into_scratch, without_network
from dout.check.worker.sandbox import as_much_again, put_back
from dout.check.worker.statement_runner import LoadRun, Stop
from dout.errors import TargetError, UserCodeError
from dout.files import is_there
from dout.run import names_of, seed_global
from dout.run.attributes import qualname_of
from dout.trace.model.user_source import is_user_code
from dout.trace.program import notebooks
from dout.trace.program.main_module import as_main
from dout.trace.program.missing_files import missing_files
from dout.trace.program.project_root import at_home, free_name, home, loaded, name_in_package
from dout.trace.program.removed_numpy_names import Removed
from dout.trace.program.script_imports import script_imports
from dout.trace.program.stub_modules import needed_by
from dout.trace.record.script import run_user_code
from dout.trace.session.side_effects import KeptRuntime

_PLAIN = (type, ABCMeta)
_DATA = 100_000  # characters of one statement


class Loading:
    """One job's loading. Afterwards `stops` are the statements that came to no good end, `removed` NumPy's old names.

    `send` hears ("at", file, line) before each statement, ("stop", Stop), and ("refused", act).
    """

    def __init__(self, job: Job, rules: GuardRules, send: Callable[..., Any]) -> None:
        self.job, self.rules, self.send = job, rules, send
        self.guard = Guard(rules.scratch, job.where, lambda text: send("refused", text))
        self.removed = Removed()
        self.kept = KeptRuntime()
        self._run = LoadRun(rules, self.guard, self.kept, self.at, partial(send, "stop"))

    def at(self, file: str, line: int) -> None:
        """Say where the user's code runs next: what ends the process there is left out in the next one."""
        self.send("at", file, line)

    @property
    def stops(self) -> Sequence[Stop]:
        """The statements that came to no good end."""
        return self._run.stops

    @property
    def lost(self) -> Sequence[str]:
        """The classes of the file itself that could not be made."""
        here = os.path.realpath(self.job.where)
        return [name for file, name in self._run.lost if os.path.realpath(file) == here]

    def module(self) -> ModuleType:
        """Load it. Raises UserCodeError and TargetError where there is no module at all."""
        if self.job.kind == "ready":
            return importlib.import_module("dout.layers")
        path = Path(self.job.where).absolute() if self.rules.isolated else Path(self.job.where)
        self._prepare()
        here, arguments = os.getcwd(), sys.argv  # noqa: PTH109
        sys.argv = [self.job.where]
        try:
            return self._imported() if self.job.kind == "module" else self._file(path)
        finally:
            sys.argv = arguments
            os.chdir(here)

    def program(self) -> Observer:
        """Run the file as a program, until it has shown how it uses its layers; what was seen of it.

        Raises as `module`.
        """
        path = Path(self.job.where).absolute()
        is_notebook = path.suffix == notebooks.SUFFIX
        text, _ = _text(path)
        cells = notebooks.cells_of(path) if is_notebook else [text]
        parts = {f"{path}, cell {n}" if is_notebook else str(path): cell for n, cell in enumerate(cells, 1)}
        self._prepare()
        observer, said = Observer(str(path), self.job.names or ()), partial(self.send, "data")
        with put_back(self.kept):  # the layers are judged as if it had not run
            try:
                with (
                    as_main(path, text, (), said) as main,
                    missing_files(path, said, apart=not self.rules.isolated) as files,
                    script_imports(said, files.made_up),
                ):
                    self.kept.take()
                    self._run.hears = observer.hear
                    for name, part in parts.items():
                        notebooks.remember(name, part)
                        self._run.module(main, part, name)
                    self._run.tests(main, str(path))
                    folders = list(sys.path)
            finally:
                self.kept.take()
        as_much_again()
        sys.path[:], sys.modules["__main__"] = folders, main  # a method of theirs may import, and has its module
        self.kept.take()
        return observer

    def recording(self) -> RecordedRound:
        """Run the file as a program, and record a round of it."""
        self._prepare()
        with put_back(self.kept):
            return RecordedRound.of_program(self.job.where)

    def _prepare(self) -> None:
        """From now on the user's code runs: it is answered, watched, leaves nothing, and draws the same each time."""
        seed_global()
        sys.path[:] = [str(Path(entry or ".").absolute()) for entry in sys.path]
        if self.job.kind == "module":
            sys.path.insert(0, os.getcwd())  # noqa: PTH109
        if self.rules.isolated and not without_network():
            self.send("remark", "the network is off for Python code only: this system cannot switch it off")
        into_scratch(self.rules)
        sys.dont_write_bytecode = True
        builtins.input = lambda prompt="": ""
        sys.meta_path.insert(0, _Finder(self._run))
        self.removed.install()
        self.kept.take()
        if self.rules.scratch:
            self.guard.start()

    def _imported(self) -> ModuleType:
        module = run_user_code(lambda: importlib.import_module(self.job.where), self.job.where)
        if module is None:
            raise TargetError(f"{self.job.where} ended itself while it was loaded")
        if not names_of(module):
            raise TargetError(f"{self.job.where} puts something that is no module in its place; name its file")
        return module  # type: ignore[no-any-return]

    def _file(self, path: Path) -> ModuleType:
        text, tree = _text(path)
        name, folders = home(path, text)
        sys.path[:0] = folders  # a folder without __init__.py loses to any module of its name
        name = name_in_package(name, path)
        if (known := loaded(name, path)) is not None:
            return known  # its package has imported it
        name = free_name(name, path)
        spec = spec_from_file_location(name, path, loader=_Loader(name, str(path), self._run))
        assert spec is not None
        module = module_from_spec(spec)
        module.__file__ = str(path)
        sys.modules[name] = module
        notebooks.remember(str(path), text if len(text) < LARGE else _without_data(text, tree))
        self._run.module(module, text, str(path))
        return at_home(module, name, path)


def needing(module: ModuleType, at: Callable[[str, int], Any]) -> dict[str, str]:
    """The classes of a module with forward or backward that derive from what is not there, and what that is.

    Also those that cannot be looked at; `at` hears of a class that may end the process.
    """
    found = {}
    for name, item in classes_in(module):
        try:
            if needed_by(item) and (hasattr(item, "forward") or hasattr(item, "backward")):
                found[name] = f"needs {needed_by(item)}"
            elif type(item) not in _PLAIN:  # its metaclass answers what it is asked from here on, and may not come back
                file = str(names_of(module).get("__file__"))
                at(file, line_of_class(file, qualname_of(item)) or 1)
                pairs_of(item)
        except BaseException as error:
            found[name] = f"cannot be looked at: it raises {type(error).__name__}: {error}"
    return found


def _text(path: Path) -> tuple[str, ast.Module]:
    if not is_there(path):
        raise TargetError(f"there is no file {path}")
    try:
        text = notebooks.source_of(path)
        return text, ast.parse(text)
    except MemoryError:
        raise TargetError(f"{path} is too large to be read with the memory that it may have; see --memory") from None
    except UNREADABLE as error:
        kind = TargetError if isinstance(error, OSError) else UserCodeError
        raise kind(why_unreadable(path, error)) from None


def _without_data(text: str, tree: ast.Module) -> str:
    """The source of a large file with empty lines for its data: every layer's source is looked for in it, often."""
    lines = text.split("\n")
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.If | ast.Try):
            span = slice(node.lineno - 1, node.end_lineno)
            if sum(map(len, lines[span])) > _DATA:
                lines[span] = [""] * len(lines[span])
    return "\n".join(lines)


class _Finder:
    """Finds the user's modules as Python does, and has them run statement by statement."""

    def __init__(self, run: LoadRun) -> None:
        self.run = run

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """A spec of the user's module; None for anything else."""
        if name == "_tkinter":
            raise ModuleNotFoundError("no window opens while `dout check` runs", name="tkinter")
        spec = PathFinder.find_spec(name, path, target)
        file = spec.origin if spec is not None else None
        if spec is None or file is None or type(spec.loader) is not SourceFileLoader or not is_user_code(file):
            return None
        spec.loader = _Loader(name, file, self.run)
        return spec


class _Loader(SourceFileLoader):
    """Runs a module of the user's statement by statement; nothing of it is written to a cache."""

    def __init__(self, name: str, file: str, run: LoadRun) -> None:
        super().__init__(name, file)
        self.run = run

    def exec_module(self, module: ModuleType) -> None:
        """Run it. Raises SyntaxError."""
        self.run.module(module, notebooks.source_of(Path(self.path)), self.path)
