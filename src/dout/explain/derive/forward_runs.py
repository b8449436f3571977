"""A target in; recordings of its forward at several sizes out, with what each input of the graph is called."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dout.adapt.interface.adapted_layer import set_up
from dout.adapt.interface.interface import Interface
from dout.adapt.search.example import example
from dout.adapt.target import Target, copies, passed
from dout.clock import check_time
from dout.graph import INPUT, Graph, Node, topological
from dout.judge.judged_run import is_label
from dout.rewrite.window_forms import window_forms
from dout.run import attributes_of, copied, deep_copy, fresh, places, quiet
from dout.trace.record.record import record, record_function
from dout.trace.record.trace import Trace

PLAIN, _TINY = Interface(), 1e-3


@dataclass(frozen=True, eq=False)
class ForwardSubject:
    """What a backward is derived for, with an example on which it runs.

    `init` are arguments of the constructor; of an instance, attributes. `interface` says how the class is called.
    """

    target: Target
    init: Mapping[str, Any]
    inputs: Mapping[str, Any]
    interface: Interface = PLAIN
    seed: int = 0  # of the random state in which forward is recorded
    is_warm: bool = False  # after a first forward, which makes arrays that the layer holds from then on

    @property
    def name(self) -> str:
        """The name of the class, or that of a class for a function: `log_softmax` gives LogSoftmax."""
        plain = self.target.name.rpartition(".")[2]
        if not self.target.is_function:
            return plain if self.target.is_class else self.target.cls.__name__
        return "".join(part[:1].upper() + part[1:] for part in plain.strip("<>").split("_") if part)

    @property
    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """What forward is given, by place and by name; each time anew."""
        return passed(self.target.inputs(), copies(self.inputs))

    def argument_names(self, count: int) -> list[str]:
        """What forward calls the arguments that it is given, `count` of them."""
        names: list[str] = []
        for p in self.target.inputs():
            if p.kind is p.VAR_POSITIONAL:
                names += [f"{p.name}[{i}]" for i in range(count - len(names))]
            elif p.name in self.inputs or p.default is not p.empty:
                names.append(p.name)
        return names

    @property
    def settings(self) -> dict[str, Any]:
        """What the constructor is given, with its defaults."""
        defaults = {p.name: p.default for p in self.target.constructor if p.default is not p.empty}
        return {**defaults, **self.init}

    def bare(self) -> Any:
        """A fresh layer whose backward does nothing: only its forward is of interest."""
        return self.instance(self._giving(self.target.forward_alone(self.methods[0])))

    def forward(self) -> Any:
        """The forward of the target itself: the function, or the method of a fresh layer."""
        return self.target.named if self.target.is_function else self.bare().forward

    def made(self, cls: type) -> Any:
        """A fresh layer of a class that was written, which has forward and backward by these names, too."""
        own = zip(("forward", "backward"), (inspect.getattr_static(cls, name) for name in self.methods), strict=True)
        return self.instance(self._giving(type(cls.__name__, (cls,), dict(own))))

    def _giving(self, cls: Any) -> type:
        """The class, with a forward that returns the output where the user's leaves it in an attribute."""
        if (out := self.interface.out) is not None:
            own = cls.forward
            cls.forward = lambda layer, *given, **named: (own(layer, *given, **named), getattr(layer, out))[1]
        return cls  # type: ignore[no-any-return]

    @property
    def methods(self) -> tuple[str, str]:
        """What the class calls its forward and its backward; one that gives but the local derivative is no backward."""
        return self.interface.forward, PLAIN.backward if self.interface.local else self.interface.backward

    def instance(self, cls: type) -> Any:
        """A fresh layer of this class, each time with the same random numbers; a copy of the instance has `init`."""
        if self.target.is_class or self.target.is_function:
            with quiet():
                layer = fresh(cls, self.init)
                set_up(layer, self.interface)
                if self.is_warm:
                    ordered, keywords = self.arguments
                    layer.forward(*ordered, **keywords)
                return layer
        layer = deep_copy(self.target.named)
        layer.__class__ = cls
        for name, item in copied(dict(self.init)).items():
            setattr(layer, name, item)
        return layer


