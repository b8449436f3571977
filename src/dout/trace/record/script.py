"""Running a script once and recording it; and loading a file for the classes in it."""

from __future__ import annotations

import builtins
import importlib.util
import linecache
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from dout.errors import DoutError, TargetError, UserCodeError
from dout.files import is_there, text_of
from dout.trace.model.user_source import is_ours
from dout.trace.record.record import finish
from dout.trace.record.trace import Trace
from dout.trace.session import project_root
from dout.trace.session.layer_calls import is_layer
from dout.trace.session.session import Session, session
from dout.trace.session.side_effects import KeptRuntime
from dout.trace.session.user_modules import user_modules
from dout.trace.tracer import traced_modules
from dout.trace.tracer.tracer import Tracer


def record_script(path: str | Path, *, rounds: int = 1) -> Trace:
    """Run a Python file once as `__main__` and return the recording of its layers and arrays.

    Of a training loop one forward–backward round is kept, the first or the one asked for. Questions to the person
    (`input()`) are answered with an empty line, and plots are not shown. Raises TargetError for a file that cannot be
    read, UserCodeError with the user's traceback for a syntax error or anything the file raises, UnsupportedError and
    EscapeError as `dout.trace` does.
    """
    path = Path(path)
    _, code = _read(path)
    main = ModuleType("__main__")
    tracer = Tracer(rounds=rounds)
    with session(tracer) as state, _as_main(main, path):
        main.__dict__.update(__file__=str(path.absolute()), __builtins__=_builtins(tracer, state))
        run_user_code(lambda: exec(code, main.__dict__), path)
    if tracer.refused is not None:
        raise tracer.refused
    if tracer.rounds is not None and tracer.rounds > 1:
        raise TargetError(f"{path} has {rounds - tracer.rounds + 1} forward–backward rounds, not {rounds}")
    if not any(node.inputs for node in tracer.nodes):
        raise TargetError(_nothing_recorded(path, main))
    return finish(tracer, str(path))


def _nothing_recorded(path: Path, main: ModuleType) -> str:
    """Why there is nothing to show, and what to write instead."""
    layers = [name for name, item in vars(main).items() if isinstance(item, type) and is_layer(item)]
    if not layers:
        return f"{path} has no layer in it: no class with forward and backward, and no operation on NumPy arrays"
    return f"{path} calls none of its layers ({', '.join(layers)}); name one: dout show {path}:{layers[-1]}"


def load_file(path: str | Path) -> ModuleType:
    """Run a Python file as a module (its `__main__` block does not run) and return it, for the classes in it.

    Raises as `record_script`.
    """
    path = Path(path)
    text, code = _read(path)
    home = project_root.home(path, text)
    with _beside(path, *home.folders):
        name = project_root.name_in_package(home.name, path)
        if "." in name and (known := project_root.loaded(name, path)) is not None:
            return known  # its package has imported it
        name = project_root.free_name(name, path)
        spec = importlib.util.spec_from_loader(name, loader=None, origin=str(path))
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        module.__file__ = str(path)
        sys.modules[name] = module
        try:
            run_user_code(lambda: exec(code, module.__dict__), path)
        except BaseException:
            sys.modules.pop(name, None)  # half a module must not be found by the next import
            raise
    return project_root.at_home(module, name, path)


def run_user_code(run: Callable[[], Any], what: str | Path) -> Any:
    """Run the user's code. Its exceptions become a UserCodeError with their own traceback; SystemExit ends it."""
    kept = KeptRuntime()
    try:
        try:
            return run()
        finally:
            kept.put_back()  # before any other line of ours: it may have replaced `len`
    except DoutError:
        raise
    except SystemExit as stop:
        if stop.code not in (None, 0):
            raise UserCodeError(f"{what} ended with exit code {stop.code}") from None
    except Exception as error:
        shown = users_traceback(error)
        frames = [f for f in traceback.extract_tb(error.__traceback__) if not is_ours(f.filename)]
        at = f", at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        raise UserCodeError(f"{what} raised {type(error).__name__}{at}", shown) from None
    return None


def users_traceback(error: BaseException) -> str:
    """The traceback of an error as the user would see it without dout."""
    report = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = report
    while part is not None:
        kept = [f for f in part.stack if not is_ours(f.filename) and not f.filename.startswith("<frozen")]
        part.stack = traceback.StackSummary.from_list(kept)
        part = part.__cause__ or part.__context__
    return "".join(report.format())


def _read(path: Path) -> tuple[str, CodeType]:
    if not is_there(path):
        raise TargetError(f"there is no file {path}")
    try:
        text = text_of(path)
        return text, compile(text, str(path), "exec", dont_inherit=True)
    except (OSError, UnicodeDecodeError) as error:
        raise TargetError(f"{path} cannot be read: {error}") from None
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        shown = "".join(traceback.format_exception_only(error))
        raise UserCodeError(f"{path}{line} is not valid Python", shown) from None
    except (RecursionError, MemoryError):
        raise TargetError(f"{path} is nested too deeply: Python cannot read it") from None


@contextmanager
def _as_main(main: ModuleType, path: Path) -> Iterator[None]:
    """Make `main` the module `__main__`, and look for imports in the script's folder, as when Python runs it."""
    kept = sys.modules.get("__main__"), sys.argv
    sys.modules["__main__"], sys.argv = main, [str(path)]
    try:
        with _beside(path):
            yield
    finally:
        if kept[0] is not None:
            sys.modules["__main__"] = kept[0]
        sys.argv = kept[1]


@contextmanager
def _beside(path: Path, *others: str) -> Iterator[None]:
    os.environ.setdefault("MPLBACKEND", "Agg")  # plt.show() must not wait for a person
    linecache.checkcache(str(path))
    folders = list(dict.fromkeys([*others, str(path.resolve().parent)]))
    sys.path[:0] = folders
    try:
        yield
    finally:
        for folder in folders:
            if folder in sys.path:
                sys.path.remove(folder)


def _builtins(tracer: Tracer, state: Session) -> dict[str, Any]:
    """The script's builtins: its imports find the tracing versions, its classes are recorded, nothing waits."""

    def import_(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        module = builtins.__import__(name, globals, locals, fromlist, level)
        if tracer.live:
            state.adopt(m for m in user_modules() if m.__name__ not in before)
        return traced_modules.tracing_version(module)

    def build_class(*args: Any, **kwargs: Any) -> Any:
        cls = builtins.__build_class__(*args, **kwargs)
        if isinstance(cls, type) and tracer.recording:
            state.patches.layer(cls)
        return cls

    def answer(prompt: object = "") -> str:
        sys.stdout.write(f"{prompt}\n")
        tracer.note("input", "input() was answered with an empty line")
        return ""

    before = {*sys.modules, "__main__"}
    return {
        **vars(builtins),
        "__import__": import_,
        "__build_class__": build_class,
        "input": answer,
        **traced_modules.BUILTINS,
    }
