"""The shapes that documents, code and products tell of arguments are read without running anything."""

import pytest
from written import written

import dout
from dout.adapt import example
from dout.adapt.source import axes_for, shapes_for, strings_for
from dout.adapt.source.documents import axes_in

# ----------------------------------------------------------------------------------------------------------- shapes


def test_shapes_in_a_course_docstring_share_their_names():
    module = written('''
def affine_forward(x, w, b):
    """
    Computes the forward pass for a fully-connected layer.

    Inputs:
    - x: A numpy array containing input data, of shape (N, d_1, ..., d_k)
    - w: A numpy array of weights, of shape (D, M)
    - b: A numpy array of biases, of shape (M,)

    Returns a tuple of:
    - out: output, of shape (N, M)
    """
    return x.reshape(x.shape[0], -1).dot(w) + b, (x, w, b)
''')
    assert shapes_for(module.affine_forward) == {"x": ("N", "d_1", "...", "d_k"), "w": ("D", "M"), "b": ("M",)}


def test_a_multiple_of_a_size_is_an_expression():
    module = written('''
def lstm_step_forward(x, prev_h, Wx, Wh, b):
    """
    Inputs:
    - x: Input data, of shape (N, D)
    - prev_h: Previous hidden state, of shape (N, H)
    - Wx: Input-to-hidden weights, of shape (D, 4H)
    - Wh: Hidden-to-hidden weights, of shape (H, 4 * H)
    - b: Biases, of shape (4H,)
    """
''')
    found = shapes_for(module.lstm_step_forward)
    assert (found["Wx"], found["Wh"], found["b"]) == (("D", "4*H"), ("H", "4*H"), ("4*H",))


def test_shapes_in_a_docstring_with_dashes():
    module = written('''
def conv_forward(A_prev, W, b, hparameters):
    """
    Arguments:
    A_prev -- output activations of the previous layer,
        numpy array of shape (m, n_H_prev, n_W_prev, n_C_prev)
    W -- Weights, numpy array of shape (f, f, n_C_prev, n_C)
    b -- Biases, numpy array of shape (1, 1, 1, n_C)
    hparameters -- python dictionary containing "stride" and "pad"
    """
    (m, n_H_prev, n_W_prev, n_C_prev) = A_prev.shape
    (f, f, n_C_prev, n_C) = W.shape
    stride, pad = hparameters["stride"], hparameters["pad"]

def linear_forward(A, W, b):
    """
    A -- activations from previous layer (or input data): (size of previous layer, number of examples)
    W -- weights matrix: numpy array of shape (size of current layer, size of previous layer)
    b -- bias vector, numpy array of shape (size of the current layer, 1)
    """
    return np.dot(W, A) + b
''')
    found = shapes_for(module.conv_forward)
    assert found["A_prev"] == ("m", "n_H_prev", "n_W_prev", "n_C_prev")
    assert found["W"] == ("f", "f", "n_C_prev", "n_C")
    assert "hparameters" not in found
    assert shapes_for(module.linear_forward)["W"] == ("size_of_current_layer", "size_of_previous_layer")


def test_shapes_in_numpy_google_and_field_docstrings():
    module = written('''
def numpy_style(X, y_true):
    """
    Parameters
    ----------
    X : :py:class:`ndarray <numpy.ndarray>` of shape `(n_ex, n_in)`
        The input.
    y_true : array-like, shape (n_ex,)
    """

def google_style(x, mask=None):
    """
    Args:
        x (np.ndarray): Input tensor of shape (batch, seq, dim).
        mask (np.ndarray, optional): Attention mask, shape [batch, seq]
    """

def field_style(x):
    """
    :param x: (batch, M)
    :return: (batch,)
    """
''')
    assert shapes_for(module.numpy_style) == {"X": ("n_ex", "n_in"), "y_true": ("n_ex",)}
    assert shapes_for(module.google_style) == {"x": ("batch", "seq", "dim"), "mask": ("batch", "seq")}
    assert shapes_for(module.field_style) == {"x": ("batch", "M")}


def test_shapes_in_chinese_and_japanese():
    module = written('''
class Conv:
    def forward(self, x, w):
        """
        x：输入数据，形状为（N，C，H，W）
        w: 卷积核 (F, C, kh, kw)
        """
    def backward(self, dout):
        """
        :param dout: 上流からの勾配 (N, F, OH, OW)
        """
''')
    assert shapes_for(module.Conv.forward) == {"x": ("N", "C", "H", "W"), "w": ("F", "C", "kh", "kw")}
    assert axes_for(module.Conv.backward, "dout") == 4


def test_shapes_in_comments():
    module = written("""
class RNN:
    def forward(self, x):  # (B, T, D)
        return x
    def step(self, x, h):
        # x: (B, D)
        # h.shape = (B, H)
        return x
""")
    assert shapes_for(module.RNN.forward) == {"x": ("B", "T", "D")}
    assert shapes_for(module.RNN.step) == {"x": ("B", "D"), "h": ("B", "H")}


