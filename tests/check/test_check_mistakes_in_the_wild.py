"""Mistakes of a kind that layers of other people showed to pass as a note, or with another mistake's cause."""

import numpy as np

import dout


class Hinge:
    def forward(self, a, labels):
        self.output = np.maximum(1 - a * labels, 0)
        return self.output

    def backward(self, labels):
        slopes = self.output
        slopes[slopes > 0] = 1  # into what forward gave
        return -slopes * labels


class HingeWithoutMinus(Hinge):
    def backward(self, labels):
        slopes = self.output
        slopes[slopes > 0] = 1
        return slopes * labels


def test_a_loss_whose_backward_writes_into_its_output_is_judged():
    assert [verdict.word for verdict in dout.check(Hinge).verdicts] == ["exact"]
    finding = dout.check(HingeWithoutMinus).findings[0]
    assert (finding.code, finding.severity, finding.argument, finding.cause) == ("D101", "error", "a", "sign")
