"""Loaders of well-known data sets, where their library is not installed: numbers drawn at random, in the same shape."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from dout.trace.program import file_readers, pictures, preparation, tables, torch_data
from dout.trace.program.drawn_data import IMAGES, Asked, DataRows, as_rows, images
from dout.trace.program.stub_modules import NeedsError, Quiet
from dout.trace.program.torch_data import Pictures

_TABLES = {"iris": (150, 4, 3), "wine": (178, 13, 3), "breast_cancer": (569, 30, 2), "digits": (1797, 64, 10),
           "diabetes": (442, 10, 0), "boston": (506, 13, 0),
           "california_housing": (20_640, 8, 0)}  # fmt: skip  # rows, columns, classes; 0: a number
_SHAPED = {"make_moons": 2, "make_circles": 2, "make_s_curve": 0}  # classes of sets in the plane


def loader(name: str, said: Callable[[str], None]) -> Any:
    """The loader of that dotted name; None where none is known.

    `said` hears which data a program was given.
    """
    name = _short(name)
    return _told(name, said) if name in _LOADERS else _TOOLS.get(name)


def is_before_loader(name: str) -> bool:
    """Whether a dotted name is that of a module with a loader in it."""
    return any(known.startswith(f"{_short(name)}.") for known in (*_LOADERS, *_TOOLS))


def of_installed(module: ModuleType, said: Callable[[str], None]) -> dict[str, Any]:
    """Loaders for an installed library: those that its release has no more, and those that fetch."""
    found: dict[str, Any] = {}
    for whole in _LOADERS:
        owner, _, name = whole.rpartition(".")
        if owner == module.__name__ and name not in vars(module):
            found[name] = _told(whole, said)
        elif owner == module.__name__ and name.startswith("fetch"):
            found[name] = _fetching(vars(module)[name], _told(whole, said))
    for whole, instead in file_readers.NAMES.items():
        owner, _, name = whole.rpartition(".")
        if owner == module.__name__ == "requests":
            found[name] = _fetching(vars(module)[name], instead)
    return found


def _fetching(own: Callable[..., Any], instead: Callable[..., Any]) -> Callable[..., Any]:
    """A loader that fetches, or what stands for it where nothing can be fetched."""

    def load(*args: Any, **kwargs: Any) -> Any:
        try:
            return own(*args, **kwargs)
        except OSError:
            return instead(*args, **kwargs)

    return load


def _short(name: str) -> str:
    """The name of a loader without the libraries and packages that it comes in."""
    name = name.removeprefix("tensorflow.").removeprefix("python.")
    name = re.sub(r"^(sklearn\.datasets\.)\w+\.(?=\w+$)", r"\1", name)  # `samples_generator`, of older releases
    return re.sub(r"^(\w+\.)+(?=mnist\.load_mnist$)", "", name)  # the book's, in a package of any name


def _told(name: str, said: Callable[[str], None]) -> Any:
    def load(*args: Any, **kwargs: Any) -> Any:
        made = _LOADERS[name](*args, **kwargs)
        if not isinstance(made, Quiet):  # a file to write into
            said(f"stand-in data for {name}: numbers drawn at random, in the shape of the real ones")
        return made

    return load


def _keras(kind: str, **kwargs: Any) -> Any:
    parts = [images(kind, part) for part in (0, 1)]
    column = (-1, 1) if kind.startswith("cifar") else (-1,)
    return tuple((pixels, labels.reshape(column)) for pixels, labels in parts)


def _one_hot(labels: Any, num_classes: int | None = None, dtype: Any = "float32") -> Any:
    labels = np.asarray(labels).astype(int).ravel()
    return np.eye(num_classes or int(labels.max()) + 1, dtype=dtype)[labels]


def _read_data_sets(folder: str = "", one_hot: bool = False, **kwargs: Any) -> Any:
    """As the first TensorFlow's examples had it: images as rows of 784 numbers from 0 to 1, in three parts."""

    def part(pictures: Any, labels: Any) -> Any:
        rows = as_rows(pictures)
        targets = _one_hot(labels, 10, float) if one_hot else labels
        at = [0]

        def next_batch(size: int, *args: Any, **kwargs: Any) -> Any:
            first = at[0] if at[0] + size <= len(rows) else 0
            at[0] = first + size
            return rows[first : at[0]], targets[first : at[0]]

        return SimpleNamespace(images=rows, labels=targets, num_examples=len(rows), next_batch=next_batch)

    (pictures, labels), test = images("mnist"), images("mnist", 1)
    held = len(pictures) // 12  # 5,000 of 60,000
    return SimpleNamespace(
        train=part(pictures[held:], labels[held:]), validation=part(pictures[:held], labels[:held]), test=part(*test)
    )


