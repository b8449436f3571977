"""The pytest plugin: `check_layer(layer, *inputs)` fails a test with the report as its message.

    def test_affine(check_layer):
        check_layer(Affine(W, b), x)

Loading the plugin loads nothing else of dout; the first use of the fixture does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from dout.check.report.report import Report


@pytest.fixture(scope="session")
def check_layer() -> Callable[..., Report]:
    """A function that checks a layer as `dout.check` does, and fails the test where something is wrong.

    `check_layer(layer, *inputs, strict=False, ignore=(), fail=True, **options)`: with `strict` warnings fail too, the
    codes in `ignore` (or what they begin with) never do, and with `fail=False` nothing does. Returns the report,
    without the ignored findings: `assert check_layer(layer, x)` works too.
    """
    return _check_layer


def _check_layer(
    layer: Any, *inputs: Any, strict: bool = False, ignore: Sequence[str] = (), fail: bool = True, **options: Any
) -> Report:
    __tracebackhide__ = True
    from dataclasses import replace

    import dout

    report = dout.check(layer, *inputs, **options)
    left_out = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    report = replace(report, findings=tuple(f for f in report.findings if not f.code.startswith(left_out)))
    counts = {"error", "warning"} if strict else {"error"}
    if fail and any(finding.severity in counts for finding in report.findings):
        raise AssertionError(f"the check of {report.layer} found what is wrong\n{report}")
    return report
