"""Sizes for axes and for constructor arguments, by what they are called: distinct, small, and none of them 1."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any

from dout.adapt.argument_names import stands_for

MANY = 40  # of a size that a call elsewhere shows; larger ones come last
MOST_COMBINATIONS = 480

_FIXED_SIZES = (  # axes by their names; the first that matches. Distinct, and none of them 1
    (r"n|m|b|batch\w*|n_?batch|bs|n_?ex\w*|\w*samples|num_?examples|minibatch\w*|n_?data|nb", 3),
    (r"t|seq\w*|time\w*|t_x|n_?steps|steps|sequence\w*|l|length|max_?len\w*|n_?words", 2),
    (r"c|d|c_?in|n_?c_?prev|\w*channels?(_in)?|n_?c(_prev)?|in_?c\w*|depth|in_?ch\w*", 2),
    (r"f|c_?out|num_?filters?|n_?filters?|out_?c\w*|filters|num_?kernels?|k_out", 5),
    (r"h|height|h_?(in|x|prev)|n_h_?prev|in_?h\w*|in_?rows|\w*height\w*|rows|ih", 4),
    (r"w|width|w_?(in|x|prev)|n_w_?prev|in_?w\w*|in_?cols|\w*width\w*|cols|iw", 6),
    (r"hh|fh|kh|h_?(f|k|filter|kernel)|f_?h|k_?h|kernel_?h\w*|filter_?h\w*|k1|r|kernel_?rows", 3),
    (r"ww|fw|kw|w_?(f|k|filter|kernel)|f_?w|k_?w|kernel_?w\w*|filter_?w\w*|k2|s|kernel_?cols", 3),
)  # fmt: skip
_OTHERS = (4, 5, 7, 8, 9, 11)
_OF_A_FILTER = re.compile(r"(kernel|filter|window)_?(size|len\w*)?|k_?size", re.IGNORECASE)

_SIZES_BY_NAME = (  # what a constructor's whole number may be
    (r"axis", (-1, 1, 0)),
    (r"(.*_)?(stride|dilation)s?(_?.*)?|s", (1, 2)),
    (r"(.*_)?pad(ding)?(_.*)?|p", (0, 1)),
    (r".*(kernel|filter|pool|window|patch|block).*(size|dim|shape|h|w|height|width)?|f|k|ksize|hf|wf|fh|fw|kh|kw",
     (3, 2)),
    (r".*in_?c(h\w*)?|.*in(put)?_?(channels?|depth|maps)|channels_in|n_?channels?|channels?|c|c_?in|depth|input_?ch\w*",
     (2,)),
    (r".*out_?c(h\w*)?|.*out(put)?_?(channels?|depth|maps)|channels_out|n(um)?_?(filters?|kernels?)|filters?|c_?out",
     (5, 3)),
    (r".*heads?.*|g|(n(um)?_?)?groups?", (2,)),
    (r".*vocab.*|num_embeddings|n_?tokens?|v", (7,)),
    (r"(d|n|emb|embed|model|hidden)_?(model|embd?|embed\w*|state|dim)|dim_model|embed\w*|d", (4,)),
    (r".*(seq|len|time|steps|context).*|t", (3,)),
    (r"batch\w*|n_?batch|n|bs", (3,)),
    (r".*(hidden|hid|units|neurons|nodes|n_h).*|h", (4,)),
    (r".*(out|next|class|target|label).*|m|n_?y|k", (5, 3, 4)),
    (r".*(in|prev|feature|dim|fan|size|n_?x|num|n_).*", (3, 4)),
)  # fmt: skip
_REALS = (  # numbers that are no sizes
    (r"eps(ilon)?|.*_eps(ilon)?|tol\w*", 1e-5), (r"momentum|decay\w*|beta_?1|rho|.*_momentum|.*_decay", 0.75),
    (r"beta_?2", 0.875),
    (r".*drop\w*|.*prob\w*|.*ratio|keep\w*|.*_?rate|p|.*percent\w*|.*thresh\w*", 0.5),
    (r"alpha|.*slope|.*leak\w*|neg\w*|lambda?\w*|.*reg|lr|l1|l2|.*factor|.*scale|.*temp(erature)?|gamma|beta|delta|margin|std|sigma|"
     r"weight_decay|mu|c|gain|.*_std|.*coef\w*", 0.25),
)  # fmt: skip
_ENDS = {"in": 0, "out": 1}  # the first size that a constructor is given, and the second
OF_AXES: Mapping[int, Sequence[Mapping[str, tuple[str, ...]]]] = {  # inputs and parameters by what they stand for
    4: (
        {"": ("3", "2", "4", "6"), "W": ("5", "2", "3", "3"), "b": ("5",), "gamma": ("5",)},
        {"": ("3", "2", "4", "6"), "W": ("5", "2", "3", "3"), "b": ("5",), "gamma": ("2",)},  # before W, or alone
    ),
    3: (
        {"": ("3", "2", "in"), "W": ("in", "out"), "b": ("out",), "h": ("3", "out"), "Wh": ("out", "out"),
         "W2": ("out", "2"), "b2": ("2",)},
        {"": ("3", "2", "in"), "gamma": ("in",)},
        *(
            {"": ("3", "2", "in"), "W": ("in", g), "b": (g,), "h": ("3", "out"), "Wh": ("out", g)}
            for g in ("4*out", "3*out")  # the gates of an LSTM, of a GRU
        ),
    ),
    2: (
        {"": ("3", "in"), "W": ("in", "out"), "b": ("out",), "h": ("3", "out"), "Wh": ("out", "out"),
         "W2": ("out", "2"), "b2": ("2",)},
        {"": ("3", "in"), "W": ("out", "in"), "b": ("out",), "h": ("3", "out"), "Wh": ("out", "out"),
         "W2": ("2", "out"), "b2": ("2",)},  # x @ W.T + b
        {"": ("in", "3"), "W": ("out", "in"), "b": ("out", "1"), "h": ("out", "3"), "Wh": ("out", "out"),
         "W2": ("2", "out"), "b2": ("2", "1")},  # W @ x + b
        {"": ("3", "in"), "gamma": ("in",)},
        *(
            {"": ("3", "in"), "W": ("in", g), "b": (g,), "h": ("3", "out"), "Wh": ("out", g)}
            for g in ("4*out", "3*out")  # the gates of an LSTM, of a GRU
        ),
    ),
}  # fmt: skip
SETTINGS: Mapping[str, Mapping[str, Any]] = {  # dicts of settings that courses have made common
    "conv_param": {"stride": 1, "pad": 1},
    "pool_param": {"pool_height": 2, "pool_width": 2, "stride": 2},
    "bn_param": {"mode": "train"},
    "ln_param": {},
    "gn_param": {},
    "dropout_param": {"mode": "train", "p": 0.5, "seed": 1},
    "hparameters": {"stride": 1, "pad": 1, "f": 2},
}


def without_dots(shapes: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Any number of axes, `(N, d_1, ..., d_k)`, as one: that which the next argument begins with, `(D, M)`."""
    firsts = [axes[0] for axes in shapes.values() if len(axes) == 2 and "..." not in axes]
    joined = firsts[0] if firsts else ""
    return {name: (axes[0], joined) if "..." in axes[1:] else axes for name, axes in shapes.items()}


