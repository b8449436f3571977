"""Writes: in-place operations run on the real memory and become pure nodes; a view carries them to its base."""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from dout.graph import CONSTANT, INPUT, Node, Primitive, Where
from dout.ops import PRIMITIVES
from dout.ops.abstract import AbstractRecorder
from dout.ops.operators import fill_key, split_key
from dout.ops.shape import same_layout
from dout.trace.tracer.numpy_calls import as_operand
from dout.trace.tracer.shared_memory import owner_of
from dout.trace.tracer.traced import Step, TracedArray, plain, plain_deep, plain_key

if TYPE_CHECKING:
    from dout.trace.tracer.run_record import RunRecord


class ArrayWriter:
    """Changes arrays for a tracer."""

    def __init__(self, tracer: RunRecord) -> None:
        self.tracer = tracer

    def set_item(self, target: TracedArray, key: Any, value: Any) -> None:
        """`target[key] = value`: on the real memory, and as a node."""
        self._write(PRIMITIVES["setitem"], operator.setitem, target, key, value)

    def add_at(self, target: TracedArray, key: Any, value: Any) -> None:
        """`np.add.at(target, key, value)`: as `set_item`, but every occurrence of a place counts."""
        self._write(PRIMITIVES["add_at"], np.add.at, target, key, value)

    def _write(
        self, primitive: Primitive, write: Callable[..., None], target: TracedArray, key: Any, value: Any
    ) -> None:
        if not self.tracer.live:
            with suppress(TypeError, ValueError):
                write(target.value, plain_key(key), plain_deep(value))
                return
        template, index = split_key(key)
        filled = fill_key(template, tuple(plain(i) for i in index))
        selected = np.shape(target.value[filled])
        value = self.tracer.single(value) if selected == () else value
        if not self.tracer.live:
            write(target.value, filled, plain_deep(value))
            return
        target = self.tracer.wrap(target)
        old = self.tracer.node_of(target)
        rest = tuple([self.tracer.node_of(i) for i in index])
        new = self.tracer.node_of(as_operand(self.tracer, value))
        self._before_write(target, lambda: write(target.value, filled, plain_deep(value)))
        write(target.value, filled, plain_deep(value))
        static = {"key": template, "selected": selected}
        self._after_write(target, self.tracer.record(primitive, (old, new, *rest), static, target.value))

    def set_shape(self, target: TracedArray, shape: Any) -> None:
        """`target.shape = …`: an array that this run made, and that nothing looks into, is reshaped in its place."""
        known = id(target.value) in self.tracer.known or target.base is not None
        if not self.tracer.live or known or (target.buffer is not None and len(target.buffer.aliases) > 1):
            self.tracer.set_attribute(target, "shape", shape)
            return
        self.tracer.data[target.node] = same_layout(target.value)
        target.value.shape = plain_deep(shape)
        static = {"shape": target.value.shape, "order": "C"}
        target.node = self.tracer.record(PRIMITIVES["reshape"], (target.node,), static, target.value)
        if target.buffer is not None:
            target.buffer.aliases = [target.node]

    def in_place(self, primitive: Primitive, target: TracedArray, other: Any) -> Any:
        """`target += other` and its kin: the memory stays, its content is new."""
        if not isinstance(target.value, np.ndarray):
            return NotImplemented  # numbers have no memory: Python makes it target = target + other
        target = self.tracer.wrap(target)
        result: Any = self.tracer.emit(primitive, (target, other), {}) if self.tracer.live else None
        assert primitive.python is not None
        plainly = getattr(operator, f"i{primitive.python.__name__.strip('_')}")
        if not self.tracer.live:  # also where the tracer just stepped aside
            plainly(target.value, plain_deep(other))
            return target
        value = plain(result)
        if not np.can_cast(value.dtype, target.value.dtype, "same_kind"):
            plainly(target.value, plain(other))  # NumPy's own error
        if value.shape != target.value.shape:
            np.broadcast_to(value, target.value.shape)  # NumPy's own error
            result = np.broadcast_to(result, target.value.shape)
        if value.dtype != target.value.dtype:
            result = result.astype(target.value.dtype)
        self._before_write(target, lambda: plainly(target.value, plain_deep(other)))
        target.value[...] = plain(result)
        node = self.tracer.node_of(result)
        array = type(plain(result)) is np.ndarray  # of arrays without axes NumPy makes a number
        if target.base is None and array and plain(result).strides == target.value.strides:
            self.tracer.data[node] = target.value
            self._after_write(target, node)
        else:
            static = {"key": Ellipsis, "selected": target.value.shape}
            whole = self.tracer.record(PRIMITIVES["setitem"], (target.node, node), static, target.value)
            self._after_write(target, whole)
        return target

    def _before_write(self, target: TracedArray, write: Callable[[], Any]) -> None:
        item = target
        while item.base is not None and item.step is not None:
            if item.step[0].write_back is None:
                raise self.tracer.unsupported(f"writing through {item.step[0].name}")
            item = item.base
        if not target.value.flags.writeable:
            self.tracer.fails()
            write()  # NumPy's own error
        target.memory().save(self.tracer.data)
        for other in self._same_memory(target):
            other.memory().save(self.tracer.data)
        for call in self.tracer.stack:
            for name, argument in call.arguments.items():
                if isinstance(argument, TracedArray) and np.may_share_memory(argument.value, target.value):
                    self.tracer.note("write", f"{call.cls}.{call.kind} writes into its argument {name}")

    def _after_write(self, target: TracedArray, node: Node) -> None:
        """Carry a changed view up to its base; a new version begins."""
        here = self.tracer.here()
        buffer = target.memory()
        item, changed = target, node
        chain = [(item, changed)]
        while item.base is not None and item.step is not None:
            changed = self._written_back(item.base, item.step, changed, here)
            item = item.base
            self.tracer.data[changed] = item.value
            chain.append((item, changed))
        buffer.version += 1
        for stand, current in chain:
            stand.node, stand.version = current, buffer.version
            buffer.aliases.append(current)
        for other in self._same_memory(target):
            before = other.node
            self._begin_anew(other, here)
            self.tracer.overlapped(before, other.node)

    def _begin_anew(self, item: TracedArray, here: Where | None) -> None:
        """An array has other content, which nothing recorded made: an input."""
        item.node = Node(INPUT, (), {}, item.shape, item.dtype, here)
        item.memory().version += 1
        item.version = item.memory().version
        self.tracer.data[item.node] = item.value
        item.memory().aliases.append(self.tracer.keep(item.node))

    def written_unseen(self, item: TracedArray, before: Any) -> None:
        """Code that nobody recorded has written into an array that is no view; `before` is what was in it."""
        for node in item.memory().aliases:
            if node.primitive is INPUT:
                self.tracer.data[node] = before
            else:
                self.tracer.data.pop(node, None)  # it is computed again when it is asked for
        item.memory().aliases.clear()
        self._begin_anew(item, self.tracer.here())

    def renew(self, item: TracedArray) -> None:
        """An array whose node was dropped is an input, as it is now, and its views look into that."""
        if item.base is not None and item.step is not None:
            self.renew(item.base)
            if not self.tracer.dropped.isdisjoint(item.step[1]):  # where it looks is not known any more
                item.base = item.step = item.buffer = None
                self.tracer.dropped.add(item.node)
        if item.base is None and item.node in self.tracer.dropped:
            item.memory().aliases.clear()
            self._begin_anew(item, self.tracer.here())

    def _written_back(self, base: TracedArray, step: Step, changed: Node, here: Where | None) -> Node:
        primitive, rest, static = step
        assert primitive.write_back is not None, "that has been looked at before the write"
        recorder = AbstractRecorder(here)
        wrapped = [recorder.wrap(node) for node in (base.resolve(), changed, *rest)]
        result: Node = primitive.write_back(*wrapped, **static).node
        for made in recorder.made:
            if made.primitive is CONSTANT:
                self.tracer.data[made] = made.static["value"]
            self.tracer.note_sizes(made)
            self.tracer.keep(made)
        return result

    def _same_memory(self, target: TracedArray) -> list[TracedArray]:
        """Arrays that entered by themselves and overlap the target."""
        roots = self.tracer.roots.get(id(owner_of(target.value)), ())
        return [r for r in roots if r.buffer is not target.buffer and np.may_share_memory(r.value, target.value)]

    def refresh(self, view: TracedArray) -> None:
        """Find the node of a view again after a write elsewhere in its buffer."""
        if view.base is None or view.step is None or view.buffer is None:
            return
        base = view.base.resolve()
        if view.version == view.buffer.version:
            return
        primitive, rest, static = view.step
        view.node = self.tracer.record(primitive, (base, *rest), static, view.value)
        view.version = view.buffer.version
        view.buffer.aliases.append(view.node)
