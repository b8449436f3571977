"""The net of layers that are wrong on one side of a condition: each is refuted, or that side is listed."""

import tempfile

import pytest
from one_side_squares import errors

import dout
from benchmarks.checker import one_sided
from benchmarks.checker.case import write

NET = list(one_sided.one_sided())


def checked(case):
    with tempfile.TemporaryDirectory() as folder:
        path = write(case, folder, example=False)
        names = {"__name__": path.stem, "__file__": str(path)}
        exec(compile(path.read_text(), str(path), "exec"), names)
        return dout.check(case.build(names), *case.inputs)


def test_the_net_is_wrong_on_the_other_side_alone():
    assert len(NET) >= 60
    assert [mutant.id for mutant, right, row in NET if not one_sided.confirmed(mutant, right, row)] == []


@pytest.mark.one_in(24)
@pytest.mark.parametrize(("mutant", "right", "row"), NET[::2], ids=[mutant.id for mutant, _, _ in NET[::2]])
def test_a_layer_that_is_wrong_on_one_side_is_refuted_or_that_side_is_listed(mutant, right, row):
    report = checked(mutant)
    assert one_sided.is_told(errors(report), report.branches, row)


RIGHT_TWINS = {right.cls: right for _, right, _ in NET}


@pytest.mark.one_in(9)
@pytest.mark.parametrize("name", RIGHT_TWINS)
def test_its_right_twin_has_no_error(name):
    assert not errors(checked(RIGHT_TWINS[name]))