def without_holes(shapes: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Axes without a name, as those of the first array in the same place: `F, _, HH, WW = w.shape` has its channels.

    A filter is smaller than an image, whatever its axes are called.
    """
    first = next(iter(shapes.values()), ())

    def filled(name: str, axes: Sequence[str]) -> Sequence[str]:
        kernel = stands_for(name) == "W" and len(axes) == 4
        alike = [*first[:2], *OF_AXES[4][0]["W"][2:]] if kernel else first
        return [axis or (alike[i] if i else "") for i, axis in enumerate(axes)] if len(axes) == len(first) else axes

    return {name: filled(name, axes) for name, axes in shapes.items()}


class AxisSizes:
    """A size for each name of an axis: equal names, equal sizes; those of the constructor's arguments are theirs.

    None is a number that is `written` beside a name, as 3 in `(N, 3)`.
    """

    def __init__(
        self, init: Mapping[str, Any], variant: int, held: Sequence[int] = (), written: Collection[int] = ()
    ) -> None:
        self.held, self.written = held, written
        self.beside: frozenset[str] = frozenset()  # the axes of the same array
        self.known = {k: v for k, v in init.items() if isinstance(v, int) and not isinstance(v, bool)}
        self.init = init
        self.single = variant == 1  # rows that nothing says the number of: one alone
        self.widths = next((w for w in init.values() if isinstance(w, list) and w and {*map(type, w)} == {int}), [])
        taken = {*self.known.values(), *self.widths}
        self.left = [n for n in _OTHERS if n not in {*taken, *written}] or list(_OTHERS)
        self.batch = next((n for n in (3, 2, 4, 5) if n not in taken), 3)

    def of(self, axes: Sequence[str]) -> tuple[int, ...]:
        """The shape with these axes."""
        axes = [a for i, a in enumerate(axes) if a != "..."]
        for axis in axes if len(axes) in (3, 4) else ():  # a filter, square in an image
            if axis.isidentifier() and (axes.count(axis) > 1 if len(axes) == 4 else _OF_A_FILTER.fullmatch(axis)):
                self.known.setdefault(axis, 3)
        self.beside = frozenset(axes)
        return tuple(self._size(axis, i, len(axes)) for i, axis in enumerate(axes))

    def _size(self, axis: str, place: int, number: int) -> int:
        if axis.isdigit():
            return int(axis)
        if self.single and axis not in self.init and place and number == 2:
            return 1
        if not axis and place == 0 and number > 1:
            return self.batch
        if not axis:  # as long as what the layer holds for a row
            ahead = self._ahead() if self.held and (place, number) == (1, 2) else self._another()
            return self.known.setdefault(f"axis {place}", ahead)
        if axis in self.known:
            return self.known[axis]
        if axis.endswith("_rows") and number == 2 and place == 0:  # of a product: no length of what is held
            return self.known.setdefault(axis, self.batch)
        if axis.endswith("_inner") and self.held:
            return self.known.setdefault(axis, self._ahead())
        if axis in _ENDS:
            given = [n for n in self.init.values() if type(n) is int] or [*self.widths[:1], *self.widths[-1:]]
            return given[_ENDS[axis]] if len(given) > _ENDS[axis] else 5 - _ENDS[axis]
        others = {n: size for n, size in self.known.items() if n not in self.beside}  # `in_channel, input_size`
        alike = [size for name, size in others.items() if len(_short(axis)) > 1 and _short(name) == _short(axis)]
        if len(set(alike)) == 1:
            return self.known.setdefault(axis, alike[0])
        if self.widths and _short(axis) in _ENDS:  # `(input_size, 1)` of a network
            return int(self.widths[-_ENDS[_short(axis)]])
        names = set(re.findall(r"[A-Za-z_]\w*", axis))
        if names != {axis}:
            try:
                value = int(eval(axis, {"__builtins__": {}}, {name: self._size(name, 1, number) for name in names}))
                return value if 0 < value < 1000 else self._another()
            except Exception:
                return self._another()
        for pattern, size in _FIXED_SIZES:
            if re.fullmatch(pattern, axis, re.IGNORECASE) and not (number == 2 and size in (4, 6, 2)):
                self.known[axis] = self._distinct(self.batch if pattern.startswith("n|") else size)
                return self.known[axis]
        of_a_row = self.held and place == 1 and number == 2 and self._ahead() not in self.known.values()
        self.known[axis] = self._ahead() if of_a_row else self._another()  # as long as what the layer holds for it
        return self.known[axis]

    def _ahead(self) -> int:
        """The length of what a product begins with, among those that the layer holds."""
        length = self._size("in", 1, 2)
        return length if length in self.held else self.held[0]

    def _distinct(self, size: int) -> int:
        """The size, or one like it that no other axis has: small where it is small, even where it is even."""
        used = {*self.known.values(), *self.written}
        alike = (2, 5) if size == 3 else (size, 4, 6, 8, 10) if size > 3 and size % 2 == 0 else (size, 5, 7, 9)
        return next((n for n in (size, *alike) if n not in used), size)

    def _another(self) -> int:
        return self.left.pop(0) if self.left else 6

    def likely(self) -> Iterator[tuple[int, ...]]:
        """Shapes an input may have, by the sizes that the constructor was given."""
        n = self.batch
        several = [
            v for v in self.init.values() if isinstance(v, tuple | list) and v and all(type(i) is int for i in v)
        ]
        lists = [v for v in several if isinstance(v, list)]  # of one layer after the other: no shape
        for shape in (v for v in several if isinstance(v, tuple)):
            yield from ((n, *shape), tuple(shape))
        if not self.known:
            yield from (shape for first, *_ in lists for shape in ((n, first), (first, n)))
        sizes = list(dict.fromkeys(v for v in (*self.known.values(), *self.held) if 1 < v <= 20 * MANY))[:4]
        for k in sizes:
            yield from ((n, k), (k, n), (k, 1), (k,), (n, k, 4, 6), (n, 4, 6, k))
            yield from ((2, n, k), (k, 4, 6), (4, 6, k), (n, k, 5), (n, k, 8))
        for widths in lists:
            yield from ((n, *widths), tuple(widths))
        if not sizes:
            yield from ((n, 4), (n, 2, 4, 6), (n, 4, 6, 2), (2, 4, 6), (4, 6, 2), (4, 6), (n, 2, 4), (4, 1), (4,))
        yield from ((n, 1, 8, 8), (n, 8, 8, 2), (8, 10, 2), (8, 8))


def _short(name: str) -> str:
    """What a size is of, however it is called: "in" of `input_dim`, `in_features` and `n_inputs`."""
    parts = r"size|dim(ension)?s?|features?|units?|channels?|nodes|neurons|layers?|len(gth)?|num|(?<![a-z])n(?=_)"
    of = re.sub(parts, "", name.lower())
    return re.sub(r"(input|output|hidden|embedd?ing)s?", lambda m: m[1][:3].rstrip("p"), of).strip("_")


def real_named(name: str) -> float:
    """A number of this name that is no size: a share, a rate."""
    return next((value for pattern, value in _REALS if re.fullmatch(pattern, name.lower())), 0.5)


def numbers_named(name: str, share: bool = False) -> list[Any]:
    """What a number of this name may be: sizes, then shares and rates; these first where it is a `share`."""
    lower = name.lower()
    real = [value for pattern, value in _REALS if re.fullmatch(pattern, lower)][:1]
    whole = next((list(sizes) for pattern, sizes in _SIZES_BY_NAME if re.fullmatch(pattern, lower)), [])
    single = len(lower) < 3 and not share
    return ([*whole, *real] if single else [*real, *whole]) or [3, 0.5]


_OF_WINDOWS = ((r"kernel|filter|pool|window|k_?size", (3, 2)), (r"stride|dilation", (1, 2)), ("pad", (1, 0)))


def tuples_of(name: str, items: Sequence[str] | None) -> list[Any]:
    """Tuples of sizes: kernels, strides, shapes of inputs; `items` are the names of its parts, if known."""
    windows = _OF_WINDOWS["shape" in name :]  # that of a kernel has channels, too
    sides = next((sides for words, sides in windows if re.search(words, name)), ())
    if sides and (not items or (len(items) == 2 and not any(map(image_size, items)))):
        return [*((side, side) for side in sides), *(() if items else sides[:1])]
    if items:
        return [tuple(numbers_named(item)[0] if not image_size(item) else image_size(item) for item in items)]
    if "size" in name and "shape" not in name:
        return [(3, 3), (2, 2), 3]
    if re.search(r"kernel|filter|pool", name):
        return [(2, 2), (3, 2, 3, 3)]
    if "conv" in name:
        return [(2, 3, 3), (2, 3)]
    return [(2, 4, 6), (4, 6, 2), (4,), (3, 4), (4, 6)]


def image_size(item: str) -> int:
    """The height or width of an image, where an item of a shape is called so; else 0."""
    return {"h": 4, "height": 4, "in_h": 4, "w": 6, "width": 6, "in_w": 6, "input_height": 4, "input_width": 6}.get(
        item.lower(), 0
    )


def alike_first(choices: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """Every combination; first those that choose in the same place everywhere, as a square kernel."""
    most = max(map(len, choices), default=1)
    alike = [tuple(min(i, len(c) - 1) for c in choices) for i in range(most)]
    others = islice(product(*map(range, map(len, choices))), MOST_COMBINATIONS)
    for places in dict.fromkeys((*alike, *others)):
        yield tuple(choice[place] for choice, place in zip(choices, places, strict=True))
