"""The user's functions in a scratch namespace: with every expression replaceable, or with another text.

Nothing of the user's is touched: a copy of the layer gets a class of its own, whose methods are compiled from the
source with other globals. In them every expression E stands as `E if on != i else go()`, so that one compilation serves
all the repairs that are tried: `go` evaluates the text that takes E's place, in E's own frame.

Source: mutant schemata, Untch, Offutt and Harrold, "Mutation Analysis Using Mutant Schemata" (ISSTA, 1993).
"""

from __future__ import annotations

import ast
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from dout.adapt.interface.adapted_layer import is_adapted
from dout.adapt.interface.function_pairs import OnOwnArrays
from dout.adapt.interface.network_loss import IN_ITS_PLACE
from dout.check.repair.edits.expression_places import ExpressionPlace, ScratchFunction
from dout.check.repair.edits.parsed_file import ParsedFile
from dout.run import function_copy, objects_in
from dout.trace.program.stub_modules import NeedsError

ON, GO, TAP, TURN, AT = "__dout_on__", "__dout_go__", "__dout_tap__", "__dout_turn__", "__dout_at__"
# What an edit may raise: with another condition code may end its program, or need what is not there.
OF_TRIED_CODE = (Exception, SystemExit, NeedsError)
MOST_TURNS = 20_000  # of all `while` loops in one try: an edit may make one endless


class _Wrapped(ast.NodeTransformer):
    """Copies a syntax, with some of its expressions wrapped, its `while` loops counted, and `np.add.at` guarded.

    The parsed tree itself stays as it is.
    """

    def __init__(self, numbers: Mapping[Any, int], wrapper: Callable[[ast.expr, int], ast.expr]) -> None:
        self.numbers = numbers
        self.wrapper = wrapper

    def visit(self, node: ast.AST) -> Any:
        changed = type(node)(**{name: self._copied(value) for name, value in ast.iter_fields(node)})
        if isinstance(changed, ast.While):
            turn = ast.Call(ast.Name(TURN, ast.Load()), [], [])
            changed.test = ast.BoolOp(ast.And(), [turn, changed.test])
        if isinstance(changed, ast.Call) and isinstance(changed.func, ast.Attribute) and changed.func.attr == "at":
            changed.args[:0] = [changed.func]
            changed.func = ast.Name(AT, ast.Load())
        ast.copy_location(changed, node)
        number = self.numbers.get(node)
        if number is None or not isinstance(changed, ast.expr):
            return changed
        return ast.copy_location(self.wrapper(changed, number), node)

    def _copied(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._copied(item) for item in value]
        return self.visit(value) if isinstance(value, ast.AST) else value


def _at(method: Callable[..., Any], *given: Any) -> Any:
    """Run `np.add.at(array, index, values)`, which crashes NumPy if the values have more axes than `array[index]`."""
    if len(given) == 3 and isinstance(given[0], np.ndarray) and np.ndim(given[2]) > np.ndim(given[0][given[1]]):
        raise ValueError("more axes than the place has")
    return method(*given)


def _switch(expression: ast.expr, i: int) -> ast.expr:
    test = ast.Compare(ast.Name(ON, ast.Load()), [ast.NotEq()], [ast.Constant(i)])
    return ast.IfExp(test, expression, ast.Call(ast.Name(GO, ast.Load()), [], []))


def _tap(expression: ast.expr, i: int) -> ast.expr:
    return ast.Call(ast.Name(TAP, ast.Load()), [ast.Constant(i), expression], [])


# --- compiled anew ----------------------------------------------------------------------------------------------------


def code_of(function: ScratchFunction, numbers: Mapping[Any, int] | None = None, wrapper: Any = None) -> types.CodeType:
    """Compile a function's syntax where the original stands: in its class, with the same free variables."""
    bare = _Wrapped(numbers or {}, wrapper).visit(function.node)
    bare.decorator_list = []
    inner: list[ast.stmt] = [bare]
    free = [name for name in function.function.__code__.co_freevars if name != "__class__"]
    if function.owner is not None:
        name = function.owner.__name__
        inner = [ast.ClassDef(name, [], [], inner, [])]
        inner[:0] = [] if name in free else [ast.Global([name])]  # the class itself, not the one around the method
    given = ast.arguments([], [ast.arg(name) for name in free], None, [], [], None, [])
    module = ast.Module([ast.FunctionDef("scratch", given, inner, [])], [])
    code = compile(ast.fix_missing_locations(module), function.source.file, "exec")
    for name in ["scratch", *([function.owner.__name__] if function.owner else []), function.name]:
        code = next(c for c in code.co_consts if isinstance(c, types.CodeType) and c.co_name == name)
    return code


