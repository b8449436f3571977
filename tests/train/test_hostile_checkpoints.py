"""A checkpoint that is cut off, of another version, or hostile: one clear line, and nothing changes."""

import json
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dout.errors import CheckpointError, TrainingError
from dout.layers import Affine, Dropout, SoftmaxWithLoss
from dout.train import fit, load
from dout.train.state.net_state import NetState

x, t = np.random.default_rng(0).standard_normal((20, 3)), np.arange(20) % 2


def net():
    return [Affine(np.ones((3, 2)), np.zeros(2)), Dropout(0.5, seed=1)]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    fit(net(), x, t, loss=SoftmaxWithLoss(), epochs=1, batch=10, seed=0, checkpoint=folder, compiled=False)
    return (folder / "last.safetensors").read_bytes()


def taken(content, path):
    """Give a fresh net and its training the content; the error, or nothing. What is refused changes nothing."""
    path.write_bytes(content)
    layers, state = net(), np.random.get_state()[1].tobytes()
    before = layers[0].W.copy(), layers[1].generator.bit_generator.state
    try:
        fit(
            layers,
            x,
            t,
            loss=SoftmaxWithLoss(),
            epochs=1,
            batch=10,
            checkpoint=path.parent,
            resume=True,
            compiled=False,
        )
    except CheckpointError as error:
        is_as_it_was = np.array_equal(layers[0].W, before[0]) and layers[1].generator.bit_generator.state == before[1]
        return error if is_as_it_was and "\n" not in str(error) else pytest.fail(f"something has changed: {error}")
    except TrainingError:  # what it says of numbers can be true: a layer has to take them
        pass
    finally:
        np.random.set_state(("MT19937", np.frombuffer(state, np.uint32), 0, 0, 0.0))
    return None


def split(content):
    size = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def joined(header, rest):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + rest


def with_document(content, change):
    """The file with another document, and the header around it as it has to be."""
    header, rest = split(content)
    document = json.loads(header["__metadata__"]["dout"])
    changed = change(document)
    text = changed if isinstance(changed, str) else json.dumps(document)
    header["__metadata__"]["dout"] = text
    return joined(header, rest)


def test_the_file_itself_is_taken(good, tmp_path):
    assert taken(good, tmp_path / "last.safetensors") is None


