"""Names in a model: the user's, as far as ONNX takes them, each once."""

from __future__ import annotations

import re

_MOST = 60  # characters; what comes from the user's files may have no end


class Names:
    """Gives names that are identifiers of C, as ONNX asks for, and no name twice."""

    def __init__(self) -> None:
        self._given: dict[str, int] = {}

    @staticmethod
    def plain(name: str) -> str:
        """A name without what no identifier has.

        >>> Names.plain("params['W1']"), Names.plain("2つ")
        ('params_W1', 'value_2')
        """
        found = re.sub(r"[^A-Za-z0-9_]+", "_", name)[:_MOST].strip("_") or "value"
        return f"value_{found}" if found[0].isdigit() else found

    def unique(self, name: str) -> str:
        """The name, numbered where it was given before."""
        name = self.plain(name)
        made, n = name, self._given.get(name, 0)
        while made in self._given:
            n += 1
            made = f"{name}_{n + 1}" if n else name
        self._given[name] = n
        self._given.setdefault(made, 0)
        return made
