"""The interfaces in which people write layers: what forward and backward are called, and what their arguments are for.

An interface is a guess until a layer has run in it: `interface_candidates` yields those that names allow, the likeliest
first, and the trial (`dout.adapt.trial.trial`) keeps the one that the layer's own behaviour confirms.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dout.adapt.array_makers import Maker
from dout.adapt.interface.collaborators import ContainedPart
from dout.errors import TargetError
from dout.trace.session.pairing import parts_of

SHARED = "dout again "
DOUT, OUTPUT, CACHE, RATE_ROLE = "dout", "output", "cache", "rate"
CONTEXT, GRADS, OPTIMIZER, BUFFER, ROWS = "ctx", "grads", "optimizer", "buffer", "rows"
EACH, FIRST = "*", "first"  # what forward's own `*args` was given; what it returns before its output: `return z, a`
SLOPE = "slope"
PENALTY = "0.125"  # its strength; at 0 a wrong penalty would be right


@dataclass(frozen=True)
class Interface:
    """How a layer is called: which method is its forward and its backward, and what the arguments of backward are.

    `roles` has one word for each argument that backward must be given, by place: `dout` (the upstream gradient), `0.0`
    (the rate of a penalty), `slope of fn` (the derivative of the function that forward was given), `output` (what
    forward gave), `self.name` (what it left there), `name=` (forward's default), `cache` (what else forward returned),
    `rate` (a learning rate), `ctx` (what keeps residuals), `grads` (a dict that it fills), `dout again 1` (of another
    use of the first output: each gets a half), `optimizer`, `True`, `None`, `buffer` (zeros in the shape of the first
    input, in which it leaves the gradient), `rows` (the number of samples: the first input's length), `*` (all that
    forward's `*args` was given), `first` (what forward returns before its output), or an argument of forward by name.

    `local`: backward gives the local derivative, and the caller multiplies. `context`: forward's first argument keeps
    the residuals. `setup`: methods called, or attributes set, before the first forward. `rate`: the attribute with the
    learning rate at which backward itself changes the parameters; `along`: by its rate times their gradient, and not as
    Adam does. `hands_over`: it gives the gradients to an optimizer, so that it is no plain layer; `overheard` are the
    attributes with those of the user's.
    `given`: the places from which forward reads its inputs, where it takes no arguments (`bottom.value`); `upstream`:
    that from which backward reads the upstream gradient.
    `out`, `found`: the places in which output and gradients are left; "" for an input that has none.
    `order`: whose each returned gradient is.
    `outputs`: the places of the outputs that backward takes an upstream gradient of, in its order; None for all.
    `row`: forward gives a line of numbers, and backward takes and gives a row, with an axis of one before.
    `stacked`: it is returned in a list, along the input's first axis. `parted`: those of an input that is a list
    of arrays are returned in one array.
    `holder`: the user's class in which inputs and outputs stand, or what makes its objects; the upstream gradient
    stands in one, too, unless it is `bare`.
    `slot`: the attribute of such objects in which gradients stand: the output's before backward, the inputs' after it.
    """

    forward: str = "forward"
    backward: str = "backward"
    roles: tuple[str, ...] = (DOUT,)
    local: bool = False
    context: bool = False
    setup: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    rate: str | None = None
    along: bool = True
    hands_over: bool = False
    overheard: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    upstream: str | None = None
    out: str | None = None
    found: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    outputs: tuple[int, ...] | None = None
    row: bool = False
    stacked: bool = False
    parted: bool = False
    holder: type | Maker | None = None
    bare: bool = False
    slot: str = ""

    @classmethod
    def parse(cls, text: str) -> Interface:
        """The interface that a text names: `forward_pass, backward_pass(dout, rate)`, with `, local` or `, row`.

        `, local` is for a local derivative, `, row` where backward takes and gives rows. Raises TargetError.

        >>> str(Interface.parse("f, f_prime(x), local"))
        'f(…), f_prime(x), the caller multiplies by dout'
        """
        match = re.fullmatch(
            r"\s*(\w+)\s*(\((?P<first>[^)]*)\))?\s*,\s*(\w+)\s*\(([^)]*)\)\s*(?P<local>,\s*local)?(?P<row>,\s*row)?\s*",
            text,
        )
        if match is None:
            raise TargetError(f"{text!r} is no interface; write it as: forward_pass, backward_pass(dout, rate)")
        roles = tuple(role.strip() for role in match[5].split(",") if role.strip())
        context = (match["first"] or "").split(",")[0].strip() == CONTEXT
        return cls(match[1], match[4], roles, local=bool(match["local"]), context=context, row=bool(match["row"]))

    @property
    def is_plain(self) -> bool:
        """Whether it is the one that everything else here expects: `forward(*inputs)` and `backward(dout)`."""
        return self == Interface(roles=self.roles) and bool(self.roles) and set(self.roles) == {DOUT}

    @property
    def gives(self) -> bool:
        """Whether forward returns the gradients with its number, `loss, dx = f(x, y)`: it is both methods then."""
        return self.forward == self.backward

    @property
    def steps(self) -> bool:
        """Whether backward itself changes the parameters along their gradient."""
        return self.along and (bool(self.rate) or RATE_ROLE in self.roles)

    @property
    def ends(self) -> bool:
        """Whether backward takes no upstream gradient and is not the local derivative either."""
        return DOUT not in self.roles and not self.local and self.upstream is None and not self.slot

    def __str__(self) -> str:
        before = "".join(f"{_said(name, arguments)}, " for name, arguments in self.setup)
        if self.gives:
            return f"{before}{self.forward}(…), which returns its gradients too"
        roles = ", ".join("dout" if role.startswith(SHARED) else role.removesuffix("=") for role in self.roles)
        taken = f"({'ctx, …' if self.context else '' if self.given else '…'})"
        says = f"{before}{self.forward}{taken}, {self.backward}({roles})"
        says += f", {_listed('input', self.given)}" if self.given else ""
        says += f", dout in self.{self.upstream.removesuffix('[]')}" if self.upstream else ""
        if self.rate:
            says += ", which steps" if self.rate.startswith("_dout") else f", which steps at self.{self.rate}"
        says += f", {_listed('gradients given to', self.overheard, '')}" if self.overheard else ""
        if self.outputs:
            says += f", for output {', '.join(str(place + 1) for place in self.outputs)} alone"
        if self.out:
            says += f", output in self.{self.out}"
        if self.found:
            says += f", {_listed('gradients', self.found)}"
        says += ", dout as a row" if self.row else ""
        says += f", arrays in a {self.holder.__name__}" if self.holder else ""
        says += f", gradients in its {self.slot}" if self.slot else ""
        return f"{says}, the caller multiplies by dout" if self.local else says


def _listed(what: str, names: Sequence[str], where: str = " in") -> str:
    return f"{what}{where} {', '.join(f'self.{name}' for name in names if name)}"


def _said(name: str, arguments: tuple[Any, ...]) -> str:
    """A method that is called first, or what a container is filled with."""
    parts = parts_of(arguments[0]) if arguments else []
    return f"{len(parts)} parts in self.{name}" if parts and isinstance(parts[0], ContainedPart) else f"{name}(…)"
