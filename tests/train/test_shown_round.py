"""A program that calls fit is drawn as its own loop would be: one round, the net and its loss."""

import numpy as np
import pytest
from recorded_scripts import record_script

from dout.layers import Affine, Relu, SoftmaxWithLoss
from dout.train import SGD, fit

PROGRAM = """
import numpy as np
from dout.layers import Affine, Relu, SoftmaxWithLoss
from dout.train import SGD, fit

class Doubled:
    def forward(self, x):
        return 2 * x
    def backward(self, dout):
        return 2 * dout

rng = np.random.default_rng(0)
x, t = rng.standard_normal((12, 3)), rng.integers(0, 2, 12)
net = [Affine(np.ones((3, 4)), np.zeros(4)), Relu(), Doubled(), Affine(np.eye(4, 2), np.zeros(2))]
fit(net, x, t, loss=SoftmaxWithLoss(), optimizer=SGD(0.1), epochs=2, batch=4, seed=0, compiled=False)
print("ended")
"""


class Doubled:
    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        return 2 * dout


def losses():
    """The loss of each batch, of the same training without a recording."""
    found, rng = [], np.random.default_rng(0)
    x, t = rng.standard_normal((12, 3)), rng.integers(0, 2, 12)
    net = [Affine(np.ones((3, 4)), np.zeros(4)), Relu(), Doubled(), Affine(np.eye(4, 2), np.zeros(2))]

    def seen(scores, t):
        found.append(SoftmaxWithLoss().forward(scores, t))
        return 0.0

    fit(
        net, x, t, loss=SoftmaxWithLoss(), optimizer=SGD(0.1), epochs=2, batch=4, seed=0, metrics=[seen], compiled=False
    )
    return found


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_the_round_that_was_asked_for_is_recorded_with_its_loss(rounds, tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    trace = record_script(path, rounds=rounds)
    outer = [call for call in trace.calls if call.parent is None]
    assert [call.cls for call in outer] == ["Sequential", "SoftmaxWithLoss"]
    assert [call.cls for call in trace.calls if call.parent is outer[0]] == ["Affine", "Relu", "Doubled", "Affine"]
    assert outer[1].gradients is not None
    (loss,) = (value.data for value in trace.values if value.node is outer[1].outputs[0])
    assert float(loss) == losses()[rounds - 1]
    assert not {event.kind for event in trace.events} & {"escape", "orphan", "replay"}


def test_a_program_that_runs_on_trains_as_it_does_without_a_recording(tmp_path, capsys):
    (tmp_path / "program.py").write_text(PROGRAM.replace('print("ended")', "print(net[0].W.tobytes().hex())"))
    exec(compile((tmp_path / "program.py").read_text(), "program.py", "exec"), {"__name__": "plain"})
    plain = capsys.readouterr().out
    record_script(tmp_path / "program.py", run_on=True)
    assert capsys.readouterr().out == plain
