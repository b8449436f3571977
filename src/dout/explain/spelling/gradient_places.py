"""A layer in; where its backward keeps the gradient of each parameter out.

That is `self.dW`, or a container like theirs, or beside it in an object that holds nothing else: `self.W.grad`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from dout.run import attributes_of
from dout.run.held_objects import member_of, places
from dout.trace.session.pairing import is_named_as_gradient, stem

_NO_CODE = (lambda: None).__code__


class GradientPlaces:
    """Where the gradients of parameters go, by their `paths`, in a layer after its forward.

    `own` is the backward that the class has, or None.
    """

    def __init__(self, layer: Any, own: Any, paths: Sequence[str]) -> None:
        self.layer, self.own = layer, own
        self.inside = {path: self._in_container(path) for path in paths}
        self.alone = len({path.partition("[")[0] for path in self.inside.values() if "[" in path}) == 1

    def holder(self, path: str) -> tuple[str, str]:
        """The container of a parameter's gradient, and its key: `self.grads`, `["W1"]`; "" if it is in none."""
        return ("", "") if self._beside(path) else _holder_of(self.inside[path], alone=self.alone)

    def there(self, holder: str) -> Any:
        """The container of gradients that a layer has already."""
        return getattr(self.layer, holder.removeprefix("self."), None)

    def text(self, path: str) -> str:
        """The place of a gradient, as an expression."""
        holder, key = self.holder(path)
        return f"{holder}{key}" if holder else self._beside(path) or f"self.{self.attribute(path)}"

    def zeros(self, path: str) -> list[str]:
        """The lines that begin a sum in that place."""
        holder, key = self.holder(path)
        there, own = self.there(holder), self.inside[path].partition("[")[0]
        if isinstance(there, list) and holder:
            return [f"{holder}{key}[...] = 0"]
        begin = f"{self.text(path)} = np.zeros_like({path})"
        if not holder or isinstance(there, dict):
            return [begin]
        if key.startswith('["'):
            return [f"{holder} = {{}}", begin]
        return [f"{holder} = [np.zeros_like(item) for item in {own}]"]

    def attribute(self, path: str) -> str:
        """Where the gradient of a parameter is kept: the attribute in which the class keeps it already, or dW."""
        name = path.removeprefix("self.")
        names = {**attributes_of(self.layer), **dict.fromkeys(getattr(self.own, "__code__", _NO_CODE).co_names)}
        alike = [n for n in names if is_named_as_gradient(n) and stem(n) == stem(name) and f"self.{n}" != path]
        return alike[0] if len(alike) == 1 else f"d{name}"

    def _beside(self, path: str) -> str:
        """The place beside a parameter that an object of its own holds, `self.W.grad` for `self.W.data`; else "".

        Of an object with several parameters each has its own: `self.first.dW`, `self.first.db`.
        """
        holder, name = member_of(path)
        if holder in ("", "self"):
            return ""
        if sum(member_of(other)[0] == holder for other in self.inside) > 1:
            return f"{holder}.d{name}"
        held = next((place.item for place in places(self.layer) if place.path.replace("'", '"') == holder), None)
        alike = [one for one in attributes_of(held) if is_named_as_gradient(f"value_{one}")]
        return f"{holder}.{alike[0] if len(alike) == 1 else 'grad'}"

    def _in_container(self, path: str) -> str:
        """Of what is an attribute and in a container, too, its path there, if the layer has gradients beside that."""
        item = getattr(self.layer, path.removeprefix("self."), None)
        for name, held in attributes_of(self.layer).items() if isinstance(item, np.ndarray) else ():
            pairs = held.items() if isinstance(held, dict) else enumerate(held) if isinstance(held, list) else ()
            key = next((json.dumps(key) for key, one in pairs if one is item and isinstance(key, int | str)), None)
            there: Any = None if key is None else self.there(_holder_of(f"self.{name}[{key}]", alone=True)[0])
            if type(there) is type(held) and there is not held and len(there) == len(held):
                return f"self.{name}[{key}]"
        return path


def _holder_of(path: str, *, alone: bool) -> tuple[str, str]:
    """The container of a parameter's gradient, and its key there: `self.grads`, `["W1"]`; "" for a plain attribute.

    It is called so where there is one container `alone`, a dict, or where that is called params.
    """
    holder, bracket, key = gradient_path(path).partition("[")
    if not bracket:
        return "", ""
    return "self.grads" if alone and holder.startswith("self.d") and key[0] == '"' else holder, f"[{key}"


def gradient_path(path: str) -> str:
    """What the gradient of a parameter is called by its path alone: `self.dW`, `self.grads["W"]`."""
    attribute, bracket, key = path.removeprefix("self.").partition("[")
    holder = attribute.replace("params", "grads", 1) if attribute.startswith("params") else f"d{attribute}"
    return f"self.{holder}{bracket}{key}"
