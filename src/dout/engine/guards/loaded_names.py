"""Which attributes and global names a run can have read: those that its code loads; and which it can have stored."""

from __future__ import annotations

import dis
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, astuple
from functools import cache, cached_property
from itertools import pairwise
from operator import attrgetter, methodcaller
from types import CodeType
from typing import Any

from dout.trace.capture.call_watch import CodeRuns
from dout.trace.session.user_modules import FINDERS

# Who uses one of these may read any attribute, by a name that is made while it runs.
_REFLECTING = frozenset({"getattr", "hasattr", "vars", "__dict__", "__getattribute__", "dir", "globals", "eval", "exec",
                         "__getattr__", "AttributeError", "attrgetter", "locals", "methodcaller", "format",
                         "format_map", "asdict", "astuple", "dataclasses"})  # fmt: skip
_BY_NAME: tuple[Any, ...] = (getattr, hasattr, vars, dir, attrgetter, methodcaller, asdict, astuple)
_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD", "DELETE_ATTR", "LOAD_SUPER_ATTR", "IMPORT_FROM")
_COPYING = frozenset({"copy", "deepcopy"})  # read all attributes of an object
_SETTERS: tuple[Any, ...] = (setattr, object.__setattr__, type.__setattr__)
_OF_OBJECT = type(object().__setattr__)
_SETTING_GLOBALS = frozenset({"globals", "exec", "__globals__", "f_globals"})
_SETTING = frozenset({"setattr", "__setattr__", "vars", "__dict__"}) | _SETTING_GLOBALS
_OUTSIDE = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR")


class Loaded:
    """The names that code loads, from objects or from outside; not those from these global `modules`.

    >>> def forward(self, x):
    ...     self.mask = x <= self.limit
    ...     return x * self.mask
    >>> names = Loaded([forward.__code__])
    >>> "limit" in names, "mask" in names  # the mask that is read is the one just stored
    (True, False)
    """

    def __init__(
        self, codes: Collection[CodeType] | Mapping[CodeType, CodeRuns], *, modules: frozenset[str] = frozenset()
    ) -> None:
        self.codes = codes
        self.outside: set[str] = set()  # global names, and those of functions around
        self._attributes: set[str] = set()
        for code in codes:
            for name, outside in _loaded(code, modules):
                (self.outside if outside else self._attributes).add(name)
        self._read = {name for code in codes for name in _read(code)}
        used = self._attributes | self.outside
        matches = any(step.opname == "MATCH_CLASS" for code in codes for step in _steps(code))
        self.all = matches or not _REFLECTING.isdisjoint(used)
        self.sets_any = not _SETTING.isdisjoint(used)  # whether it may store an attribute by a name made while it runs
        self._stored = {pair for code in codes for pair in _pairs(code) if pair[0].startswith("STORE")}
        self._used = used

    @cached_property
    def set_into(self) -> set[str]:
        """The global names whose attributes the code sets."""
        pairs = (pair for code in self.codes for pair in pairwise(_steps(code)))
        return {one.argval for one, step in pairs if step.opname == "STORE_ATTR" and one.opname.startswith(_OUTSIDE)}

    @property
    def catches(self) -> bool:
        """Whether the code has an `except` of its own."""
        names = [[step.opname for step in _steps(code)] for code in self.codes]
        return any(n.count("PUSH_EXC_INFO") > n.count("WITH_EXCEPT_START") for n in names)

    @cached_property
    def compares_identities(self) -> bool:
        """Whether the code asks of two objects whether they are one; to ask so of None is another matter."""
        pairs = (pair for code in self.codes for pair in pairwise(_steps(code)))
        return any(step.opname == "IS_OP" and before.opname != "LOAD_CONST" for before, step in pairs)

    @cached_property
    def finds_modules(self) -> bool:
        """Whether the code can come by modules that stand under no global name: it imports, or asks for them."""
        imports = any(step.opname == "IMPORT_NAME" for code in self.codes for step in _steps(code))
        return imports or not FINDERS.isdisjoint(self._used)

    def __contains__(self, name: object) -> bool:
        return self.all or name in self._attributes

    def only_appends(self, name: object) -> bool:
        """Whether all that the code does with what has this name is to append, to it or to lists in it."""
        return not self.all and name not in self._read

    def set_before_read(self, name: object) -> bool:
        """Whether all code that sets an attribute of this name had ended before any read it, but to call it."""
        hidden = self.all or self.sets_any or not _COPYING.isdisjoint(self.outside)
        if hidden or not isinstance(self.codes, Mapping):
            return False
        setting = [runs for code, runs in self.codes.items() if ("STORE_ATTR", name) in _pairs(code)]
        reading = [code for code in self.codes if _values_read(code, name)]
        ended = max(setting, key=attrgetter("last"), default=None)
        return ended is not None and all(_reads_after(code, self.codes[code], name, ended) for code in reading)

    def stores(self, name: object, *, outside: bool = False) -> bool:
        """Whether the code can have stored something in an attribute of this name, or in a global name."""
        kinds = ("STORE_GLOBAL", "STORE_NAME") if outside else ("STORE_ATTR",)
        any_name = not _SETTING_GLOBALS.isdisjoint(self._used) if outside else self.sets_any
        return any_name or any((kind, name) in self._stored for kind in kinds)


