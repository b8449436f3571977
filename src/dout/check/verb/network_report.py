"""What is said of a network whose loss is not its forward's own: whether backward is meant for that loss."""

from __future__ import annotations

from dataclasses import replace

from dout.adapt.interface.network_loss import NetworkLoss
from dout.check.report.report import Report
from dout.check.report.verdicts import Refuted
from dout.check.rules.shapes.d506_other_rows import RULE as FIXED_SIZE
from dout.judge.outcomes import CLOSE, RIGHT, Word


def is_meant_otherwise(report: Report, network: NetworkLoss | None) -> bool:
    """Whether no gradient is right: then backward may be meant for another loss.

    Of a loss that is only assumed one has to be right as it is: a factor and a penalty make much out of another loss.
    """
    words = {v.word for v in report.verdicts} - {Word.INCONCLUSIVE}
    if network is None or Word.REFUTED not in words:
        return False
    return words == {Word.REFUTED} or (network.assumed and words.isdisjoint(RIGHT | CLOSE))


def of_network(report: Report, network: NetworkLoss | None) -> Report:
    """A report without what is about a loss that is ours; and a doubt, where backward may be meant for another one."""
    if network is None:
        return report
    if network.takes_weights:  # the first input is a weight, and its rows are no samples
        report = replace(report, findings=tuple(f for f in report.findings if f.code != FIXED_SIZE.code))
    if network.assumed:
        report = replace(report, findings=tuple(f for f in report.findings if not f.code.startswith("D4")))
    if is_meant_otherwise(report, network) and not network.is_called:
        other = f"; it may be meant for another loss than {network.loss}"
        return report.with_each(lambda item: item.doubted(other) if isinstance(item.reason, Refuted) else item)
    return report