def test_cut_off_anywhere_it_is_refused(good, tmp_path):
    for size in (0, 1, 7, 8, 9, 100, len(good) // 2, len(good) - 1):
        error = taken(good[:size], tmp_path / "last.safetensors")
        assert "cannot be used: it is cut off, or no checkpoint" in str(error), size


def setter(*path):
    *inner, last, value = path

    def change(document):
        for key in inner:
            document = document[key]
        document[last] = value

    return change


HUGE = "[" * 100_000 + "]" * 100_000
DOCUMENTS = [
    (setter("version", 2), "it has version 2; this dout reads version 1"),
    (setter("dout", "trace"), "its document does not describe a checkpoint"),
    (lambda document: "no JSON", "its document is not JSON"),
    (lambda document: HUGE, "its document (is not JSON|does not describe)"),
    (lambda document: "NaN", "its document is not JSON"),
    (lambda document: "[" * 70 + "]" * 70, "its document does not describe a checkpoint"),
    (lambda document: document.pop("attributes") and None, "a part of its document is missing"),
    (setter("objects", "net.other", "Affine"), r"net.other is Affine in it, and nothing here"),
    (setter("objects", "net.layers[0]", "Evil"), r"net.layers\[0\] is Evil in it, and Affine here"),
    (setter("attributes", "net.layers[0]", "forward", {"plain": 1}), "it would set .*forward, which is no attribute"),
    (
        setter("attributes", "net.layers[0]", "__class__", {"plain": 1}),
        "it would set .*__class__, which is no attribute",
    ),
    (setter("attributes", "net.layers[0]", "a.b", {"plain": 1}), "it would set .*a.b, which is no attribute"),
    (setter("attributes", "net.layers[0]", "a\n\x1b[31m", {"plain": 1}), r"would set .*a\\n\\x1b\[31m, which is no"),
    (setter("attributes", "net.other", {}), "there is no net.other here"),
    (setter("attributes", "net.layers[0]", "W", {"array": "nowhere"}), r"the array net.layers\[0\].W is missing"),
    (setter("attributes", "net.layers[0]", "W", {"array": "net.layers[0].b"}), r"has shape \(2,\) .* and \(3, 2\)"),
    (setter("attributes", "net.layers[0]", "x", {"pickle": "gASV"}), "none of the kinds of values"),
    (setter("attributes", "net.layers[0]", "x", {"float": "1_0__"}), "which is no number"),
    (
        lambda document: document["attributes"].update(net={"layers": {"list": []}}),
        "net.layers is something else than the list of 2 here",
    ),
    (lambda document: document["attributes"].update(net={"layers": {"plain": 5}}), "than the list of 2 here"),
    (setter("attributes", "net.layers[0]", "new", {"object": True}), "neither the net has nor its code sets"),
    (setter("attributes", "net.layers[0]", "weight_decay", {"plain": 1}), "neither the net has nor its code sets"),
    (setter("attributes", "net.layers[0]", "W", {"float": "1.5"}), r"W is something else than the array of shape"),
    (setter("attributes", "net.layers[0]", "W", {"list": []}), r"W is something else than the array of shape"),
    (setter("attributes", "net.layers[0]", "W", {"plain": None}), r"W is something else than the array of shape"),
    (setter("attributes", "net.layers[0]", "W", {"number": "net.layers[0].W"}), "W is something else than the array"),
    (setter("attributes", "net.layers[1]", {"ratio": {"plain": "half"}}), "ratio is something else than the float"),
    (setter("attributes", "optimizer", "state", {"plain": 5}), "optimizer.state is something else than the dict"),
    (setter("attributes", "optimizer", "state", {"dict": []}), "optimizer.state is something else than the dict"),
    (
        setter("attributes", "optimizer", "state", "dict", 0, 1, "dict", 0, 1, {"array": "net.layers[0].b"}),
        r"optimizer.state.'m'..'net.layers.0..W'. has shape .2,. in it, and .3, 2. here",
    ),
    (setter("attributes", "optimizer", "state", "dict", 0, 1, {"plain": 5}), "state.'m'. is something else than the d"),
    (setter("generators", 0, "dict", "bit_generator", "MT19937"), "state of a random generator that no generator t"),
    (setter("generators", []), "the states of other random generators"),
    (setter("global", "numpy", "tuple", 2, 10**6), "state of a random generator that no generator t"),
    (setter("global", "numpy", "tuple", 1, "array", [1, 2]), "state of a random generator that no generator t"),
    (setter("global", "python", "tuple", 1, "tuple", [1]), "state of a random generator that no generator t"),
    (setter("global", {}), "state of a random generator that no generator t"),
    (setter("training", "epoch", -1), "-1.* is no number of steps"),
    (setter("training", "epoch", 1e300), "is no number of steps"),
    (setter("training", {}), "dout does not write what it says of the training"),
    (setter("training", "rows", [[1]]), "dout does not write what it says of the training"),
    (setter("training", "sums", {"loss": "many"}), "dout does not write what it says of the training"),
]


@pytest.mark.parametrize(("change", "said"), DOCUMENTS, ids=[said for _, said in DOCUMENTS])
def test_a_document_that_lies_is_refused_in_one_line(change, said, good, tmp_path):
    error = taken(with_document(good, change), tmp_path / "last.safetensors")
    assert error is not None
    with pytest.raises(CheckpointError, match=rf"last.safetensors cannot be used: .*{said}"):
        raise error


class OwnMomentum:
    """It makes its memory in the first update, as people write it, a list of arrays beside a stack that grows."""

    def __init__(self):
        self.v, self.stack = None, None

    def update(self, params, grads):
        if self.v is None:
            self.v = [np.zeros_like(param) for param in params]
        self.stack = grads[0][:1] if self.stack is None else np.concatenate([self.stack, grads[0][:1]])
        for i, (param, grad) in enumerate(zip(params, grads, strict=True)):
            self.v[i] = 0.9 * self.v[i] - 0.1 * grad
            param += self.v[i]


def test_memory_of_another_shape_is_refused_also_in_an_optimizer_of_ones_own(tmp_path):
    how = {"loss": SoftmaxWithLoss(), "batch": 10, "seed": 0, "checkpoint": tmp_path, "compiled": False}
    fit(net(), x, t, optimizer=OwnMomentum(), epochs=1, **how)
    fit(net(), x, t, optimizer=OwnMomentum(), epochs=2, resume=True, **how)
    path = tmp_path / "last.safetensors"
    other = setter("attributes", "optimizer", "v", "list", 0, {"array": "net.layers[0].b"})
    path.write_bytes(with_document(path.read_bytes(), other))
    with pytest.raises(CheckpointError, match=r"used: optimizer.v\[0\] has shape \(2,\) in it, and \(3, 2\) here$"):
        fit(net(), x, t, optimizer=OwnMomentum(), epochs=3, resume=True, **how)


def test_a_header_that_lies_is_refused(good, tmp_path):
    header, rest = split(good)
    for change in (
        {"data_offsets": [0, 10**12]},
        {"data_offsets": [8, 0]},
        {"shape": [2**40, 2**40]},
        {"dtype": "X99"},
        {"shape": [3, -2]},
    ):
        other = {**header, "net.layers[0].W": {**header["net.layers[0].W"], **change}}
        assert taken(joined(other, rest), tmp_path / "last.safetensors") is not None, change
    assert taken(struct.pack("<Q", 2**63) + good[8:], tmp_path / "last.safetensors") is not None


def test_another_librarys_safetensors_are_told(tmp_path):
    from safetensors.numpy import save

    error = taken(save({"W": np.ones(3)}), tmp_path / "last.safetensors")
    assert "dout did not write it" in str(error)


def test_a_folder_or_a_pipe_is_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read: it is a folder"):
        load(tmp_path, net())
    with pytest.raises(CheckpointError, match=r"cannot be read: No such file"):
        load(tmp_path / "none.safetensors", net())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_bytes_change_it_is_taken_or_refused_and_nothing_else_happens(data, good, tmp_path):
    content = bytearray(good)
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    taken(bytes(content), tmp_path / "last.safetensors")


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(item, path=()):
    yield path
    parts = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    for key, part in parts:
        if not (isinstance(item, list) and key > 3):
            yield from places(part, (*path, key))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_stands_in_the_document_it_is_taken_or_refused(data, good, tmp_path):
    def change(document):
        path = data.draw(st.sampled_from([path for path in places(document) if path]))
        setter(*path, data.draw(plain))(document)

    taken(with_document(good, change), tmp_path / "last.safetensors")


def test_numbers_texts_and_containers_come_back_as_they_were():
    class Holder:
        def change(self):
            return changed(self)

    def changed(held):
        held.n, held.f, held.name, held.flag, held.none = 3, 0.1, "é", True, None
        held.inf, held.scalar, held.bits = float("inf"), np.float32(0.1), np.array([True, False])
        held.nested = {"a": [1, (2.5, np.arange(3))], 7: {"b": None}}
        held.W[0, 1] = 5
        return held

    one, other = Holder(), Holder()
    for held in (one, other):
        held.W, held.n, held.f, held.name, held.flag, held.none = np.ones((2, 2), np.float32), 0, 0.0, "", False, 1.0
        held.nested = {"a": [], 7: {}}
    state, array = NetState(net=one), other.W
    one.change()
    NetState(net=other).put(state.taken())
    assert other.W is array
    assert {name: repr(value) for name, value in vars(other).items()} == {n: repr(v) for n, v in vars(one).items()}


class OwnNet:
    """It keeps its parameters in a dict, its last layer beside it, and makes one parameter in the first forward."""

    def __init__(self):
        self.params, self.last = {"W1": np.ones((3, 2)), "b1": np.zeros(2)}, SoftmaxWithLoss()

    def forward(self, x, t):
        if "scale" not in vars(self):
            self.scale = np.ones(2)
        self.x, self.out = x, x @ self.params["W1"] + self.params["b1"]
        return self.last.forward(self.out * self.scale, t)

    def backward(self):
        dout = self.last.backward(1)
        self.grads = {"W1": self.x.T @ (dout * self.scale), "b1": (dout * self.scale).sum(axis=0)}
        self.dscale = (dout * self.out).sum(axis=0)


PARAMS = ("attributes", "net", "params", "dict")
FOREIGN = [
    lambda document: setter(*PARAMS, 0, 0, "other")(document),  # another key
    lambda document: setter(*PARAMS, document["attributes"]["net"]["params"]["dict"][::-1])(document),  # another order
    lambda document: document["attributes"]["net"].update(params={"list": []}),
    lambda document: setter(*PARAMS, 5)(document),
    lambda document: setter(*PARAMS, [5])(document),
    lambda document: setter(*PARAMS, 0, 1, {"float": "15"})(document),
    lambda document: document["attributes"]["net"].update(last={"plain": 5}),
    lambda document: document["attributes"]["net"].update(zzz={"plain": 5}),
    lambda document: document["attributes"]["net"].update(weight_decay={"list": [{"plain": "x"}]}),
]


@pytest.mark.parametrize("change", FOREIGN)
def test_load_refuses_another_net_in_one_line_and_leaves_this_one_alone(change, tmp_path):
    fit(OwnNet(), x, t, epochs=1, batch=10, seed=0, checkpoint=tmp_path, compiled=False)
    path = tmp_path / "last.safetensors"
    good = OwnNet()
    load(path, good)
    assert not np.array_equal(good.scale, np.ones(2))  # made by its forward, and brought to a net that has none yet
    path.write_bytes(with_document(path.read_bytes(), change))
    one = OwnNet()
    with pytest.raises(CheckpointError, match=r"last.safetensors cannot be used: [^\n]*$"):
        load(path, one)
    assert sorted(vars(one)) == ["last", "params"]
    assert [*one.params] == ["W1", "b1"]
    assert np.array_equal(one.params["W1"], np.ones((3, 2)))


class Scaled:
    """It reads an attribute that others give it."""

    def forward(self, x):
        return x * getattr(self, "given", 1.0)

    def backward(self, dout):
        return dout * getattr(self, "given", 1.0)


def test_an_attribute_that_nothing_in_the_net_sets_is_told_when_it_is_saved(tmp_path):
    layers = [*net(), Scaled()]

    def accuracy(scores, t):
        layers[2].__dict__["given"] = 0.5
        return 0.0

    with pytest.raises(CheckpointError, match=r"net.layers\[2\].given is a float that came with the training, and no"):
        fit(layers, x, t, loss=SoftmaxWithLoss(), epochs=1, metrics=[accuracy], checkpoint=tmp_path, compiled=False)
