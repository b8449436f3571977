"""D205: an output or a gradient is an array that the layer keeps and reads again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dout.check.lab.other_values import same, shares
from dout.check.lab.probe import CrashError, Lab, learned
from dout.check.report.rule import Findings, Rule
from dout.run import arrays, attributes_of, copied, is_float_array

RULE = Rule("D205", "note", "what is returned shares memory with what the layer keeps", compares=True)


def check(lab: Lab) -> Findings:
    """Yield a finding if a later gradient changes after the caller writes into what forward or backward returned."""
    layer = lab.fresh()
    before = dict(attributes_of(layer))
    outputs = lab.forward(layer, lab.inputs())
    name = _shared_name(outputs, layer)
    if name is not None:
        douts = lab.douts(outputs)
        _overwrite(outputs)
        if not _backward_gives(lab, layer, douts, (lab.base.gradients, lab.base.learned), before):
            message = f"forward returns {name} itself: writing into the output changes the gradient; return a copy"
            yield RULE.about(lab.subject, message, cause="alias", argument=name)
            return
    run = lab.run()
    name = _shared_name(run.gradients, run.layer)
    if name is None:
        return
    wanted = [*map(copied, lab.backward(run.layer, tuple(map(copied, run.douts))))]
    again = lab.run()
    _overwrite(again.gradients)
    if not _backward_gives(lab, again.layer, tuple(map(copied, again.douts)), (wanted, {}), {}):
        message = f"backward returns {name} itself: writing into the gradient changes a later one; return a copy"
        yield RULE.about(lab.subject, message, cause="alias", argument=name)


def _shared_name(returned: Sequence[Any], layer: Any) -> str | None:
    held = arrays(layer).items()
    return next((name for item in _writeable(returned) for name, array in held if shares(item, array)), None)


def _writeable(items: Sequence[Any]) -> list[Any]:
    return [item for item in items if is_float_array(item) and item.flags.writeable]


def _overwrite(items: Sequence[Any]) -> None:
    for item in _writeable(items):
        item *= -2
        item += 3


def _backward_gives(
    lab: Lab, layer: Any, douts: tuple[Any, ...], wanted: tuple[list[Any], dict[str, Any]], before: dict[str, Any]
) -> bool:
    """Whether backward returns these gradients, and leaves those for parameters."""
    try:
        gradients = lab.backward(layer, douts)
    except CrashError:
        return True
    return same(gradients, wanted[0]) and same(learned(before, layer), wanted[1])
