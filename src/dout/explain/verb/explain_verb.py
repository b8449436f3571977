"""`dout.explain`: the derivation of a layer's backward, as a value that shows itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dout.explain.derivation.derivation import explained
from dout.explain.formats import html_page, json_document, latex_slide, markdown, terminal_lines
from dout.explain.formats.words import Language
from dout.explain.model.explanation import Explanation
from dout.explain.verb.explanation_files import Wanted, format_for
from dout.files import write
from dout.styled_lines import coloured


@dataclass(frozen=True, eq=False, repr=False)
class Explained(Explanation):
    """The derivation of a layer's backward: its data, and every form of it.

    `numbers`: the values of one run stand beside the formulas; `language` is that of the words.
    """

    numbers: bool = False
    language: Language = "en"

    @classmethod
    def of(cls, explanation: Explanation, *, numbers: bool = False, language: Language = "en") -> Explained:
        """An explanation, with its forms."""
        data = {field.name: getattr(explanation, field.name) for field in fields(Explanation)}
        return cls(**data, numbers=numbers, language=language)

    def text(self, width: int = terminal_lines.WIDTH, *, unicode: bool = True, short: bool = False) -> str:
        """In lines of at most `width` columns; without `unicode` in ASCII; `short`: as a textbook prints it."""
        return terminal_lines.render(self, width=width, unicode=unicode, short=short, **self._words)

    def markdown(self) -> str:
        """In Markdown, with formulas in LaTeX."""
        return markdown.to_markdown(self, **self._words)

    def latex(self) -> str:
        """As frames for a beamer document."""
        return latex_slide.to_latex(self, **self._words)

    def html(self, picture: str = "") -> str:
        """As one page without network; an SVG, as `picture`, stands above the derivation."""
        return html_page.to_page(self, picture=picture, **self._words)

    def to_json(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return json_document.to_document(self, language=self.language)

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write it in the format that the path's suffix names: .txt, .md, .html, .tex, .json.

        A file that dout wrote in this format is replaced; another one only with `force`. Raises TargetError.
        """
        path = Path(path)
        form = format_for(path)
        text = form.write(self, Wanted(self.language, self.numbers))
        write([path], [text.encode(errors="backslashreplace")], form.kind, force=force)
        return path

    @property
    def _words(self) -> dict[str, Any]:
        return {"language": self.language, "numbers": self.numbers}

    def __repr__(self) -> str:
        count = len(self.steps)
        return f"<explanation of {self.name}: {count} step{'' if count == 1 else 's'}>"

    def __str__(self) -> str:
        return self.text()

    def __rich_console__(self, console: Any, options: Any) -> Any:
        unicode = "utf" in (options.encoding or "").lower()
        yield coloured(terminal_lines.to_lines(self, width=options.max_width, unicode=unicode, **self._words))

    def _repr_html_(self) -> str:
        return html_page.to_frame(self, **self._words)

    def _repr_markdown_(self) -> str:
        return markdown.to_markdown(self, **self._words)


def explain(
    target: Any, /, *inputs: Any, init: Mapping[str, Any] | None = None, language: Language = "en", **named: Any
) -> Explained:
    """Explain the backward of a layer: derive it from its forward, step by step, in words and formulas.

    `target` is a class, built with the arguments in `init`, a layer, or a function. Inputs that are not given, by
    position or by name, are chosen. Single numbers that are given stand beside the formulas that they go through. The
    layer itself is not changed: a copy of it runs, once, in silence.

    Every = in it was verified in exact arithmetic. Raises TargetError where there is nothing to run, or no small input
    is taken.

    >>> class Square:
    ...     def forward(self, x):
    ...         return x * x
    >>> print(explain(Square, 3.0).text(short=True))
    y = x²
    ∂y/∂x = 2 · x
    Needs x; the output is of no use.
    """
    given = {**{str(i): item for i, item in enumerate(inputs)}, **named}
    made = explained(target, init or {}, given)
    return Explained.of(made, numbers=bool(given), language=language)
