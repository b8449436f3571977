"""The forward that is exported: recorded at several sizes of the batch, simplified, and joined into one graph."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dout.adapt.argument_names import MODE_FLAGS, taken_by
from dout.adapt.search.example import Example, as_found, example
from dout.adapt.target import Target, copies
from dout.errors import DoutError, TargetError, UnsupportedError
from dout.export.batch_numbers import FixedBatchError, StepCountError, joined
from dout.export.compositions import composed
from dout.export.convolutions import OnnxConvolution, convolutions
from dout.export.layers_in_use import built_anew, switched_off, trains, within_reach
from dout.export.loops.loop_rows import every_node
from dout.export.loops.rolled_loops import rolled, told_loops
from dout.export.size_comparison import agrees, sizes_to_compare
from dout.export.value_checks import is_check
from dout.export.written_places import written_places
from dout.files import shown_place
from dout.grad import backpropagate
from dout.graph import INPUT, Graph, Node, Where, computed_from, topological
from dout.ops import PRIMITIVES
from dout.rewrite.masked_writes import masked_write_to_select
from dout.rewrite.node_facts import applied
from dout.rewrite.simplify import merge_equal_nodes, simplify
from dout.rewrite.softmax_forms import softmax_forms
from dout.rewrite.stable_forms import stable_forms
from dout.rewrite.window_forms import window_forms
from dout.run import (
    attributes_of,
    copied,
    deep_copy,
    evaluating,
    flat,
    is_float_array,
    mapped,
    objects_in,
    places,
    quiet,
    seed_global,
)
from dout.trace.model.recorded import LOSSES
from dout.trace.model.replay import is_number
from dout.trace.record.record import record_function
from dout.trace.record.trace import Trace

_SIZES = 3  # two to find what follows the size of the batch, and one that has to agree
_PRIMES = (11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53)  # larger than most lengths inside a net
_PASSES = (
    merge_equal_nodes, masked_write_to_select, written_places, softmax_forms, stable_forms, window_forms, simplify,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ExportedForward:
    """One graph of a forward. `arguments` are the inputs of the model, `values` those of all other inputs.

    `names` are what the user calls the nodes; `batch` is the argument whose first axis is the batch, "" where its size
    is fixed. `notes` say what somebody who exports it should know.
    """

    target: str
    graph: Graph
    arguments: Mapping[str, Node]
    values: Mapping[Node, Any]
    names: Mapping[Node, str]
    batch: str
    notes: tuple[str, ...] = ()
    convolutions: Mapping[Node, OnnxConvolution] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Run:
    """A recording, its simplified graph, and the nodes of the arguments; `recorded` leads back to the recording.

    `entered` are the positional arguments, with the nodes of the recording in the places of numbers.
    """

    trace: Trace
    entered: Sequence[Any]
    graph: Graph
    arguments: Mapping[str, Node]
    recorded: Mapping[Node, Node]

    @property
    def data(self) -> dict[Node, Any]:
        """The values of the inputs that are no arguments."""
        given, data = set(self.arguments.values()), self.trace.data
        inputs = (node for node in self.graph.nodes if node.primitive is INPUT and node not in given)
        return {node: data[self.recorded[node]] for node in inputs if self.recorded.get(node) in data}

    @property
    def names(self) -> dict[Node, str]:
        """What the user calls the nodes; a step that was made anew, by its line and its row, where that is one name."""
        lines: dict[Any, set[str]] = {}
        for node in self.trace.graph.nodes:
            lines.setdefault((node.where, node.primitive, node.shape), set()).add(self.trace.names.get(node) or "")
        found = {}
        for node in every_node(self.graph.nodes):
            old = self.recorded.get(node, node)
            names = {self.trace.names.get(old) or ""} - {""} or lines.get((old.where, old.primitive, old.shape), {""})
            if len(names) == 1 and (old.where is not None or old in self.trace.names):
                found[node] = next(iter(names))
        return {node: name for node, name in found.items() if name}


def exported_forward(
    named: Any, init: Mapping[str, Any], inputs: Mapping[str, Any], *, dtype: str | None = None, backward: bool = False,
    loops: str = "unrolled", why_fixed: FixedBatchError | None = None,
) -> ExportedForward:  # fmt: skip
    """Record the forward of a class, a layer, a net or a function, on inputs that are given or on small ones it takes.

    All floats have the `dtype` that is given. With `backward` the gradients of all inputs and parameters are outputs
    too. The batch has the size of the example where `why_fixed` says why. Raises as `dout.adapt.example`;
    UnsupportedError, with its place, for what no model can do.
    """
    subject = _Subject(named, init, inputs, dtype, backward, loops)
    runs: list[_Run] = []
    if why_fixed is None and subject.arrays():
        try:
            runs, sizes = subject.at_other_sizes()
            graph, values = joined([run.graph for run in runs], [run.data for run in runs], sizes)
            subject.compare(runs, sizes, graph, values)
        except FixedBatchError as error:
            runs, why_fixed = [], error
    if why_fixed is not None:
        hint = "; --loops loop writes such a loop as one step" * (
            isinstance(why_fixed, StepCountError) and loops == "unrolled"
        )
        subject.notes.append(f"the size of the batch is fixed: {why_fixed}{_at(why_fixed.where)}{hint}")
    run = runs[0] if runs else subject.recorded(None)
    if not runs:
        graph, values = run.graph, run.data
    now = dict(zip(every_node(run.graph.nodes), every_node(graph.nodes), strict=True))
    arguments = {name: now[node] for name, node in run.arguments.items()}
    names = {now[node]: name for node, name in run.names.items()}
    batch = subject.batched[0] if runs else ""
    if loops == "loop":
        subject.notes += [f"{what}{_at(where)}" for what, where in told_loops(graph)]
    found = {} if backward else convolutions(graph, values, list(arguments.values()))
    return ExportedForward(
        run.trace.target, graph, arguments, values, names, batch, tuple(dict.fromkeys(subject.notes)), found
    )


class LayerRow:
    """Layers one after the other, as one; those that are told by an argument that they train are told that not."""

    def __init__(self, layers: Iterable[Any]) -> None:
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        """What the last layer gives."""
        for layer in self.layers:
            x = layer.forward(x, **{p.name: False for p in taken_by(layer.forward) if p.name in MODE_FLAGS})
        return x


class _Subject:
    """What is exported, built once, and its inputs; `notes` grow while it is recorded."""

    def __init__(
        self, named: Any, init: Mapping[str, Any], inputs: Mapping[str, Any], dtype: str | None, backward: bool,
        loops: str,
    ) -> None:  # fmt: skip
        self.notes: list[str] = []
        self.dtype, self.backward, self.loops = dtype, backward, loops
        if isinstance(named, list | tuple):
            named = LayerRow(named)
        if inspect.ismethod(named):  # of a net: predict
            owner = deep_copy(named.__self__)
            named = getattr(owner, named.__name__)
        target = Target.alone(named)
        inputs = _by_name(target, inputs)
        found = _in_its_dtype(target, self._in_use(target, example(target, init, inputs), inputs))
        layer, ordered = as_found(target, found)
        if layer is target.named:
            self.given, self.keywords = target.arguments(copies(found.inputs))
        else:
            target, self.given, self.keywords = Target(layer), list(ordered), {}
        with quiet():
            seed_global()
            self.layer = target.fresh(found.init)
        if target.is_class and any(is_float_array(place.item) for place in places(self.layer)):
            self.notes.append(built_anew(type(self.layer).__name__, found.chosen_init))
        self.names = [p.name for p in taken_by(getattr(self.layer, "forward", self.layer)) if p.name != "self"]
        self.batched: list[str] = []

    def _in_use(self, target: Target, found: Example, inputs: Mapping[str, Any]) -> Example:
        """The example with flags of forward that say that it trains turned off, where nobody gave them."""
        flags = [p for p in target.inputs(found.interface) if p.name in MODE_FLAGS and p.name not in inputs]
        on = {p.name: False for p in flags if trains(p, found)}
        self.notes += [f"exported as it is used: {name}=False" for name in on]
        return replace(found, inputs={**found.inputs, **on})

    def recorded(self, size: int | None) -> _Run:
        """A recording, with another size of the batch where one is given."""
        with self._used(size) as (layer, taken, keywords):
            trace, entered = record_function(layer, tuple(taken), keywords)
        arguments = {name: node for name, node, _ in self._named(entered, taken)}
        arguments |= {name: trace.graph.inputs[name] for name in keywords if name in trace.graph.inputs}
        self.batched = [name for name, node in arguments.items() if node.shape and node.shape[0] == size]
        outputs = {name: node for name, node in trace.graph.outputs.items() if node not in trace.backward}
        if not outputs:
            raise TargetError(f"{trace.target} returns no array or number that is computed from its inputs")
        self.notes += _refuse(trace, outputs.values(), arguments)
        now = _in_dtype(topological([*arguments.values(), *outputs.values()]), self.dtype)
        given = {name: now[node] for name, node in arguments.items()}
        graph = _of_outputs({name: now[node] for name, node in outputs.items()}, given)
        recorded = {new: old for old, new in now.items()}
        graph = self._simplified(graph, trace, now)
        if self.loops == "loop":
            unrolled, graph = graph, rolled(graph, given.values())
            recorded |= {graph.outputs[name]: recorded.get(node, node) for name, node in unrolled.outputs.items()}
        return _Run(trace, entered, graph, given, recorded)

    @contextmanager
    def _used(self, size: int | None) -> Iterator[tuple[Any, Sequence[Any], dict[str, Any]]]:
        """The layer, silent, as it is before a call and out of training, and its arguments, perhaps of another size."""
        rows = {len(item) for item in self.arrays()[:1]} if size is not None else set[int]()

        def resized(item: Any) -> Any:
            if not isinstance(item, np.ndarray):
                return item
            if size is None or not item.ndim or len(item) not in rows:
                return item.copy("K")
            return np.take(item, np.arange(size) % len(item), axis=0)

        layer = self.layer if inspect.isroutine(self.layer) else deep_copy(self.layer)
        root = getattr(layer, "__self__", layer)
        reached = within_reach(root)
        before = [(part, dict(attributes_of(part))) for one in reached for part in objects_in(one)]
        with np.errstate(all="ignore"), quiet(), evaluating(*reached):
            told = any(note.endswith("=False") for note in self.notes)  # an argument of the layer itself
            self.notes += switched_off(before, root if told else None)
            if inspect.ismethod(layer):
                layer = getattr(root, layer.__name__)  # which takes the flags that nobody gives
            yield layer, mapped(self.given, resized), mapped(self.keywords, resized)

    def compare(self, runs: Sequence[_Run], sizes: Sequence[int], graph: Graph, values: Mapping[Node, Any]) -> None:
        """Hold the graph against forward at other sizes of the batch. Raises FixedBatchError where they differ."""
        nodes = dict(zip(runs[0].graph.nodes, graph.nodes, strict=True))
        raising: list[str] = []
        for size in sizes_to_compare(graph, len(self.arrays()[0])):
            try:
                with self._used(size) as (layer, taken, keywords):
                    kept, more = mapped(taken, copied), mapped(keywords, copied)  # forward may write into what it gets
                    output = getattr(layer, "forward", layer)(*taken, **keywords)
            except Exception as error:  # whatever the user's code raises on other inputs
                raising.append(
                    f"forward raises {type(error).__name__} where the batch has {_rows(size)}, and the model does not"
                )
                continue
            named = {name: value for name, _, value in self._named(runs[0].entered, kept)} | more
            known = {nodes[node]: named[name] for name, node in runs[0].arguments.items()}
            if not agrees(graph, values, known, size, [item for item in flat(output) if is_number(item)]):
                raise self._why_other(runs, sizes, size)
        self.notes += raising

    def _why_other(self, runs: Sequence[_Run], sizes: Sequence[int], size: int) -> FixedBatchError:
        """Why forward gives something else at one size, with its line where its recording shows that."""
        try:
            other = self.recorded(size)
            joined([run.graph for run in (*runs, other)], [run.data for run in (*runs, other)], [*sizes, size])
        except DoutError as error:
            return FixedBatchError(f"{error} (seen with {_rows(size)})", getattr(error, "where", None))
        return FixedBatchError(f"forward gives other numbers where the batch has {_rows(size)}")

    def arrays(self) -> list[Any]:
        """The arrays among the inputs that may have a batch."""
        found = flat([*self.given, *self.keywords.values()])
        return [item for item in found if isinstance(item, np.ndarray) and item.ndim and len(item)]

    def _named(self, entered: Sequence[Any], given: Sequence[Any]) -> Iterator[tuple[str, Node, Any]]:
        """The name, the node and the value of each argument; numbers of a list are numbered."""
        for i, item in enumerate(entered):
            name = self.names[i] if i < len(self.names) else f"input{i}"
            pairs = [pair for pair in zip(flat(item), flat(given[i]), strict=True) if isinstance(pair[0], Node)]
            yield from ((name if len(pairs) == 1 else f"{name}_{k}", *pair) for k, pair in enumerate(pairs))

    def _simplified(self, graph: Graph, trace: Trace, now: Mapping[Node, Node]) -> Graph:
        """The graph in the forms for which there are operators, with the gradients that were asked for."""
        for step in _PASSES:
            graph = step(graph)
        if self.backward:
            names = {now[node]: name for name, node in trace.graph.inputs.items() if node in now}
            graph = simplify(_with_gradients(graph, names))
        return composed(graph)

    def at_other_sizes(self) -> tuple[list[_Run], list[int]]:
        """Recordings at several sizes that no other length is. Raises FixedBatchError."""
        holders = [] if inspect.isroutine(self.layer) else [place.item for place in places(self.layer)]
        lengths = {n for item in [*self.arrays(), *holders] if isinstance(item, np.ndarray) for n in item.shape}
        sizes = [n for n in _PRIMES if n not in lengths][:_SIZES]
        try:
            return [self.recorded(size) for size in sizes], sizes
        except DoutError as error:
            raise FixedBatchError(str(error)) from None
        except Exception as error:  # whatever the user's code raises on other inputs
            raise FixedBatchError(f"with another one, forward raises {type(error).__name__}: {error}") from None


def _in_its_dtype(target: Target, found: Example) -> Example:
    """The example with the floats that were chosen in the one dtype of what is held, if that has one."""
    root = getattr(target.named, "__self__", target.named)
    held = set() if target.is_class else {place.item.dtype for place in places(root) if is_float_array(place.item)}
    if len(held) != 1:
        return found
    cast = {name: item.astype(*held) for name, item in found.chosen_inputs.items() if is_float_array(item)}
    return replace(found, inputs={**found.inputs, **cast})


def _by_name(target: Target, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs that were given by place, with names where forward takes any number of them."""
    parameters = target.inputs()
    rest = next(((i, p.name) for i, p in enumerate(parameters) if p.kind is p.VAR_POSITIONAL), None)
    if rest is None:
        return dict(inputs)
    first, name = rest
    return {
        f"{name}[{int(key) - first}]" if key.isdigit() and int(key) >= first else key: x for key, x in inputs.items()
    }


