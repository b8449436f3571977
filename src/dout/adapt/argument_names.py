"""What a function takes, and what each argument is for by its name: a label, a gradient, a switch, a size, a weight."""

from __future__ import annotations

import inspect
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dout.run import signature_of
from dout.trace.model.user_source import behind


def taken_by(function: Any) -> list[inspect.Parameter]:
    """The arguments of a function or a constructor; none where Python cannot say.

    A constructor of `*args, **kwargs` hands them on: they are those of the class above.
    """
    try:
        found = list(signature_of(function).parameters.values())
    except (TypeError, ValueError):
        return []
    above = [base for base in function.__mro__[1:] if "__init__" in vars(base)] if inspect.isclass(function) else []
    kinds = {p.kind for p in found}
    if above[:-1] and kinds == {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
        return taken_by(above[0]) or found
    return found


def is_named(parameter: inspect.Parameter) -> bool:
    """Whether it is one argument, and not any number of them."""
    return parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)


def any_number_of(parameters: Iterable[inspect.Parameter]) -> str:
    """The name of the argument that stands for any number of them, `args` of `*args`; "" where there is none."""
    return next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "")


def _names(pattern: str) -> Callable[[str], bool]:
    """Whether the whole of a name is of this pattern, in small letters or capitals; of `ŷ` whether `y_hat` is."""
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda name: compiled.fullmatch(unicodedata.normalize("NFD", name).replace("\u0302", "_hat")) is not None


names_label = _names(
    r"(y|t|((true|class|gold|batch|y|one_?hot)_)?(labels?|targets?))(_(tensors?|arrays?|batch|data|vectors?|one_?hot))?|"
    r"ts|y_?true|t_true|y_?train|one_?hot_[yt]|(target|label)_(idx|ids)|\w*truth|gt|teachers?|answers?|"
    r"expected\w*|desired\w*|actual|true\w*"
)
names_indices = _names(r"idx|index|indices|ids")
names_upstream = _names(
    r"d(out|in|[a-z]|values?|[xyh]s|hidden|output|_?next|[A-Z]\w*|_?l_?d_?\w*|l\w*)|d_\w+|\w*grad\w*|\w*delta\w*|upstream\w*|"
    r"err(or)?s?|\w*_error|error_\w*|g|gy|gz|e|diff\w*|top_diff|\w*signal|dx?_?\w{1,3}|.*derivat\w*|d[je]\w*"
)
names_error = _names(r"err(or)?s?|\w*_errors?|errors?_\w*|e")
names_plain_upstream = _names(  # that could hardly be anything else
    r"d(out|y|z|a|h|x|l\w*)|grad\w*|\w+_grad(ient)?s?|delta|dvalues"
)
names_output = _names(r"outs?|outputs?|a|act(ivation)?|y_?hat|(y_?)?pred(ict(ed|ions?))?s?|probs?|p|softmax_out")
names_rate = _names(r"lr|l_?rate|learn(ing)?_?rates?|eta|alpha|rate|step_?size|step|learning_step")
names_penalty = _names(
    r"(l[12]_?)?(reg(ulari[sz]ation)?(_\w+)?|lambda_?|lambd|lmbda|lamda|lmda|lam|weight_decay)|l[12](_\w+)?"
)
names_cache = _names(r"\w*caches?|mem(ory)?|residuals?|saved|mid_?vals?|intermediates?|state_cache|(fwd|forward)_\w+")
names_context = _names(r"ctx|context")
names_samples = _names(r"(mini_?)?batch_?(size|length|len)|((num|n|nb)_?|number_of_)(samples|examples)")
names_wish = _names(  # for a gradient
    r"(requires?|needs?|wants?|tracks?)(_\w+)?|(is_)?(trainable|differentiable)|(?!(no|stop|without|has|zero)_)\w*grad\w*"
)
names_gradients = _names(r"grads|gradients")
names_optimizer = _names(r"_*optim\w*|_*opt|updater")
names_switch = _names(r"(is_?)?train(ing)?(_?(flg|flag|mode|phase))?|update\w*|retain\w*|verbose|debug|mode")
MODE_FLAGS = ("train_flg", "train_flag", "train", "training", "is_training", "is_train")  # of a layer that trains
names_evaluation = _names(r"(is_?)?(eval|test|infer|predict|valid)\w*")
names_random_state = _names(r"\w*(rng|random|generator)\w*")
names_size = _names(r".*(in|num|prev|size|dim|features|hidden|units|channels|nodes|neurons|shape|n_).*")
names_array = _names(
    r"(?-i:[A-Z]\w{0,3})|x\w?|inputs?|input_?(data|tensor)?|data|tensor|w\d?|weights?\d?|b\d?|bias(es)?|gamma|beta|h|c|h_?prev|c_?prev|"
    r"prev_?[hc]|(\w+_)?(hidden|cell)_?states?(_\w+)?|current_input|a_?prev|"
    r"z|q|k|v|images?|imgs?|queries|query|keys?|values?|state|hidden|logits|scores|y_?hat|(y_?)?(preds?|predict\w*)"
)
names_loss = _names(
    r".*(loss|entropy|error|hinge|cost|criterion|objective|likelihood|divergence|"
    r"(?-i:MSE|MAE|SSE|NLL|BCE)|(^|_)(mse|mae|rmse|sse|nll|bce|ce)($|_|\d)).*"
)  # a class or a function
names_double = _names(r"_*(dummy|mock|fake|stub)\w*")  # a class that stands for a layer in a test

