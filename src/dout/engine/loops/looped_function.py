"""A function of the user's, read from its source: kernels stand for its loops, or its parts are compiled."""

from __future__ import annotations

import ast
import builtins
import dis
import inspect
import linecache
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from dout.engine.loop_source.called_functions import inline_calls
from dout.engine.loop_source.first_turns import first_turns
from dout.engine.loop_source.liveness import Liveness, Loop, captured, stored
from dout.engine.loop_source.surroundings import (
    NotPlainError,
    attribute,
    entry,
    evaluated,
    own_attribute,
    place_of,
    surroundings,
)
from dout.engine.loops.compiled_parts import CompiledParts
from dout.engine.loops.loop_functions import NAMES
from dout.engine.loops.loop_sites import UNSET, LoopSite
from dout.engine.loops.turn_functions import PREFIX, TurnCutter
from dout.files import dedented
from dout.graph import Where
from dout.trace.model import user_source

_WATCHING = frozenset({"locals", "vars", "dir", "exec", "eval", "super", "globals"})
_ERRORS = (NameError, AttributeError, KeyError, NotPlainError)
_STATEMENTS = (ast.For, ast.While, ast.If, ast.Assign, ast.AugAssign, ast.Pass, ast.Break, ast.Continue)
_NEVER = (ast.comprehension, ast.Lambda, ast.NamedExpr, ast.Starred, ast.Await, ast.Yield, ast.JoinedStr)
_ITERATED = frozenset({"range", "enumerate", "zip", "reversed"})
FEW = 64  # turns: fewer are soon recorded one by one, and then what stands around them is compiled as well


