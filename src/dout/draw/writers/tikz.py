r"""Display list → TikZ: one file that compiles alone, and that a paper takes with \input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from dout.draw.paint.display_list import Circle, Drawing, Path, Rect, Shape, Text
from dout.draw.paint.style import STYLES, TEXTS, palette_of
from dout.draw.view_options import Look
from dout.draw.words.safe_text import clean, printable
from dout.errors import TargetError
from dout.explain.terms.notation import GREEK, IN_TEX

_PX = 0.75  # points in a pixel
_MM = 25.4 / 72  # millimetres in a point
_MOST = 16_000  # points that TeX can count to

_ALONE = r"""% {title}
% Compile it, or \input it into a paper that uses tikz and amssymb.
\expandafter\ifx\csname @twoclasseserror\endcsname\documentclass\else
\documentclass[border=0pt]{{standalone}}
\usepackage[T1]{{fontenc}}
\usepackage{{tikz,amssymb}}
\IfFileExists{{lmodern.sty}}{{\usepackage{{lmodern}}}}{{}}
{fonts}\def\doutend{{\end{{document}}}}
\begin{{document}}
\fi
{other}"""

# The first of these that is there has the letters that the usual fonts of TeX lack.
_FONTS = r"""\ifdefined\Umathcode\usepackage{fontspec}
\IfFontExistsTF{Noto Sans CJK JP}{\newfontfamily\doutfont{Noto Sans CJK JP}}{%
\IfFontExistsTF{DejaVu Sans}{\newfontfamily\doutfont{DejaVu Sans}}{\def\doutfont{}}}
\else\def\doutfont{}\fi
"""
_OTHER = r"""% Other letters need lualatex or xelatex and a font that has them; else a box takes their place.
\providecommand\doutfont{}
\providecommand\doutother[1]{\ifdefined\Umathcode{\doutfont\iffontchar\font`#1 #1\else$\square$\fi}\else$\square$\fi}
"""

_ASCII = IN_TEX | {
    '"': r"\char34{}", "`": r"\textasciigrave{}", "'": r"\textquotesingle{}",
    "-": "-{}", ",": ",{}", "!": "!{}", "?": "?{}",  # no ligatures
}  # fmt: skip
_MATH = {
    "−": "-", "×": r"\times", "÷": r"\div", "·": r"\cdot", "∗": r"\ast", "√": r"\surd", "∞": r"\infty",
    "∂": r"\partial", "‖": r"\Vert", "→": r"\rightarrow", "←": r"\leftarrow", "↔": r"\leftrightarrow",
    "⇄": r"\rightleftarrows", "≈": r"\approx", "≤": r"\leq", "≥": r"\geq", "≠": r"\neq", "≪": r"\ll", "≫": r"\gg",
    "¬": r"\neg", "∧": r"\wedge", "∨": r"\vee", "⊻": r"\veebar", "∅": r"\emptyset", "◂": r"\blacktriangleleft",
    "▸": r"\blacktriangleright", "▾": r"\blacktriangledown", "▲": r"\blacktriangle", "●": r"\bullet",
    "¹": "^1", "²": "^2", "³": "^3", "⁻": "^-", "ᵀ": "^T",
    **{letter: f"\\{name}" for name, letter in GREEK.items()}, "ε": r"\varepsilon", "φ": r"\varphi",
}  # fmt: skip
_WORDS = {
    "…": r"\ldots{}", "–": r"\textendash{}", "—": r"\textemdash{}", "✗": r"{\ooalign{/\cr\textbackslash}}",
    "✓": r"\checkmark{}",
    "\u00a0": "~", "\u3000": r"\quad{}",
}  # fmt: skip
_TEX = _ASCII | {c: f"${tex}$" for c, tex in _MATH.items()} | _WORDS


def write(drawing: Drawing, look: Look) -> bytes:
    """One file."""
    return write_tikz(drawing, look).encode()


def write_tikz(drawing: Drawing, look: Look = Look()) -> str:
    r"""Return a picture as TeX. Its width is that of the look, in millimetres, or else a point for 1⅓ pixels."""
    scale = _PX if look.width is None else look.width / drawing.width / _MM
    if max(drawing.width, drawing.height) * scale > _MOST:
        raise TargetError("TeX cannot hold a picture of more than 5.7 m: give a smaller --width, or close layers")
    palette = palette_of(look.theme)
    used = dict.fromkeys(["paper", *(shape.style for shape in drawing.shapes)])
    body = [_shape(shape, scale) for shape in drawing.shapes]
    other = _OTHER if any(r"\doutother" in line for line in body) else ""
    lines = [
        _ALONE.format(title=tex(clean(drawing.title)), fonts=_FONTS if other else "", other=other).rstrip("\n"),
        r"\begingroup",
        *(f"\\definecolor{{dout-{name}}}{{HTML}}{{{palette[name][1:].upper()}}}" for name in _colours(used)),
        "\\begin{tikzpicture}[x=1bp, y=-1bp,",
        "  every node/.style={inner sep=0pt, outer sep=0pt},",
        *(f"  {_named(name)}/.style={{{_options(name, scale)}}}," for name in used),
        "]",
        _shape(Rect(0, 0, drawing.width, drawing.height, "paper"), scale),
        *body,
        r"\end{tikzpicture}%",
        r"\endgroup",
        r"\ifdefined\doutend\expandafter\doutend\fi",
    ]
    return "\n".join(lines) + "\n"


def tex(text: str) -> str:
    r"""Return text as TeX that prints it and does nothing else.

    >>> print(tex("100% of \\input{x}_$1$"))
    100\% of \textbackslash{}input\{x\}\_\$1\$
    """
    return "".join(_TEX.get(c) or (c if c.isascii() or "À" <= c <= "ÿ" else _other(c)) for c in printable(text))


def _other(character: str) -> str:
    return rf"\doutother{{{character}}}"


def _colours(styles: Mapping[str, None]) -> list[str]:
    found = dict.fromkeys(name for style in styles for name in (STYLES[style].fill, STYLES[style].stroke))
    return [name for name in found if name]


def _named(style: str) -> str:
    return f"dout {style.replace('-', ' ')}"


def _options(name: str, scale: float) -> str:
    """The paint of a style, or how its text is set."""
    style, set_as = STYLES[name], TEXTS.get(name)
    opacity = [f"opacity={style.opacity:g}"] if style.opacity < 1 else []
    if set_as is not None:
        size = set_as.size * scale
        family = r"\ttfamily" if set_as.mono else r"\sffamily"
        series = (r"\bfseries" if set_as.bold else "") + (r"\itshape" if set_as.italic else "")
        font = f"{family}{series}\\fontsize{{{_n(size)}}}{{{_n(1.2 * size)}}}\\selectfont"
        return ", ".join([f"text=dout-{style.fill}", f"font={font}", *opacity])
    options = [f"fill=dout-{style.fill}"] if style.fill else []
    if style.stroke:
        options += [f"draw=dout-{style.stroke}", f"line width={_n(style.width * scale)}bp"]
        options += [] if style.dash else ["line cap=round"]
    if style.dash:
        lengths = zip(("on", "off") * len(style.dash), style.dash, strict=False)
        options.append("dash pattern=" + " ".join(f"{word} {_n(n * scale)}bp" for word, n in lengths))
    return ", ".join(options + opacity)


def _shape(shape: Shape, scale: float) -> str:
    style = _named(shape.style)

    def at(x: float, y: float) -> str:
        return f"({_n(x * scale)},{_n(y * scale)})"

    match shape:
        case Text():
            anchor = {"start": "base west", "middle": "base", "end": "base east"}[shape.anchor]
            return f"\\node[{style}, anchor={anchor}] at {at(shape.x, shape.y)} {{{tex(shape.text)}}};"
        case Path():
            steps = [_STEPS[command].format(*map(at, points[::2], points[1::2])) for command, points in shape.commands]
            return f"\\path[{style}] {' '.join(steps)};"
        case Circle():
            return f"\\path[{style}] {at(shape.x, shape.y)} circle[radius={_n(shape.radius * scale)}bp];"
        case Rect():
            far = at(shape.x + shape.width, shape.y + shape.height)
            corners = f", rounded corners={_n(shape.radius * scale)}bp" if shape.radius else ""
            return f"\\path[{style}{corners}] {at(shape.x, shape.y)} rectangle {far};"
        case _:
            assert_never(shape)


_STEPS = {"M": "{}", "L": "-- {}", "C": ".. controls {} and {} .. {}"}


def _n(number: float) -> str:
    """A number as TeX reads it: never with an exponent."""
    return f"{number:.2f}".rstrip("0").rstrip(".")
