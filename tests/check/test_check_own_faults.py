"""An error that no input could lead around is the layer's own; any other may be the fault of what was chosen."""

import pytest
from check_commands import document, layers, write

PARTS = """
import numpy as np
class Square:
    def forward(self, x):
        self.x = x
        return x * x
    def slope(self):
        return 2 * self.x
class Layer:
    def __init__(self{arguments}):
        self.inner = {inner}
    def forward(self, x):
        {forward}
        return self.inner.forward(x)
    def backward(self, dout):
        {backward}
"""


def verdict(folder, *, arguments="", inner="Square()", forward="pass", backward="return dout * self.inner.slope()"):
    write(folder, PARTS.format(arguments=arguments, inner=inner, forward=forward, backward=backward))
    shown = layers(document("mine.py", cwd=folder))["Layer"]
    said = [f for f in shown["findings"] if f["code"] in ("D001", "D002")]
    return (said[0]["severity"], said[0]["message"]) if said else shown["verdicts"][0]["word"]


def verdict_of(folder, text, layer="Loss"):
    write(folder, text)
    (found,) = [one for one in layers(document("mine.py", cwd=folder))[layer]["findings"] if one["code"] == "D001"]
    return found["severity"], found["message"]


OWN = {
    "a call with an argument too many": {"backward": "return dout * self.inner.slope(dout)"},
    "a call with one too few": {"forward": "x = self.inner.forward()"},
    "a keyword that is not there": {"backward": "return dout * self.inner.slope(state=dout)"},
    "a keyword that NumPy does not have": {"backward": "return np.sum(dout, keepdim=True) * self.inner.slope()"},
    "a part without that method": {"backward": "return self.inner.backward(dout)"},
    "a call with too many, behind what refuses an input": {
        "backward": "if dout.ndim > 9:\n            raise ValueError\n        return dout * self.inner.slope(dout)"
    },
    "an iterator that NumPy no longer stacks": {"forward": "x = np.stack(row for row in x)"},
    "a number that is made of one element": {"forward": "out = np.zeros(3); out[0] = np.sum(x) + np.ones(1)"},
    "a float that is made of one element": {"forward": "x = x * float(np.ones((1, 1)))"},
    "a function of NumPy that no array has": {"forward": "x = x.maximum(x, 0.0)"},
    "a number that is unpacked": {"backward": "left, right = 0\n        return dout * left"},
    "an object that cannot be called": {"backward": "return dout * self.inner(dout)"},
    "a size that plays no part": {"arguments": ", size", "backward": "left, right = 0\n        return dout * left"},
    "a name that NumPy does not have": {"forward": "x = x * np.erf(x)"},
    "a method of Python 2's dicts": {"forward": "[n for n, _ in {}.iteritems()]"},
    "a name that is bound too late": {"backward": "g = g * dout; return g"},
}


@pytest.mark.one_in(9)
@pytest.mark.parametrize("what", OWN)
def test_what_raises_on_every_way_is_the_layers_own_fault(what, tmp_path):
    severity, message = verdict(tmp_path, **OWN[what])
    assert severity == "error"
    assert "Layer raises" in message


OTHERS = {
    "a part that is chosen": {"arguments": ", kind", "inner": "kind()", "forward": "x = self.inner.forward(x, x)"},
    "a branch could lead around it": {
        "backward": "if dout.size:\n            return self.inner.backward(dout)\n        return dout"
    },
    "it is left before, or not": {
        "backward": "if not dout.size:\n            return dout\n        return self.inner.slope(dout)"
    },
    "the number of arguments is that of axes": {"backward": "return self.inner.slope(*dout.shape)"},
    "something sets it from without": {
        "backward": "return self.inner.backward(dout)\n\ndef mend(part):\n    part.backward = abs"
    },
    "it is the upstream gradient that lacks it": {"backward": "return dout.backward(self.inner.slope())"},
    "the part was chosen by a name": {
        "arguments": ", activation", "inner": "{'relu': Square}[activation]()",
        "backward": "return self.inner.backward(dout)",
    },
}  # fmt: skip


@pytest.mark.one_in(4)
@pytest.mark.parametrize("what", OTHERS)
def test_what_another_input_may_lead_around_is_not(what, tmp_path):
    severity, _ = verdict(tmp_path, **OTHERS[what])
    assert severity != "error"


def test_a_right_layer_of_parts_is_judged(tmp_path):
    assert verdict(tmp_path) == "exact"


UNWRITTEN = """
import numpy as np
class Base:
    def forward(self):
        ...
    def backward(self, dout):
        return dout
    def __call__(self, *items):
        return self.forward(*items)
class Model:
    def forward(self, x):
        return NotImplemented
    def backward(self, dout):
        return NotImplemented
class Twice(Base):
    def forward(self, x):
        return 2 * x
    def backward(self, dout):
        return 2 * dout
def softmax(x):
    return np.exp(x) / np.exp(x).sum()
def softmax_grad(x):
    '''Better done with the loss.'''
    pass
"""