def switched(function: ScratchFunction, numbered: Iterable[ExpressionPlace]) -> types.CodeType:
    """The function with every one of these places replaceable."""
    return code_of(function, {p.node: p.i for p in numbered if p.function is function}, _switch)


def tapped(function: ScratchFunction, numbers: Mapping[Any, int]) -> types.CodeType:
    """The function with the values of these expressions told, by their numbers."""
    return code_of(function, numbers, _tap)


def patched(function: ScratchFunction, text: str) -> ScratchFunction:
    """The function as it stands in another text of its file. Raises SyntaxError where that is none."""
    source = ParsedFile(function.source.file, text)
    node = _alone(function, text)
    if node is None:
        which = list(function.source.functions.values()).index(function.node)
        node = list(source.functions.values())[which]
    return replace(function, source=source, node=node)


def _alone(function: ScratchFunction, text: str) -> ast.FunctionDef | None:
    """The function in another text of its file, if only its own lines changed: a long file need not be parsed again."""
    before, node = function.source, function.node
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    start, end = before.starts[first - 1], before.span(node)[1]
    data = text.encode()
    stop = len(data) - (len(before.data) - end)
    if data[:start] != before.data[:start] or data[max(stop, start) :] != before.data[end:]:
        return None
    try:
        body = ast.parse(b"if 1:\n" + data[start:stop] if node.col_offset else data[start:stop]).body
    except SyntaxError:  # of its lines by themselves, as of those of a function in a line with others
        return None
    found = body[0].body if isinstance(body[0], ast.If) else body
    if len(found) != 1 or not isinstance(found[0], ast.FunctionDef):
        return None
    ast.increment_lineno(found[0], first - 1 - bool(node.col_offset))
    return found[0]


def _subclass(cls: type, methods: Mapping[str, Any]) -> type:
    names = {"__slots__": (), "__module__": cls.__module__, "__qualname__": cls.__qualname__}
    return types.new_class(cls.__name__, (cls,), {}, lambda space: space.update(methods, **names))


def _bound_as(item: Any, made: types.FunctionType) -> Any:
    """A function under test as its class has the original: of an instance or of none, on arrays of the layer's own."""
    if isinstance(item, OnOwnArrays):
        return OnOwnArrays(made, item.names)
    return staticmethod(made) if isinstance(item, staticmethod) else made


def _on_cells_of(made: types.FunctionType, own: types.FunctionType) -> types.FunctionType:
    """A function under test that closes over what a layer's own one does."""
    cells = dict(zip(own.__code__.co_freevars, own.__closure__ or (), strict=True))
    return function_copy(made, tuple(cells[name] for name in made.__code__.co_freevars))


def _other_ways(function: ScratchFunction) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """The other attributes of a class that are the same code: with its switch on, or off, by default."""
    for name, item in vars(function.owner).items() if function.owner else ():
        other = getattr(item, "__func__", item)
        is_other = isinstance(other, types.FunctionType) and other is not function.function
        if is_other and other.__code__ is function.function.__code__:
            yield name, partial(_with_defaults_of, other)


def _with_defaults_of(other: types.FunctionType, made: types.FunctionType) -> types.FunctionType:
    new = function_copy(made)
    new.__defaults__, new.__kwdefaults__ = other.__defaults__, other.__kwdefaults__
    return new


