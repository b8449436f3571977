"""An error that says that something is not there is told from one that the inputs are to blame for."""

import pytest
from written import written

from dout.check.verb.check_layer import check
from dout.check.verb.missing_dependency import lacks, lacks_target
from dout.judge.outcomes import Word
from dout.trace.program.stub_modules import Missing

SOURCE = """
def only_on_a_card(x, other):
    if not isinstance(x, cards.ndarray):
        raise ValueError("give an array of the card")
    if x.shape != other:
        raise ValueError("shapes")

def of_a_library():
    raise AttributeError("lib.so: undefined symbol: softmaxForward")

def guarded():
    try:
        import no_such_library
    except ImportError as error:
        raise RuntimeError("a card is required") from error
"""


def raised(function, *arguments):
    with pytest.raises(Exception, match=r".") as caught:
        function(*arguments)
    return caught.value


def test_a_condition_on_a_missing_library_says_that_it_is_needed():
    module = written(SOURCE)
    module.cards = Missing("cards")
    assert lacks(raised(module.only_on_a_card, 1.0, ())) == "cards"


def test_any_other_condition_is_a_matter_of_the_inputs():
    module = written(SOURCE)
    module.cards = type("cards", (), {"ndarray": float})
    assert lacks(raised(module.only_on_a_card, type("Of", (float,), {"shape": (1,)})(), ())) == ""


def test_a_failed_import_and_a_missing_symbol_are_named():
    module = written(SOURCE)
    assert lacks(raised(module.guarded)) == "no_such_library"
    assert lacks(raised(module.of_a_library)) == "softmaxForward of a shared library"


def test_a_backward_that_met_none_for_its_target_takes_the_target_itself():
    class Output:
        def forward(self, x):
            return x

        def backward(self, dout, y_true=None):
            return dout - y_true

    said = "Output raises TypeError: unsupported operand type(s) for -: 'float' and 'NoneType'"
    assert lacks_target(Output, None, said)
    assert not lacks_target(Output, None, "Output raises ValueError: shapes")


GRAPH = """
class Variable:
    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, place):
        return Variable(self.data[place])

    def __mul__(self, other):
        return Variable(self.data * (other.data if isinstance(other, Variable) else other))

class Function:
    def __call__(self, *inputs):
        self.inputs = [x if isinstance(x, Variable) else Variable(x) for x in inputs]
        return Variable(self.forward(*(x.data for x in self.inputs)))

class Square(Function):
    def forward(self, x):
        return x ** 2

    def backward(self, gy):
        return self.inputs[0] * 2 * gy

class Double(Function):
    def forward(self, x):
        return 2 * x

    def backward(self, gy):
        return Variable(gy) * 2.0
"""


@pytest.mark.parametrize("name", [pytest.param("Square", marks=pytest.mark.long), "Double"])
def test_nodes_of_a_graph_of_the_users_own_are_judged_in_its_variables(name):
    report = check(getattr(written(GRAPH), name))
    assert [verdict.word for verdict in report.verdicts] in ([Word.EXACT], [Word.AGREES])
    assert report.ok, report
