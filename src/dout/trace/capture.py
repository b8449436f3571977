"""A run that is to be run again: besides its nodes, where each input comes from and where each result goes."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from dout.errors import EscapeError, UnsupportedError
from dout.graph import INPUT, Graph, Node, Primitive, topological
from dout.trace.calling import Calls
from dout.trace.draws import Draws, generator_of, is_generator
from dout.trace.model import LOSSES, Draw
from dout.trace.modules import BUILTINS, untraced
from dout.trace.names import Names
from dout.trace.replay import Data, first_difference
from dout.trace.session import Session, session
from dout.trace.standin import Step, Traced, TracedArray, plain_deep
from dout.trace.state import Place
from dout.trace.tracer import Tracer


@dataclass(frozen=True, eq=False, slots=True)
class Held:
    """The very array that entered the run as the input `node`, whatever was written into it."""

    node: Node


@dataclass(frozen=True, eq=False, slots=True)
class Same:
    """Any other object, as it is."""

    item: Any


@dataclass(frozen=True, eq=False, slots=True)
class Built:
    """A tuple, list or dict that holds templates; `keys` are those of a dict."""

    kind: type
    parts: tuple[Template, ...]
    keys: tuple[Any, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """A view, by `step`, of what `base` stands for: it lies in the same memory. `node` is its present content."""

    base: Template
    step: Step
    node: Node


Template = Node | Held | Same | Built | View  # what an object of the user's is made of; a Node stands for its value


@dataclass(frozen=True, eq=False, slots=True)
class Spot:
    """A place in one of the user's objects: what stood there before the run, and after it if that changed."""

    holder: Any
    place: Place
    before: Template | None  # None: nothing stood there
    after: Template | None  # None: as before


@dataclass(frozen=True, eq=False)
class Capture:
    """One run of a function, and what a program that does the same has to read, to watch and to change.

    `root` is the function, or the object whose method it is. `originals` are the user's own arrays and numbers that
    became inputs, `data` the values in the run. `arguments` and `keywords` are templates of what was given, `result` is
    that of what came back, and `returned` is what came back itself. `spots` are the places within reach of the
    function, `lengths` those of the lists and dicts among them before the run, by identity; `written` gives the final
    content of each array of the user's that was written into. `draws` says how each random input was drawn, in order;
    `made` are inputs that were made from what is no value of the run: plain numbers that the code itself gave to a
    layer, and arrays like np.arange(3). `looked` are the arrays whose shape, dtype or layout was asked for; `outcomes`
    are the values that steered the run, by node and way. `codes` is the user's code that ran. `why_not` says why no
    program can stand for this run, and is None where one can.
    """

    root: Any
    graph: Graph
    data: Mapping[Node, Any]
    originals: Mapping[Node, Any]
    names: Mapping[Node, str]
    arguments: tuple[Template, ...]
    keywords: Mapping[str, Template]
    result: Template
    returned: Any
    spots: tuple[Spot, ...]
    lengths: Mapping[int, int]
    written: Mapping[Node, Node]
    draws: Mapping[Node, tuple[Any, Draw]]
    made: frozenset[Node]
    looked: frozenset[Node]
    outcomes: Mapping[tuple[Node, str], Any]
    codes: frozenset[CodeType]
    why_not: str | None
    better: Graph | None = None