class _Bunch(dict[str, Any]):
    """What the loaders of scikit-learn return: a dict with attributes."""

    __setattr__ = dict.__setitem__

    def __getattr__(self, name: str) -> Any:
        if name not in self:
            raise AttributeError(name)
        return self[name]


def _table(kind: str, return_X_y: bool = False, n_class: int = 10, **kwargs: Any) -> Any:
    rows, columns, classes = _TABLES[kind]
    data, target = _drawn(rows, columns, min(classes, n_class))
    if kind == "digits":
        data = np.floor(np.abs(data) * 8).clip(0, 16)
    if return_X_y:
        return data, target
    names = [f"feature {i}" for i in range(columns)]
    more = {"images": data.reshape(-1, 8, 8)} if kind == "digits" else {}
    return _Bunch(
        data=data, target=target, feature_names=names, target_names=np.arange(max(classes, 1)).astype(str),
        DESCR="", **more,
    )  # fmt: skip


def _drawn(rows: int, columns: int, classes: int) -> tuple[Any, Any]:
    """Rows, each with its class, or a number where there are none. Each class has its own middle."""
    draw = np.random.default_rng(rows)
    if not classes:
        data = draw.normal(size=(rows, columns))
        return data, data @ draw.normal(size=columns) + draw.normal(size=rows)
    target = draw.permutation(np.arange(rows) % classes)
    return draw.normal(size=(rows, columns)) + 3 * draw.normal(size=(classes, columns))[target], target


