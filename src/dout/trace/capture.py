"""A run that is to be run again: besides its nodes, where each input comes from and where each result goes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import CodeType, MethodType
from typing import Any

import numpy as np

from dout.graph import INPUT, Graph, Node, topological
from dout.trace.again import PERHAPS, Before, CaughtError, caught_in, errors_learned, why_plainly
from dout.trace.calling import Calls
from dout.trace.draws import Draws, generator_of, is_generator
from dout.trace.given import described, is_strange, parameters
from dout.trace.model import LOSSES, Draw
from dout.trace.modules import BUILTINS, untraced
from dout.trace.names import Names
from dout.trace.recording import OVERLAP
from dout.trace.replay import Data, first_difference, flat
from dout.trace.session import Session, session
from dout.trace.standin import Traced, TracedArray, plain_deep
from dout.trace.state import Place, attributes_of, content, is_ordered, is_rewritten
from dout.trace.templates import (
    Built,
    Held,
    Same,
    Spot,
    Template,
    View,
    can_be_made,
    end,
    is_fixed,
    is_held,
    made_anew,
    outputs,
    whole,
)
from dout.trace.yielding import Yielding


@dataclass(frozen=True, eq=False)
class Capture:
    """One run of a function, and what a program that does the same has to read, to watch and to change.

    `root` is the function, or the object whose method it is. `originals` are the user's own arrays and numbers that
    became inputs, `data` the values in the run. `arguments` and `keywords` are templates of what was given, `result` is
    that of what came back, and `returned` is what came back itself. `spots` are the places within reach of the
    function; `lengths` are those of the lists and dicts among them before the run, by identity, `long` what stood in
    those with very many elements, `keys` those of the dicts, in order. `written` gives the final content of each array
    of the user's that was written into. `draws` says how each random input was drawn, in order;
    `made` are inputs that were made from what is no value of the run: plain numbers that the code itself gave to a
    layer, and arrays like np.arange(3). `looked` are the inputs that were computed with or whose shape, dtype or layout
    was asked for: with others, a step that nothing needs might fail. `identities` are those whose `id` was asked for;
    `outcomes` are the values that steered the run, by node and way. `codes` is the user's code that ran. `why_not` says
    why no program can stand for this run, and is None where one can.
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
    long: Mapping[int, tuple[Any, ...]]
    keys: Mapping[int, tuple[Any, ...]]
    written: Mapping[Node, Node]
    draws: Mapping[Node, tuple[Any, Draw]]
    made: frozenset[Node]
    looked: frozenset[Node]
    identities: Mapping[Node, int]
    outcomes: Mapping[tuple[Node, str], Any]
    codes: frozenset[CodeType]
    why_not: str | None
    better: Graph | None = None


def capture(function: Any, arguments: Sequence[Any], keywords: Mapping[str, Any], or_plainly: bool = True) -> Capture:
    """Run `function` once, as it is, and return what it gave with all that is needed to do the same again.

    Raises what the function raises. Where it does what cannot be traced, the run is whole all the same, and `why_not`
    says what stands in the way: then it was run plainly, which is the one run there is. With `or_plainly` this also
    goes for errors that come of the recording alone.
    """
    run = _Run(function, or_plainly=or_plainly)
    strange = next((item for item in flat([arguments, keywords]) if is_strange(item)), None)
    if strange is not None:
        return run.plainly(arguments, keywords, f"it is given {described(strange)}, which cannot be traced")
    return run.captured(arguments, keywords)