@dataclass(frozen=True, eq=False)
class ForwardRun:
    """One recorded forward: its graph, and for the inputs of that what they are.

    `arguments` are those of forward, `held` what the layer holds, as an expression of `self`; `written` are those of
    them that forward changes.
    """

    subject: ForwardSubject
    trace: Trace
    graph: Graph
    arguments: Mapping[Node, str]
    held: Mapping[Node, str]
    written: frozenset[str]
    layer: Any  # after the forward


def found_subject(target: Any, init: Mapping[str, Any], inputs: Mapping[str, Any]) -> ForwardSubject:
    """The target with an example: what is given, the rest chosen. Raises TargetError as `example` does."""
    target = Target.of(target)
    found = example(target, init, inputs)
    chosen = dict(found.init) if target.is_class or target.is_function else _of_instance(target.named)
    interface = found.interface or _unwritten(target)
    subject = ForwardSubject(target, chosen, dict(found.inputs), interface)
    return replace(subject, is_warm=not target.is_function and _is_made_by_first_call(subject))


def _is_made_by_first_call(subject: ForwardSubject) -> bool:
    """Whether the first forward makes floats that the layer holds, and a later one on other inputs leaves them."""
    try:
        with quiet():
            layer = subject.bare()
            ordered, keywords = subject.arguments
            before = {place.path for place in places(layer) if place.item is not None}
            layer.forward(*ordered, **keywords)
            first = {place.path: place.item for place in places(layer) if place.path not in before}
            kept = {path: copied(item) for path, item in first.items() if _is_floats(item) or isinstance(item, float)}
            ordered, keywords = subject.arguments
            layer.forward(*(1.5 * item + 0.25 if _is_floats(item) else item for item in ordered), **keywords)
            after = {place.path: place.item for place in places(layer)}
    except Exception:  # whatever the user's code raises, it raises again where it is recorded
        return False
    return any(is_same(after.get(path), item) for path, item in kept.items())


def _unwritten(target: Target) -> Interface:
    """How a class is called that has a forward alone: its backward has the name of a stub, or goes with forward's."""
    forward = target.forward_name or PLAIN.forward
    alike = forward.replace(PLAIN.forward, PLAIN.backward)
    stub = next((name for name in ("backprop", "back_propagate", "bprop") if hasattr(target.cls, name)), PLAIN.backward)
    return Interface(forward, stub if alike == forward else alike)


def _of_instance(layer: Any) -> dict[str, Any]:
    """What an instance was made of, as far as that may be otherwise: arrays of floats, and whole numbers."""
    return {name: item for name, item in attributes_of(layer).items() if type(item) is int or _is_floats(item)}


def _is_floats(item: Any) -> bool:
    return isinstance(item, np.ndarray) and item.dtype.kind == "f"


def recorded(subject: ForwardSubject) -> ForwardRun:
    """Record the forward on the subject's example. Raises what the user's code raises, and what `record` does."""
    check_time()
    ordered, keywords = subject.arguments
    layer: Any = None
    before: Any = None
    with quiet(subject.seed):
        if subject.target.is_function:
            trace, entered = record_function(subject.target.named, tuple(ordered), keywords)
            ends = tuple(trace.graph.outputs.values())
        else:
            layer, before = subject.bare(), subject.bare()
            trace = record(layer, *ordered, **keywords)
            entered, ends = list(trace.calls[0].inputs), trace.calls[0].outputs
    outputs = {f"out{i}": node for i, node in enumerate(ends)}
    names = subject.argument_names(len(entered))
    arguments = {node: name for node, name in zip(entered, names, strict=False) if isinstance(node, Node)}
    nodes = topological(outputs.values())
    inputs = {name: node for name, node in trace.graph.inputs.items() if node not in trace.backward}
    graph, trace = _with_windows(Graph(tuple(dict.fromkeys((*inputs.values(), *nodes))), inputs, outputs), trace)
    held = _held(trace, graph, arguments, before)
    return ForwardRun(subject, trace, graph, arguments, held, _written(before, layer), layer)


def _with_windows(graph: Graph, trace: Trace) -> tuple[Graph, Trace]:
    """A forward whose loops over windows are one step, which is the same at every size of the window."""
    new: dict[Node, Node] = {}
    graph = window_forms(graph, new)
    names = {new[node]: name for node, name in trace.names.items() if node in new}
    data = {new[node]: value for node, value in trace.data.items() if node in new}
    return graph, replace(trace, names={**trace.names, **names}, data={**trace.data, **data})


