"""Each file in `idioms/` traces to the graph it names, and leaves everything as a plain run leaves it."""

import contextlib
import importlib.util
import io
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

import dout
from dout.graph import CONSTANT, INPUT
from dout.ops.operators import Slot
from dout.run import flat
from dout.trace.model.replay import first_difference, same_bits

FOLDER = Path(__file__).parents[1] / "idioms"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
every_idiom = pytest.mark.parametrize("name", NAMES)


# --- running one ------------------------------------------------------------------------------------------------------


class Idiom:
    """A fresh copy of an idiom's module, with a fresh target and fresh inputs."""

    def __init__(self, name):
        spec = importlib.util.spec_from_file_location(f"idiom_{name}", FOLDER / f"{name}.py")
        self.module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = self.module
        spec.loader.exec_module(self.module)
        self.inputs = [np.array(item) if isinstance(item, list) else item for item in self.module.INPUTS]
        self.target = self.module.Layer() if hasattr(self.module, "Layer") else self.module.run
        self.printed = ""

    def plain(self):
        """Run it without dout; the results."""
        if not hasattr(self.target, "forward"):
            return self._call(lambda: self.target(*self.inputs))

        def both():
            out = self.target.forward(*self.inputs)
            self.target.backward(np.ones(np.shape(out)))
            return out

        return self._call(both)

    def traced(self):
        """Run it under a trace."""
        return self._call(lambda: dout.trace(self.target, *self.inputs))

    def roots(self):
        """What the code can reach: globals, the instance, the inputs, closures."""
        names = {k: v for k, v in vars(self.module).items() if not k.startswith("__")}
        cells = [cell.cell_contents for cell in getattr(self.target, "__closure__", None) or ()]
        return {
            "globals": names,
            "instance": getattr(self.target, "__dict__", {}),
            "inputs": self.inputs,
            "cells": cells,
        }

    def _call(self, function):
        np.random.seed(0)  # noqa: NPY002, the books' layers draw from it
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            try:
                return function()
            finally:
                self.printed = out.getvalue()


@pytest.fixture(autouse=True)
def forget_modules():
    yield
    for name in [n for n in sys.modules if n.startswith("idiom_")]:
        del sys.modules[name]


# --- the graph --------------------------------------------------------------------------------------------------------


def written(trace):
    """A trace as text: one line a node, `#3 setitem[#1](#2, 0)`, then what it gives, then its events."""
    names, lines = {node: name for name, node in trace.graph.inputs.items()}, []
    for node in trace.graph.nodes:
        if node.primitive is CONSTANT:
            names[node] = repr(node.static["value"])
        elif node.primitive is not INPUT:
            lines.append(f"{_primitive(node, names)}({', '.join(names[i] for i in _operands(node))})")
            names[node] = f"#{len(lines)}"
    text = [f"#{i} {line}" for i, line in enumerate(lines, start=1)]
    text += [f"gives {', '.join(names[node] for node in trace.graph.outputs.values())}"]
    for call in trace.calls:
        gradients = [names[node] for node in call.gradients or () if node]
        inputs = ", ".join(names[node] for node in call.inputs)
        text.append(f"{call.cls}({inputs}) → {', '.join(names[n] for n in call.outputs)}, back {', '.join(gradients)}")
    return "\n".join([*text, *(f"{event.kind}: {event.message}" for event in trace.events)])


def _operands(node):
    keyed = {"getitem": 1, "setitem": 2, "add_at": 2}.get(node.primitive.name)
    return node.inputs[:keyed]


def _primitive(node, names):
    static = dict(node.static)
    text = node.primitive.name
    if "key" in static:
        index = [names[i] for i in node.inputs[len(_operands(node)) :]]
        text += f"[{_key(static.pop('key'), index)}]"
    shown = {k: v for k, v in static.items() if k != "selected" and (k, v) not in (("order", "K"), ("order", "C"))}
    return text + "".join(f" {k}={v}" for k, v in shown.items() if v is not None)


def _key(key, index):
    if isinstance(key, tuple):
        return ", ".join(_key(part, index) for part in key)
    if isinstance(key, Slot):
        return index[key]
    if isinstance(key, slice):
        start, stop, step = ("" if part is None else str(part) for part in (key.start, key.stop, key.step))
        return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"
    return "..." if key is Ellipsis else str(key)