def test_what_is_there_in_name_only_is_no_layer(tmp_path):
    write(tmp_path, UNWRITTEN)
    assert list(layers(document("mine.py", cwd=tmp_path))) == ["Twice"]


TO_BE_WRITTEN = """
import numpy as np
def slope_of(x):
    return NotImplementedError
def unlike(x):
    return x.shape
class Begun:
    def forward(self, x):
        self.x = x
        return x * x
    def backward(self, dout):
        dx, _ = {backward}
        return dx
    def step(self, kind="none"):
        if kind == "none":
            return self.x, self.x
        raise NotImplementedError(kind)
    def rest(self):
        raise NotImplementedError("yours")
"""


@pytest.mark.parametrize(
    ("backward", "code"),
    [
        ("slope_of(self.x)", "D002"),
        ("unlike(slope_of)", "D001"),
        ("self.rest()", "D002"),
        ("self.step('other')", "D001"),  # another word may be meant
    ],
)
def test_what_is_still_to_be_written_is_no_error(backward, code, tmp_path):
    write(tmp_path, TO_BE_WRITTEN.format(backward=backward))
    found = layers(document("mine.py", cwd=tmp_path))["Begun"]["findings"]
    assert [f["code"] for f in found if f["code"] in ("D001", "D002")] == [code]


LINKED = """
import numpy as np
class Dense:
    def __init__(self, inputs=4, outputs=5):
        self.W = np.random.randn(inputs, outputs)
        self.previous = None
    def forward(self):
        self.output = self.previous.output @ self.W
        return self.output
    def backward(self, dout):
        self.dW = self.previous.output.T @ dout
        return dout @ self.W.T
"""
FORGETFUL = """
import numpy as np
class Tanh:
    def __init__(self):
        self.output = None
    def forward(self, x):
        return np.tanh(x)
    def backward(self, dout):
        return dout * (1 - self.output ** 2)
"""


def test_a_layer_that_other_code_connects_is_no_error(tmp_path):
    write(tmp_path, LINKED + "def connect(one, other):\n    other.previous = one\n")
    (found,) = layers(document("mine.py", cwd=tmp_path))["Dense"]["findings"]
    assert (found["code"], found["severity"]) == ("D002", "note")
    assert "self.previous" in found["message"]


@pytest.mark.parametrize("text", [LINKED, FORGETFUL])
def test_what_nothing_ever_sets_is_an_error(text, tmp_path):
    write(tmp_path, text)
    (shown,) = layers(document("mine.py", cwd=tmp_path)).values()
    assert [(f["code"], f["severity"]) for f in shown["findings"]] == [("D001", "error")]


PARTS_BY_NAME = """
import numpy as np
def leaky(x, slope):
    return np.where(x > 0, x, slope * x)
class Layer:
    def __init__(self, inputs, {argument}):
        self.W = np.random.randn(inputs, 3)
    def forward(self, x):
        self.x = x
        return {called}(x @ self.W)
    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T
"""


@pytest.mark.long
def test_a_wrong_call_by_name_is_an_error_whatever_the_constructor_is_given(tmp_path):
    write(tmp_path, PARTS_BY_NAME.format(argument="outputs=3", called="leaky"))
    (found,) = layers(document("mine.py", cwd=tmp_path))["Layer"]["findings"]
    assert (found["code"], found["severity"]) == ("D001", "error")
    given = PARTS_BY_NAME.format(argument="leaky", called="self.leaky").replace(
        "self.W =", "self.leaky, self.W = leaky,"
    )
    write(tmp_path, given)
    found = layers(document("mine.py", cwd=tmp_path))["Layer"]["findings"]
    assert all(f["severity"] != "error" for f in found if f["code"] == "D001")


def test_a_derivative_that_takes_no_array_of_its_function_is_an_error(tmp_path):
    text = "import numpy as np\n\ndef bent(x):\n    return np.tanh(x)\n\n"
    write(tmp_path, f"{text}def bent_grad(x):\n    slope = np.ones(x)\n    return slope * (1 - np.tanh(x) ** 2)\n")
    ((found,),) = [layer["findings"] for layer in layers(document(".", cwd=tmp_path)).values()]
    assert (found["code"], found["severity"]) == ("D001", "error")


NO_PLACE = """
class Layer:
    def __init__():
        pass
    def forward(self, x):
        return 2 * x
    def backward(self, dout):
        return 2 * dout
"""


def test_a_constructor_without_a_place_for_the_instance_is_the_layers_own_fault(tmp_path):
    write(tmp_path, NO_PLACE)
    (found,) = layers(document("mine.py", cwd=tmp_path))["Layer"]["findings"]
    assert (found["code"], found["severity"]) == ("D001", "error")


