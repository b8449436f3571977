"""What stands for a library that is not installed, or for a name that was never made: harmless until it is used.

Only the user's files get them, and only where an `import` fails that they did not guard with `try`: `try: import cupy`
sees the ImportError that its author wrote the rest for.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Iterator
from types import EllipsisType, FrameType, GenericAlias
from typing import Any

from dout.run import is_class, mro_of

KNOWN = frozenset({
    "cupy", "cv2", "h5py", "IPython", "imageio", "jax", "keras", "librosa", "matplotlib", "mnist", "mpl_toolkits",
    "mxnet", "networkx", "nltk", "nnfs", "numba", "numexpr", "opt_einsum", "pandas", "PIL", "plotly", "psutil", "pylab",
    "pytest", "requests", "scipy", "seaborn", "skimage", "sklearn", "streamlit", "sympy", "tensorboardX",
    "tensorflow", "torch", "torchvision", "tqdm", "transformers", "triton", "wandb", "yaml", "graphviz", "gym",
    "gymnasium", "autograd", "bokeh", "colorama", "loguru", "munch", "prettytable", "rich", "tabulate", "termcolor",
    "texttable", "visdom", "wget", "google", "progressbar", "ipywidgets",
    "terminaltables", "halo", "alive_progress", "pyfiglet", "easydict", "attrdict", "pyximport", "Cython", "mpi4py",
    "datasets", "fire", "polars", "PyQt5", "PyQt6", "PySide2", "PySide6", "pyqtgraph",
})  # fmt: skip


class NeedsError(BaseException):
    """The user's code used what is not there. No Exception: their `except Exception` does not hide the reason.

    `first` is that of the program that runs, as long as it goes on: what runs tests catches everything.
    """

    first = ""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        NeedsError.first = NeedsError.first or reason


class Missing:
    """Something that is not there: it can be named, imported from, derived from and annotated with, and no more.

    It can be called with settings alone, `load("config.yml")`: what that gives is not there either. One that is `idle`
    can be given anything if nobody takes the result: `generator.fit(x)` alone does no harm.
    """

    def __init__(self, reason: str, *, idle: bool = False) -> None:
        self.__dict__.update(_reason=reason, _idle=idle)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._refuse() if name in _READ_BY_PYTHON else self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refused, or nothing."""
        is_idle = self._idle and is_dropped(sys._getframe(1))
        return self if is_idle or all(map(_is_setting, (*args, *kwargs.values()))) else self._refuse()

    def __getitem__(self, key: Any) -> Any:
        """Itself for an annotation, as `NDArray[Shape["3"], Float]`: what it gives is not there either."""
        return self if _is_setting(key) else self._refuse()

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise NeedsError(f"needs {self._reason}")

    def _nothing(self, *args: Any) -> None:
        """A setting of what is not there."""

    __setattr__ = __setitem__ = _nothing
    __iter__ = __len__ = __bool__ = __float__ = __int__ = __index__ = __array__ = _refuse
    __contains__ = __enter__ = __next__ = __neg__ = __abs__ = __invert__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __pow__ = _refuse
    __rpow__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __matmul__ = __rmatmul__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = _refuse

    def __format__(self, asked: str) -> str:
        return str(self._refuse() if asked else self)  # f"{loss:.4f}" asks for a number

    def __or__(self, other: Any) -> Any:
        return self  # an annotation: torch.Tensor | None

    __ror__ = __or__

    def __mro_entries__(self, bases: Any) -> tuple[type, ...]:
        return (type("Missing", (_Base,), {"_needs": self._reason}),)

    def __instancecheck__(self, item: Any) -> bool:
        return False

    def __subclasscheck__(self, cls: Any) -> bool:
        return False

    def __deepcopy__(self, memo: Any) -> Missing:
        return self


_READ_BY_PYTHON = "peek", "readinto"  # what `pickle.load` asks its file for
_SETTINGS = (str, bytes, bool, int, float, type(None), EllipsisType, GenericAlias, Missing)


def _is_setting(item: Any) -> bool:
    """Whether an argument is a plain setting, or not there: no data and no object of the user's goes in with it."""
    if type(item) in (list, tuple, dict):
        return all(map(_is_setting, item.values() if type(item) is dict else item))
    return isinstance(item, type) or type(item) in _SETTINGS