def _made(
    columns: int, classes: int, n_samples: Any = 100, n_features: int = 0, n_classes: int = 0, centers: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """As many rows as asked for; of those sets that have classes, with their classes."""
    rows = n_samples if isinstance(n_samples, int) else sum(n_samples)
    if centers is not None and not n_classes:
        n_classes = centers if isinstance(centers, int) else len(centers)
    return _drawn(rows, n_features or columns, classes and (n_classes or classes))


def _spiral(samples: int, classes: int) -> tuple[Any, Any]:
    """Arms of a spiral around the origin, as the book's `spiral_data` gives: points in the plane, classes as uint8."""
    draw = np.random.default_rng(0)
    along, arm = np.tile(np.linspace(0, 1, samples), classes), np.repeat(np.arange(classes), samples)
    angle = 4 * (arm + along) + 0.2 * draw.normal(size=along.shape)
    return np.stack([along * np.sin(2.5 * angle), along * np.cos(2.5 * angle)], 1), arm.astype(np.uint8)


def _vertical(samples: int, classes: int) -> tuple[Any, Any]:
    draw = np.random.default_rng(0)
    arm = np.repeat(np.arange(classes), samples)
    middle = np.stack([arm / 3, np.full(arm.shape, 0.5)], 1)
    return middle + 0.1 * draw.normal(size=middle.shape), arm.astype(np.uint8)


def _sine(samples: int = 1000) -> tuple[Any, Any]:
    places = np.arange(samples).reshape(-1, 1) / samples
    return places, np.sin(2 * np.pi * places)


def _open_set(name: str = "", *args: Any, as_frame: Any = "auto", return_X_y: bool = False, **kwargs: Any) -> Any:
    """`fetch_openml` and its forerunner, of the one set that everybody fetches."""
    if "mnist" not in name.lower():
        raise NeedsError(f"needs the data set {name!r} of openml.org, which cannot be fetched")
    (pixels, labels), (more, their) = images("mnist"), images("mnist", 1)
    pixels, labels = np.concatenate([pixels, more]), np.concatenate([labels, their])
    data: Any = pixels.reshape(len(pixels), -1).astype(float)
    target = labels.astype(str if "_" in name else float)
    if as_frame in (True, "auto"):
        data, target = tables.Table(data, [f"pixel{i + 1}" for i in range(data.shape[1])]), tables.column(target)
    return (data, target) if return_X_y else _Bunch(data=data, target=target, DESCR="")


def _pictures(kind: str, root: Any = "", train: bool = True, transform: Any = None, target_transform: Any = None,
              **kwargs: Any) -> Any:  # fmt: skip
    return Pictures(*images(kind, part=int(not train)), transform, target_transform)


def _lists_of_mnist(folder: Any = ".", mode: str = "", return_type: str = "lists", *args: Any, **kwargs: Any) -> Any:
    """`MNIST(folder)` of the package python-mnist: its loaders give images and labels as lists, or as arrays."""

    def load(part: int) -> Any:
        pixels, labels = images("mnist", part)
        rows = pixels.reshape(len(pixels), -1)
        return (rows, labels) if return_type == "numpy" else (rows.tolist(), labels.tolist())

    return SimpleNamespace(load_training=partial(load, 0), load_testing=partial(load, 1))


def _load_mnist(normalize: bool = True, flatten: bool = True, one_hot_label: bool = False) -> Any:
    """The book's loader: images from 0 to 1, as rows or with one channel, of the two parts."""

    def part(pictures: Any, labels: Any) -> Any:
        rows = as_rows(pictures) if normalize else pictures.reshape(len(pictures), -1)
        shaped = rows if flatten else rows.reshape(-1, 1, *pictures.shape[1:])
        return shaped, _one_hot(labels, 10, int) if one_hot_label else labels

    return part(*images("mnist")), part(*images("mnist", 1))


_TORCHVISION = {"MNIST": "mnist", "FashionMNIST": "fashion_mnist", "CIFAR10": "cifar10", "CIFAR100": "cifar100"}
_LOADERS: dict[str, Callable[..., Any]] = {
    **{f"torchvision.datasets.{name}": partial(_pictures, kind) for name, kind in _TORCHVISION.items()},
    "sklearn.datasets.fetch_openml": _open_set,
    "sklearn.datasets.fetch_mldata": partial(_open_set, as_frame=False),  # it is older than frames
    **{f"keras.datasets.{kind}.load_data": partial(_keras, kind) for kind in IMAGES},
    "examples.tutorials.mnist.input_data.read_data_sets": _read_data_sets,
    **{f"sklearn.datasets.{verb}_{kind}": partial(_table, kind) for verb in ("load", "fetch") for kind in _TABLES},
    **{f"sklearn.datasets.{name}": partial(_made, 2, classes) for name, classes in _SHAPED.items()},
    **{f"sklearn.datasets.make_{name}": partial(_made, 2, 3) for name in ("blobs", "gaussian_quantiles")},
    "sklearn.datasets.make_classification": partial(_made, 20, 2),
    "sklearn.datasets.make_regression": partial(_made, 100, 0),
    **{f"mnist.{part}_images": lambda part=i: images("mnist", part)[0] for i, part in enumerate(("train", "test"))},
    **{f"mnist.{part}_labels": lambda part=i: images("mnist", part)[1] for i, part in enumerate(("train", "test"))},
    "mnist.load_mnist": _load_mnist,
    "mnist.MNIST": _lists_of_mnist,
    "h5py.File": lambda file, mode="r", **options: Quiet() if set(mode) & set("wax+") else Asked(file),
    "scipy.io.loadmat": lambda file, *args, **options: Asked(file),
    "datasets.load_dataset": lambda name, *args, split="", **options: DataRows(name, split),
    "nnfs.datasets.spiral_data": _spiral,
    "nnfs.datasets.vertical_data": _vertical,
    "nnfs.datasets.sine_data": _sine,
    **pictures.READERS,
}
_TOOLS: dict[str, Any] = {  # what works on data: no data are stood for
    "one_hot": lambda labels, depth, **options: np.ndarray.view(_one_hot(labels, depth), torch_data.Tensor),
    "torch.nn.functional.one_hot": lambda labels, num_classes=0: np.ndarray.view(
        _one_hot(labels, max(num_classes, 0), int), torch_data.Tensor
    ),
    "keras.utils.to_categorical": _one_hot,
    "keras.utils.np_utils.to_categorical": _one_hot,
    **dict.fromkeys(("datasets.DatasetDict", "datasets.Dataset"), DataRows),
    **dict.fromkeys(("munch.Munch", "easydict.EasyDict", "attrdict.AttrDict"), _Bunch),
    **file_readers.NAMES,
    **pictures.HELPERS,
    **preparation.TOOLS,
    **tables.NAMES,
    **torch_data.TOOLS,
}
