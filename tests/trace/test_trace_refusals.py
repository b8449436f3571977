"""What cannot be recorded is refused with its place; what may leave a trace is an event."""

import re
import traceback
from pathlib import Path

import numpy as np
import pytest
from traced_layers import kinds, messages

import dout


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda x: np.linalg.svd(x), r"np\.linalg\.svd is not in dout's table of primitives"),
        (lambda x: np.unique(x, axis=0), r"np\.unique with axis is not in"),
        (lambda x: np.add.reduceat(x, [0, 1]), r"np\.add\.reduceat is not in"),
        (lambda x: x.byteswap(), r"ndarray\.byteswap of a traced value"),
        (lambda x: complex(x[0, 0]) * x, r"complex\(\.\.\.\) turns a traced value into a plain number"),
    ],
)
def test_what_cannot_be_recorded_is_refused_with_file_and_line(function, what):
    with pytest.raises(dout.DoutError, match=rf"{what}.*, at .*test_trace_refusals\.py:\d+"):
        dout.trace(function, np.ones((2, 2)))


def test_a_refusal_that_the_users_code_swallows_is_still_a_refusal():
    def function(x):
        try:
            return complex(x) * 2.0
        except TypeError:
            return x

    with pytest.raises(dout.DoutError, match="turns a traced value"):
        dout.trace(function, 1.5)


def test_a_value_may_go_into_text():
    said = []

    def function(x):
        said.append(f"{x:.2f} %.1f %d {x!s}" % (x, x))
        said.append(str(float(x)))
        return x * 2

    dout.trace(function, 1.5)
    assert said == ["1.50 1.5 1 1.5", "1.5"]


def test_an_array_from_outside_is_an_orphan():
    hidden = [np.ones(2)]

    class Hides:
        def forward(self, x):
            return x + np.frombuffer(hidden[0].tobytes())

        def backward(self, dout):
            return dout

    import importlib

    class Sneaks(Hides):
        def forward(self, x):
            real = importlib.import_module("numpy")
            return x + real.full(2, 3.0)

    assert "orphan" in kinds(dout.trace(Sneaks(), np.ones(2)))
    assert "orphan" not in kinds(dout.trace(Hides(), np.ones(2)))


def test_no_gradient_is_given_where_an_edge_was_lost():
    import importlib

    def function(x):
        real = importlib.import_module("numpy")
        return np.sum(x * real.array(x))

    with pytest.raises(dout.DoutError, match=r"no gradient can be given: .*, at .*test_trace_refusals\.py"):
        dout.grad(function)(np.ones(2))


def test_a_branch_on_a_value_is_an_event_and_specialises_the_trace():
    class Leaky:
        def forward(self, x):
            self.positive = np.sum(x) > 0
            return x * 2.0 if self.positive else x * 0.1

        def backward(self, dout):
            return dout * 2.0 if self.positive else dout * 0.1

    trace = dout.trace(Leaky(), np.array([3.0, 1.0]))
    assert kinds(trace)[0] == "branch"

    class Always(Leaky):
        def forward(self, x):
            self.positive = bool(np.sum(x) > -1e9)
            return x * 2.0

    assert "specialised" not in kinds(dout.trace(Always(), np.array([3.0, 1.0])))
    flipped = dout.trace(Leaky(), np.array([0.5, 100.0]), dout=np.ones(2))
    assert "branch" in kinds(flipped)


def test_a_number_that_stayed_in_python_specialises_the_trace():
    class Counts:
        def forward(self, x):
            self.n = len([v for v in x if v > 0])
            return x * self.n

        def backward(self, dout):
            return dout * self.n

    trace = dout.trace(Counts(), np.array([1.0, 2.0, 3.0, 4.0]))
    assert kinds(trace)[-1] == "specialised"
    assert "Counts computes something else" in messages(trace)[-1]


def test_a_sequence_is_repeated_by_a_traced_number():
    made = []

    def function(n, x):
        made.append(([0] * n, n * (1, 2), "-" * n))
        return n * x

    dout.trace(function, 3, 2.0)
    assert made == [([0, 0, 0], (1, 2, 1, 2, 1, 2), "---")]


def test_gradients_are_of_arrays_and_numbers():
    with pytest.raises(dout.DoutError, match="argument 0 is a dict"):
        dout.grad(lambda p: np.sum(p["W"] * 2))({"W": np.ones(2)})


def test_an_option_that_is_not_supported_is_said_as_such():
    with pytest.raises(dout.DoutError, match=r"np\.unique with axis is not in dout's table"):
        dout.trace(lambda x: np.unique(x, axis=0), np.ones(2))