def is_dropped(frame: FrameType) -> bool:
    """Whether nobody takes the result of the call that a frame is at."""
    code, at = frame.f_code.co_code, frame.f_lasti + 2
    while at < len(code) and dis.opname[code[at]] == "CACHE":
        at += 2
    return at < len(code) and dis.opname[code[at]] == "POP_TOP"


class _Base:
    """The base of a class whose base is missing."""

    _needs = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args or kwargs:
            raise NeedsError(f"needs {self._needs}")

    def __getattr__(self, name: str) -> Any:
        """What neither the class nor the object has, its base was to have."""
        if name.startswith("__"):
            raise AttributeError(name)
        raise NeedsError(f"needs {self._needs}")


def needed_by(item: Any) -> str:
    """What a class, or the thing itself, stands on that is not there; nothing where all is."""
    if type(item) is Missing:
        return str(vars(item)["_reason"])
    return item._needs if is_class(item) and _Base in mro_of(item) else ""


def _is_decorated(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a call has one function or class alone: it may be a decorator's."""
    return len(args) == 1 and not kwargs and (isinstance(args[0], type) or hasattr(args[0], "__code__"))


class Quiet:
    """Something that nobody sees here, like a plot: whatever is done with it does nothing.

    Given one function alone it returns it: it may be a decorator.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Nothing."""
        return args[0] if _is_decorated(args, kwargs) else self

    def _same(self, *args: Any) -> Any:
        return self

    __getitem__ = __enter__ = __add__ = __sub__ = __mul__ = __truediv__ = __or__ = _same
    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = _same

    def _no(self, *args: Any) -> bool:
        return False

    __bool__ = __lt__ = __le__ = __gt__ = __ge__ = _no

    def __int__(self) -> int:
        return 0

    def __float__(self) -> float:
        return 0.0

    def __str__(self) -> str:
        return ""

    def __setattr__(self, name: str, item: Any) -> None:
        pass

    def __setitem__(self, key: Any, item: Any) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        pass

    def __iter__(self) -> Iterator[Any]:
        """As many as are asked for: `figure, axes = plt.subplots()`."""
        frame = sys._getframe(1)
        code, here = frame.f_code.co_code, frame.f_lasti
        wanted = code[here + 1] if dis.opname[code[here]] == "UNPACK_SEQUENCE" else 0
        return iter([self] * wanted)

    def __deepcopy__(self, memo: Any) -> Quiet:
        return self

    def __mro_entries__(self, bases: Any) -> tuple[type, ...]:
        return (_Unseen,)


class _Unseen:
    """The base of a class of windows that nobody sees."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Quiet()


class _Bar(Quiet):
    """A progress bar that nobody sees: it gives out what it goes through."""

    def __init__(self, through: Any = None, *args: Any, total: int = 0, **kwargs: Any) -> None:
        self.__dict__.update(through=range(total or 0) if through is None else through, n=0)

    def __iter__(self) -> Iterator[Any]:
        """What it goes through."""
        for item in self.through:
            yield item
            self.update()

    def update(self, n: float = 1) -> None:
        """Count so many steps."""
        self.__dict__["n"] += n

    @staticmethod
    def write(*args: Any, **kwargs: Any) -> None:
        """Nobody reads it."""

    def __len__(self) -> int:
        return len(self.through)


class _Progress(Quiet):
    """A progress bar of another make: it is called with what it goes through."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What is gone through; of settings, a bar again."""
        return args[0] if len(args) == 1 and hasattr(args[0], "__iter__") else self


class _RunSettings(dict[str, Any]):
    """The settings of a run, as items and as attributes; one that nobody gave does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name] if name in self else Quiet()

    __setattr__ = dict.__setitem__

    def update(self, given: Any = None, **options: Any) -> None:  # type: ignore[override]
        """Take settings from a dict, or from an object that has them as attributes; a file's are not read."""
        super().update(given if isinstance(given, dict) else getattr(given, "__dict__", {}))

    def setdefaults(self, given: Any) -> None:
        """The same, but for those that are there."""
        self.update({name: item for name, item in dict(given).items() if name not in self})


class _Tracker(Quiet):
    """A log of experiments that nobody sees, as `wandb`: a run has its settings, and of a sweep one run is made."""

    def __init__(self) -> None:
        self.__dict__.update(config=_RunSettings(), chosen={})

    def init(self, *args: Any, config: Any = None, **kwargs: Any) -> Any:
        """Begin a run with these settings, and those of the sweep that it belongs to."""
        self.config.update(config or {})
        wrapped = {name for name, item in self.config.items() if isinstance(item, dict) and [*item] == ["value"]}
        self.config.update({**{name: self.config[name]["value"] for name in wrapped}, **self.chosen})
        return self

    def sweep(self, sweep: Any = None, *args: Any, **kwargs: Any) -> str:
        """Choose the first of the values of each parameter."""
        parameters = sweep.get("parameters", {}) if isinstance(sweep, dict) else {}
        self.chosen.update({name: _first_value(parameter) for name, parameter in parameters.items()})
        return "sweep"

    def agent(self, sweep: Any = None, function: Any = None, *args: Any, **kwargs: Any) -> None:
        """Make one run."""
        if callable(function):
            function()


def _first_value(parameter: Any) -> Any:
    """The first value that a parameter of a sweep may have: `{"values": [1, 2]}`, `{"min": 0.0, "max": 1.0}`."""
    given = parameter if isinstance(parameter, dict) else {"value": parameter}
    values = given.get("values") or [given.get("value", given.get("min"))]
    return values[0]


class _Library:
    """A library of which some names are known; the others are `rest`."""

    def __init__(self, names: dict[str, Any], rest: Any) -> None:
        self._names, self._rest = names, rest

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._names.get(name, self if name in ("auto", "notebook", "std") else self._rest)


def _decorator(*args: Any, **kwargs: Any) -> Any:
    """`@njit` and `@njit(parallel=True)`: the function itself."""
    return args[0] if _is_decorated(args, kwargs) else lambda function: function


def _numba(reason: str) -> Any:
    names = ("jit", "njit", "vectorize", "guvectorize", "generated_jit", "jitclass", "stencil")
    same = dict.fromkeys(names, _decorator)
    quiet = {"prange": range, "config": Quiet(), "set_num_threads": Quiet(), "experimental": _Library(same, Quiet())}
    return _Library({**same, **quiet}, Missing(reason))


_QUIET = (
    "matplotlib", "pylab", "mpl_toolkits", "plotly", "bokeh", "visdom", "IPython", "ipywidgets", "tensorboardX",
    "pytest", "google", "graphviz", "colorama", "loguru", "prettytable", "rich", "tabulate", "termcolor", "texttable",
    "terminaltables", "halo", "alive_progress", "pyfiglet", "PyQt5", "PyQt6", "PySide2", "PySide6",
    "pyqtgraph",
)  # fmt: skip
_MAKES: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(_QUIET, lambda reason: Quiet()),
    "tqdm": lambda reason: _Library({
        **dict.fromkeys(("tqdm", "tqdm_notebook"), _Bar),
        **dict.fromkeys(("trange", "tnrange"), lambda *args, **kwargs: _Bar(range(*args))),
    }, Quiet()),
    "progressbar": lambda reason: _Library({}, _Progress()),
    "seaborn": lambda reason: _Library({"load_dataset": Missing(reason)}, Quiet()),
    "numba": _numba,
    "wandb": lambda reason: _Tracker(),
    "nnfs": lambda reason: _Library({"init": Quiet()}, Missing(reason)),  # the book's helper only sets a seed
}  # fmt: skip


def why_absent(top: str) -> str:
    """What is wrong with a library that cannot be imported.

    >>> why_absent("torch"), why_absent("helpers")
    ('is not installed', 'cannot be found')
    """
    return "is not installed" if top in KNOWN else "cannot be found"


def stand_in(module: str, reason: str) -> Any:
    """What stands for a module that cannot be imported, or for a submodule of it."""
    top = "tensorboardX" if module.endswith(".tensorboard") else module.partition(".")[0]
    return _MAKES[top](reason) if top in _MAKES else Missing(reason, idle=top in KNOWN)
