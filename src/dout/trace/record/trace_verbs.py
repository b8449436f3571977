"""The public verbs that trace: `trace`, `grad`, `value_and_grad`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ParamSpec, TypeVar

import numpy as np

from dout.errors import DoutError, EscapeError, TargetError, UnsupportedError
from dout.grad import backpropagate
from dout.graph import INPUT, Node, evaluate
from dout.trace.model.recorded import LOSSES
from dout.trace.model.user_source import users_part
from dout.trace.record.record import record, record_function
from dout.trace.record.trace import Trace
from dout.trace.tracer.traced import Traced, plain
from dout.trace.tracer.tracer import trusting
from dout.trace.tracer.user_functions import current

P = ParamSpec("P")
T = TypeVar("T")


def _in_users_lines(verb: Callable[P, T]) -> Callable[P, T]:
    """A verb whose errors show the user's own lines alone, and none of ours; a mistake of ours shows its own."""

    @functools.wraps(verb)
    def called(*given: P.args, **named: P.kwargs) -> T:
        try:
            return verb(*given, **named)
        except Exception as error:
            users = users_part(error.__traceback__)
            error.__traceback__ = users if isinstance(error, DoutError) else users or error.__traceback__
            raise

    return called


@_in_users_lines
def trace(target: Any, /, *inputs: Any, dout: Any = None, **keywords: Any) -> Trace:
    """Run a layer or a function on `inputs` once and return the recording: every value and gradient.

    A layer is any object with `forward(*inputs)` and `backward(dout)`: no base class, no registration. Its hand-written
    backward runs too, on `dout` (ones in the shape of the output by default), and both are in the graph; gradients that
    it does not compute are derived. What runs is the user's own code, once, and the layer is left as that run left it.

    Raises what the user's code raises; `UnsupportedError` for a NumPy function that has no row yet, `EscapeError` where
    a value would leave the trace, `TargetError` for what is neither layer nor function.

    >>> class Square:
    ...     def forward(self, x):
    ...         self.x = x
    ...         return x * x
    ...
    ...     def backward(self, dout):
    ...         return dout * self.x  # wrong: a factor 2 is missing
    >>> recorded = trace(Square(), 3.0)
    >>> recorded.outputs
    9.0
    >>> recorded["x"].gradient
    Gradient(value=3.0, source='user', expected=6.0)
    """
    try:
        return record(target, *inputs, dout=dout, **keywords)
    except TypeError:
        if not inspect.isclass(target):
            _refuse_call(getattr(target, "forward", target), inputs, keywords)
        raise


def _refuse_call(forward: Any, inputs: Sequence[Any], keywords: Mapping[str, Any]) -> None:
    """Raise TargetError where a function does not take so many inputs, or not by these names."""
    try:
        inspect.signature(forward).bind(*inputs, **keywords)
    except ValueError:  # of a function in C
        return
    except TypeError as error:
        if callable(forward):
            name = getattr(forward, "__qualname__", type(forward).__name__)
            raise TargetError(f"{name}: {error}; give it what it takes") from None


@dataclass(frozen=True)
class Derives:
    """The task of a function of `value_and_grad` or `grad`: which function it derives, for which inputs."""

    function: Callable[..., Any]
    wanted: tuple[int, ...]
    many: bool
    value: bool = True


def value_and_grad(function: Any, argnums: int | Sequence[int] = 0) -> Callable[..., tuple[Any, Any]]:
    """Return a function that gives the value of `function` and its gradient with respect to the inputs `argnums`.

    The gradient is derived from the recorded forward; a hand-written backward is not consulted. The value must be one
    number. Where `argnums` is a sequence, the gradient is a tuple. Gradients of gradients work. Raises as `trace`, and
    EscapeError where an edge was lost on the way, so that a gradient would be wrong.

    >>> import numpy as np
    >>> value_and_grad(lambda x: np.sum(x * x))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """
    forward = getattr(function, "forward", function)
    wanted = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @functools.wraps(forward)
    @_in_users_lines
    def both(*inputs: Any, **keywords: Any) -> tuple[Any, Any]:
        try:
            return _value_and_grad(forward, inputs, keywords, wanted, many=not isinstance(argnums, int))
        except TypeError:
            _refuse_call(forward, inputs, keywords)
            raise

    both.derives = Derives(forward, wanted, many=not isinstance(argnums, int))  # type: ignore[attr-defined]
    return both


