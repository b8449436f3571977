"""A repair is proven up to a constant where that is a convention of the layer."""

import numpy as np

from dout.check.verb.check_layer import check


def errors(report):
    return [(f.code, f.argument) for f in report.findings if f.severity == "error"]


def written(report):
    """The lines that fixes of errors write."""
    fixes = [str(f.fix) for f in report.findings if f.severity == "error" and f.fix is not None]
    return [line[1:].strip() for fix in fixes for line in fix.splitlines() if line[:1] == "+" and line[:3] != "+++"]


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
    assert errors(check(BinaryLoss)) == []
    report = check(OfAnotherLoss)
    assert written(report) == ["return (-(self.target / self.pred) + (1 - self.target) / (1 - self.pred)) / rows"]
    (because,) = (finding.because for finding in report.findings if finding.severity == "error")
    assert "up to a constant that people choose" in because