class _Run:
    def __init__(self, function: Any, *, or_plainly: bool = False) -> None:
        self.function = function
        self.root = function.__self__ if isinstance(function, MethodType) else function
        self.lengths: dict[int, int] = {}
        self.known: dict[int, Any] = {}  # what was within reach before, by identity
        self.built: dict[int, tuple[Any, Built]] = {}  # containers that the run made, by identity
        self.views: dict[int, tuple[Any, View]] = {}  # the same of views
        self.new: list[str] = []  # objects that the run made and nothing can make again
        self.changed: list[str] = []  # containers that the run changed, and no program can change so
        self.long: dict[int, tuple[Any, ...]] = {}  # what was in long lists and dicts, by identity
        self.keys: dict[int, tuple[Any, ...]] = {}  # those of dicts, in order
        self.contents: dict[int, tuple[Any, ...]] = {}  # what was in sets and deques, by identity
        self.tracer = Yielding()
        self.or_plainly = or_plainly
        self.undone = False  # whether the run failed, and all is as it was before
        self.entered: dict[int, tuple[Traced, Node]] = {}  # stand-ins by identity, and the node under which they came

    def captured(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Capture:
        """Record; where that fails and can be undone, run plainly, which tells whether the error is the user's."""
        try:
            return self._recorded(arguments, keywords)
        except Exception as error:
            if not self.undone:
                if not self.tracer.failed:
                    error.add_note(PERHAPS)
                raise
            why_not = why_plainly(error)
        with errors_learned():
            return _Run(self.function).plainly(arguments, keywords, why_not)

    def _recorded(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Capture:
        tracer, function = self.tracer, self.function
        root = self.root
        calls = Calls()
        with session(tracer, root, numbers=True, everywhere=True) as state:
            self.is_users = state.swaps.reach.is_users
            if root is not function:
                state.target(function, numbers=True, everywhere=True)
            names = parameters(function, len(arguments))
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
            self.long = state.swaps.long
            self.keys = {id(h): tuple(h) for h in state.swaps.holders if is_ordered(h)}
            self.contents = {id(h): tuple(h) for h in state.swaps.holders if isinstance(h, set | deque)}
            code: Any = function.__func__ if root is not function else function
            before = Before(state, tracer, [*given, *named.values()])
            try:
                with calls.watched():
                    output = code(root, *given, **named) if root is not function else code(*given, **named)
            except Exception:
                self.undone = self.or_plainly and before.undo(self.entered, calls)
                raise
            if (why_not := caught_in(calls)) is not None:
                self.undone = self.or_plainly and before.undo(self.entered, calls)
                if self.undone:
                    raise CaughtError(why_not)
                tracer.effects.append(why_not)
            state.outputs.append(output)
            result = self._template(output)
            spots = {_key(spot.place): spot for spot in self._spots(state)}
            written = {
                node: item.resolve()
                for item, node in self.entered.values()
                if isinstance(item, TracedArray) and item.resolve() is not node and item.node.primitive is not INPUT
            }
            wanted = outputs(result, tuple(spots.values()), written, tracer.outcomes, tracer.nodes)
        returned = plain_deep(output)
        bare = tuple(replace(spot, place=spot.place._replace(item=None)) for spot in spots.values())
        run = self._frozen(taken, taken_by_name, result, returned, bare, written, wanted, calls)
        self.tracer.data.clear()  # which stand-ins and tracer, in a circle, would keep until they are collected
        return run

    def plainly(self, arguments: Sequence[Any], keywords: Mapping[str, Any], why_not: str) -> Capture:
        """Run without looking."""
        self.tracer.effects.append(why_not)
        returned = self.function(*arguments, **keywords)
        self.tracer.stop()
        return self._frozen((), {}, Same(returned), returned, (), {}, {}, Calls())

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
        identities = {node: id(item.value) for item in tracer.identified if (node := self._came_as(item)) is not None}
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
            long=self.long,
            keys=self.keys,
            written=written,
            draws={node: (tracer.generators[node], draw) for node, draw in tracer.draws.items()},
            made=made,
            identities=identities,
            looked=frozenset(origins & {*tracer.looked, *(i for node in tracer.nodes for i in node.inputs)}),
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
        if not tracer.overlaps.isdisjoint(nodes):
            return OVERLAP
        if tracer.failed:
            return f"an error is caught, at {tracer.failed[0]}"
        if calls.foreign or tracer.effects:
            return [*calls.foreign, *tracer.effects][0]
        if any(self._came_as(item) is None for item in tracer.identified):
            return "it takes the id of something that is another at each call"
        if tracer.texts:
            return f"a value leaves the arrays, as text, as a key or as one random number, at {tracer.texts[0]}"
        asked = next((kind for _, kind in tracer.outcomes if kind not in ("branch", "index")), None)
        if asked is not None:
            return f"{asked} decided on whole arrays"
        if any(node.where is None and node.shape and node not in tracer.literals for node in made):
            return "an array came from outside"
        if self.changed:
            return f"it changes or keeps a {self.changed[0]}"
        if self.new:
            return f"it makes a new {self.new[0]}, which is neither array nor number"
        with np.errstate(all="ignore"):  # it may be that the run was inside such a block of its own
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

    def _came_as(self, item: Traced) -> Node | None:
        """The node of an array that was there before, and is the same object at the next call if nobody replaces it."""
        return self.entered[id(item)][1] if id(item) in self.entered and type(item.value) is np.ndarray else None

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
        named = issubclass(kind, tuple) and hasattr(kind, "_fields") and kind.__dictoffset__ == 0
        if (kind in (list, tuple, dict) or named) and depth < _DEEP:
            parts = tuple(self._template(part, depth + 1) for part in (item.values() if kind is dict else item))
            made = Built(kind, parts, self._keys(item) if kind is dict else ())
            self.built[id(item)] = item, made
            return made
        if depth < _DEEP and self.is_users(kind) and can_be_made(kind):
            attributes = attributes_of(item)
            parts = tuple(self._template(part, depth + 1) for part in attributes.values())
            made = Built(kind, parts, tuple(attributes))
            made_anew.add(kind)
            self.built[id(item)] = item, made
            return made
        self.new.append(kind.__qualname__)
        return Same(item)

    def _keys(self, keys: Iterable[Any]) -> tuple[Any, ...]:
        """Keys of a dict as they are; those that the run made are other objects at the next call."""
        self.new += [type(key).__qualname__ for key in keys if id(key) not in self.known and not is_fixed(key)]
        return tuple(keys)

    def _view(self, item: TracedArray) -> View:
        if id(item) not in self.views:
            assert item.base is not None
            assert item.step is not None
            base = self._template(item.base)
            if item.step[0].name == "getitem" and any(i.shape for i in item.step[1]) and is_held(base):
                self.changed.append("view by strides of an array that was given")
            self.views[id(item)] = item, View(base, item.step, item.resolve())
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
            if key in self.contents and list(map(id, holder)) != list(map(id, self.contents[key])):
                self.changed.append(type(holder).__qualname__)
            if key in self.long and is_rewritten(self.long[key], content(holder), type(holder)):
                self.changed.append(f"long {type(holder).__qualname__}")
            if type(holder) in (list, dict) and self._is_refilled(holder, known):
                yield self._refilled(holder, known)
                yield from (Spot(holder, place, self._standing(place.item, new), None) for place, new in known.values())
                continue
            now = {_key(place): place for place in reach.places(holder, numbers=state.swaps.with_numbers[key])}
            for where, (place, new) in known.items():
                if place.item is BUILTINS.get(place.name, place):  # it stands there while the run lasts
                    continue
                here = now.get(where)
                was = self._standing(place.item, new)
                kept = here is not None and here.item is place.item and not isinstance(was, Node)
                if here is None:
                    self.new.append(f"{type(holder).__qualname__} without {place.name}")
                elif kept or new is here.item or new is untraced(here.item):
                    yield Spot(holder, place, was, None)
                else:
                    yield Spot(holder, place, was, self._template(here.item))
            for where, place in now.items():
                if where not in known and not isinstance(holder, type):
                    if isinstance(holder, dict) and isinstance(place.put, partial):
                        self._keys(place.put.args[1:])
                    if isinstance(holder, list):
                        self.new.append(f"element of a {type(holder).__qualname__}")
                    yield Spot(holder, place, None, self._template(place.item))

    def _is_refilled(self, holder: list[Any] | dict[Any, Any], known: Mapping[Any, tuple[Place, Any]]) -> bool:
        """Whether a list has got another length, or a dict has lost a key."""
        if isinstance(holder, list):
            return len(holder) != self.lengths.get(id(holder), len(holder))
        keys = [place.put.args[1] for place, _ in known.values() if isinstance(place.put, partial)]
        return list(holder)[: len(keys)] != keys if self.lengths.get(id(holder)) == len(keys) else False

    def _refilled(self, holder: list[Any] | dict[Any, Any], known: Mapping[Any, tuple[Place, Any]]) -> Spot:
        """What was put into a list or dict: to the end of a list whose elements stayed, else all of it anew."""
        if isinstance(holder, dict):
            content = Built(dict, tuple(map(self._template, holder.values())), self._keys(holder))
            return Spot(holder, whole(holder), None, content)
        stay = self.lengths[id(holder)]
        items = [(holder[place.key], place, new) for place, new in known.values() if place.key < len(holder)]
        grown = len(holder) > stay and all(item is new or item is place.item for item, place, new in items)
        parts = tuple(map(self._template, holder[stay:] if grown else holder))
        return Spot(holder, end(holder) if grown else whole(holder), None, Built(list, parts))

    def _standing(self, original: Any, new: Any) -> Template:
        """What stood in a place before the run."""
        if type(new) is TracedArray or type(new) is Traced:
            node = self.entered[id(new)][1]
            return Held(node) if type(new.value) is np.ndarray else node
        if isinstance(new, tuple) and new is not original:
            return Built(type(original), tuple(map(self._standing, original, new)))
        return Same(untraced(original))  # what stands there when nothing is traced


_DEEP = 20  # containers inside each other


def _key(place: Place) -> tuple[Any, ...]:
    """What tells one place in an object from another."""
    arguments = getattr(place.put, "args", ())
    return place.key, id(arguments[0]) if arguments else id(place.item)
