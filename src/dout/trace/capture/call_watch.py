"""The calls that the user's code makes while it runs: its own functions, and those that dout does not see into."""

from __future__ import annotations

import math
import opcode
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FrameType, ModuleType
from typing import Any

from dout.trace.capture.budget import CountedTurns
from dout.trace.model import user_source
from dout.trace.model.bulk_objects import collection_paused

# Functions that only compute: their arguments decide the result.
_PURE = frozenset({
    "len", "isinstance", "issubclass", "getattr", "hasattr", "setattr", "delattr", "abs", "min", "max", "sum", "sorted",
    "any", "all", "iter", "next", "ord", "chr", "divmod", "pow", "round", "callable", "format", "repr", "hash", "vars",
    "id", "bin", "hex", "__build_class__",
})  # fmt: skip
_MODULES = ("math", "_operator", "itertools", "_functools", "_collections", "numpy", "_abc", "_thread")
_LIBRARIES = frozenset({
    "collections", "functools", "abc", "typing", "enum", "dataclasses", "contextlib", "numbers", "operator", "copy",
    "itertools", "types", "numpy", "math", "reprlib", "copyreg", "weakref", "_weakrefset",
})  # fmt: skip
_KEEPING = ("UserList.", "UserDict.", "ChainMap.")  # containers in Python, of which no change shows
# Modules whose functions may be called twice.
_HARMLESS = frozenset({
    "json", "_json", "statistics", "zlib", "hashlib", "_hashlib", "struct", "_struct", "binascii", "base64", "array",
    "decimal", "_decimal", "fractions", "datetime", "_datetime", "bisect", "_bisect", "pickle", "_pickle", "re", "sre",
    "cmath", "string", "textwrap", "time", "builtins",
})  # fmt: skip
_EFFECTS = frozenset({"print", "input", "open", "exec", "eval", "__import__", "breakpoint", "dump"})  # but for these
_BEGINNING = _EFFECTS | {"writelines", "sendmsg", "executemany", "executescript"}  # these may do a part and then raise
_CONTAINERS: tuple[type, ...] = (
    list, dict, set, frozenset, tuple, str, bytes, int, float, complex, bool, range, slice, deque, OrderedDict,
    defaultdict, type({}.keys()), type({}.values()), type({}.items()),
)  # fmt: skip
_BARE = ("numpy", "builtins", "itertools")
_OF_CLASSES = frozenset({"__new__", "__init_subclass__", "__subclasshook__", "__subclasses__", "__prepare__", "mro"})


@dataclass
class CodeRuns:
    """When code of the user's first began and last ended, and how often it began.

    `callers` are the codes that waited for it when it last ended, and at which instruction each did.
    """

    first: int
    last: float = math.inf
    times: int = 0
    callers: dict[CodeType, int] = field(default_factory=dict)


