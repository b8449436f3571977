"""The user's source: which frames are theirs, and the names of a call's arguments and result there."""

from __future__ import annotations

import ast
import copy
import inspect
import linecache
import re
import sysconfig
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any

import numpy as np

from dout.graph import Where
from dout.run import filled_cells, signature_of

_OURS = str(Path(__file__).resolve().parents[2])
_NUMPY = str(Path(np.__file__).resolve().parent)
TAUGHT = ("dout.layers", "dout.train.nets.layer_graphs", "dout.train.nets.net_round")  # traced like a user's code
_TAUGHT = tuple(f"{_OURS}/{name.partition('.')[2].replace('.', '/')}" for name in TAUGHT)
_ADAPTERS = f"{_OURS}/adapt"
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_LONGEST_NAME = 60
Span = tuple[int, int, int, int]  # first and last line, start and end in these


@cache
def is_ours(file: str) -> bool:
    """Whether a source file is dout's machinery; the ready-made layers are read like a user's."""
    return file.startswith(_OURS) and not file.startswith(_TAUGHT)


@cache
def _is_passed_over(file: str) -> bool:
    own = (warnings.__file__, copy.__file__)  # what these do is asked of them: an array copies itself
    return is_ours(file) or file.startswith((_NUMPY, "<frozen", *own))


@cache
def is_user_code(file: str) -> bool:
    """Whether a source file is the user's: no library's, not ours. Cells and `exec`'d text are."""
    if file.startswith(_TAUGHT):
        return True
    return not file.startswith((*_LIBRARIES, _OURS, "<frozen")) and not file.endswith(".pyx")  # of a compiled library


def user_frame(frame: FrameType | None) -> FrameType | None:
    """The nearest frame outside dout and NumPy; None where an adapter computes by itself."""
    while frame is not None and _is_passed_over(frame.f_code.co_filename):
        if frame.f_code.co_filename.startswith(_ADAPTERS):
            return None
        frame = frame.f_back
    return frame


def asking_user(frame: FrameType | None, passes: Callable[[str], object]) -> FrameType | None:
    """The frame that asks, above those of files that only pass a question on; None where it is not the user's."""
    while frame is not None and passes(frame.f_code.co_filename):
        frame = frame.f_back
    return frame if frame is not None and is_user_code(frame.f_code.co_filename) else None


def line_of(frame: FrameType | None) -> str:
    """The user's line that runs in or above `frame`: file:line, or nothing."""
    frame = user_frame(frame)
    return str(Where(frame.f_code.co_filename, frame.f_lineno)) if frame else ""


def users_place(frame: FrameType | None, above: tuple[str, ...] = ()) -> Where | None:
    """The line of the user's own code, no library's, that runs in or above `frame`.

    None where a file in a folder `above` comes first. Methods that dataclasses write are nobody's.
    """
    frame = asking_user(frame, lambda file: file == "<string>" or not (is_user_code(file) or file.startswith(above)))
    return Where(frame.f_code.co_filename, frame.f_lineno) if frame is not None else None


def in_user_code(frame: FrameType) -> bool:
    """Whether a frame itself is outside dout and NumPy."""
    return not _is_passed_over(frame.f_code.co_filename)