_STANDS_FOR = (  # the first that matches
    ("Wh", _names(r"(?-i:W)_?(h|hh|rec|r)|Whh|Uh?")),
    ("W2", _names(r"W_?2|weights?_?2")),
    (
        "W",
        _names(
            r"(?-i:W)(_?[a-z0-9]{1,3}|_curr(ent)?)?|w\d?|weights?(_?\d)?|(embed|embedding)s?(_weights?)?|embedding_matrix"
        ),
    ),
    ("b2", _names(r"b_?2|bias_?2")),
    ("b", _names(r"b(_?[a-z0-9]{1,2}|_curr(ent)?)?|bias(es)?(_?\d)?")),
    ("gamma", _names(r"gamma|beta|gains?|g|scales?|shifts?")),
    (
        "h",
        _names(
            r"h|c|s|h_?prev|c_?prev|prev_?h|prev_?c|h_?0|c_?0|hidden|state|dh|dc"
            r"|(prev(ious)?_|last_|initial_)?(hidden|cell)_?states?(_prev(ious)?)?"
        ),
    ),
)


def stands_for(name: str) -> str:
    """What parameter or state an argument of this name is: "W", "b", "gamma", "h" …; "" for none.

    >>> stands_for("W1"), stands_for("bias"), stands_for("x")
    ('W', 'b', '')
    """
    return next((kind for kind, names in _STANDS_FOR if names(name)), "")


_SLOPE = re.compile(r"prime|deriv|grad|^d_|^d(?=act|f(unc|n)?$)|diff|backward")


def names_slope(name: str) -> bool:
    """Whether a function is called as the derivative of another."""
    return _SLOPE.search(name.lower()) is not None


def takes_target(wanted: Sequence[str], taken: Sequence[str], loss: bool) -> bool:
    """Whether backward wants the target, and forward does not: the gradient is that of a loss that is given nowhere.

    So is that of a whole network which is trained by `backward(X, y)`. A `t` may be anything, and a `Y` beside an
    upstream gradient, `backward(Y, dout)`, is an output; `y_true` there is none.
    """
    is_given = any(map(names_plain_upstream, wanted))
    labels = [n for n in wanted if names_label(n) and n.lower() not in ("t", "ts") and not (is_given and n in "yY")]
    asked = not {*labels} <= {*taken}
    return asked and not loss and not any(map(names_label, taken))


def given_after(function: Any, place: int, switches: Sequence[str]) -> list[str]:
    """The argument at a place, where it has a default that is not taken: a learning rate, or a switch of forward's."""
    found = [p.name for p in taken_by(behind(function))[place : place + 1] if p.default is not p.empty]
    return [name for name in found if names_rate(name) or name in switches]


def upstream_after(function: Any, place: int) -> list[str]:
    """The argument at a place, if it is an upstream gradient with a default: `backward(ctx, grad=1)`."""
    found = [p for p in taken_by(behind(function))[place : place + 1] if p.default is None or p.default in (1, 1.0)]
    return [p.name for p in found if names_plain_upstream(p.name)]


def looks_like_two(taken: Sequence[str]) -> bool:
    """Whether a function takes a prediction and its target, maybe with one more beside them."""
    labels = [n for n in taken if names_label(n)]
    predicted = any(names_output(n) for n in taken if n not in labels and len(n) > 1)
    return bool(labels) and (len(taken) == 2 or (predicted and len(taken) == 3 and len(labels[0]) > 1))
