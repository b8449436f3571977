"""A gradient that is wrong only because a part of the layer gives a wrong one is no mistake of the layer's own."""

import inspect

import numpy as np
import pytest
from check_commands import document, layers

import dout

RNG = np.random.default_rng(0)


class Linear:
    def __init__(self, n, m):
        self.W, self.b = RNG.normal(size=(n, m)), RNG.normal(size=m)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class ForgetfulLinear(Linear):
    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.mean(axis=0)
        return dout @ self.W.T


class Tanh:
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout):
        return dout * (1 - self.out**2)


class HalfTanh(Tanh):
    def backward(self, dout):
        return dout * (1 - self.out)


class SoftmaxWithLoss:
    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y, self.t = e / e.sum(axis=1, keepdims=True), t
        return -np.sum(t * np.log(self.y)) / len(x)

    def backward(self, dout=1):
        return dout * (self.y - self.t) / len(self.t)


class Block:
    """Adds what it computes to its input."""

    activation = Tanh

    def __init__(self, n, m):
        self.up, self.act, self.down = Linear(n, m), self.activation(), Linear(m, n)

    def forward(self, x):
        return x + self.down.forward(self.act.forward(self.up.forward(x)))

    def backward(self, dout):
        return dout + self.up.backward(self.act.backward(self.down.backward(dout)))


class BlockOfHalfTanh(Block):
    activation = HalfTanh


class BlockThatForgets(BlockOfHalfTanh):
    def backward(self, dout):
        return self.up.backward(self.act.backward(self.down.backward(dout)))


class Net:
    block = Block

    def __init__(self, n, m):
        self.blocks, self.loss = [self.block(n, m), self.block(n, m)], SoftmaxWithLoss()

    def forward(self, x, t):
        for block in self.blocks:
            x = block.forward(x)
        return self.loss.forward(x, t)

    def backward(self):
        dout = self.loss.backward()
        for block in reversed(self.blocks):
            dout = block.backward(dout)
        return dout


class NetOfHalfTanh(Net):
    block = BlockOfHalfTanh


class NetThatForgets(Net):
    block = BlockThatForgets


class NetOfForgetfulLinear(Net):
    def __init__(self, n, m):
        self.blocks, self.loss = [ForgetfulLinear(n, n)], SoftmaxWithLoss()


X = RNG.normal(size=(3, 4))
LABELS = np.eye(4)[[0, 2, 3]]


def wrong(layer, *inputs):
    """The causes that `dout.check` tells of wrong gradients, by argument; none of them may come with a change."""
    found = [item for item in dout.check(layer, *inputs).findings if item.code == "D101"]
    assert not any(item.fix for item in found)
    return {item.argument: item.because for item in found}


@pytest.mark.parametrize(
    ("net", "part"), [(NetOfHalfTanh, "HalfTanh"), (NetOfForgetfulLinear, "ForgetfulLinear")], ids=["output", "kept"]
)
def test_the_part_whose_gradient_is_wrong_is_named_and_not_what_holds_it(net, part):
    found = wrong(net(4, 5), X, LABELS)
    assert found
    assert set(found.values()) == {f"{part} gives a wrong gradient"}


def test_a_mistake_of_the_layer_s_own_is_told_apart_from_that_of_its_part():
    found = wrong(BlockThatForgets(4, 5), X)
    line = inspect.getsourcelines(Block.forward)[1] + 1
    missing = found.pop("x")
    assert missing.startswith("a term is missing: the gradient from the use of x at ")
    assert f":{line}" in missing
    assert set(found) == {"up.W", "up.b"}
    assert set(found.values()) == {"HalfTanh gives a wrong gradient"}


def test_both_are_named_where_it_takes_both_to_make_a_gradient_right():
    found = wrong(NetThatForgets(4, 5), X, LABELS)
    assert found["x"] == "BlockThatForgets gives a wrong gradient"
    assert {because for name, because in found.items() if name.startswith("up[0]")} == {
        "HalfTanh and BlockThatForgets give wrong gradients"
    }


def test_a_network_is_no_error_beside_the_part_that_makes_it_wrong(tmp_path):
    classes = (Linear, Tanh, HalfTanh, SoftmaxWithLoss, Block, BlockOfHalfTanh, Net, NetOfHalfTanh)
    head = "import numpy as np\nRNG = np.random.default_rng(0)\n"
    (tmp_path / "net.py").write_text(head + "\n".join(map(inspect.getsource, classes)))
    found = layers(document("net.py", cwd=tmp_path))
    errors = {name for name, layer in found.items() if any(i["severity"] == "error" for i in layer["findings"])}
    assert errors == {"HalfTanh"}
    assert any("which is wrong by itself" in item["message"] for item in found["NetOfHalfTanh"]["findings"])


class TanhOfInput:
    """Its backward is given the input again."""

    def forward(self, x):
        return np.tanh(x)

    def backward(self, dout, x):
        return dout * (1 - np.tanh(x) ** 2)


class MixesUp:
    """Its parts are right; it hands one of them the input of the other."""

    def __init__(self):
        self.W = RNG.normal(size=(4, 4))
        self.one, self.two = TanhOfInput(), TanhOfInput()

    def forward(self, x):
        self.x, self.z1 = x, x @ self.W
        self.z2 = self.one.forward(self.z1)
        return self.two.forward(self.z2)

    def backward(self, dout):
        d = self.one.backward(self.two.backward(dout, self.z1), self.z1)
        self.dW = self.x.T @ d
        return d @ self.W.T


class Clipped:
    """Its own mistake shows far out alone; its part is wrong everywhere."""

    def __init__(self):
        self.W, self.dense = np.eye(4), ForgetfulLinear(4, 5)

    def forward(self, x):
        self.x = x
        return self.dense.forward(np.minimum(x @ self.W, 6.0))

    def backward(self, dout):
        d = self.dense.backward(dout)
        self.dW = self.x.T @ d
        return d @ self.W.T


class Residual:
    """May hold one of its own kind."""

    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return x + self.inner.forward(x)

    def backward(self, dout):
        return self.inner.backward(dout) - dout


@pytest.mark.parametrize("layer", [MixesUp(), Clipped(), Residual(Residual(Tanh()))], ids=["mixed", "far", "itself"])
def test_no_part_is_to_blame_for_what_the_layer_does_wrong_itself(layer):
    (found,) = (item for item in dout.check(layer, X).findings if item.code == "D101" and item.argument == "x")
    assert found.severity == "error"
    assert "gives a wrong gradient" not in found.because
    assert found.fix
