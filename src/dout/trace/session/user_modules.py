"""Which of the loaded modules are the user's, and to which of them some code can come."""

from __future__ import annotations

import dis
import operator
import sys
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from dout.run import module_of, names_of, vars_of
from dout.trace.model.user_source import is_user_code

ANSWERED = frozenset({"numpy", "scipy", "math"})  # libraries whose functions are recorded, not looked into
FINDERS = frozenset({"modules", "import_module", "__import__"})  # names by which code finds modules without a statement
_found: dict[tuple[str | None, ...], tuple[list[ModuleType], list[ModuleType]]] = {}  # of all that were loaded then
_judged: dict[str, tuple[ModuleType, bool]] = {}  # by module name: judging hundreds of them anew costs a millisecond


def is_of_user(name: str, module: Any) -> bool:
    """Whether something is a module of the user's."""
    known = _judged.get(name)
    if known is None or known[0] is not module:
        file = names_of(module).get("__file__")
        known = _judged[name] = (module, type(file) is str and is_user_code(file))
    return known[1]


def is_loaded(names: dict[str, Any]) -> bool:
    """Whether these are the names of a module in `sys.modules`: `exec` and `runpy` make others, and loaders may."""
    module = sys.modules.get(str(names.get("__name__")))
    return names_of(module) is names


def user_modules(*targets: str | None) -> list[ModuleType]:
    """The user's own modules that are loaded: no library's, but the whole package of each target, also installed."""
    loaded = [*sys.modules.values()]
    known = _found.get(targets)
    if known is not None and len(known[0]) == len(loaded) and all(map(operator.is_, known[0], loaded)):
        return list(known[1])
    packages = {name.partition(".")[0] for name in targets if name} - {"dout", "builtins"}
    found = []
    for name, module in list(sys.modules.items()):
        named = name == "__main__" or name in targets or (packages and name.partition(".")[0] in packages)
        if named or is_of_user(name, module):
            found.append(module)
    found = [module for module in found if names_of(module).get("__name__", "builtins") != "builtins"]
    _found.clear()
    _found[targets] = loaded, found
    return list(found)


def within_reach(
    homes: Collection[str], loaded: Iterable[ModuleType], functions: Iterable[FunctionType] = ()
) -> list[ModuleType]:
    """The modules among `loaded` that code of the modules `homes` can name: its own, what it imports, and so on.

    With what these functions, and those of `homes`, import in a call or ask for by name. The arrays in them may meet
    the trace. A large program has many others, and looking through all takes long.
    """
    known = {str(names_of(module).get("__name__")): module for module in loaded}
    called: dict[str, list[str]] = {}
    for name in known:
        called.setdefault(last_part(name), []).append(name)
    found: dict[str, ModuleType] = {}
    written = [item for name in homes if name in known for item in list(names_of(known[name]).values())]
    waiting = [*homes, *_asked([*functions, *written], called)]
    while waiting:
        name = waiting.pop()
        if name in known and name not in found:
            found[name] = known[name]
            for item in list(names_of(known[name]).values()):
                waiting.append(str(names_of(item).get("__name__") or module_of(type(item))))
                if issubclass(type(item), type):
                    waiting.append(module_of(item))
                elif type(item) is FunctionType:
                    waiting.append(str(item.__module__))
    return list(found.values())


def _asked(items: Iterable[Any], called: dict[str, list[str]]) -> Iterator[str]:
    """The modules that functions, also those of classes, can ask for; each is `called` as its name ends."""
    for item in items:
        parts = vars_of(item).values() if issubclass(type(item), type) else [item]
        for function in (part for part in parts if type(part) is FunctionType):
            for word in _words(function.__code__) & called.keys():
                yield from called[word]


@cache
def _words(code: CodeType) -> frozenset[str]:
    """The last parts of the module names that a code object, or one inside it, imports or may look up by a string."""
    found = [str(step.argval) for step in dis.get_instructions(code) if step.opname.startswith("IMPORT")]
    if not FINDERS.isdisjoint(code.co_names):
        found += [item for item in code.co_consts if isinstance(item, str)]
    inner = [_words(item) for item in code.co_consts if isinstance(item, CodeType)]
    return frozenset(map(last_part, found)).union(*inner)


def last_part(name: str) -> str:
    """How a module is called without its packages."""
    return name.rpartition(".")[2]