WITHOUT_AXES = {
    "take": lambda x: np.take(x, 0, axis=0),
    "take a list": lambda x: np.take(x, [0, 0], axis=-1),
    "take as a method": lambda x: x.take(0),
    "repeat": lambda x: np.repeat(x, 3, axis=0),
    "repeat each": lambda x: np.repeat(x, [2], axis=-1),
    "repeat along no axis": lambda x: np.repeat(x, 3, axis=1),
    "pad": lambda x: np.pad(x, 1),
    "pad both sides": lambda x: np.pad(x, ((1, 2),)),
    "roll": lambda x: np.roll(x, 1, axis=0),
    "roll flat": lambda x: np.roll(x, 1),
    "flip": lambda x: np.flip(x, 0),
    "flip all": lambda x: np.flip(x),
    "sort": lambda x: np.sort(x),
    "sort flat": lambda x: np.sort(x, axis=None),
    "argsort": lambda x: np.argsort(x, axis=0),
    "argmax": lambda x: np.argmax(x, axis=0),
    "cumsum": lambda x: np.cumsum(x, axis=0),
    "cumprod": lambda x: np.cumprod(x, axis=1),
    "squeeze": lambda x: np.squeeze(x, 0),
    "squeeze no axis": lambda x: np.squeeze(x, 1),
    "expand_dims": lambda x: np.expand_dims(x, 0),
    "swapaxes": lambda x: np.swapaxes(x, 0, 0),
    "moveaxis": lambda x: np.moveaxis(x, 0, 0),
    "transpose": lambda x: np.transpose(x, (0,)),
    "diff": lambda x: np.diff(x),
    "concatenate": lambda x: np.concatenate([x, x]),
    "stack": lambda x: np.stack([x, x]),
    "split": lambda x: np.split(x, 1),
    "tile": lambda x: np.tile(x, 3),
    "sum": lambda x: np.sum(x, axis=0),
    "mean": lambda x: np.mean(x, axis=-1),
    "max": lambda x: np.max(x, axis=1),
    "sum over two": lambda x: np.sum(x, axis=(0, 1)),
    "any": lambda x: np.any(x, axis=0),
    "tril": lambda x: np.tril(x),
    "diag": lambda x: np.diag(x),
    "rot90": lambda x: np.rot90(x),
    "len": lambda x: len(x),
    "index": lambda x: x[0],
    "a loop": lambda x: [item * 1 for item in x],
    "an axis that is no number": lambda x: np.sum(x, axis="a"),
    "add.reduce": lambda x: np.add.reduce(x),
    "add.accumulate": lambda x: np.add.accumulate(x),
    "tile by a negative number": lambda x: np.tile(x, -1),
    "full of one element": lambda x: np.full((), x),
    "full like": lambda x: np.full_like(x, 1),
    "concatenate with a number": lambda x: np.concatenate([x, 1.5, True], axis=None),
    "broadcast arrays": lambda x: list(np.broadcast_arrays(x, 2)),
    "an axis twice": lambda x: np.flip(np.ones((2, 2)) * x, (0, 0)),
    "an axis twice, new": lambda x: np.expand_dims(x, (0, 0)),
    "a list of axes": lambda x: np.squeeze(x, [0]),
    "no axis but a truth": lambda x: np.sum(x, axis=True),
    "an option of others": lambda x: np.any(x, dtype=None),
    "a list of places": lambda x: np.take_along_axis(x, [0], axis=None),
    "places that wrap around nothing": lambda x: np.take(x[:0], 0, mode="wrap"),
    "a sum over unlike axes": lambda x: np.tensordot(np.ones((2, 3)) * x, np.ones((3, 2)), 2),
    "no places": lambda x: (x * np.ones(3))[[]],
    "the average of nothing": lambda x: np.average(x * np.ones((0, 3)), axis=1),
}


def outcome(function):
    """What a function gives, or the error that it raises."""
    try:
        return function()
    except Exception as error:
        return error


@pytest.mark.one_in(3)
@pytest.mark.parametrize("x", [np.array(2.0), np.float64(2.0), np.array([2.0])], ids=["array", "number", "one element"])
@pytest.mark.parametrize("how", WITHOUT_AXES)
def test_an_array_without_axes_gives_what_numpy_gives_or_its_error(how, x):
    function = WITHOUT_AXES[how]
    wanted, got = outcome(lambda: function(x)), outcome(lambda: dout.trace(function, x).outputs)
    if isinstance(wanted, Exception):
        assert (type(got), str(got)) == (type(wanted), str(wanted))
        return
    for one, other in zip(got, wanted, strict=True) if isinstance(wanted, list) else [(got, wanted)]:
        assert type(one) is type(other)
        np.testing.assert_array_equal(one, other, strict=True)
    if not isinstance(wanted, list):
        assert type(dout.compile(function)(x)) is type(wanted)
    events = dout.trace(function, x).events
    assert not [event for event in events if event.kind in ("orphan", "escape", "replay")], events


def test_an_error_of_numpy_that_the_users_code_catches_is_what_numpy_raises():
    def function(x):
        try:
            return np.flip(x, 1)
        except np.exceptions.AxisError:
            return x * 2.0

    assert dout.trace(function, np.ones(2)).outputs.tolist() == [2.0, 2.0]
    compiled = dout.compile(function)
    assert compiled(np.ones((2, 2))).tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert compiled(np.ones(2)).tolist() == compiled(np.ones(2)).tolist() == [2.0, 2.0]


OURS = str(Path(dout.__file__).parent)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: dout.trace(Identity()), "Identity.forward: missing a required argument: 'x'; give it what it takes"),
        (lambda: dout.grad(lambda x: x)(1.0, 2.0), "too many positional arguments"),
        (lambda: dout.grad(lambda x: x.nothing)(np.ones(2)), "has no attribute 'nothing'"),
        (lambda: dout.trace(lambda x: x @ np.ones(3), np.ones(2)), "mismatch"),
    ],
)
def test_an_error_shows_the_users_lines_and_none_of_ours(call, told):
    with pytest.raises(Exception, match=re.escape(told)) as caught:
        call()
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(caught.tb)]
    assert files
    assert not [file for file in files if file.startswith(OURS)]


class Identity:
    def forward(self, x):
        return x

    def backward(self, dout):
        return dout