def users_part(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without our frames; None where all of it is ours."""
    kept, step = [], trace
    while step is not None:
        kept += [] if is_ours(step.tb_frame.f_code.co_filename) else [step]
        step = step.tb_next
    part: TracebackType | None = None
    for step in reversed(kept):
        part = TracebackType(part, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return part


@dataclass(frozen=True, eq=False, slots=True)
class Site:
    """The position of a frame, without the frame. `executing` reads it like one."""

    f_code: CodeType
    f_lasti: int
    f_lineno: int
    f_globals: Mapping[str, Any]

    @classmethod
    def of(cls, frame: FrameType) -> Site:
        """Remember where `frame` stands."""
        return cls(frame.f_code, frame.f_lasti, frame.f_lineno, frame.f_globals)


def running_node(site: Any) -> Any:
    """The syntax node that is running at a site, with `.parent` links, or None if the source is not available."""
    from executing import Source

    try:
        _read_quietly(site)
        node = Source.executing(site).node
        # Where bytecode was specialised in a hot loop, the position says of which expression an instruction is part.
        return node or expressions(site.f_code.co_filename).get(span_of(site.f_code, site.f_lasti))
    except Exception:  # whatever goes wrong in reading source, a name is a convenience
        return None


_read: set[str] = set()  # the files that `executing` has parsed


def _read_quietly(site: Any) -> None:
    """Parse a site's file without warnings: Python gave them when the file was imported."""
    from executing import Source

    file = site.f_code.co_filename
    if file not in _read:
        _read.add(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Source.for_frame(site)


def span_of(code: CodeType, instruction: int) -> Span:
    """The position of the expression of which an instruction is part."""
    first, last, start, end = next(islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    return first or code.co_firstlineno, last or 0, start or 0, end or 0


def expressions(file: str) -> Mapping[Span, ast.expr]:
    """The expressions of a file by their positions, with `.parent` links; of several in one place the outermost."""
    return _expressions(text_and_lines(file)[0])


_files: dict[str, tuple[list[str], str, tuple[str, ...]]] = {}


def text_and_lines(file: str, names: dict[str, Any] | None = None) -> tuple[str, tuple[str, ...]]:
    """The text of a file and its lines: the same objects for as long as linecache has the same list."""
    kept = linecache.getlines(file, names)
    if file not in _files or _files[file][0] is not kept:
        _files[file] = (kept, "".join(kept), tuple(kept))
    return _files[file][1:]


@lru_cache(maxsize=256)
def parsed(text: str) -> ast.Module:
    """The syntax of a text; an empty module where it is none."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def syntax_of(file: str) -> ast.Module:
    """The syntax of a file, also of a cell; an empty module where there is none."""
    return parsed(text_and_lines(file)[0])


@lru_cache(maxsize=256)
def _expressions(text: str) -> dict[Span, ast.expr]:
    found: dict[Span, ast.expr] = {}
    for node in ast.walk(parsed(text)):
        for child in ast.iter_child_nodes(node):
            child.parent = node  # type: ignore[attr-defined]
        if isinstance(node, ast.Assert):
            found[_span(node)] = node.test  # pytest rewrites it
        if isinstance(node, ast.expr):
            found.setdefault(_span(node), node)
    return found


def _span(node: ast.expr | ast.stmt) -> Span:
    return node.lineno, node.end_lineno or 0, node.col_offset, node.end_col_offset or 0


def is_called(site: Any) -> bool:
    """Whether the attribute that is read at a site is called at once, as in `np.int64(x > 0)`."""
    node = running_node(site)
    parent = getattr(node, "parent", None)
    return isinstance(parent, ast.Call) and parent.func is node


def assigned_name(site: Any) -> str | list[str | None] | None:
    """The name of the result of the expression at a site: `x` in `x = …`, a list for `a, b = …`.

    Of one of several expressions, `q, k = f(x), g(x)`, it is the name in the same place.
    """
    node = running_node(site)
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
        return _name(node.value)
    if isinstance(node, ast.AugAssign):
        return _name(node.target)
    parent = getattr(node, "parent", None)
    if isinstance(parent, ast.Assign) and parent.value is node and parent.targets:
        target = parent.targets[0]
        if isinstance(target, ast.Subscript):
            return None if node is target else _name(target)
        return [_name(t) for t in target.elts] if isinstance(target, ast.Tuple | ast.List) else _name(target)
    if isinstance(parent, ast.Tuple) and isinstance(whole := getattr(parent, "parent", None), ast.Assign):
        target = whole.targets[0]
        if isinstance(target, ast.Tuple) and len(target.elts) == len(parent.elts) and whole.value is parent:
            return _name(target.elts[parent.elts.index(node)])
        return None
    if isinstance(parent, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and parent.value is node:
        return _name(parent.target)
    return None


def argument_names(
    site: Any, parameters: list[str], *, is_called: bool = False
) -> tuple[str | None, dict[str, str | None]]:
    """The names of the receiver and the arguments of the call at a site: `mul`, {x: "apple", y: "apple_num"}.

    `is_called`: the receiver itself is called, `mul(apple, apple_num)`, and no method of it.
    """
    call = running_node(site)
    if not isinstance(call, ast.Call):
        return None, {}
    owner = call.func if is_called else getattr(call.func, "value", None)
    receiver = None if owner is None else _name(owner)
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return receiver, {}
    given = {**dict(zip(parameters, call.args, strict=False)), **{k.arg: k.value for k in call.keywords if k.arg}}
    return receiver, {parameter: _name(_with_keys(argument, site)) for parameter, argument in given.items()}


def _with_keys(node: ast.expr, site: Any) -> ast.expr:
    """An expression with the keys that it has in a frame: `params['W1']` for `params['W' + str(i)]`."""
    if isinstance(node, ast.Subscript):
        key = _key(node.slice, site)
        inside = node.slice if key is None else ast.Constant(key)
        return ast.Subscript(_with_keys(node.value, site), inside, ast.Load())
    if isinstance(node, ast.Attribute):
        return ast.Attribute(_with_keys(node.value, site), node.attr, ast.Load())
    return node


_KEY_PARTS = (
    ast.Name,
    ast.Constant,
    ast.JoinedStr,
    ast.FormattedValue,
    ast.BinOp,
    ast.Add,
    ast.Sub,
    ast.Call,
    ast.Load,
)


def _key(node: ast.expr, site: Any) -> str | int | None:
    """The text or number that is computed of others in a frame; None where it is no such thing, or a constant."""
    parts = [*ast.walk(node)]
    calls = [part for part in parts if isinstance(part, ast.Call)]
    is_plain = all(isinstance(part, _KEY_PARTS) for part in parts) and all(ast.unparse(c.func) == "str" for c in calls)
    if not is_plain or isinstance(node, ast.Constant) or not isinstance(site, FrameType):
        return None
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    values = {name: site.f_locals.get(name, site.f_globals.get(name)) for name in names}
    known = {name: value for name, value in values.items() if type(value) in (str, int)}
    try:
        key = eval(compile(ast.Expression(node), "key", "eval"), {"__builtins__": {"str": str}}, known)
    except (NameError, TypeError, ValueError):
        return None
    return key if type(key) in (str, int) else None


def _name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        text = ast.unparse(node).removeprefix("self.")
        return text if isinstance(node, ast.Name) or len(text) <= _LONGEST_NAME else None
    return None


def dotted(frame: FrameType) -> str:
    """The name of what a frame calls `dot` of, if it is a name: `self.x` of `self.x.dot(W)`; otherwise nothing."""
    called = getattr(running_node(Site.of(frame)), "func", None)
    is_dot = isinstance(called, ast.Attribute) and called.attr == "dot"
    name = ast.unparse(called.value) if is_dot else ""  # type: ignore[union-attr]
    return name if re.fullmatch(r"[\w.]+", name) else ""


def call_text(site: Any, otherwise: str = "a condition") -> str:
    """The text of the condition or expression at a site, for a message."""
    place = user_frame(site) if isinstance(site, FrameType) else site
    if place is None:
        return otherwise
    key = id(place.f_code), place.f_lasti
    if key not in _texts:  # a loop comes to the same place again and again
        node = running_node(place)
        text = ast.unparse(node) if isinstance(node, ast.expr) else ""
        if len(text) > _LONGEST_NAME and isinstance(node, ast.Call):
            text = f"{ast.unparse(node.func)}(…)"
        _texts[key] = place.f_code, text
    text = _texts[key][1]
    return text if 0 < len(text) <= _LONGEST_NAME else otherwise


_texts: dict[tuple[int, int], tuple[CodeType, str]] = {}  # by place, with its code, so that the identity stays its own


def loop_in(frame: FrameType) -> str:
    """The outermost loop of its function that runs in a frame: file:line, or nothing."""
    loop, node = None, running_node(frame)
    while node is not None and not isinstance(node, ast.FunctionDef | ast.Lambda):
        loop, node = node if isinstance(node, _LOOPS) else loop, getattr(node, "parent", None)
    return "" if loop is None else str(Where(frame.f_code.co_filename, loop.lineno))


_LOOPS = (ast.For, ast.While, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)


def loops_of(file: str) -> list[range]:
    """The lines of each loop of a file, without its head."""
    loops = (node for node in ast.walk(syntax_of(file)) if isinstance(node, ast.For | ast.While))
    return [range(loop.body[0].lineno, (loop.end_lineno or loop.lineno) + 1) for loop in loops]


def parameters(function: Any, count: int) -> list[str | None]:
    """The names of the first arguments by position; None where there is none."""
    try:
        names: list[str | None] = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    return [*names[:count], *([None] * (count - len(names)))]


def class_source(cls: type) -> str:
    """The text of a class, also of one in a cell of a notebook. Raises OSError or TypeError where there is none."""
    try:
        return inspect.getsource(cls)
    except (OSError, TypeError):
        codes = [item.__code__ for item in vars(cls).values() if inspect.isfunction(item)]
        for code in codes:  # a cell has no file, but the codes of its methods say where its lines are kept
            classes = [node for node in ast.walk(syntax_of(code.co_filename)) if isinstance(node, ast.ClassDef)]
            for node in (node for node in classes if node.name == cls.__name__):
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                if first < code.co_firstlineno <= (node.end_lineno or 0):
                    return "".join(linecache.getlines(code.co_filename)[first - 1 : node.end_lineno])
        raise


def behind(function: Any) -> Any:
    """The function that a decorator without `functools.wraps` calls, where its arguments are `*args` alone."""
    try:
        kinds = {p.kind for p in list(signature_of(function).parameters.values()) if p.name != "self"}
    except (TypeError, ValueError):
        return function
    if inspect.Parameter.VAR_POSITIONAL in kinds and kinds <= _ANY:
        cells = filled_cells(function) if inspect.isfunction(function) or inspect.ismethod(function) else []
        return next((c.cell_contents for _, c in cells if inspect.isfunction(c.cell_contents)), function)
    return function


_ANY = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