def reads_by_name(item: Any) -> bool:
    """Whether an object, like `getattr`, reads attributes whose names the code need not show."""
    return isinstance(item, attrgetter | methodcaller) or any(item is each for each in _BY_NAME) or sets_by_name(item)


def sets_by_name(item: Any) -> bool:
    """Whether an object, like `setattr`, sets attributes whose names the code need not show."""
    return any(item is each for each in _SETTERS) or (isinstance(item, _OF_OBJECT) and item.__name__ == "__setattr__")


@cache
def _loaded(code: CodeType, modules: frozenset[str]) -> frozenset[tuple[str, bool]]:
    """The names that a code loads, and whether from outside."""
    return frozenset(_loads(code, modules))


def _loads(code: CodeType, modules: frozenset[str]) -> Iterator[tuple[str, bool]]:
    """The names that a code loads, except those that it always stores in the same object before."""
    stored: set[tuple[str, str]] = set()
    straight = True
    holder = ""
    module = False  # whether what was just loaded is a module, or lies in one
    for step in _steps(code):
        if step.is_jump_target or "JUMP" in step.opname or step.opname in ("FOR_ITER", "SEND", "PUSH_EXC_INFO"):
            straight = False
        if step.opname == "STORE_ATTR":
            if straight and holder:
                stored.add((holder, step.argval))
        elif step.opname.startswith(_OUTSIDE):
            yield step.argval, True
        elif step.opname.startswith(_ATTRIBUTES):
            if (holder, step.argval) not in stored and not module:
                yield step.argval, False
        elif step.opname.startswith(("STORE_FAST", "DELETE_FAST")):
            stored = {(name, key) for name, key in stored if name not in _variables(step)}  # now other objects
        module = step.argval in modules if step.opname.startswith(_OUTSIDE) else module and step.opname in _ATTRIBUTES
        holder = _variables(step)[-1] if step.opname.startswith("LOAD_FAST") else ""


def _read(code: CodeType) -> Iterator[str]:
    """Names that a code loads for anything but `name.append`, or `name[key].append`."""
    steps = _steps(code)
    for i, step in enumerate(steps, start=1):
        if step.opname.startswith((*_ATTRIBUTES, *_OUTSIDE)):
            while steps[i].opname.startswith(("LOAD_CONST", "LOAD_FAST")) and _looks_up(steps[i + 1]):
                i += 2
            if steps[i].argval != "append":
                yield step.argval


def _looks_up(step: dis.Instruction) -> bool:
    return step.opname == "BINARY_SUBSCR" or (step.opname == "BINARY_OP" and step.argrepr == "[]")


@cache
def _steps(code: CodeType) -> tuple[dis.Instruction, ...]:
    return tuple(dis.get_instructions(code))


@cache
def _pairs(code: CodeType) -> frozenset[tuple[str, Any]]:
    """The instructions of a code that name something, with the names."""
    return frozenset((step.opname, step.argval) for step in _steps(code) if isinstance(step.argval, str))


def _values_read(code: CodeType, name: object) -> list[int]:
    """Where a code reads an attribute of this name that it did not just set, other than to call it as a method."""
    if (name, False) not in _loaded(code, frozenset()):
        return []
    steps = [step for step in _steps(code) if step.argval == name and step.opname.startswith(_ATTRIBUTES)]
    return [step.offset for step in steps if step.opname != "LOAD_METHOD" and "NULL|self" not in step.argrepr]


def _reads_after(code: CodeType, runs: CodeRuns, name: object, other: CodeRuns) -> bool:
    """Whether a code came to no place that reads an attribute before another code had ended for the last time."""
    if runs.first > other.last:
        return True
    place = other.callers.get(code)  # at which it waited for that
    first = min(_values_read(code, name))
    if place is None or runs.times > 1 or first < place:
        return False
    jumps = ((s.offset, s.argval) for s in _steps(code) if "JUMP" in s.opname)
    return not any(start > first and end <= place for start, end in jumps)


def _variables(step: dis.Instruction) -> tuple[str, ...]:
    """The local variables of an instruction: some take two."""
    return step.argval if isinstance(step.argval, tuple) else (step.argval,)
