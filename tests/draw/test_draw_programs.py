"""Pictures of whole programs: what is prepared before the layers is quiet, and what a layer gives out is drawn."""

from pathlib import Path

import numpy as np
import pytest
from recorded_scripts import record_script

from dout.draw.paint.display_list import Text

EXAMPLES = Path(__file__).parents[2] / "examples"


def drawn(program: str, **options) -> list[tuple[str, str]]:
    """The style and text of everything written in the picture of an example."""
    shapes = record_script(str(EXAMPLES / program)).draw(**options).drawing.shapes
    return [(shape.style, shape.text) for shape in shapes if isinstance(shape, Text)]


def test_weights_that_a_program_prepares_stay_in_the_closed_layers_that_hold_them():
    inputs = [text for style, text in drawn("two_layer_net.py") if style == "name"]
    assert sorted(inputs) == ["t", "x"]


def test_weights_that_a_program_prepares_are_named_in_open_layers():
    written = drawn("two_layer_net.py", open=("affine1",))
    assert {text for style, text in written if style == "name"} == {"x", "t", "W1", "b1"}
    assert ("symbol", "0") not in written


def test_an_output_that_only_its_own_layer_uses_is_a_result_too():
    results = [text for style, text in drawn("lstm_step.py") if style == "result"]
    assert sorted(results) == ["c_next", "h_next"]


BLURRED = """
import numpy as np
class Scale:
    def forward(self, x):
        return x * 3.0
    def backward(self, dout):
        return dout * 3.0
data = np.arange(64.0).reshape(STEPS, -1)
rows = [np.clip(data[i] + np.random.randn(*data[i].shape), 0, 1)[::-1] for i in range(STEPS)]
scale = Scale()
y = scale.forward(np.array(rows))
dx = scale.backward(np.ones_like(y))
"""


def test_many_steps_before_the_layers_are_one_input_and_few_are_drawn(tmp_path):
    script = tmp_path / "train.py"
    seen = {}
    for steps in (2, 16):
        script.write_text(BLURRED.replace("STEPS", str(steps)), encoding="utf-8")
        shapes = record_script(str(script)).draw().drawing.shapes
        seen[steps] = [shape.text for shape in shapes if isinstance(shape, Text) and shape.style == "symbol"]
    assert seen[16] == ["×"]
    assert seen[2].count("+") == 2


BATCHES = """
import numpy as np
class Scale:
    def __init__(self, W):
        self.W = W
    def forward(self, x):
        self.x = x
        return x * self.W
    def backward(self, dout):
        self.dW = (dout * self.x).sum(0)
        return dout * self.W
data = np.load(PATH).reshape(10, 6) / 6
first, rest = data[:8], data[8:]
scale, rng = Scale(np.arange(1.0, 4.0)), np.random.RandomState(0)
for i in range(4):
    BATCH
    y = scale.forward(batch * 10)
    scale.backward(y - 1)
    scale.W = scale.W - 0.1 * scale.dW
"""


@pytest.mark.parametrize(
    ("batch", "steps", "inputs"),
    [
        ("first[2 * i : 2 * i + 2, :3]", ["×", "×"], ["W", "batch"]),
        ("first[rng.permutation(8)[:2], :3]", ["×", "×"], ["W", "batch"]),
        ("first[:, :3]", ["[ ]", "×", "×"], ["W", "first"]),  # all rows of those that are for training
        ("first[:2, :3] * first[2:4, :3]", ["[ ]", "[ ]", "×", "×", "×"], ["W", "first"]),
    ],
)
def test_a_batch_is_an_input_and_what_is_done_with_it_is_drawn(tmp_path, batch, steps, inputs):
    script, data = tmp_path / "train.py", tmp_path / "data.npy"
    np.save(data, np.arange(60.0))
    script.write_text(BATCHES.replace("BATCH", f"batch = {batch}").replace("PATH", repr(str(data))), encoding="utf-8")
    shapes = [shape for shape in record_script(str(script)).draw().drawing.shapes if isinstance(shape, Text)]
    assert sorted(shape.text for shape in shapes if shape.style in ("symbol", "word")) == steps
    assert sorted(shape.text for shape in shapes if shape.style == "name") == inputs


def test_arrays_that_a_program_without_layers_does_not_use_yet_are_left_out(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        "import numpy as np\nm, x = np.zeros(7), np.arange(3.0)\ny = np.tanh(x * 2.0)\n", encoding="utf-8"
    )
    shapes = record_script(str(script)).draw().drawing.shapes
    assert "(7,)" not in [shape.text for shape in shapes if isinstance(shape, Text)]


UNROLLED = """
import numpy as np
class Scale:
    def forward(self, x):
        return x * 3.0
    def backward(self, dout):
        return dout * 3.0
x, W = np.random.randn(12, 4, 3), np.random.randn(3, 3)
scale, states = Scale(), [np.zeros((4, 3))]
for i in range(12):
    states.append(np.tanh(x[i] + states[-1] @ W))
y = scale.forward(states[-1])
dh, dW = scale.backward(np.ones_like(y)), np.zeros_like(W)
BACKWARD
"""
THROUGH_TIME = """
for i in reversed(range(12)):
    da = dh * (1 - states[i + 1] ** 2)
    dW += states[i].T @ da
    dh = da @ W.T
"""


def test_steps_before_the_layers_that_the_program_goes_back_through_are_drawn(tmp_path):
    script = tmp_path / "train.py"
    seen = {}
    for kind, backward in (("prepared", ""), ("network", THROUGH_TIME)):
        script.write_text(UNROLLED.replace("BACKWARD", backward), encoding="utf-8")
        shapes = record_script(str(script)).draw().drawing.shapes
        seen[kind] = [shape.text for shape in shapes if isinstance(shape, Text)]
    assert any("range(12)" in text for text in seen["network"])
    assert not any("range(12)" in text for text in seen["prepared"])