def capture(function: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Capture:
    """Run `function` once, as it is, and return what it gave with all that is needed to do the same again.

    Raises what the function raises. Where it does what cannot be traced, the run is whole all the same, and `why_not`
    says what stands in the way: then it was run plainly, which is the one run there is.
    """
    return _Run(function).captured(arguments, keywords)


_FILES = {"load", "loadtxt", "genfromtxt", "fromfile", "fromregex", "save", "savez", "savez_compressed", "savetxt"}


class _Yielding(Tracer):
    """A tracer that steps aside where it would refuse: it records no more, and the user's code runs on plainly."""

    def call(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call of a NumPy function, plainly where it cannot be recorded."""
        if getattr(function, "__name__", "") in _FILES and self.live:
            self.as_text()
        return self._or_plainly(super().call, function, args, dict(kwargs))

    def method(self, name: str, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """As `call`."""
        return self._or_plainly(super().method, name, owner, args, dict(kwargs))

    def ufunc_method(self, ufunc: Any, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """As `call`."""
        return self._or_plainly(super().ufunc_method, ufunc, method, args, dict(kwargs))

    def emit(self, primitive: Primitive, operands: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """As `call`."""
        return self._or_plainly(super().emit, primitive, operands, static)

    def escape(self, name: str, item: Traced, convert: Callable[[Any], Any]) -> Any:
        """A value leaves as a plain number."""
        return self._or_plainly(super().escape, name, item, convert)

    def wrap(self, item: Any, name: str | None = None) -> Any:
        """The stand-in of an argument; what cannot be traced stays what it is."""
        return self._or_plainly(super().wrap, item, name) if self.recording else item

    def _or_plainly(self, answer: Callable[..., Any], *given: Any) -> Any:
        try:
            return answer(*given)
        except (UnsupportedError, EscapeError):
            if not self.recording:
                raise
            self.recording = False
            return answer(*given)


class _Run:
    def __init__(self, function: Any) -> None:
        self.function = function
        self.root = function.__self__ if isinstance(function, MethodType) else function
        self.lengths: dict[int, int] = {}
        self.known: dict[int, Any] = {}  # what was within reach before, by identity
        self.built: dict[int, tuple[Any, Built]] = {}  # containers that the run made, by identity
        self.views: dict[int, tuple[Any, View]] = {}  # the same of views
        self.new: list[str] = []  # objects that the run made and nothing can make again
        self.tracer = _Yielding()
        self.entered: dict[int, tuple[Traced, Node]] = {}  # stand-ins by identity, and the node under which they came

    def captured(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Capture:
        tracer, function = self.tracer, self.function
        root = self.root
        calls = Calls()
        with session(tracer, root, numbers=True, everywhere=True) as state:
            if root is not function:
                state.target(function, numbers=True, everywhere=True)
            names = _parameters(function, len(arguments))
            given = [self._given(state, item, name) for item, name in zip(arguments, names, strict=True)]
            named = {key: self._given(state, item, key) for key, item in keywords.items()}
            for item in (*state.swaps.holders, *given, *named.values()):
                if type(item) not in (Traced, TracedArray) and not issubclass(type(item), tuple | frozenset):
                    self.known[id(item)] = item
            taken = tuple(self._template(item) for item in given)
            taken_by_name = {key: self._template(item) for key, item in named.items()}
            for _, _, new in state.swaps.visited:
                self._enter(new)
            self.lengths = {id(h): len(h) for h in state.swaps.holders if isinstance(h, list | dict)}
            code: Any = function.__func__ if root is not function else function
            with calls.watched():
                output = code(root, *given, **named) if root is not function else code(*given, **named)
            state.outputs.append(output)
            result = self._template(output)
            spots = tuple({_key(spot.place): spot for spot in self._spots(state)}.values())
            written = {
                node: item.resolve()
                for item, node in self.entered.values()
                if isinstance(item, TracedArray) and item.resolve() is not node
            }
            wanted = _outputs(result, spots, written, tracer.outcomes)
        returned = plain_deep(output)
        return self._frozen(taken, taken_by_name, result, returned, spots, written, wanted, calls)

    def _frozen(
        self,
        arguments: tuple[Template, ...],
        keywords: Mapping[str, Template],
        result: Template,
        returned: Any,
        spots: tuple[Spot, ...],
        written: Mapping[Node, Node],
        wanted: Mapping[str, Node],
        calls: Calls,
    ) -> Capture:
        tracer = self.tracer
        needed = set(topological(wanted.values()))
        nodes = tuple(node for node in tracer.nodes if node in needed or node in tracer.draws)
        data = Data({node: tracer.data[node] for node in nodes if node in tracer.data})
        names = Names(tracer, nodes)
        origins = {node for _, node in self.entered.values()}
        made = frozenset(
            node for node in nodes if node.primitive is INPUT and node not in tracer.draws and node not in origins
        )
        return Capture(
            root=self.root,
            originals={node: item.value for item, node in self.entered.values()},
            graph=Graph(nodes, {f"in{i}": n for i, n in enumerate(n for n in nodes if n.primitive is INPUT)}, wanted),
            data=data,
            names=names,
            arguments=arguments,
            keywords=keywords,
            result=result,
            returned=returned,
            spots=spots,
            lengths=self.lengths,
            written=written,
            draws={node: (tracer.generators[node], draw) for node, draw in tracer.draws.items()},
            made=made,
            looked=frozenset(tracer.looked),
            outcomes=dict(tracer.outcomes),
            codes=frozenset(calls.codes),
            why_not=self._why_not(nodes, made, calls),
        )

    def _why_not(self, nodes: tuple[Node, ...], made: frozenset[Node], calls: Calls) -> str | None:
        tracer = self.tracer
        if tracer.refused is not None:
            return str(tracer.refused)
        for event in tracer.events:
            if event.kind in LOSSES or event.kind == "limit":
                return str(event)
        if calls.foreign:
            return calls.foreign[0]
        if tracer.texts:
            return f"a value leaves the arrays, as text, as a key or as one random number, at {tracer.texts[0]}"
        asked = next((kind for _, kind in tracer.outcomes if kind not in ("branch", "index")), None)
        if asked is not None:
            return f"{asked} decided on whole arrays"
        if any(node.where is None and node.shape and node not in tracer.literals for node in made):
            return "an array came from outside"
        if self.new:
            return f"it makes a new {self.new[0]}, which is neither array nor number"
        wrong = first_difference(nodes, tracer.data)
        if wrong is not None:
            return f"{wrong.primitive.name} is not the same when it is done again, at {wrong.where}"
        return None

    # --- templates ----------------------------------------------------------------------------------------------------

    def _given(self, state: Session, item: Any, name: str | None) -> Any:
        taken = self.tracer.generator(item) if is_generator(item) else state.argument(item, name)
        if taken is item and state.swaps.reach.holds(item):
            state.swaps.swap_in(item, self.tracer.source, numbers=True, name=name or "")
        self._enter(taken)
        return taken

    def _enter(self, item: Any) -> None:
        """Remember under which node a stand-in came."""
        kind = type(item)
        if kind is Traced or kind is TracedArray:
            self.entered.setdefault(id(item), (item, item.node))
        elif kind is tuple:
            for part in item:
                self._enter(part)

    def _template(self, item: Any, depth: int = 0) -> Template:
        kind = type(item)
        if kind is TracedArray and id(item) in self.entered and isinstance(item.value, np.ndarray):
            return Held(self.entered[id(item)][1])
        if kind is TracedArray and item.base is not None and item.step is not None:
            return self._view(item)
        if kind is Traced or kind is TracedArray:
            return item.resolve()  # type: ignore[no-any-return]
        if kind is Draws:
            return Same(generator_of(item))
        if id(item) in self.known or is_fixed(item):
            return Same(item)
        if id(item) in self.built:
            return self.built[id(item)][1]
        if kind in (list, tuple, dict) and depth < _DEEP:
            parts = tuple(self._template(part, depth + 1) for part in (item.values() if kind is dict else item))
            made = Built(kind, parts, tuple(item) if kind is dict else ())
            self.built[id(item)] = item, made
            return made
        self.new.append(kind.__qualname__)
        return Same(item)

    def _view(self, item: TracedArray) -> View:
        if id(item) not in self.views:
            assert item.base is not None
            assert item.step is not None
            self.views[id(item)] = item, View(self._template(item.base), item.step, item.resolve())
        return self.views[id(item)][1]

    def _spots(self, state: Session) -> Iterator[Spot]:
        """Every place within reach, with what stands there now where that is something else."""
        reach = state.swaps.reach
        before: dict[int, dict[Any, tuple[Place, Any]]] = {}
        holders: dict[int, Any] = {}
        for holder in state.swaps.holders:
            holders[id(holder)] = holder
            before[id(holder)] = {}
        for holder, place, new in state.swaps.visited:
            before[id(holder)][_key(place)] = place, new
        for key, holder in holders.items():
            known = before[key]
            now = {_key(place): place for place in reach.places(holder, numbers=state.swaps.with_numbers[key])}
            for where, (place, new) in known.items():
                if place.item is BUILTINS.get(place.name, place):  # it stands there while the run lasts
                    continue
                here = now.get(where)
                was = self._standing(place.item, new)
                if here is None:
                    self.new.append(f"{type(holder).__qualname__} without {place.name}")
                elif here.item is new or here.item is place.item:
                    yield Spot(holder, place, was, None)
                else:
                    yield Spot(holder, place, was, self._template(here.item))
            for where, place in now.items():
                if where not in known and not isinstance(holder, type):
                    if isinstance(holder, list | deque | set):
                        self.new.append(f"element of a {type(holder).__qualname__}")
                    yield Spot(holder, place, None, self._template(place.item))

    def _standing(self, original: Any, new: Any) -> Template:
        """What stood in a place before the run."""
        if type(new) is TracedArray or type(new) is Traced:
            node = self.entered[id(new)][1]
            return Held(node) if type(new.value) is np.ndarray else node
        if isinstance(new, tuple) and new is not original:
            return Built(type(original), tuple(map(self._standing, original, new)))
        real = untraced(original)  # what stands there when nothing is traced
        return Same(vars(real).get("__recorded__", real) if type(real) is FunctionType else real)


_DEEP = 20  # containers inside each other
_FIXED = (type(None), bool, int, float, complex, str, bytes, np.generic, np.dtype, type, FunctionType, ModuleType,
          BuiltinFunctionType, np.ufunc, range, slice, type(Ellipsis))  # fmt: skip


def is_fixed(item: Any) -> bool:
    """Whether an object is as good as itself made again: numbers, text, code; a stand-in only says that it is one."""
    return issubclass(type(item), _FIXED) or (type(item) in (tuple, frozenset) and all(map(is_fixed, item)))


def _key(place: Place) -> tuple[Any, ...]:
    """What tells one place in an object from another."""
    arguments = getattr(place.put, "args", ())
    return place.key, id(arguments[0]) if arguments else id(place.item)


def _parameters(function: Any, count: int) -> list[str | None]:
    try:
        names: list[str | None] = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    return [*names[:count], *([None] * (count - len(names)))]


def nodes_in(template: Template | None) -> Iterator[Node]:
    """The nodes of which a template needs the values, in order."""
    if isinstance(template, Built):
        for part in template.parts:
            yield from nodes_in(part)
    elif isinstance(template, View):
        yield from nodes_in(template.base)
        yield from template.step[1]
    elif isinstance(template, Node):
        yield template


def held_in(template: Template | None) -> Iterator[Node]:
    """The inputs whose very arrays are part of a template, and those whose values it begins with."""
    if isinstance(template, Built):
        for part in template.parts:
            yield from held_in(part)
    elif isinstance(template, View):
        yield from held_in(template.base)
    elif isinstance(template, Held):
        yield template.node
    elif isinstance(template, Node) and template.primitive is INPUT:
        yield template


def _outputs(
    result: Template, spots: Sequence[Spot], written: Mapping[Node, Node], outcomes: Mapping[tuple[Node, str], Any]
) -> dict[str, Node]:
    """Every node whose value the run needs, once, under a name of its own."""
    found: dict[Node, str] = {}
    for i, node in enumerate(nodes_in(result)):
        found.setdefault(node, f"result{i}")
    for spot in spots:
        for node in nodes_in(spot.after):
            found.setdefault(node, f"{spot.place.name}{len(found)}")
    for node in written.values():
        found.setdefault(node, f"written{len(found)}")
    for node, _ in outcomes:
        found.setdefault(node, f"steers{len(found)}")
    return {name: node for node, name in found.items()}