class Scratch:
    """Functions under test in namespaces of their own, and how to put them into a copy of a layer."""

    def __init__(self, codes: Mapping[ScratchFunction, types.CodeType]) -> None:
        self.spaces: dict[int, dict[str, Any]] = {}
        self.turns = 0
        self.replacement: types.CodeType | None = None
        self.told: Callable[[int, Any, types.FrameType], Any] | None = None
        methods: dict[type, dict[str, Any]] = {}
        self.closures: dict[types.CodeType, types.FunctionType] = {}  # by their own code: each layer has its cells
        for function, code in codes.items():
            made = self._decorated(function, self._made(function, code))
            if function.is_closure:  # a layer holds it
                self.closures[function.function.__code__] = made
            elif function.owner is None:
                self._space(function)[function.function.__name__] = made
            else:
                name = function.attribute
                bound = partial(_bound_as, vars(function.owner).get(name))
                methods.setdefault(function.owner, {})[name] = bound(made)
                for other, default in _other_ways(function):
                    methods[function.owner].setdefault(other, bound(default(made)))
        self.methods = methods
        self.classes: dict[type, type] = {}

    def _space(self, function: ScratchFunction) -> dict[str, Any]:
        names = function.function.__globals__
        if id(names) not in self.spaces:
            self.spaces[id(names)] = {**names, ON: -1, GO: self._go, TAP: self._tap, TURN: self._turn, AT: _at}
        return self.spaces[id(names)]

    def _made(self, function: ScratchFunction, code: types.CodeType) -> types.FunctionType:
        original = function.function
        cells = dict(zip(original.__code__.co_freevars, original.__closure__ or (), strict=True))
        closure = tuple(cells[name] for name in code.co_freevars)
        made = types.FunctionType(code, self._space(function), original.__name__, original.__defaults__, closure)
        made.__kwdefaults__ = original.__kwdefaults__
        made.__qualname__, made.__module__ = original.__qualname__, original.__module__
        return made

    def _decorated(self, function: ScratchFunction, made: Any) -> Any:
        for decorator in reversed(function.node.decorator_list):
            if ast.unparse(decorator) != "staticmethod":
                expression = compile(ast.Expression(decorator), function.source.file, "eval")
                made = eval(expression, self._space(function))(made)  # the user's own
        return made

    def install(self, objects: Iterable[Any]) -> None:
        """Give these objects classes with the functions under test. They must be copies."""
        for item in objects:
            cls = type(item)
            if cls not in self.classes:
                self.classes[cls] = self._class_for(cls)
            if self.classes[cls] is not cls:
                item.__class__ = self.classes[cls]
            held = vars(item).items() if self.closures else ()
            for name, made in [(n, self.closures.get(getattr(f, "__code__", None))) for n, f in held]:  # type: ignore[arg-type]
                if made is not None:
                    vars(item)[name] = _on_cells_of(made, vars(item)[name])

    def _class_for(self, cls: type) -> type:
        """A class with the functions under test; an adapted one finds them behind it, where it calls the user's.

        So does a network that is joined to its loss, in which a method of ours calls the user's of the same name.
        """
        users = cls.__mro__[1:] if is_adapted(cls) else cls.__mro__
        own: dict[str, Any] = {}
        for base in users:
            for name, method in self.methods.get(base, {}).items():
                with_it = [b for b in users if name in vars(b)]
                is_joined = with_it[1:2] == [base] and "dout_loss" in vars(with_it[0])
                own |= {name: method} if with_it[:1] == [base] else {IN_ITS_PLACE + name: method} if is_joined else {}
        if not own:
            return cls
        made = _subclass(users[0], own)
        return made if cls is users[0] else types.new_class(cls.__name__, (cls, made))

    def use(self, i: int, replacement: types.CodeType | None) -> None:
        """From now on the place `i` gives what `replacement` does; -1 for none."""
        self.replacement, self.turns = replacement, 0
        for space in self.spaces.values():
            space[ON] = i

    def _go(self) -> Any:
        assert self.replacement is not None
        frame = sys._getframe(1)
        return eval(self.replacement, {**frame.f_globals, **frame.f_locals, ON: -1})  # the user's own names

    def _turn(self) -> bool:
        self.turns += 1
        if self.turns > MOST_TURNS:
            raise RuntimeError("the loop does not end")
        return True

    def _tap(self, i: int, value: Any) -> Any:
        return value if self.told is None else self.told(i, value, sys._getframe(1))


def with_text(function: ScratchFunction, text: str) -> Callable[[Any], None]:
    """What gives a copy of a layer a method as it stands in another text of its file. Raises SyntaxError."""
    scratch = Scratch({function: code_of(patched(function, text))})
    return lambda copy: scratch.install(objects_in(copy))