def grad(function: Any, argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that gives the gradient of `function` with respect to the inputs `argnums`.

    >>> grad(lambda x: x**3)(2.0)
    np.float64(12.0)
    >>> grad(grad(lambda x: x**3))(2.0)
    np.float64(12.0)
    """
    both = value_and_grad(function, argnums)
    slope = functools.wraps(both)(_in_users_lines(lambda *inputs, **keywords: both(*inputs, **keywords)[1]))
    slope.derives = replace(both.derives, value=False)  # type: ignore[attr-defined]
    return slope


def _value_and_grad(
    forward: Callable[..., Any], inputs: tuple[Any, ...], keywords: dict[str, Any], wanted: tuple[int, ...], many: bool
) -> tuple[Any, Any]:
    given_apart = [item.view() if isinstance(item, np.ndarray) else item for item in map(plain, inputs)]
    recorded, entered = record_function(forward, tuple(given_apart), keywords)  # the same array twice is two inputs
    lost = next((event for event in recorded.events if event.kind in LOSSES), None)
    if lost is not None:
        raise EscapeError(f"no gradient can be given: {lost}")
    end = the_value(recorded.target, list(recorded.graph.outputs.values()), recorded.graph.nodes)
    for i in wanted:
        if not isinstance(entered[i], Node):
            raise not_a_number(i, type(inputs[i]))
    found = backpropagate({end: recorded.seeds[end]}).of
    given: dict[Node, Any] = {n: recorded.data[n] for n in recorded.graph.nodes if n.primitive is INPUT}
    # Over stand-ins of an outer trace the same graph records itself there: that is how gradients of gradients come.
    given.update({node: item for node, item in zip(entered, inputs, strict=True) if isinstance(item, Traced)})
    nodes = [found.get(entered[i]) for i in wanted]
    with trusting(current()):
        values = evaluate([end, *(node for node in nodes if node is not None)], given)
    gradients = tuple(
        _zeros(plain(inputs[i])) if node is None else _own(values[node]) for node, i in zip(nodes, wanted, strict=True)
    )
    return values[end], gradients if many else gradients[0]


def _own(gradient: Any) -> Any:
    """A gradient in memory of its own: it may be a view of an input, of another gradient, or of one repeated number."""
    return gradient.copy() if type(gradient) is np.ndarray else gradient


def the_value(name: str, ends: list[Node], nodes: Iterable[Node]) -> Node:
    """The one real number that a function gives; raises where it gives anything else."""
    if beyond := [node for node in nodes if node.kind == "c"]:
        at = next((f", at {node.where}" for node in beyond if node.where), "")
        raise UnsupportedError(f"no gradient can be given of complex values{at}; keep real and imaginary parts apart")
    if len(ends) != 1 or ends[0].shape != ():
        shapes = " and ".join(f"shape {end.shape}" for end in ends) or "nothing traced"
        raise TargetError(f"{name} gives {shapes}, not one number: sum it, or take one element")
    return ends[0]


def not_a_number(argument: int, kind: type) -> TargetError:
    """The error of an argument of which no gradient can be given."""
    return TargetError(f"argument {argument} is a {kind.__name__}: gradients are of arrays and numbers")


def _zeros(item: Any) -> Any:
    """The gradient of an input that the value does not depend on, in its dtype where that is a NumPy float."""
    dtype = np.asarray(item).dtype
    return np.zeros(np.shape(item), dtype if dtype.kind in "fc" else float)[()]
