"""Operations on a tape of the user's own, whose gradient is an object of its class: so is the upstream gradient."""

import pytest

import dout
from dout.adapt.tapes.tape_operations import tape_operations
from tests.support import object_gradient_tape as tape

FUNCTIONS = tape_operations(vars(tape))
METHODS = tape_operations(vars(tape), tape.Node)


@pytest.mark.parametrize("operation", [FUNCTIONS["sine"], METHODS["cubed"]])
def test_an_upstream_gradient_stands_in_an_object_where_gradients_do(operation):
    report = dout.check(operation)
    assert report.ok
    assert [str(verdict.word) for verdict in report.verdicts] == ["exact"]


def test_what_is_wrong_on_such_a_tape_is_refuted():
    report = dout.check(FUNCTIONS["wrong_sine"])
    assert [str(verdict.word) for verdict in report.verdicts] == ["refuted"]
