"""A target in; recordings of its forward at several sizes out, with what each input of the graph is called."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from types import FunctionType
from typing import Any

import numpy as np

from dout.adapt.interface.adapted_layer import set_up
from dout.adapt.interface.interface import Interface
from dout.adapt.target import Target, copies, passed
from dout.clock import check_time
from dout.explain.parts.called_parts import called_parts
from dout.explain.parts.part_graph import with_parts
from dout.graph import INPUT, Graph, Node, topological
from dout.rewrite.window_forms import window_forms
from dout.run import copied, deep_copy, fresh, places, quiet
from dout.trace.record.record import record, record_function
from dout.trace.record.trace import Trace
from dout.trace.session.pairing import is_named_as_gradient

PLAIN = Interface()


@dataclass(frozen=True, eq=False)
class ForwardSubject:
    """The target of a derived backward, with an example on which it runs.

    `init` are arguments of the constructor; of an instance, attributes. `interface` says how the class is called.
    `defaults` are numbers that arguments of forward have in the place of their defaults.
    """

    target: Target
    init: Mapping[str, Any]
    inputs: Mapping[str, Any]
    interface: Interface = PLAIN
    seed: int = 0  # of the random state in which forward is recorded
    is_warm: bool = False  # after a first forward, which makes arrays that the layer holds from then on
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the class, or that of a class for a function: `log_softmax` gives LogSoftmax."""
        plain = self.target.name.rpartition(".")[2]
        if not self.target.is_function:
            return plain if self.target.is_class else self.target.cls.__name__
        return "".join(part[:1].upper() + part[1:] for part in plain.strip("<>").split("_") if part)

    @property
    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """What forward is given, by place and by name, with the floats that it has by default; each time anew."""
        floats = {name: item for name, item in self.of_forward.items() if type(item) is float}
        return passed(self.target.inputs(), copies({**self.inputs, **floats}))

    def argument_names(self, count: int) -> list[str]:
        """The names in forward of the arguments that it is given, `count` of them."""
        names: list[str] = []
        for p in self.target.inputs():
            if p.kind is p.VAR_POSITIONAL:
                names += [f"{p.name}[{i}]" for i in range(count - len(names))]
            elif p.name in self.inputs or p.default is not p.empty:
                names.append(p.name)
        return names

    @property
    def settings(self) -> dict[str, Any]:
        """What the constructor is given, with its defaults, and numbers that forward has by default or in a dict."""
        defaults = {p.name: p.default for p in self.target.constructor if p.default is not p.empty}
        items = {text: self.inputs[name][key] for text, (name, key) in self.of_dicts.items()}
        return {**items, **self.of_forward, **defaults, **self.init}

    def with_number(self, name: str, number: Any) -> ForwardSubject:
        """The same with another number for one of its settings."""
        if name in self.of_dicts:
            argument, key = self.of_dicts[name]
            return replace(self, inputs={**self.inputs, argument: {**self.inputs[argument], key: number}})
        if name in self.of_forward:
            return replace(self, defaults={**self.defaults, name: number})
        return replace(self, init={**self.init, name: number})

    def as_given(self, names: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
        """These settings as arguments of the constructor and of forward; of a number in a dict, the dict."""
        init, inputs = dict[str, Any](), dict[str, Any]()
        for name in names:
            if name in self.of_dicts:
                argument, _ = self.of_dicts[name]
                inputs[argument] = self.inputs[argument]
            else:
                (inputs if name in self.of_forward else init)[name] = self.settings[name]
        return init, inputs

    @cached_property
    def of_dicts(self) -> dict[str, tuple[str, Any]]:
        """The numbers that forward is given in dicts, `conv_param['stride']`: the argument and the key of each."""
        dicts = {name: item for name, item in self.inputs.items() if type(item) is dict}
        return {
            f"{name}[{key!r}]": (name, key)
            for name, items in dicts.items()
            for key, item in items.items()
            if type(item) in (int, float)
        }

    @cached_property
    def of_forward(self) -> dict[str, Any]:
        """The arguments of forward that are left out and have a number by default, with that number."""
        forward, left_out = self.target.forward, list[inspect.Parameter]()
        for parameter in reversed(self.target.inputs() if type(forward) is FunctionType else []):
            if parameter.name in self.inputs:
                break
            left_out.append(parameter)
        numbers = {p.name: p.default for p in reversed(left_out) if type(p.default) in (int, float)}
        named = {p.name for p in self.target.constructor}
        return {name: self.defaults.get(name, item) for name, item in numbers.items() if name not in named}

    def with_defaults(self, function: Any) -> Any:
        """A function with the numbers of the subject in the place of its defaults; a static method likewise."""
        if isinstance(function, staticmethod):
            return staticmethod(self.with_defaults(function.__func__))
        if not self.defaults or type(function) is not FunctionType:
            return function
        code = function.__code__
        made = FunctionType(code, function.__globals__, function.__name__, None, function.__closure__)
        names, given = code.co_varnames[: code.co_argcount], function.__defaults__ or ()
        known = zip(names[len(names) - len(given) :], given, strict=True)
        made.__defaults__ = tuple(self.defaults.get(name, item) for name, item in known) or None
        by_name = {name: self.defaults.get(name, item) for name, item in (function.__kwdefaults__ or {}).items()}
        made.__kwdefaults__ = by_name or None
        made.__qualname__, made.__module__ = function.__qualname__, function.__module__
        vars(made).update(vars(function))
        return made

    def bare(self) -> Any:
        """A fresh layer whose backward does nothing: only its forward is of interest."""
        return self.instance(self._giving(self.target.forward_alone(self.methods[0])))

    def forward(self) -> Any:
        """The forward of the target itself: the function, or the method of a fresh layer."""
        return self.with_defaults(self.target.named) if self.target.is_function else self.bare().forward

    def run(self, seed: int = 0) -> Any:
        """The output of forward on the example, from a fixed random state. Raises any error of the user's code."""
        with quiet(seed):
            ordered, keywords = self.arguments
            return self.forward()(*ordered, **keywords)

    def made(self, cls: type) -> Any:
        """A fresh layer of a class that was written, which has forward and backward by these names, too."""
        own = zip(("forward", "backward"), (inspect.getattr_static(cls, name) for name in self.methods), strict=True)
        return self.instance(self._giving(type(cls.__name__, (cls,), dict(own))))

    def _giving(self, cls: Any) -> type:
        """The class, with the subject's defaults, and a forward that returns what the user's leaves in an attribute."""
        cls.forward = self.with_defaults(inspect.getattr_static(cls, "forward"))
        if (out := self.interface.out) is not None:
            own = cls.forward
            cls.forward = lambda layer, *given, **named: (own(layer, *given, **named), getattr(layer, out))[1]
        return cls  # type: ignore[no-any-return]

    @property
    def own_backward(self) -> Any:
        """The backward that the class has, or None: it shows what a gradient is to be called."""
        return getattr(self.target.cls, self.methods[1], None)

    @property
    def methods(self) -> tuple[str, str]:
        """The names of the class's forward and backward; one that gives only the local derivative is no backward."""
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
    """One recorded forward: its graph, and where each input of the graph comes from.

    `arguments` are those of forward, `held` what the layer holds, as an expression of `self`; `written` are those of
    them that forward changes; `parts` stand for the layers it holds whose backward is called, with their paths.
    `called` are the paths of all that it calls, in that order.
    """

    subject: ForwardSubject
    trace: Trace
    graph: Graph
    arguments: Mapping[Node, str]
    held: Mapping[Node, str]
    written: frozenset[str]
    layer: Any  # after the forward
    parts: Mapping[Node, str] = field(default_factory=dict)
    called: Sequence[str] = ()


def recorded(subject: ForwardSubject) -> ForwardRun:
    """Record the forward on the subject's example. Raises what the user's code raises, and what `record` does."""
    check_time()
    ordered, keywords = subject.arguments
    layer: Any = None
    before: Any = None
    with quiet(subject.seed):
        if subject.target.is_function:
            trace, entered = record_function(subject.forward(), tuple(ordered), keywords)
            ends = tuple(trace.graph.outputs.values())
        else:
            layer, before = subject.bare(), subject.bare()
            trace = record(layer, *ordered, **keywords)
            entered, ends = list(trace.calls[0].inputs), trace.calls[0].outputs
    outputs = {f"out{i}": node for i, node in enumerate(ends)}
    names = subject.argument_names(len(entered))
    arguments = {node: name for node, name in zip(entered, names, strict=False) if isinstance(node, Node)}
    nodes = topological(outputs.values())
    idle = {*trace.backward, *trace.draws} - {*nodes}  # samples of which only whole numbers are made
    inputs = {name: node for name, node in trace.graph.inputs.items() if node not in idle}
    graph, parts = Graph(tuple(dict.fromkeys((*inputs.values(), *nodes))), inputs, outputs), dict[Node, str]()
    called = list[str]()
    if before is not None and len(trace.calls) > 1:
        called = _called(subject)
        graph, trace, parts = with_parts(graph, trace, before, called)
    graph, trace = _with_windows(graph, trace)
    held = _held(trace, graph, arguments, before)
    return ForwardRun(subject, trace, graph, arguments, held, _written(before, layer), layer, parts, called)


def _called(subject: ForwardSubject) -> list[str]:
    """The parts that the subject's forward calls, in that order."""
    ordered, keywords = subject.arguments
    layer = subject.bare()
    with quiet(subject.seed):
        return called_parts(layer, lambda: layer.forward(*ordered, **keywords))


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
        name = trace.names.get(node, "")
        wish = f"self.{name}".replace('"', "'")
        likely = [path for path in inside if path == wish] or sorted(inside, key=partial(_is_unlikely, name))
        if node.shape == () and likely != [wish]:  # a number may be equal to many: its name is that of one place
            likely = [path for path in inside if path.endswith((f".{name}", f"[{name!r}]"))]
            if len(likely) != 1:
                continue
        path = next((p for p in likely if p not in used and is_same(inside[p], value)), None)
        if path is not None:
            used.add(path)
            found[node] = path.replace("'", '"')
    return found


def _is_unlikely(name: str, path: str) -> tuple[bool, bool]:
    """Whether a value of that name is rather somewhere else than at a path: zeros are equal to those of a gradient."""
    return not path.endswith(f"[{name!r}]"), is_named_as_gradient(path.removeprefix("self.").partition("[")[0])


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


def same_structure(one: Sequence[Node], other: Sequence[Node]) -> Node | None:
    """None if two lists of nodes are the same steps; else the first step of `one` that `other` lacks."""
    place = {node: i for i, node in enumerate(one)}
    there = {node: i for i, node in enumerate(other)}
    for mine, theirs in itertools.zip_longest(one, other):
        if mine is None or theirs is None:
            return mine or one[-1]
        alike = mine.primitive is theirs.primitive and len(mine.shape) == len(theirs.shape)
        if not alike or [place[i] for i in mine.inputs] != [there[i] for i in theirs.inputs]:
            return mine
    return None
