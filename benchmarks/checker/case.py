"""What the corpus is made of: a layer's source, how to build it, and inputs to run it on.

A `Case` is right; a `Mutant` is a case with one edit that makes it wrong. Both are data: a source text, the name of a
class, constructor arguments and inputs. Nothing here knows dout.
"""

from __future__ import annotations

import ast
import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

Inputs = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Case:
    """One layer with inputs on which its backward is the derivative of its forward.

    `labels` are the positions of inputs that need no gradient. `params` maps where a parameter is in the instance to
    where backward leaves its gradient: {"W": "dW"} or {"params[0]": "grads[0]"}. `draw` makes other constructor
    arguments and inputs of the same kind. `dout` is the gradient that arrives; None stands for any of out's shape.
    """

    id: str
    source: str
    cls: str
    init: dict[str, Any]
    inputs: Inputs
    kind: str
    labels: frozenset[int] = frozenset()
    params: dict[str, str] = field(default_factory=dict)
    note: str = ""
    dout: Any = None
    draw: Callable[[np.random.Generator], tuple[dict[str, Any], Inputs]] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs, from the signature of `forward`."""
        return forward_names(self.source, self.cls)[: len(self.inputs)]

    def build(self, names: dict[str, Any] | None = None) -> Any:
        """A fresh instance, of a class of its own unless `names` holds one. The case's arrays stay untouched."""
        names = self.namespace() if names is None else names
        return names[self.cls](**{name: kept_copy(value) for name, value in self.init.items()})

    def namespace(self) -> dict[str, Any]:
        """The module's names, after running its source anew."""
        names: dict[str, Any] = {"__name__": "layer"}
        exec(compiled(self.source, self.id), names)  # the source is ours
        return names


@dataclass(frozen=True, eq=False)
class Mutant(Case):
    """A case with one edit that breaks it.

    `line` counts in `source`, from 1; `before` and `after` are the edited lines. `argument` names the input or the
    parameter whose gradient is wrong, None where the fault is another; `index` holds the wrong places in it, where a
    value is wrong at all. `cause` is the word that a good explanation would use.
    """

    bug: str = ""
    line: int = 0
    before: str = ""
    after: str = ""
    argument: str | None = None
    index: frozenset[tuple[int, ...]] | None = None
    cause: str = ""
    right: str = ""


@lru_cache(maxsize=4096)
def compiled(source: str, name: str) -> Any:
    """The source, compiled once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        return compile(source, f"<{name}>", "exec", dont_inherit=True)


@lru_cache(maxsize=4096)
def forward_names(source: str, cls: str) -> tuple[str, ...]:
    """The arguments of `forward`, without self."""
    classes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    for node in [classes[cls], *classes.values()]:  # its own, or that of a base class
        for item in node.body:
            if isinstance(item, ast.FunctionDef) and item.name == "forward":
                return tuple(arg.arg for arg in item.args.args[1:])
    raise LookupError(f"{cls}.forward")


def kept_copy(value: Any) -> Any:
    """A copy in the same memory layout: Fortran order, steps and negative steps stay."""
    if isinstance(value, np.ndarray):
        return laid_out_like(value, np.array(value, order="C"))
    return copy.deepcopy(value)


def laid_out_like(model: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The values in memory as the model's are: C, Fortran, or with the model's signs and gaps."""
    if model.flags.c_contiguous or model.ndim == 0:
        return np.array(values, order="C")
    if model.flags.f_contiguous:
        return np.array(values, order="F")
    room = np.zeros(tuple(2 * size for size in values.shape), values.dtype)
    steps = tuple(slice(None, None, -2 if stride < 0 else 2) for stride in model.strides)
    out = room[steps]
    out[...] = values
    return out


def module_of(source: str, cls: str) -> str:
    """The part of a module that one class needs: imports, helpers and constants it uses, and the class itself."""
    tree = ast.parse(source)
    lines = source.splitlines()
    body: dict[str, ast.stmt] = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    body |= {n.targets[0].id: n for n in tree.body if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)}
    needed = {cls}
    while True:
        used = {n.id for name in needed for n in ast.walk(body[name]) if isinstance(n, ast.Name)}
        more = needed | (used & set(body))
        if more == needed:
            break
        needed = more
    used |= {n.id for name in needed for n in ast.walk(body[name]) if isinstance(n, ast.Name)}
    imports, blocks = [], []
    for node in tree.body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        text = "\n".join(lines[first - 1 : node.end_lineno])
        if isinstance(node, ast.Import | ast.ImportFrom):
            if {(alias.asname or alias.name).split(".")[0] for alias in node.names} & (used | {"np"}):
                imports.append(text)
        elif any(body.get(name) is node for name in needed):
            blocks.append(text)
    return "\n".join(imports) + "\n\n\n" + "\n\n\n".join(blocks) + "\n"


def literal(value: Any) -> str:
    """Python source for a value; arrays keep dtype and memory layout."""
    if isinstance(value, np.ndarray):
        made = f"np.array({_numbers(value.tolist())}, dtype=np.{value.dtype.name.replace('bool', 'bool_')})"
        made += f".reshape({value.shape})" if value.size == 0 else ""
        if value.flags.c_contiguous or value.ndim == 0:
            return made
        if value.flags.f_contiguous:
            return f"np.asfortranarray({made})"
        grow = ", ".join("slice(None, None, -2)" if stride < 0 else "slice(None, None, 2)" for stride in value.strides)
        return f"spread({made}, ({grow},))"
    if isinstance(value, np.generic):
        return f"np.{value.dtype.name}({_numbers(value.item())})"
    return _numbers(value)


def _numbers(value: Any) -> str:
    text = repr(value)
    return text.replace("inf", "np.inf").replace("nan", "np.nan") if not isinstance(value, str) else text


SPREAD = '''

def spread(values, steps):
    """The same values, not contiguous in memory."""
    out = np.zeros(tuple(2 * size for size in values.shape), values.dtype)[steps]
    out[...] = values
    return out
'''


def write(case: Case, folder: Path | str, example: bool = True) -> Path:
    """Write the case as one file that runs by itself, and return where it is.

    Below `if __name__ == "__main__":` stands an example call; leave it out with `example=False`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (case.id.replace("/", "__").replace("-", "_") + ".py")
    text = case.source
    if example:
        init = ", ".join(f"{name}={literal(value)}" for name, value in case.init.items())
        call = [f"    {name} = {literal(value)}" for name, value in zip(case.names, case.inputs, strict=True)]
        call += [f"    layer = {case.cls}({init})", f"    out = layer.forward({', '.join(case.names)})"]
        call += [f"    dout = {'np.ones_like(out)' if case.dout is None else literal(case.dout)}"]
        call += ["    print(layer.backward(dout))"]
        body = "\n".join(call)
        text += (SPREAD if "spread(" in body else "") + f'\n\nif __name__ == "__main__":\n{body}\n'
        if "import numpy as np" not in text:
            text = "import numpy as np\n" + text  # only for the example
    path.write_text(text)
    return path
