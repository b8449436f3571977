"""A run that is to be run again: besides its nodes, where each input comes from and where each result goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType, FrameType, MethodType
from typing import Any

import numpy as np

from dout.errors import DoutError, EscapeError
from dout.graph import INPUT, Graph, Node, topological
from dout.run import flat, is_generator
from dout.trace.capture.budget import Budget, CountedTurns
from dout.trace.capture.call_watch import Calls, CodeRuns
from dout.trace.capture.lenient_tracer import TooLongError, Yielding
from dout.trace.capture.rollback import PERHAPS, Before, CaughtError, caught_in, errors_learned, why_plainly
from dout.trace.capture.snapshot import Holdings
from dout.trace.capture.templates import Same, Spot, Template, outputs
from dout.trace.model.bulk_objects import collection_paused
from dout.trace.model.recorded import LOSSES, Draw
from dout.trace.model.replay import Data, first_difference
from dout.trace.model.user_source import parameters
from dout.trace.session.attribute_swap import Place
from dout.trace.session.session import Session, session
from dout.trace.session.value_names import ValueNames
from dout.trace.tracer.recorder import described, is_strange
from dout.trace.tracer.run_record import OVERLAP
from dout.trace.tracer.traced import TracedArray, plain_deep


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
    `outcomes` are the values that steered the run, by node and way. `codes` is the user's code that ran, and
    when. It is `hushed` where it told NumPy itself what to do at floating-
    point errors. `why_not` says why no program can stand for this run, and is None where one can; `no_gradient` is
    the error with which a gradient of it has to be refused.
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
    codes: Mapping[CodeType, CodeRuns]
    hushed: bool
    why_not: str | None
    no_gradient: DoutError | None = None
    better: Graph | None = None


def capture(
    function: Any,
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    or_plainly: bool = True,
    budget: Budget | None = None,
    lasting: bool = True,
    layer: Callable[[FrameType], str] | None = None,
) -> Capture:
    """Run `function` once, as it is, and return what it gave with all that is needed to do the same again.

    Raises what the function raises. Where it does what cannot be traced, the run is whole all the same, and `why_not`
    says what stands in the way: then it was run plainly, which is the one run there is. With `or_plainly` this also
    goes for errors that come of the recording alone. Where a recording exceeds its `budget` and can be undone,
    TooLongError is raised, and the function has not run. Values that are not `lasting` share memory with the user's
    arrays: they hold until the user's code goes on. Where `layer` says whose call runs, nodes have it in their place.
    """
    run = _Run(function, or_plainly=or_plainly, budget=(budget or Budget()) if or_plainly else None)
    run.tracer.lasting, run.tracer.layer = lasting, layer
    strange = next((item for item in flat([arguments, keywords]) if is_strange(item)), None)
    if strange is not None:
        return run.plainly(arguments, keywords, f"it is given {described(strange)}, which cannot be traced")
    return run.captured(arguments, keywords)


class _Run:
    def __init__(self, function: Any, *, or_plainly: bool = False, budget: Budget | None = None) -> None:
        self.function = function
        self.root = function.__self__ if isinstance(function, MethodType) else function
        self.tracer = Yielding(budget)
        self.or_plainly = or_plainly
        self.undone = False  # whether the run failed, and all is as it was before
        self.holdings = Holdings()

    def captured(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Capture:
        """Record. If that fails and can be undone, run plainly: this shows whether the error is the user's own."""
        try:
            with collection_paused():
                return self._recorded(arguments, keywords)
        except TooLongError:
            raise
        except Exception as error:
            if not self.undone:
                if not self.tracer.failed:
                    error.add_note(PERHAPS)
                raise
            why_not = why_plainly(error)
        with errors_learned():
            return _Run(self.function).plainly(arguments, keywords, why_not)

    def _recorded(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Capture:
        tracer, function, root = self.tracer, self.function, self.root
        holdings, calls = self.holdings, Calls(CountedTurns(tracer.budget, tracer.nodes) if tracer.budget else None)
        with session(tracer, root, numbers=True, everywhere=True) as state:
            if root is not function:
                state.target(function, numbers=True)
            names = parameters(function, len(arguments))
            given = [self._given(state, item, name) for item, name in zip(arguments, names, strict=True)]
            named = {key: self._given(state, item, key) for key, item in keywords.items()}
            holdings.before(state, [*given, *named.values()])
            taken = tuple(holdings.template(item) for item in given)
            taken_by_name = {key: holdings.template(item) for key, item in named.items()}
            for _, _, new in state.swaps.visited:
                holdings.enter(new)
            output = self._called(state, calls, given, named)
            state.outputs.append(output)
            result = holdings.template(output)
            spots = holdings.spots(state)
            written = {
                node: item.resolve()
                for item, node in holdings.entered.values()
                if isinstance(item, TracedArray) and item.resolve() is not node and item.node.primitive is not INPUT
            }
            sized = tracer.sizing, tracer.sized_by
            wanted = outputs(result, spots, written, tracer.outcomes, tracer.nodes, *sized)
        returned = plain_deep(state.outputs[0])
        bare = tuple(Spot(spot.holder, _emptied(spot.place), spot.before, spot.after) for spot in spots)
        run = self._frozen(
            wanted, calls, arguments=taken, keywords=taken_by_name, result=result, returned=returned, spots=bare,
            written=written,
        )  # fmt: skip
        self.tracer.data.clear()  # which stand-ins and tracer, in a circle, would keep until they are collected
        return run

    def _called(self, state: Session, calls: Calls, given: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Call the user's code and return its result. If it fails, undo all that it did, if possible."""
        code: Any = self.function if self.root is self.function else self.function.__func__
        before = Before(state, self.tracer, [*given, *named.values()])
        self.tracer.may_break_off = lambda: before.can_be_undone(calls)
        try:
            with calls.watched():
                output = code(*given, **named) if self.root is self.function else code(self.root, *given, **named)
            if (why_not := caught_in(calls)) is not None:
                raise CaughtError(why_not)
        except Exception as error:
            self.undone = self.or_plainly and before.undo(self.holdings.entered, calls)
            if self.undone or not isinstance(error, CaughtError):
                raise
            self.tracer.effects.append(str(error))
        self.tracer.effects.extend(
            f"it loads the module {name}, which was not looked into" for name in state.loaded_since()
        )
        return output

    def plainly(self, arguments: Sequence[Any], keywords: Mapping[str, Any], why_not: str) -> Capture:
        """Run without looking."""
        self.tracer.effects.append(why_not)
        returned = self.function(*arguments, **keywords)
        self.tracer.stop()
        nothing: dict[str, Any] = {"arguments": (), "keywords": {}, "spots": (), "written": {}}
        return self._frozen({}, Calls(), result=Same(returned), returned=returned, **nothing)

    def _frozen(self, wanted: Mapping[str, Node], calls: Calls, **parts: Any) -> Capture:
        """The run, with these parts of it, and what it has to compute."""
        tracer = self.tracer
        needed = set(topological(wanted.values()))
        nodes = tuple(node for node in tracer.nodes if node in needed or node in tracer.draws)
        data = Data({node: tracer.data[node] for node in nodes if node in tracer.data})
        names = ValueNames(tracer, nodes)
        lost = next((event for event in tracer.events if event.kind in LOSSES), None)
        origins = {node for _, node in self.holdings.entered.values()}
        came = [(self.holdings.came_as(item), item) for item in tracer.identified]
        identities = {node: id(item.value) for node, item in came if node is not None}
        made = frozenset(
            node for node in nodes if node.primitive is INPUT and node not in tracer.draws and node not in origins
        )
        return Capture(
            root=self.root,
            originals={node: item.value for item, node in self.holdings.entered.values()},
            graph=Graph(nodes, {f"in{i}": n for i, n in enumerate(n for n in nodes if n.primitive is INPUT)}, wanted),
            data=data,
            names=names,
            lengths=self.holdings.lengths,
            long=self.holdings.long,
            keys=self.holdings.keys,
            draws={node: (tracer.generators[node], draw) for node, draw in tracer.draws.items()},
            made=made,
            identities=identities,
            looked=frozenset(origins & {*tracer.looked, *(i for node in tracer.nodes for i in node.inputs)}),
            outcomes=dict(tracer.outcomes),
            codes={code: calls.runs.get(code, CodeRuns(0)) for code in calls.codes},
            hushed=tracer.hushed,
            why_not=self._why_not(nodes, made, calls),
            no_gradient=tracer.refused or (EscapeError(f"no gradient can be given: {lost}") if lost else None),
            **parts,
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
        if any(self.holdings.came_as(item) is None for item in tracer.identified):
            return "it takes the id of an object that is made anew at each call"
        if tracer.texts:
            return f"a value leaves the arrays, as text, as a key or as one random number, at {tracer.texts[0]}"
        asked = next((kind for _, kind in tracer.outcomes if kind not in ("branch", "index")), None)
        if asked is not None:
            return f"{asked} decided on whole arrays"
        if any(node.where is None and node.shape and node not in tracer.literals for node in made):
            return "an array came from outside"
        if self.holdings.changed:
            return f"it changes or keeps a {self.holdings.changed[0]}"
        if self.holdings.new:
            return f"it makes a new {self.holdings.new[0]}, which is neither array nor number"
        with np.errstate(all="ignore"):  # it may be that the run was inside such a block of its own
            wrong = first_difference(nodes, tracer.data)
        if wrong is not None:
            return f"{wrong.primitive} gives another result when it runs again, at {wrong.where}"
        return None

    def _given(self, state: Session, item: Any, name: str | None) -> Any:
        taken = self.tracer.generator(item) if is_generator(item) else state.argument(item, name)
        if taken is item and state.swaps.reach.holds(item):
            state.swaps.swap_in(item, self.tracer.source, numbers=True, name=name or "")
        self.holdings.enter(taken)
        return taken


def _emptied(place: Place) -> Place:
    """The place without what stood there, which a program would keep alive."""
    return Place(place.key, place.name, None, place.put)