def _of_outputs(outputs: Mapping[str, Node], arguments: Mapping[Any, Node]) -> Graph:
    nodes = topological([*arguments.values(), *outputs.values()])
    inputs = {f"input{i}": node for i, node in enumerate(nodes) if node.primitive is INPUT}
    return Graph(nodes, inputs, outputs)


def _with_gradients(graph: Graph, names: Mapping[Node, str]) -> Graph:
    """The graph with the gradients of all inputs that have a name and one; the upstream gradient is ones."""
    ends = [node for node in graph.outputs.values() if np.dtype(node.dtype).kind == "f"]
    found = backpropagate({end: _ones(end) for end in ends}).of
    gradients = {f"d{names[node]}": found[node] for node in graph.inputs.values() if node in found and node in names}
    return _of_outputs({**graph.outputs, **gradients}, dict(enumerate(graph.inputs.values())))


def _ones(node: Node) -> Node:
    return applied(PRIMITIVES["ones"], (), {"shape": node.shape, "dtype": np.dtype(node.dtype)})


def _in_dtype(nodes: Sequence[Node], dtype: str | None) -> dict[Node, Node]:
    """The nodes with all floats of arrays in one dtype, where one is given."""
    now: dict[Node, Node] = {}
    for node in nodes:
        static = {name: _other(item, dtype) if name == "dtype" else item for name, item in node.static.items()}
        changed = replace(
            node, inputs=tuple(now[i] for i in node.inputs), dtype=_other(node.dtype, dtype), static=static
        )
        now[node] = node if dtype is None else changed
    return now


