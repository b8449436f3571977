"""What a grade says of a mistake of some kind: words that lead to the answer, and never give it."""

from __future__ import annotations

from collections.abc import Mapping

from dout.judge.outcomes import Word

UNKNOWN = "the formula is another one: go through the steps of forward from the last to the first"

CAUSES: Mapping[str, str] = {
    "sign": "a sign is wrong",
    "factor": "a factor is missing, or is one too many",
    "missing term": "a term is missing: each way from the input to the output adds one",
    "extra term": "a term is one too many",
    "formula": UNKNOWN,
    "transpose": "a matrix should be transposed, or should not be: write down the shapes in each product",
    "broadcast": "forward uses it in several places, once for each row: its gradient adds up theirs",
    "axis": "a sum or mean goes along another axis",
    "batch": "it is right for one number of rows only",
    "mask": "the mask is missing, or lets the wrong elements through",
    "shape": "its shape is not that of the array that it is the gradient of",
    "swapped": "two gradients, or two arrays, have changed places",
    "order": "something is computed too early, or too late: what it needs has changed in between",
    "replaced": "an array is replaced that others still use: change what is in it",
    "ignores dout": "it does not depend on dout: this is the local derivative alone",
    "stale": "it uses what another call left behind",
    "kept nowhere": "it is computed, and kept nowhere: set it in self",
    "overwrites dout": "dout is overwritten: whoever computed it may use it again; work on a copy",
    "overwrites input": "an input is overwritten: work on a copy",
    "alias": "what is returned shares memory with what was given or kept: return an array of its own",
    "shared": "arrays are shared that should be apart",
    "dtype": "its dtype is not that of the array that it is the gradient of",
    "random": "random numbers are drawn anew: keep those that forward drew",
    "stabiliser": "forward and backward add different small numbers",
    str(Word.SCALED): "it is right but for a constant factor: does forward divide what it returns?",
    str(Word.PENALISED): "a term is added that forward does not have",
    str(Word.CLIPPED): "it is clipped: the derivative is not",
    str(Word.PASSED): "dout is passed on as it came: multiply it by the local derivative",
    str(Word.JOINED): "it is the gradient of this step and of the one before it",
    str(Word.DIAGONAL): "each output depends on all inputs of its row: this is the part of one of them",
    str(Word.THROUGH): "dout is passed on as it came: multiply it by the local derivative",
    str(Word.STOPPED): "nothing is passed on",
}

# What a backward owes to those who call it: what is said, the findings against it, and a reason where none has words.
CONTRACT = (
    (
        "leaves dout, inputs and parameters as they are",
        frozenset({"D201", "D202", "D203", "D204", "D210"}),
        "it changes, or hands out, memory of others: work on a copy",
    ),
    (
        "gives the same when it is called again",
        frozenset({"D206", "D207", "D209", "D601", "D602"}),
        "a second call gives another gradient",
    ),
    (
        "holds for other numbers of rows",
        frozenset({"D503", "D506"}),
        "with another number of rows it is wrong",
    ),
)

WORDS: Mapping[str, str] = {
    "unwritten": "nothing is written in {label} yet",
    "lost": "no gradient of it was found: return it, or set it in self",
    "stopped": "it was stopped: it took too long or too much memory, or it ended its process",
    "silent": "its process ended without a word",
    "no gradient": "no gradient was found: return the gradients of the inputs, and set those of parameters in self",
    "shape": "its shape is {got}, right: {right}",
    "shape first": "its shape is wrong",
    "elsewhere": "it is right on one example, and wrong on another",
    "not earned": "counts when a gradient is right",
    "else": "keeps to the rest of the contract",
}
