"""What a grade says of a mistake of some kind: words that lead to the answer, and never give it."""

from __future__ import annotations

from collections.abc import Mapping

from dout.check.report.rule import Rule
from dout.check.rules.determinism.d602_backward_draws import RULE as DRAWS
from dout.check.rules.memory.d201_writes_dout import RULE as WRITES_DOUT
from dout.check.rules.memory.d202_writes_input import RULE as WRITES_INPUT
from dout.check.rules.memory.d206_second_backward import RULE as SECOND_BACKWARD
from dout.check.rules.memory.d207_gradients_add_up import RULE as ADDS_UP
from dout.check.rules.memory.d209_instances_share import RULE as INSTANCES_SHARE
from dout.check.rules.memory.d210_backward_changes_parameters import RULE as CHANGES_PARAMETERS
from dout.check.rules.shapes.d506_other_rows import RULE as OTHER_ROWS
from dout.judge.outcomes import Word

KINDS: Mapping[str, str] = {
    # Nothing can be judged.
    "unwritten": "nothing is written in {label} yet",
    "refused": "it does what an answer may not do",
    "raises": "it raises {what}",
    "raises somewhere": "it raises this, or what it gives is no array: {what}",
    "time": "it did not end in time: it was stopped",
    "memory": "it took too much memory: it was stopped",
    "died": "it ended its process",
    "stopped": "it could not be run",
    "no gradient": "no gradient was found: return the gradients of the inputs, and set those of parameters in self",
    # A gradient is lost, or has another shape.
    "lost": "no gradient of it was found: return it, or set it in self as an array, by a name that tells: self.dW of W",
    "count": "it returns more gradients than forward has inputs: return one array for each",
    "kept nowhere": "it is computed, and kept nowhere: set it in self",
    "shape": "its shape is {got}, right: {right}",
    "another shape": "its shape is not that of what it is the gradient of",
    "shape first": "its shape is wrong",
    "elsewhere": "it is right on one example, and wrong on another",
    # A gradient is wrong: the words that `check` has for the cause.
    "sign": "a sign is wrong",
    "factor": "a factor is missing, or is one too many",
    "missing term": "a term is missing: each way from the input to the output adds one",
    "extra term": "a term is one too many",
    "formula": "the formula is another one: go through the steps of forward from the last to the first",
    "transpose": "a matrix should be transposed, or should not be: write down the shapes in each product",
    "broadcast": "forward uses it in several places, once for each row: its gradient adds up theirs",
    "axis": "a sum or mean goes along another axis",
    "batch": "it is right for one number of rows only",
    "mask": "the mask is missing, or lets the wrong elements through",
    "index": "what is picked several times has a gradient from each place: they add up",
    "swapped": "another array belongs here, or two gradients have changed places",
    "order": "something is computed too early, or too late: what it needs has changed in between",
    "replaced": "an array is replaced that others still use: change what is in it",
    "ignores dout": "it does not depend on dout: by the chain rule, dout is a factor of it",
    "passes dout on": "dout is passed on as it came: multiply it by the local derivative",
    "random": "random numbers are drawn anew: keep those that forward drew",
    "scaled": "it is right but for a constant factor: does forward divide what it returns?",
    "counted": "it has a number of rows or elements as a factor, which forward has not",
    "not finite": "it is no finite number: something is divided by 0, or is too large",
    "penalty": "a term is added that forward does not have",
    "clipping": "it is clipped: the derivative is not",
    "joined": "it is the gradient of this step and of the one before it",
    "diagonal": "each output depends on all inputs of its row: this is the part of one of them",
    "nothing passed": "nothing is passed on",
    # What a backward owes to those who call it.
    "overwrites dout": "dout is overwritten: whoever computed it may use it again; work on a copy",
    "overwrites input": "an input is overwritten: work on a copy",
    "writes": "it changes memory of others: work on a copy",
    "stale": "a second call gives another gradient: it changes, or adds to, what the first one left",
    "shared": "arrays are shared that should be apart",
    "not earned": "counts when a gradient is right",
    "after": "counts when every step is right; the first that is not is {first}",
}

# What a verdict says by its word.
VERDICTS: Mapping[Word, str] = {
    Word.SCALED: "scaled",
    Word.PENALISED: "penalty",
    Word.CLIPPED: "clipping",
    Word.PASSED: "passes dout on",
    Word.THROUGH: "passes dout on",
    Word.JOINED: "joined",
    Word.DIAGONAL: "diagonal",
    Word.STOPPED: "nothing passed",
}

# What a backward owes to those who call it: what is said, the rules that find it broken, and a kind where a finding has
# none.
CONTRACT: tuple[tuple[str, frozenset[Rule], str], ...] = (
    (
        "leaves dout, inputs and parameters as they are",
        frozenset({WRITES_DOUT, WRITES_INPUT, CHANGES_PARAMETERS}),
        "writes",
    ),
    (
        "gives the same when it is called again",
        frozenset({SECOND_BACKWARD, ADDS_UP, INSTANCES_SHARE, DRAWS}),
        "stale",
    ),
    ("holds for other numbers of rows", frozenset({OTHER_ROWS}), "batch"),
)