class Calls:
    """The user's code that ran, and its calls of functions whose effects no node may record.

    `effects` are those of the calls that may not be made once more. `caught` are the places in their code where errors
    passed, or were caught, that a stand-in may have been the cause of.
    """

    def __init__(self, turns: CountedTurns | None = None) -> None:
        self.codes: set[CodeType] = set()
        self.turns = turns
        self.now = 0  # the number of the moment
        self.runs: dict[CodeType, CodeRuns] = {}
        self.foreign: list[str] = []
        self._judged: dict[int, tuple[CodeType, bool]] = {}  # by identity: whether it is the user's code
        self._others: set[int] = set()  # the identities of code that is not
        self.effects: list[Any] = []
        self.caught: dict[tuple[CodeType, int], str] = {}  # with the line
        self._handling: FrameType | None = None  # the outermost frame of the user's that may catch an error

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch the calls inside, in this thread, without those that the garbage collector makes."""
        outer = sys.getprofile()
        with collection_paused():
            sys.setprofile(self._saw)
            try:
                yield
            finally:
                if self._handling is not None:
                    sys.settrace(None)
                if outer is None or callable(outer):
                    sys.setprofile(outer)
                else:  # a profiler in C, as cProfile: it has no function to call, and starts itself
                    sys.setprofile(None)
                    getattr(outer, "enable", lambda: None)()

    def _saw(self, frame: FrameType, event: str, function: Any) -> None:
        if id(frame.f_code) in self._others:  # dout's code, or a library's: most that there is to see
            if event != "call":
                return
            caller = frame.f_back
            if caller is not None and id(caller.f_code) in self._others:
                return
        if event == "call":
            users, caller = self._is_users(frame), frame.f_back
            if users:
                self.codes.add(frame.f_code)
                self.now += 1
                self.runs.setdefault(frame.f_code, CodeRuns(self.now)).times += 1
                self._begin_handling(frame)
            if caller is not None and self._is_users(caller):
                if not users:
                    self._python(frame)
                if self.turns:
                    self.turns.come(caller)
        elif event == "return" and self._is_users(frame):
            self._leave(frame)
        elif event == "c_call" and self._is_users(frame) and not _is_pure(function):
            self._foreign(getattr(function, "__name__", str(function)), frame)
            if not _is_harmless(function):
                self.effects.append(function)
        elif event == "c_exception" and function in self.effects[-1:] and function.__name__ not in _BEGINNING:
            self.effects.pop()  # it raised because of its arguments, and has done nothing

    def _leave(self, frame: FrameType) -> None:
        self.now += 1
        runs = self.runs.setdefault(frame.f_code, CodeRuns(0))
        runs.last = self.now
        runs.callers.clear()
        caller = frame.f_back
        while caller is not None:
            runs.callers[caller.f_code] = caller.f_lasti
            caller = caller.f_back
        if self.turns:
            self.turns.leave(frame)
        if frame is self._handling:
            self._handling = None
            sys.settrace(None)

    def _begin_handling(self, frame: FrameType) -> None:
        """Watch for errors from here on, if this code may catch them.

        Python runs several times as slowly meanwhile, and most code catches none.
        """
        watched = sys.gettrace() is not None  # already, or a debugger is at work, or a measurement of coverage
        if frame.f_code.co_exceptiontable and not watched:
            self._handling = frame
            sys.settrace(self._entered)
            frame.f_trace_lines = False
            frame.f_trace = self._passed

    def _entered(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_exceptiontable or not is_users(frame):
            return None
        frame.f_trace_lines = False
        return self._passed

    def _passed(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "exception" and _may_be_ours(*argument):
            self.caught[frame.f_code, frame.f_lasti] = user_source.line_of(frame)
        return self._passed

    def _is_users(self, frame: FrameType) -> bool:
        """Whether the user's code runs in a frame; asked of every call, those of dout's own code among them."""
        code = frame.f_code
        judged = self._judged.get(id(code))
        if judged is None:
            judged = self._judged[id(code)] = code, is_users(frame)
            if not judged[1]:
                self._others.add(id(code))
        return judged[1]

    def _python(self, frame: FrameType) -> None:
        name = str(frame.f_globals.get("__name__", ""))
        file = frame.f_code.co_filename
        harmless = name.partition(".")[0] in _LIBRARIES and not frame.f_code.co_qualname.startswith(_KEEPING)
        if not user_source.is_ours(file) and not file.startswith("<") and not harmless:
            self._foreign(f"{name}.{frame.f_code.co_name}", frame)
            if name.partition(".")[0] not in _HARMLESS:
                self.effects.append(name)

    def _foreign(self, name: str, frame: FrameType) -> None:
        where = user_source.line_of(frame)
        self.foreign.append(f"it calls {name}, which dout does not see into" + (f", at {where}" if where else ""))


def is_users(frame: FrameType) -> bool:
    """Whether the user's code runs in a frame; code that a library made by `exec` is the library's."""
    module = str(frame.f_globals.get("__name__", ""))
    ours = module.partition(".")[0] == "dout" and not module.startswith(user_source.TAUGHT)
    return not ours and user_source.is_user_code(frame.f_code.co_filename)


def _may_be_ours(kind: type, error: Any, trace: Any) -> bool:
    """Whether an error may come of a stand-in: one of types, or of a library's own kind, that no user's line raises."""
    if not issubclass(kind, TypeError | BufferError) and kind.__module__ == "builtins":
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    raised = opcode.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"
    return not (raised and is_users(trace.tb_frame))


def _is_harmless(function: Any) -> bool:
    """Whether a function in C may be called twice: one of a module, not the method of an object that may keep it."""
    owner = getattr(function, "__self__", None)
    module = owner.__name__ if isinstance(owner, ModuleType) else ""
    return module.partition(".")[0] in _HARMLESS and function.__name__ not in _EFFECTS


def _is_pure(function: Any) -> bool:
    owner = getattr(function, "__self__", None)
    if isinstance(owner, ModuleType):
        name = owner.__name__
        return function.__name__ in _PURE if name == "builtins" else name.startswith(_MODULES)
    if owner is None:  # a method of a type: list.append
        objclass = getattr(function, "__objclass__", None)
        return objclass is None or objclass in _CONTAINERS or objclass is object
    if isinstance(owner, type):  # dict.fromkeys; but datetime.now is another one each time
        return issubclass(owner, _CONTAINERS) or owner.__module__ in _BARE or function.__name__ in _OF_CLASSES
    kind = type(owner)
    return issubclass(kind, _CONTAINERS) or kind.__module__ in _BARE