def test_a_class_docstring_may_tell_of_forward():
    module = written('''
class Pool:
    """Max pooling.

    Input shape: (n_images, n_channels, height, width)
    """
    def forward(self, x):
        return x
''')
    assert shapes_for(module.Pool.forward, module.Pool) == {"x": ("n_images", "n_channels", "height", "width")}


def test_shapes_that_code_unpacks_win_and_share_names_across_methods():
    module = written('''
class Convolution:
    def __init__(self, W, b, stride=1, pad=0):
        self.W = W
        self.b = b
    def forward(self, x):
        """x: (N, D)"""
        FN, C, FH, FW = self.W.shape
        N, C, H, W = x.shape
        return x
''')
    assert shapes_for(module.Convolution) == {"W": ("FN", "C", "FH", "FW")}
    assert shapes_for(module.Convolution.forward) == {"x": ("N", "C", "H", "W")}


def test_the_names_of_code_give_way_to_those_of_the_document():
    module = written('''
def f(x, y):
    """
    x: array of shape (batch, features)
    """
    n, d = x.shape
    d, m = y.shape
''')
    assert shapes_for(module.f) == {"x": ("batch", "features"), "y": ("features", "m")}


def test_matrix_products_tell_which_sizes_are_equal():
    module = written("""
def rnn_step(x, h, Wx, Wh, b):
    return np.tanh(x @ Wx + h @ Wh + b)

def rnn_cell(xt, a_prev, Wax, Waa, ba):
    return np.tanh(np.dot(Wax, xt) + np.dot(Waa, a_prev) + ba)
""")
    rows = shapes_for(module.rnn_step)
    assert rows["x"][1] == rows["Wx"][0]
    assert rows["Wx"][1] == rows["Wh"][1] == rows["b"][0]
    assert rows["x"][0] == rows["h"][0]
    columns = shapes_for(module.rnn_cell)
    assert columns["Wax"][1] == columns["xt"][0]
    assert columns["ba"] == (columns["Wax"][0], "1")


def test_an_input_that_meets_a_weight_is_as_long_as_the_size_it_was_made_with():
    module = written("""
class Dense:
    def __init__(self, n_in, n_out):
        self.W = 0.1 * np.random.randn(n_in, n_out)
        self.V = np.random.normal(0, 1, size=(n_out, n_in))
    def forward(self, x):
        return np.dot(x, self.W)
    def columns(self, x):
        return self.V @ x
""")
    assert shapes_for(module.Dense.forward, module.Dense)["x"][1] == "n_in"
    assert shapes_for(module.Dense.columns, module.Dense)["x"][0] == "n_in"


def test_letters_of_an_einsum_and_what_is_joined_tell_widths():
    """An input of width 1 would be broadcast along the weight's axis, and its gradient would have another shape."""
    module = written("""
class Bilinear:
    def __init__(self, n, m, out):
        self.A = np.zeros((out, n, m))
    def forward(self, u, v):
        return np.einsum("bi,oij,bj->bo", u, self.A, v)

class Cell:
    def __init__(self, n, hidden):
        self.params = {"W": np.zeros((n + hidden, 4 * hidden))}
    def forward(self, x, h):
        return np.concatenate([x, h], axis=1) @ self.params["W"]
""")
    for cls, widths in ((module.Bilinear, ["n", "m"]), (module.Cell, ["n", "hidden"])):
        assert [axes[1] for axes in shapes_for(cls.forward, cls).values()] == widths


def test_shapes_in_annotations():
    module = written("""def f(x: 'Float[ndarray, "n d"]', device: 'Literal["cpu", "gpu"]'): pass""")
    assert shapes_for(module.f) == {"x": ("n", "d")}
    assert strings_for(module.f, "device") == ("cpu", "gpu")


@pytest.mark.parametrize(
    ("text", "axes"),
    [
        ("Input data of shape (N, C, H, W)", ("N", "C", "H", "W")),
        ("an array of shape (N,)", ("N",)),
        ("(n_samples, ...)", ("n_samples", "...")),
        ("of shape (1, number of examples)", ("1", "number_of_examples")),
        ("x dim (B, T_in, C_in=40)", ("B", "T_in", "C_in")),
        ("a 3x4 matrix", ("3", "4")),
        ("[batch, H*2]", ("batch", "H*2")),
        ("(int, optional)", None),
        ("a number (default 3)", None),
        ("a pair (3, 3)", None),
        ("de/dx_l matrix", None),
        ("", None),
    ],
)
def test_axes_in_a_phrase(text, axes):
    assert axes_in(text) == axes


# ------------------------------------------------------------------------------------------------------------- axes


