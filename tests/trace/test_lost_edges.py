"""The tracer is broken on purpose, one edge at a time, in random programs: each trace says that it is not whole.

A dropped edge is what C code does that copies an array without telling; a swapped or an aliased one is what a mistake
in our bookkeeping would do.
"""

import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_programs import ORDINARY, programs
from recorded_scripts import record_script

import dout
from dout.trace.model.recorded import LOSSES
from dout.trace.model.replay import same_bits
from dout.trace.tracer.traced import plain
from dout.trace.tracer.tracer import Tracer


class Saboteur(Tracer):
    """A tracer that damages the inputs of its nodes, as soon as one of them can be damaged so that it matters."""

    kind = ""
    skip = 0  # nodes that are left alone first
    damaged = None

    def emit(self, primitive, operands, static):
        if self.kind == "drop" and self._turn():
            values = [plain(operand) for operand in operands]
            whole = [i for i, v in enumerate(values) if v is not operands[i] and isinstance(v, np.ndarray) and v.size]
            if whole:
                Saboteur.damaged = primitive.name
                operands = tuple(values[i].copy() if i == whole[-1] else o for i, o in enumerate(operands))
        return super().emit(primitive, operands, static)

    def record(self, primitive, inputs, static, value):
        if self.kind != "drop" and self._turn():
            for other in self._swapped(inputs) if self.kind == "swap" else self._aliased(inputs):
                if self._matters(primitive, other, static, value):
                    Saboteur.damaged = primitive.name
                    inputs = other
                    break
        return super().record(primitive, inputs, static, value)

    def _turn(self):
        Saboteur.skip -= 1
        return Saboteur.skip < 0 and self.live and Saboteur.damaged is None

    def _swapped(self, inputs):
        if len(inputs) > 1:
            yield (inputs[1], inputs[0], *inputs[2:])

    def _aliased(self, inputs):
        for first in inputs[:1]:
            for node in self.nodes:
                if node is not first and (node.shape, node.dtype) == (first.shape, first.dtype):
                    yield (node, *inputs[1:])

    def _matters(self, primitive, inputs, static, value):
        """Whether these inputs would have given something else: if not, nothing can be seen on this run."""
        try:
            return not same_bits(primitive.apply([self.data[i] for i in inputs], static), value)
        except Exception:
            return True


@pytest.mark.one_in(4)
@pytest.mark.parametrize("kind", ["drop", "swap", "alias"])
def test_a_lost_edge_is_seen(kind, monkeypatch):
    monkeypatch.setattr(sys.modules["dout.trace.record.record"], "Tracer", Saboteur)
    caught = []

    @settings(ORDINARY, max_examples=80)
    @given(programs(), st.integers(0, 8))
    def sabotage(program, skip):
        monkeypatch.setattr(Saboteur, "kind", kind)
        monkeypatch.setattr(Saboteur, "skip", skip)
        monkeypatch.setattr(Saboteur, "damaged", None)
        with np.errstate(all="ignore"):
            trace = dout.trace(program.function(), *program.arguments())
        assume(Saboteur.damaged)
        assert LOSSES & {event.kind for event in trace.events}, f"{kind} of an input of {Saboteur.damaged}"
        caught.append(Saboteur.damaged)

    sabotage()
    assert len(caught) >= 80
    assert len(set(caught)) > 10  # all over the table of primitives


COPIED = """
import copy, numpy as np
class Affine:
    def __init__(self, W):
        self.W = W
    def forward(self, x):
        self.x = COPY(x)
        return self.x @ self.W
    def backward(self, dout):
        self.dW = FACTOR * COPY(self.x.T) @ dout
        return dout @ COPY(self.W).T
affine = Affine(np.arange(6.0).reshape(3, 2))
affine.forward(np.cos(np.arange(12.0)).reshape(4, 3))
affine.backward(np.sin(np.arange(8.0)).reshape(4, 2))
"""


@pytest.mark.parametrize("how", ["copy.copy", "copy.deepcopy", "(lambda x: copy.deepcopy([x])[0])", "np.copy"])
@pytest.mark.parametrize("factor", [1, 2])
def test_a_copy_of_a_value_is_a_step_and_loses_no_gradient(tmp_path, how, factor):
    script = tmp_path / "train.py"
    script.write_text(COPIED.replace("COPY", how).replace("FACTOR", str(factor)))
    trace = record_script(script)
    assert not trace.events
    assert bool(trace.wrong) == (factor == 2)
