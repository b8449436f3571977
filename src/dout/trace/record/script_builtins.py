"""What a script finds as its builtins: its imports and its classes are recorded, and nothing waits for a person."""

from __future__ import annotations

import builtins
import contextlib
import importlib
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from dout.trace.model.user_source import TAUGHT, is_user_code
from dout.trace.program import notebooks
from dout.trace.session.session import Session
from dout.trace.session.user_modules import user_modules
from dout.trace.tracer import traced_modules
from dout.trace.tracer.script_tracer import ScriptTracer

_ANSWERED = "input() was answered with an empty line, with 1 where a number is asked for, once where it lists choices"


class _Answer(str):
    """An empty line, or 1 to what makes a number of it."""

    def __int__(self) -> int:
        return 1

    def __float__(self) -> float:
        return 1.0


@contextlib.contextmanager
def script_builtins(tracer: ScriptTracer, state: Session, is_notebook: bool) -> Iterator[dict[str, Any]]:
    """The script's builtins: its imports find the tracing versions, its classes are recorded, nothing waits.

    While it lasts, the same holds for `importlib.import_module`.
    """

    def import_(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        return adopted(name, builtins.__import__(name, globals, locals, fromlist, level))

    def import_module(name: str, package: str | None = None) -> Any:
        module = by_name(name, package)
        return adopted(name, module) if is_user_code(sys._getframe(1).f_code.co_filename) else module

    def adopted(name: str, module: ModuleType) -> Any:
        if tracer.live or tracer.paused:
            if name.partition(".")[0] == "dout":  # its layers may have been loaded before the program
                before.difference_update([known for known in before if known.startswith(TAUGHT)])
            state.adopt(m for m in user_modules() if m.__name__ not in before)
        return traced_modules.tracing_version(module)

    def build_class(*args: Any, **kwargs: Any) -> Any:
        cls = builtins.__build_class__(*args, **kwargs)
        if isinstance(cls, type) and (tracer.recording or tracer.paused):
            state.patches.layer(cls)
        return cls

    def answer(prompt: object = "") -> str:
        sys.stdout.write(f"{prompt}\n")
        tracer.note("input", _ANSWERED)
        frame = sys._getframe(1)
        line = frame.f_code, frame.f_lineno
        choices = set(re.findall(r"(?<![\w.])\d+(?!\.\d)(?=\s*[]).:=/,-])", str(prompt)))
        first = len(choices) > 1 and "1" in choices and line not in asked  # of a menu, once: a loop may ask for ever
        asked.add(line)
        return _Answer("1" if first else "")

    asked, before, by_name = set[Any](), {*sys.modules, "__main__"}, importlib.import_module
    importlib.import_module = import_module
    try:
        yield {
            **vars(builtins),
            "__import__": import_,
            "__build_class__": build_class,
            "input": answer,
            **traced_modules.BUILTINS,
            **(notebooks.BUILTINS if is_notebook else {}),
        }
    finally:
        importlib.import_module = by_name