LOSS_OF_BOTH = """
import numpy as np
class Loss:
    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y, self.t = e / e.sum(axis=1, keepdims=True), t.argmax(axis=1) if t.ndim == 2 else t
        return -np.log(self.y[np.arange(len(x)), self.t]).mean()
    def backward(self, dout=1):
        dx = self.t.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        return dx * dout / len(dx)
"""


def test_a_backward_that_raises_on_labels_of_either_kind_is_an_error(tmp_path):
    assert verdict_of(tmp_path, LOSS_OF_BOTH)[0] == "error"


COMPOSED = """
import numpy as np
def affine_forward(x, w):
    return x @ w, (x, w)
def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout
def relu_forward(x):
    return np.maximum(x, 0), x
def relu_backward(dout, x):
    return dout * (x > 0)
def both_forward(x, w):
    a, first = affine_forward(x, w)
    out, second = relu_forward(a)
    return out, (first, second)
def both_backward(dout, cache):
    second, first = cache
    return affine_backward(relu_backward(dout, second), first)
"""


def test_what_backward_does_with_a_tuple_that_forward_made_is_its_own_fault(tmp_path):
    severity, message = verdict_of(tmp_path, COMPOSED, "both_forward")
    assert severity == "error"
    assert "'tuple'" in message


DEMONSTRATED = """
import numpy as np
class MatMul:
    def __init__(self, W):
        self.params, self.grads = [W], [np.zeros_like(W)]
    def forward(self, x):
        self.x = x
        return x @ self.params[0]
    def backward(self, dout):
        self.grads[0][...] = self.x.T @ dout
        return dout @ self.params[0]
if __name__ == "__main__":
    layer = MatMul(np.random.randn(3, 4))
    print(layer.backward(layer.forward(np.random.randn(5, 3))).shape)
"""


def test_a_program_in_which_backward_raises_as_well_says_nothing_for_it(tmp_path):
    severity, message = verdict_of(tmp_path, DEMONSTRATED, "MatMul")
    assert severity == "error"
    assert "chosen" not in message


AFFINE = """
import numpy as np
def affine_forward(x, w, b):
    return x @ w + b, (x, w)
def affine_backward(dout, cache):
    x, w = cache
    return dout @ w.T, dout.sum(axis=0), x.T @ dout
"""
CALLERS = {
    "": "warning",
    "dx, dw, db = affine_backward(dout, cache)": "error",
    "dx, grads['W2'], self.grad_b = affine_backward(dout, cache)": "error",
    "dx, db, dw = affine_backward(dout, cache)": "warning",
    "dx, *others = affine_backward(dout, cache)": "warning",
    "one, two, three = affine_backward(dout, cache)": "warning",
}


@pytest.mark.parametrize("caller", CALLERS)
def test_gradients_in_another_order_are_an_error_where_a_caller_unpacks_them_in_that_of_the_inputs(caller, tmp_path):
    write(tmp_path, AFFINE)
    body = f"    {caller or 'pass'}\n"
    (tmp_path / "net.py").write_text(f"from mine import *\ndef step(self, dout, cache, grads):\n{body}")
    (shown,) = layers(document("mine.py", cwd=tmp_path)).values()
    assert [f["severity"] for f in shown["findings"] if f["code"] == "D501"] == [CALLERS[caller]]


LOSS_BESIDE_SHARES = """
import numpy as np
class Loss:
    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y, self.t = e / e.sum(axis=1, keepdims=True), t
        return self.y, -np.log(self.y[np.arange(len(x)), t]).mean()
    def backward(self):
        dx = self.y.copy()
        dx[np.arange(len(dx)), self.t] {sign}= 1
        return dx / len(dx)
"""


@pytest.mark.parametrize(("sign", "errors"), [("-", []), ("+", ["D101"])])
def test_a_backward_that_is_given_nothing_is_that_of_the_number_beside_arrays(sign, errors, tmp_path):
    write(tmp_path, LOSS_BESIDE_SHARES.format(sign=sign))
    (shown,) = layers(document("mine.py", cwd=tmp_path)).values()
    assert [one["code"] for one in shown["findings"] if one["severity"] == "error"] == errors


LACKS_A_TRANSPOSE = """
import numpy as np
class Linear:
    def __init__(self, in_dims, neurons_num):
        self.W, self.b = np.random.randn(in_dims, neurons_num), np.zeros((1, neurons_num))
    def forward(self, X):
        self.X = X
        return X @ self.W + self.b
    def backward(self, dZ):
        self.dW = self.X @ dZ
        self.db = dZ.sum(axis=0, keepdims=True)
        return dZ @ self.W.T
"""


def test_a_product_that_lacks_a_transpose_is_an_error_though_square_matrices_alone_run(tmp_path):
    write(tmp_path, LACKS_A_TRANSPOSE)
    (shown,) = layers(document("mine.py", cwd=tmp_path)).values()
    (wrong,) = [one for one in shown["findings"] if one["severity"] == "error"]
    assert "`self.X @ dZ` should be `self.X.T @ dZ`" in wrong["message"]
