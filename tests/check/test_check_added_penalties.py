"""A layer that hands its input on, and whose backward adds the slope of a penalty that forward tells nothing of."""

import dout


def severities(layer):
    return {finding.severity for finding in dout.check(layer).findings if finding.code == "D101"}


class Penalised:
    """Forward hands its input on, and backward adds the slope of 0.1 · x⁴, of which forward says nothing."""

    def forward(self, x):
        self.x = x
        return x

    def backward(self, dout):
        return self.share * dout + 0.4 * self.x**3

    share = 1.0


class TurnedPenalty(Penalised):
    share = -1.0


def test_a_layer_that_hands_its_input_on_may_add_a_penalty():
    assert not severities(Penalised)
    assert severities(TurnedPenalty) == {"error"}
