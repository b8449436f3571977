"""Values and layers have the names that the user's code gives them, however it is written."""

import numpy as np

import dout


class Linear:
    def __init__(self, rows, columns):
        self.W = np.linspace(-1, 1, rows * columns).reshape(rows, columns)

    def __call__(self, x):
        return self.forward(x)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class Attention:
    def __init__(self, size=4):
        self.query, self.key, self.value = (Linear(size, size) for _ in range(3))
        self.heads = [Linear(size, 2), Linear(size, 3)]

    def forward(self, x):
        q, k, v = self.query(x), self.key(x), self.value(x)
        s = q @ k.T / np.sqrt(q.shape[1])
        e = np.exp(s)
        h = e / e.sum(axis=1, keepdims=True) @ v
        return np.concatenate([head(h) for head in self.heads], axis=1)

    def backward(self, dout):
        return dout @ np.ones((5, 4))


def recorded():
    return dout.trace(Attention(), np.linspace(0, 1, 12).reshape(3, 4))


def test_of_several_expressions_each_has_the_name_in_its_place():
    trace = recorded()
    assert [trace.names[call.outputs[0]] for call in trace.calls[1:4]] == ["q", "k", "v"]


def test_a_layer_that_is_called_has_the_name_it_is_called_by_and_the_line_of_that():
    trace = recorded()
    lines = [call.where.line for call in trace.calls[1:4]]
    assert [call.name for call in trace.calls[1:]] == ["query", "key", "value", "heads[0]", "heads[1]"]
    assert len({*lines}) == 1
    assert lines[0] > trace.calls[0].where.line


def test_parameters_of_one_name_are_told_apart_by_their_parts_and_a_size_by_default_is_a_length():
    text = str(dout.explain(Attention))
    assert "x @ W_query" in text
    assert "h @ W_heads0" in text
    assert "/ √D" in text
    assert "W_2" not in text


class Private:
    def __init__(self):
        self.__layers, self.__last = [Linear(4, 3), Linear(3, 2)], Linear(2, 2)

    def forward(self, x):
        for layer in self.__layers:
            x = layer(x)
        return self.__last(x)

    def backward(self, dout):
        for layer in [*self.__layers, self.__last][::-1]:
            dout = layer.backward(dout)
        return dout


def test_a_layer_under_a_private_name_is_called_as_its_class_writes_it():
    trace = dout.trace(Private(), np.linspace(0, 1, 12).reshape(3, 4))
    assert [call.name for call in trace.calls[1:]] == ["__layers[0]", "__layers[1]", "__last"]