@pytest.mark.parametrize(
    ("line", "axes"),
    [
        ("n, c, h, w = x.shape", 4),
        ("self.x = x\n        a, b, c = self.x.shape", 3),
        ("out = x[:, :, 0:3, 0:3]", 4),
        ("out = x[:, np.newaxis]", 1),
        ("out = x.transpose(0, 3, 1, 2)", 4),
        ("out = np.transpose(x, (2, 0, 1))", 3),
        ("size = x.shape[3]", 4),
        ("out = np.sum(x, axis=(0, 2, 3))", 4),
        ("out = x.mean(axis=-1)", 1),
        ("c, h, w = x.shape[1:]", 4),
        ("padded = np.pad(x, 1); out = padded[:, :, 1:2, 1:2]", 4),
        ("assert x.ndim == 2", 2),
        ("if len(x.shape) != 3: raise ValueError", 3),
        ("out = np.einsum('bij,bjk->bik', x, x)", 3),
        ("x = x.reshape(1, 2, 3, 4)\n        a, b, c, d = x.shape", None),
        ("pass", None),
    ],
)
def test_code_tells_how_many_axes_there_are(line, axes):
    module = written(f"class Layer:\n    def forward(self, x):\n        {line}\n        return x\n")
    assert axes_for(module.Layer.forward, "x") == axes


def test_axes_are_followed_into_a_helper_and_into_backward():
    module = written("""
def im2col(image, size):
    N, C, H, W = image.shape

class Conv:
    def forward(self, x):
        self.x = x
        return im2col(x, 3)

class Pool:
    def forward(self, x):
        self.cache = x
    def backward(self, dout):
        n, h, w = self.cache.shape
""")
    assert shapes_for(module.Conv.forward) == {"x": ("N", "C", "H", "W")}
    assert shapes_for(module.Pool.forward) == {"x": ("n", "h", "w")}


def test_a_number_of_dimensions_in_words_counts():
    module = written('def f(image):\n    """\n    - image is a 2d numpy array\n    """\n')
    assert axes_for(module.f, "image") == 2


def test_a_comment_beside_an_argument_tells_its_shape():
    module = written("""
def scored(
    centers: object,  # (B, D)
    others: object,  # (B, K, D)
    scale=1.0, bias=0.0,  # (E,): of which of the two?
):
    return scale * (others * centers[:, None]).sum(2) + bias
""")
    assert shapes_for(module.scored) == {"centers": ("B", "D"), "others": ("B", "K", "D")}


def test_a_comment_after_the_last_argument_or_with_an_arrow_is_of_the_result():
    module = written("""
class Lookup:
    def forward(self, x,
                bias=(0, 1)):  # (N, M)
        return x + bias

class Spread:
    def forward(
        self,
        x,  # -> (N, 3)
    ):
        return x
""")
    assert "bias" not in shapes_for(module.Lookup.forward)
    assert "x" not in shapes_for(module.Spread.forward)


def test_an_axis_with_a_name_is_none_of_the_lengths_that_are_written():
    module = written("""
class Centred:
    def forward(
        self,
        x,  # (N, 3)
    ):
        self.x = x
        return x - x.mean(axis=0)

    def backward(self, dout):
        return dout - dout.sum(axis=0) / self.x.shape[0]
""")
    (x,) = example(module.Centred, {}, {}).inputs.values()
    assert x.shape[1] == 3 != x.shape[0]


def test_sizes_are_chosen_that_leave_weights_with_numbers():
    module = written("""
import numpy as np

class Pooled:
    def __init__(self, filter_size, pool_size, input_shape, out_dim):
        self.pool = pool_size
        self.height, self.width = ((n - filter_size + 1) // pool_size for n in input_shape)
        self.W = np.ones((self.height * self.width, out_dim))

    def forward(self, image):
        self.image = image
        part = image[: self.height * self.pool, : self.width * self.pool]
        self.means = part.reshape(self.height, self.pool, self.width, self.pool).mean(axis=(1, 3)).ravel()
        return self.means @ self.W

    def backward(self, dout):
        self.dW = np.outer(self.means, dout)
        rows = np.repeat((self.W @ dout).reshape(self.height, self.width), self.pool, axis=0)
        dx = np.zeros_like(self.image)
        dx[: self.height * self.pool, : self.width * self.pool] = np.repeat(rows, self.pool, axis=1) / self.pool**2
        return dx
""")
    found = example(module.Pooled, {}, {})
    assert module.Pooled(**found.init).W.size > 0


def test_a_layer_may_keep_an_array_without_numbers():
    """Forward reads none of them: no other sizes would fill it, and a mistake beside it is an error all the same."""
    module = written("""
import numpy as np

class Logged:
    def __init__(self, n, m):
        self.W = np.linspace(-1, 1, n * m).reshape(n, m)
        self.seen, self.log = np.zeros((0, n)), np.empty((0, 2))

    def forward(self, x):
        self.x = x
        self.seen = np.vstack([self.seen, x])
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T

class WrongLogged(Logged):
    def backward(self, dout):
        return 2 * super().backward(dout)
""")
    assert dout.check(module.Logged).ok
    assert not dout.check(module.WrongLogged).ok