@dataclass(frozen=True, eq=False)
class LoopedFunction:
    """A function that does what the user's does: kernels run in place of its loops, or its parts are compiled."""

    run: Callable[..., Any]
    sites: list[LoopSite]
    parts: CompiledParts

    def may_take(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> bool:
        """Whether a kernel might stand for a loop at this call, as far as its arguments tell."""
        return any(site.may_take(named(self.run, arguments, keywords)) for site in self.sites)

    def pays(self) -> bool:
        """Whether kernels stand for its loops, and a recording would be long; without loops, whether parts do."""
        if self.sites:
            self.parts.awake = any(site.turns >= FEW and site.kernels() for site in self.sites)
            return self.parts.awake
        return self.parts.pay()

    def why_not(self) -> list[str]:
        """Why no kernel stands for some of its loops."""
        return [why for site in self.sites for why in site.why_not]


def named(function: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call, by name; those alone whose names the function never sets."""
    given = [function.__self__, *arguments] if isinstance(function, MethodType) else arguments
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    kept = {one.argval for one in dis.get_instructions(function.__code__) if one.opname.startswith(("STORE", "DELETE"))}
    found = {**dict(zip(names, given, strict=False)), **keywords}
    return {name: item for name, item in found.items() if name not in kept}


def looped_function(function: Any, parts: CompiledParts, *, strict: bool) -> LoopedFunction | None:
    """Return the function with sites before its loops; None where it has no loop that a kernel might take.

    Functions that it calls become `parts` when kernels stand for its loops.
    """
    parts.awake = False
    return _rewritten(function, parts, lambda *given: _SiteWriter(*given, strict=strict))


def turned_function(function: Any, parts: CompiledParts) -> LoopedFunction | None:
    """Return the function with compiled `parts`: what it calls, and what the turns of its loops compute.

    None where it has neither.
    """
    return _rewritten(function, parts, _TurnWriter)


def _rewritten(function: Any, parts: CompiledParts, writer: Callable[..., _Writer]) -> LoopedFunction | None:
    plain = function.__func__ if type(function) is MethodType else function
    if type(plain) is not FunctionType or hasattr(plain, "__wrapped__"):
        return None
    tree, twin = _source(plain), _source(plain)
    if tree is None or twin is None or plain.__code__.co_flags & inspect.CO_GENERATOR:
        return None
    made = writer(tree, twin, function, parts)
    code = made.code()
    if code is None:
        return None
    names = {**made.cells, **dict(zip(plain.__code__.co_freevars, plain.__closure__ or (), strict=True))}
    closure = tuple(names[name] for name in code.co_freevars)
    run = FunctionType(code, plain.__globals__, plain.__name__, plain.__defaults__, closure)
    run.__kwdefaults__ = plain.__kwdefaults__
    bound = MethodType(run, function.__self__) if type(function) is MethodType else run
    return LoopedFunction(bound, made.sites, parts)


def _source(function: FunctionType) -> ast.FunctionDef | None:
    """The syntax of a function, if it is what the function runs: a tree of its own at each call."""
    linecache.lazycache(function.__code__.co_filename, function.__globals__)  # for files in archives
    text = _text(function.__code__)
    return None if text is None else _definition(text, function.__code__)


def _definition(text: str, code: CodeType) -> ast.FunctionDef | None:
    with warnings.catch_warnings(action="ignore"):  # Python gave them when it read the file
        tree = ast.parse(text)
    ast.increment_lineno(tree, code.co_firstlineno - 1)
    found = tree.body[0] if tree.body else None
    if not isinstance(found, ast.FunctionDef) or found.name != code.co_name:
        return None
    found.decorator_list = []
    return found


@lru_cache(64)
def _text(code: CodeType) -> str | None:
    """The lines of a function, if they are what its code runs, and can be written anew."""
    try:
        linecache.checkcache(code.co_filename)
        lines = linecache.getlines(code.co_filename)  # `inspect` would look for the module among all that are loaded
        text = dedented("".join(inspect.getblock(lines[code.co_firstlineno - 1 :])))
        found = _definition(text, code)
    except (OSError, TypeError, SyntaxError, IndentationError):
        return None
    if found is None:
        return None
    names = {node.id for node in ast.walk(found) if isinstance(node, ast.Name)}
    private = any(n.startswith("__") and not n.endswith("__") for n in _all_names(found))
    if names & _WATCHING or private or any(name.startswith(PREFIX) for name in names):
        return None
    again = _compiled(found, code, ())
    return text if again is not None and _steps(again) == _steps(code) else None


def _steps(code: CodeType) -> list[tuple[str, Any]]:
    """What code does, however it calls methods, which depends on the imports of its file."""
    found: list[tuple[str, Any]] = []
    for one in dis.get_instructions(code):
        jumps = one.opcode in dis.hasjrel or one.opcode in dis.hasjabs
        what = None if jumps or isinstance(one.argval, CodeType) else (type(one.argval), one.argval)
        if one.opname not in ("PUSH_NULL", "EXTENDED_ARG", "NOP", "CACHE"):
            found.append((one.opname.replace("LOAD_METHOD", "LOAD_ATTR"), what))
    return found


def _all_names(tree: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} | {
        n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)
    }


def _compiled(tree: ast.FunctionDef, code: CodeType, more: tuple[str, ...]) -> CodeType | None:
    """The code of a function, in which the names of its surroundings are free."""
    free = (*code.co_freevars, *more)
    body: list[ast.stmt] = [ast.Assign([ast.Name(name, ast.Store())], ast.Constant(None)) for name in free]
    arguments = ast.arguments([], [], None, [], [], None, [])
    around = ast.copy_location(ast.FunctionDef("around", arguments, [*body, tree], []), tree)
    module = ast.fix_missing_locations(ast.Module([around], []))
    try:
        flags = code.co_flags & annotations.compiler_flag
        with warnings.catch_warnings(action="ignore"):
            compiled = compile(module, code.co_filename, "exec", flags=flags, dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    outer = next(one for one in compiled.co_consts if isinstance(one, CodeType))
    return next(one for one in outer.co_consts if isinstance(one, CodeType) and one.co_name == tree.name)


class _Writer(ast.NodeTransformer):
    """Rewrites a function: the functions that it calls are asked for first."""

    def __init__(
        self, tree: ast.FunctionDef, twin: ast.FunctionDef, bound: FunctionType | MethodType, parts: CompiledParts
    ) -> None:
        function = bound.__func__ if isinstance(bound, MethodType) else bound
        assert isinstance(function, FunctionType)
        self.tree, self.function, self.bound, self.parts = tree, function, bound, parts
        self.sites: list[LoopSite] = []
        self.cells: dict[str, CellType] = {}
        self.hidden = captured(tree)
        self.twins = dict(zip(ast.walk(tree), ast.walk(twin), strict=True))  # which keep the loops as they are
        self.inlined = self._inline(twin)
        self.liveness = Liveness(twin)
        self.local = frozenset(function.__code__.co_varnames) | frozenset(function.__code__.co_freevars) | stored(tree)
        self.calls = False

    def _inline(self, twin: ast.FunctionDef) -> Mapping[str, Any]:
        return {}

    def code(self) -> CodeType | None:
        """The code; None where nothing changes."""
        self.generic_visit(self.tree)
        if not self.cells and not self.calls:
            return None
        means = {
            "attribute": attribute,
            "own_attribute": own_attribute,
            "entry": entry,
            "errors": _ERRORS,
            "unset": UNSET,
            "locals": locals,
        }
        means["called"] = self.parts.called
        self.cells |= {PREFIX + name: CellType(item) for name, item in means.items()}
        return _compiled(self.tree, self.function.__code__, tuple(self.cells))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Functions inside stay as they are."""
        return node

    visit_Lambda = visit_ClassDef = visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_Call(self, node: ast.Call) -> Any:
        """A call, of what stands for the function."""
        self.generic_visit(node)
        root = node.func
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        named = isinstance(root, ast.Name) and (root.id.startswith(PREFIX) or self._is_library(root.id))
        if isinstance(node.func, ast.Name | ast.Attribute) and not named:
            self.calls = True
            node.func = ast.Call(ast.Name(f"{PREFIX}called", ast.Load()), [node.func], [])
            ast.copy_location(node.func, node)
        return node

    def _is_library(self, name: str) -> bool:
        """Whether a name stands for a module or function that is not the user's."""
        item = self.function.__globals__.get(name, getattr(builtins, name, None))
        file = getattr(item, "__file__", None) if isinstance(item, ModuleType) else None
        return isinstance(item, BuiltinFunctionType | type) or (file is not None and not user_source.is_user_code(file))


class _SiteWriter(_Writer):
    """Puts sites before the loops of a function."""

    def __init__(self, *given: Any, strict: bool) -> None:
        super().__init__(*given)
        self.strict = strict
        self.outer: LoopSite | None = None

    def code(self) -> CodeType | None:
        """The code with its sites; None where there are none."""
        code = super().code()
        return code if self.sites else None

    def _inline(self, twin: ast.FunctionDef) -> Mapping[str, Any]:
        return inline_calls(twin, self.bound, _source)

    def _loop(self, node: Loop) -> Any:
        """A loop, with a site before it."""
        own, live = self.twins[node], self.liveness
        assert isinstance(own, Loop)
        if not _may_be_taken(own) or stored(own) & self.hidden:
            return self.generic_visit(node)
        named = {place_of(one): one for one in ast.walk(node) if isinstance(one, ast.Name | ast.Attribute)}
        called = {place: (item, item.__code__) for place, item in self.inlined.items() if place in named}
        places = surroundings(own, self.local | stored(own)) | {place: named[place] for place in called}
        started = {name: ast.Name(name, ast.Load()) for name in sorted(live.before[own] & stored(node))}
        after = live.after[own] & stored(node)
        where = Where(self.function.__code__.co_filename, node.lineno)
        places |= started
        methods = any("." in place for place in called)  # which are read as the functions that they are
        first = first_turns(own if methods else node, places, where.file)
        site = LoopSite(own, places, after, live.before, where, self.strict, first, called, self.outer)
        self.sites.append(site)
        name = f"{PREFIX}site{len(self.sites)}"
        self.cells[name] = CellType(site)
        outer, self.outer = self.outer, site
        self.generic_visit(node)
        self.outer = outer
        return _with_site(node, site, name)

    visit_For = visit_While = _loop


class _TurnWriter(_Writer):
    """Takes functions out of the turns of loops."""

    def code(self) -> CodeType | None:
        """The code that calls them."""
        cutter = TurnCutter(self.local, self.hidden, self.twins, self.liveness.after)
        cutter.cut(self.tree)
        for tree in cutter.functions:
            code = _compiled(tree, self.function.__code__, ())
            assert code is not None, "it is made of the user's own statements"
            turn = FunctionType(code, self.function.__globals__, tree.name)
            turn.__qualname__ = f"{self.function.__qualname__}, a turn at line {tree.lineno}"
            self.cells[tree.name] = self.parts.turn(turn)
        return super().code()


def _with_site(loop: Loop, site: LoopSite, name: str) -> list[ast.stmt]:
    results = sorted(site.live)
    given = "".join(f"{ast.unparse(evaluated(one, PREFIX))}, " for one in site.places.values())
    found = f"{PREFIX}found"
    lines = [
        "try:",
        f"    {found} = ({given})",
        f"except {PREFIX}errors:",
        f"    {found} = None",
        "else:",
        f"    {found} = {name}(*{found})",
        f"if {found} is None:",
        "    pass",
        "else:",
    ]
    for i, one in enumerate(results):
        lines += [f"    if {found}[{i}] is not {PREFIX}unset:", f"        {one} = {found}[{i}]"]
    lines += ["    pass", f"if {name}.waits:", f"    {name}.settle({PREFIX}locals())"]
    attempt, choice, settled = ast.parse("\n".join(lines)).body
    assert isinstance(choice, ast.If)
    choice.body = [loop, settled]
    made: list[ast.stmt] = [attempt, choice]
    own = set(ast.walk(loop))
    for node in (node for one in made for node in ast.walk(one)):
        if node not in own and isinstance(node, ast.stmt | ast.expr | ast.excepthandler):
            ast.copy_location(node, loop)
    return made


def _may_be_taken(node: ast.AST) -> bool:
    """Whether a kernel might stand for a loop, as far as its text tells."""
    match node:
        case ast.For(orelse=[_, *_]) | ast.While(orelse=[_, *_]) | ast.Attribute(ctx=ast.Store()):
            return False
        case ast.Expr():
            return isinstance(node.value, ast.Constant)
        case ast.AugAssign(target=ast.Attribute() as target):
            return bool(place_of(target)) and _may_be_taken(node.value)
        case ast.stmt() if not isinstance(node, _STATEMENTS):
            return False
        case ast.Call() if not _is_known(node.func):
            return False
    return not isinstance(node, _NEVER) and all(map(_may_be_taken, ast.iter_child_nodes(node)))


def _is_known(function: ast.expr) -> bool:
    name = getattr(function, "id", None) or getattr(function, "attr", None)  # of NumPy's, or a method
    return name in NAMES or (isinstance(function, ast.Name) and name in _ITERATED)
