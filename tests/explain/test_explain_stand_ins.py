"""`explain` of a container: the layers that dout puts into it are told as such."""

from dout.explain.verb.explain_verb import explain


class Chain:
    def __init__(self):
        self.layers = []

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


class Double:
    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        return 2 * dout


def filled():
    chain = Chain()
    chain.layers = [Double(), Double()]
    return chain


def test_layers_of_ours_in_a_container_are_told_and_those_of_the_user_are_not():
    told = [{reason.key: reason.fields for reason in explain(one).not_explained} for one in (Chain, filled())]
    assert told[0]["stand_ins"] == {"names": "layers"}
    assert "stand_ins" not in told[1]
