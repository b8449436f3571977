"""An explanation in; the same as terminal text, Markdown, HTML, LaTeX or JSON out."""

__all__ = [
    "html_page",
    "json_document",
    "latex_slide",
    "markdown",
    "outline",
    "plain_spelling",
    "terminal_lines",
    "words",
]
