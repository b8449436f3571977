"""Which of the loaded modules are the user's."""

from __future__ import annotations

import operator
import sys
from types import ModuleType
from typing import Any

from dout.run import names_of
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


def last_part(name: str) -> str:
    """How a module is called without its packages."""
    return name.rpartition(".")[2]
