"""A repair is proven up to a constant where that is a convention of the layer."""

import numpy as np
from mended_layers import written_by_fixes
from report_findings import named_errors

from dout.check.verb.check_layer import check


class BinaryLoss:
    """Right up to a constant: forward averages over all elements, and backward over the samples."""

    def forward(self, predictions, targets):
        self.pred, self.target = np.clip(predictions, 1e-7, 1 - 1e-7), targets
        return -(targets * np.log(self.pred) + (1 - targets) * np.log(1 - self.pred)).mean()

    def backward(self):
        rows = self.pred.shape[0]
        return (-(self.target / self.pred) + (1 - self.target) / (1 - self.pred)) / rows


class OfAnotherLoss(BinaryLoss):
    def backward(self):
        rows = self.pred.shape[0]
        return (-(self.pred / self.pred) + (1 - self.target) / (1 - self.pred)) / rows


def test_a_repair_may_be_right_up_to_the_constant_of_a_convention():
    assert named_errors(check(BinaryLoss)) == []
    report = check(OfAnotherLoss)
    assert written_by_fixes(report) == [
        "return (-(self.target / self.pred) + (1 - self.target) / (1 - self.pred)) / rows"
    ]
    (because,) = (finding.because for finding in report.findings if finding.severity == "error")
    assert "up to a constant that people choose" in because