@pytest.mark.one_in(4)
@every_idiom
def test_trace_is_the_graph_that_the_file_names(name):
    idiom = Idiom(name)
    assert written(idiom.traced()) == idiom.module.EXPECT.strip()


@pytest.mark.one_in(3)
@every_idiom
def test_results_are_those_of_a_plain_run(name):
    plain, traced = Idiom(name), Idiom(name)
    wanted, trace = plain.plain(), traced.traced()
    assert all(map(same_bits, flat(trace.outputs), flat(wanted)))
    assert traced.printed == plain.printed


@pytest.mark.one_in(4)
@every_idiom
def test_trace_replays_and_so_does_the_saved_one(name, tmp_path):
    trace = Idiom(name).traced()
    assert first_difference(trace.graph.nodes, trace.data) is None
    trace.save(tmp_path / "trace.json")
    loaded = dout.load(tmp_path / "trace.json")
    assert first_difference(loaded.graph.nodes, loaded.data) is None
    assert written(loaded) == written(trace)


# --- what was there before is there afterwards ------------------------------------------------------------------------


def everything(roots):
    """Every object within reach, by the path that leads to it."""
    found, waiting = {}, list(roots.items())
    while waiting:
        path, item = waiting.pop()
        found[path] = item
        if isinstance(item, dict):
            waiting += [(f"{path}[{key!r}]", part) for key, part in item.items()]
        elif isinstance(item, list | tuple):
            waiting += [(f"{path}[{i}]", part) for i, part in enumerate(item)]
        elif type(item).__module__.startswith("idiom_"):
            waiting += [(f"{path}.{key}", part) for key, part in vars(item).items()]
        elif isinstance(item, type) and item.__module__.startswith("idiom_"):
            waiting += [(f"{path}.{key}", part) for key, part in vars(item).items() if not key.startswith("__")]
    return found


def described(before, after):
    """Each object afterwards: which one from before it is, or of what type it is new; and its content."""
    places = {}
    for path, item in before.items():
        places.setdefault(id(item), path)
    return {path: (places.get(id(item), type(item).__qualname__), _content(item)) for path, item in after.items()}


def _content(item):
    if isinstance(item, np.ndarray):
        return item.dtype, item.shape, item.strides, item.tobytes()
    return item if isinstance(item, int | float | str | np.generic) else None


def left_by(idiom, run):
    """How everything within reach, and NumPy, is after a run."""
    numpy_names, errors, printing = dict(vars(np)), np.geterr(), np.get_printoptions()
    before = everything(idiom.roots())
    run()
    assert all(vars(np)[key] is item for key, item in numpy_names.items())
    assert (np.geterr(), np.get_printoptions()) == (errors, printing)
    drawn = np.random.get_state()[1].tobytes()  # noqa: NPY002
    return described(before, everything(idiom.roots())), drawn, idiom.printed


@pytest.mark.one_in(4)
@every_idiom
def test_everything_is_left_as_by_a_plain_run(name):
    plain, traced = Idiom(name), Idiom(name)
    assert left_by(traced, traced.traced) == left_by(plain, plain.plain)


class StopHereError(Exception):
    """What the user's code raises midway."""


@contextlib.contextmanager
def raising_at_line(number, file):
    """Let the code of a file raise at the line it reaches as number `number`; nothing else is different."""
    lines = itertools.count()

    def watch(frame, event, _):
        if frame.f_code.co_filename != file:
            return None
        if event == "line" and next(lines) == number:
            raise StopHereError
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        yield
    finally:
        sys.settrace(before)


def stops(function, number, file):
    """Whether a run raised at a line; it is over otherwise."""
    try:
        with raising_at_line(number, file):
            function()
    except StopHereError:
        return True
    return False


@pytest.mark.one_in(27)
@every_idiom
def test_everything_is_left_as_by_a_plain_run_that_raises_at_any_line(name):
    file = str(FOLDER / f"{name}.py")
    for number in itertools.count():
        plain, traced = Idiom(name), Idiom(name)
        stopped = []
        wanted = left_by(plain, lambda: stopped.append(stops(plain.plain, number, file)))  # noqa: B023
        got = left_by(traced, lambda: stopped.append(stops(traced.traced, number, file)))  # noqa: B023
        assert stopped[0] == stopped[1]
        assert got == wanted, f"raised at line number {number}"
        if not stopped[0]:
            break