def _held(trace: Trace, graph: Graph, arguments: Mapping[Node, str], layer: Any) -> dict[Node, str]:
    """What the layer holds among the inputs of a graph, by their names or, in containers, by their values."""
    found: dict[Node, str] = {}
    inside = {place.path: place.item for place in places(layer)}
    used: set[str] = set()
    for node in graph.nodes:
        if node.primitive is not INPUT or node in arguments or node in trace.draws or node not in trace.data:
            continue
        value = trace.data[node]
        wish = f"self.{trace.names.get(node, '')}".replace('"', "'")
        likely = [path for path in inside if path == wish] or [*inside]
        if node.shape == () and likely != [wish]:
            continue  # a number may be equal to many
        path = next((p for p in likely if p not in used and is_same(inside[p], value)), None)
        if path is not None:
            used.add(path)
            found[node] = path.replace("'", '"')
    return found


def _written(before: Any, after: Any) -> frozenset[str]:
    """The places of the layer that forward changed: running means, and what it keeps."""
    old = {place.path: place.item for place in places(before)}
    new = {place.path: place.item for place in places(after)}
    changed = (path for path, item in new.items() if path not in old or not is_same(old[path], item))
    return frozenset(path.replace("'", '"') for path in changed)


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same bits."""
    if isinstance(one, np.ndarray | np.generic) and isinstance(other, np.ndarray | np.generic):
        same = one.shape == other.shape and one.dtype == other.dtype
        return same and np.asarray(one).tobytes() == np.asarray(other).tobytes()
    return type(one) is type(other) and isinstance(one, bool | int | float) and one == other


# --- sizes ------------------------------------------------------------------------------------------------------------

_PRIMES = (3, 5, 7, 11, 13, 17, 19, 23, 29)
_OTHERS = (5, 6, 9, 7, 10, 11, 13, 14, 15)  # half of one, and the sum of two, is no other one in both


def resized(subject: ForwardSubject, numbers: Collection[Any] = ()) -> Iterator[ForwardSubject]:
    """The subject with other lengths: of all axes at once, of each length alone, of the first axis of what it is given.

    Numbers of the constructor that are lengths change with them. What an instance holds keeps its lengths. No axis gets
    a length that is among the `numbers` of the code.
    """
    primes, others = ([n for n in lengths if n not in numbers] for lengths in (_PRIMES, _OTHERS))
    is_instance = not subject.target.is_class and not subject.target.is_function
    held = _lengths_held(subject.target.named) - _lengths_in(dict(subject.init)) if is_instance else set()
    lengths = sorted(_lengths(subject) - held)
    if lengths:
        yield _with(subject, dict(zip(lengths, primes, strict=False)))
        yield _with(subject, dict(zip(lengths, others, strict=False)))
        for factor in (2, 3):  # where one length has to be a multiple of another
            yield _with(subject, {n: n * factor for n in lengths}, whole=False)
    for length in lengths:
        longer = {length: next((n for n in primes if n > length and n not in lengths), 2 * length + 1)}
        yield _with(subject, longer)
        if any(type(item) is int and item == length for item in subject.init.values()):
            yield _with(subject, longer, whole=False)  # it is a number of another kind
    yield with_rows(subject)


def renumbered(subject: ForwardSubject, name: str) -> Iterator[ForwardSubject]:
    """The subject with other numbers in the place of one setting of the constructor."""
    for other in _other_numbers(subject.settings[name]):
        yield replace(subject, init={**subject.init, name: other})


def is_numbers(item: Any) -> bool:
    """Whether a setting is a number, or a tuple or list of them."""
    if type(item) in (tuple, list):
        return bool(item) and all(type(part) in (int, float) for part in item)
    return type(item) in (int, float)


def _other_numbers(item: Any) -> Iterator[Any]:
    if type(item) in (tuple, list):
        yield from (type(item)(parts) for parts in zip(*map(_other_numbers, item), strict=False))
    elif type(item) is int:
        yield from (item + 1, item * 2, item * 3, item - 1)
    else:
        yield from (0.5,) if abs(item) < _TINY else ()  # beside which something else counted until now
        yield from (item * 0.75 or 0.25, item * 1.25)


def with_rows(subject: ForwardSubject) -> ForwardSubject:
    """The subject with more rows in what forward is given."""
    return _with(subject, {}, first=True)


def with_lengths_reversed(subject: ForwardSubject) -> ForwardSubject:
    """The subject in which the longest axes are the shortest, the second longest the second shortest, and so on."""
    lengths = sorted(_lengths(subject))
    return _with(subject, dict(zip(lengths, reversed(lengths), strict=True)))


Axis = tuple[str, str, int]  # "inputs" or "init", the name there, the axis


def axes_of(subject: ForwardSubject) -> dict[Axis, int]:
    """The axes of the arrays that a subject is given, with their lengths."""
    return {
        (given, name, axis): n
        for given in ("inputs", "init")
        for name, item in getattr(subject, given).items()
        if isinstance(item, np.ndarray)
        for axis, n in enumerate(item.shape)
    }


def with_longer(subject: ForwardSubject, axes: Sequence[Axis]) -> ForwardSubject:
    """The subject with one more along some axes, whatever other axes are of that length."""
    init, inputs = dict(subject.init), dict(subject.inputs)
    for given, name, axis in axes:
        items = init if given == "init" else inputs
        items[name] = _longer(items[name], axis, items[name].shape[axis] + 1)
    return replace(subject, init=init, inputs=inputs)


def _lengths(subject: ForwardSubject) -> set[int]:
    return _lengths_in([*subject.inputs.values(), *subject.init.values()])


def _lengths_in(item: Any) -> set[int]:
    if isinstance(item, np.ndarray):
        return {n for n in item.shape if n > 1}
    if isinstance(item, dict):
        item = list(item.values())
    if isinstance(item, list | tuple):
        return set(itertools.chain.from_iterable(map(_lengths_in, item)))
    return set()


def _lengths_held(layer: Any) -> set[int]:
    items = [place.item for place in places(layer)]
    return _lengths_in(items) | {item for item in items if type(item) is int}


def _with(
    subject: ForwardSubject, lengths: Mapping[int, int], *, first: bool = False, whole: bool = True
) -> ForwardSubject:
    inputs = {name: _resized(item, lengths) for name, item in subject.inputs.items()}
    if first:
        firsts = [len(item) for item in inputs.values() if isinstance(item, np.ndarray) and item.ndim][:1]
        inputs = {name: _longer_batch(item, firsts) for name, item in inputs.items()}
    init = {name: _resized(item, lengths, whole=whole) for name, item in subject.init.items()}
    setup = tuple((name, _resized(given, lengths, whole=True)) for name, given in subject.interface.setup)
    return replace(subject, init=init, inputs=inputs, interface=replace(subject.interface, setup=setup))


def _longer_batch(item: Any, firsts: list[int]) -> Any:
    if isinstance(item, np.ndarray) and item.ndim and [len(item)] == firsts:
        return _longer(item, 0, len(item) + 2)
    return item


def _resized(item: Any, lengths: Mapping[int, int], *, whole: bool = False) -> Any:
    if isinstance(item, np.ndarray):
        for axis, n in enumerate(item.shape):
            if n in lengths:
                item = _longer(item, axis, lengths[n])
        return item
    if isinstance(item, dict):
        return {key: _resized(part, lengths, whole=whole) for key, part in item.items()}
    if isinstance(item, list | tuple) and type(item) in (list, tuple):
        return type(item)(_resized(part, lengths, whole=whole) for part in item)
    return lengths.get(item, item) if whole and type(item) is int else copied(item)


def _longer(item: Any, axis: int, length: int) -> Any:
    """An array of another length along an axis; labels are repeated, other floats are not the same twice."""
    rows = np.arange(length) % item.shape[axis]
    longer = np.take(item, rows, axis)
    if is_label(item):
        return np.ascontiguousarray(longer)
    shaken = longer * (1 + np.random.default_rng(length).uniform(-0.3, 0.3, longer.shape))
    return np.ascontiguousarray(shaken.astype(item.dtype))


def same_structure(one: Graph, other: Graph) -> Node | None:
    """None where two graphs are the same steps; else the first step of `one` that the other has not."""
    place = {node: i for i, node in enumerate(one.nodes)}
    there = {node: i for i, node in enumerate(other.nodes)}
    for mine, theirs in itertools.zip_longest(one.nodes, other.nodes):
        if mine is None or theirs is None:
            return mine or one.nodes[-1]
        alike = mine.primitive is theirs.primitive and len(mine.shape) == len(theirs.shape)
        if not alike or [place[i] for i in mine.inputs] != [there[i] for i in theirs.inputs]:
            return mine
    return None