def _other(dtype: Any, wanted: str | None) -> Any:
    return np.dtype(wanted) if wanted and isinstance(dtype, np.dtype) and dtype.kind == "f" else dtype


def _refuse(trace: Trace, outputs: Iterable[Node], arguments: Mapping[str, Node]) -> list[str]:
    """Raise UnsupportedError where the recording is no function of its inputs alone; return notes on checks."""
    nodes = topological(outputs)
    drawn = next((node for node in nodes if node in trace.draws), None)
    if drawn is not None:
        user = next((node for node in nodes if drawn in node.inputs), drawn)
        raise UnsupportedError(
            f"{trace.target} draws random numbers{_at(user.where)}: a model gives the same each time; "
            "turn that off where the net is used (self.training = False, or train_flg=False)"
        )
    lost = next((event for event in trace.events if event.kind in LOSSES), None)
    if lost is not None:
        raise UnsupportedError(f"{lost}: compute it with NumPy's functions from what forward is given")
    decided = computed_from(topological(trace.steered), arguments.values()) | set(arguments.values())
    notes = []
    for node in (node for node in trace.graph.nodes if node in trace.steered and node in decided):
        if node.where is None or not is_check(node.where):
            raise UnsupportedError(
                f"{trace.target} takes another way, or another shape, by the value of an input{_at(node.where)}: "
                "a model has one way; write np.where(condition, a, b)"
            )
        notes.append(f"the check of values{_at(node.where)}, which raises, is not part of the model")
    return notes


def _rows(size: int) -> str:
    return f"{size} rows" if size != 1 else "1 row"


def _at(where: Where | None) -> str:
    return f", at {shown_place(where.file, where.line)}" if where is not None else ""
