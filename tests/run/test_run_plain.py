"""Plain runs: fresh, silent, repeatable; and what they may not leave behind."""

# ruff: noqa: NPY002, T201, PTH109 - users draw from the global generator, print, and ask where they are

import io
import math
import os
import random
import sys
import threading
import warnings

import numpy as np
import pytest

import dout
from dout.errors import TargetError
from dout.run import HeldMemory, Runner, copied, deep_copy, douts_taken, quiet, run_backward

GENERATOR = np.random.default_rng(3)  # of this module, as users have one


class Loud:
    """Draws its weights, and says so on both streams."""

    def __init__(self):
        print("made")
        self.w = np.random.randn(3)

    def forward(self, x):
        print("forward", file=sys.stderr)
        warnings.warn("take care", stacklevel=1)
        self.x = x
        return x * self.w

    def backward(self, dout):
        self.dw = dout * self.x
        return dout * self.w


class Closed:
    """Its function has itself in a closure: a copy of it would still compute with the original's number."""

    def __init__(self):
        self.factor = np.ones(1)
        self.times = lambda x: x * self.factor

    def forward(self, x):
        return self.times(x)


class Drawing:
    """Draws from a generator of its module."""

    def forward(self, x):
        return x + GENERATOR.normal(size=x.shape)


class Mask:
    """Drops what a generator of its module says, as people write dropout."""

    def forward(self, x):
        self.mask = GENERATOR.uniform(size=x.shape) > 0.5
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class OtherMask:
    """The same in another interface."""

    def forward_pass(self, X):
        self.mask = GENERATOR.uniform(size=X.shape) > 0.5
        return X * self.mask

    def backward_pass(self, accum_grad):
        return accum_grad * self.mask


def test_nothing_is_heard_and_everything_is_as_before(capfd, tmp_path):
    np.random.seed(7)
    random.seed(7)
    there = np.random.get_state()[1].copy(), random.getstate(), os.getcwd(), np.geterr(), list(warnings.filters)
    with warnings.catch_warnings(record=True) as heard, quiet():
        print("said")
        sys.stderr.write("complained")
        warnings.warn("warned", stacklevel=1)
        np.random.rand(), random.random(), os.chdir(tmp_path), np.seterr(all="raise")
        warnings.simplefilter("error")
    assert (capfd.readouterr(), heard) == (("", ""), [])
    assert np.array_equal(np.random.get_state()[1], there[0])
    assert (random.getstate(), os.getcwd(), np.geterr(), list(warnings.filters)) == there[1:]


def test_all_is_as_before_where_the_users_code_raises(capfd):
    stream, state = sys.stdout, random.getstate()
    with pytest.raises(ZeroDivisionError), quiet():
        random.random() / 0
    assert (sys.stdout, random.getstate()) == (stream, state)


def test_a_check_prints_nothing_and_draws_nothing(capfd):
    np.random.seed(7)
    state = np.random.get_state()[1].copy()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        report = dout.check(Loud, np.arange(3.0))
    assert report.ok
    assert (capfd.readouterr(), heard) == (("", ""), [])
    assert np.array_equal(np.random.get_state()[1], state)


def test_weights_that_a_constructor_draws_are_the_same_in_each_run():
    one, two = (Runner(Loud).run((np.ones(3),)).outputs for _ in range(2))
    assert np.array_equal(one, two)


def test_a_fresh_layer_shares_nothing_with_the_last_even_in_a_closure():
    runner = Runner(Closed)
    runner.fresh().factor[...] = 5.0
    first = runner.fresh()
    first.factor[...] = 7.0
    with quiet():
        assert runner.forward(runner.fresh(), (np.ones(1),))[0] == 1.0
        assert runner.forward(first, (np.ones(1),))[0] == 7.0


def test_a_generator_of_the_users_module_starts_anew_with_each_run():
    runner = Runner(Drawing)
    with quiet():
        one, two = (runner.forward(runner.fresh(), (np.zeros(2),))[0] for _ in range(2))
    assert np.array_equal(one, two)


@pytest.mark.parametrize("layer", [Mask, OtherMask])
def test_a_layer_that_draws_from_a_generator_of_its_module_is_judged_exactly(layer):
    report = dout.check(layer, np.ones((3, 4)))
    assert [str(verdict) for verdict in report.verdicts] == [f"{report.verdicts[0].argument}: exact"]
    assert report.findings == ()


def test_a_recording_of_such_a_layer_holds_for_other_inputs_and_draws_once():
    plain, traced = deep_copy(GENERATOR), GENERATOR
    plain.uniform(size=(3, 4))
    trace = dout.trace(Mask(), np.ones((3, 4)))
    assert [event.kind for event in trace.events] == ["draw"]
    assert traced.bit_generator.state == plain.bit_generator.state


@pytest.mark.parametrize("whole", [tuple, list, lambda arrays: dict(enumerate(arrays))])
def test_arrays_in_containers_are_copied_in_their_own_order(whole):
    column = np.asfortranarray(np.ones((2, 3)))
    made = copied(whole([column]))
    (inside,) = made.values() if isinstance(made, dict) else made
    assert not np.shares_memory(inside, column)
    assert inside.flags.f_contiguous


def test_a_layer_without_copy_is_refused_with_the_way_out():
    with pytest.raises(TargetError, match=r"generator cannot be copied .*: give the class instead"):
        deep_copy(number for number in range(3))


def test_backward_gets_the_gradients_of_several_outputs_as_it_takes_them():
    class Each:
        def backward(self, dh, dc):
            return dh - dc

    class Whole:
        def backward(self, douts):
            return douts[0] - douts[1]

    assert [run_backward(layer, (3.0, 1.0)) for layer in (Each(), Whole())] == [2.0, 2.0]
    assert douts_taken(Each().backward, 3.0) == (3.0,)


def test_what_objects_hold_is_put_back_in_the_same_arrays_and_lists():
    layer = Loud.__new__(Loud)
    layer.w, layer.parts = np.arange(3.0), [np.zeros(2), {"b": np.ones(1)}]
    w, parts, inner = layer.w, layer.parts, layer.parts[1]["b"]
    memory = HeldMemory(layer)
    layer.w *= math.pi
    inner += 1
    layer.parts = layer.new = None
    parts.clear()
    memory.put_back()
    assert layer.w is w
    assert layer.parts is parts
    assert not hasattr(layer, "new")
    assert [w.tolist(), parts[0].tolist(), inner.tolist()] == [[0, 1, 2], [0, 0], [1]]


def test_a_thread_that_was_there_before_prints_while_a_layer_runs_in_silence(capsys):
    silent, said = threading.Event(), threading.Event()

    def speaks():
        silent.wait()
        print("heard")
        print("this, too", file=sys.stderr, flush=True)
        said.set()

    speaker = threading.Thread(target=speaks)
    speaker.start()
    with quiet():
        silent.set()
        said.wait()
        print("not heard")
        started = threading.Thread(target=print, args=("nor this",))
        started.start()
        started.join()
        with pytest.raises(io.UnsupportedOperation):
            sys.stdout.fileno()
    speaker.join()
    assert capsys.readouterr() == ("heard\n", "this, too\n")


def test_silences_of_two_threads_may_end_in_any_order(capsys):
    inside, leave, over = threading.Event(), threading.Event(), threading.Event()

    def hushed():
        with quiet():
            inside.set()
            leave.wait()
        over.set()
        inside.wait()
        print("heard")

    for _ in range(3):
        other = threading.Thread(target=hushed)
        other.start()
        inside.wait()
        with quiet():
            inside.clear()
            leave.set()
            over.wait()
        inside.set()
        other.join()
        for event in (inside, leave, over):
            event.clear()
    assert capsys.readouterr().out == "heard\n" * 3
