"""What stands for the tools of scikit-learn with which programs prepare data and count hits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from dout.trace.program.tables import column


class _Fitted:
    """What learns from data, and then changes data by it."""

    learn: Callable[[Any], Mapping[str, Any]]  # what is kept of the data, by scikit-learn's names
    transform: Callable[..., Any]
    inverse_transform: Callable[..., Any]

    def __init__(self, *args: Any, **options: Any) -> None:
        pass

    def fit(self, data: Any, y: Any = None) -> Any:
        """Learn from those rows."""
        vars(self).update(type(self).learn(np.asarray(data)))
        return self

    def fit_transform(self, data: Any, y: Any = None) -> Any:
        """Both."""
        return self.fit(data).transform(data)


def _fitted(name: str, learn: Any, transform: Any, inverse_transform: Any) -> tuple[str, type]:
    """A class of that name: its dotted name in the library, and itself."""
    parts = {"learn": staticmethod(learn), "transform": transform, "inverse_transform": inverse_transform}
    return f"sklearn.preprocessing.{name}", type(name, (_Fitted,), parts)


def _scaler(name: str, low: Callable[[Any], Any], by: Callable[[Any], Any]) -> tuple[str, type]:
    """Columns minus their `low`, divided `by` something."""

    def learn(data: Any) -> Mapping[str, Any]:
        data = data.astype(float)
        scale = by(data)
        return {"mean_": low(data), "data_min_": low(data), "scale_": np.where(scale == 0, 1, scale)}

    return _fitted(
        name, learn, lambda self, data: (np.asarray(data, dtype=float) - self.mean_) / self.scale_,
        lambda self, data: np.asarray(data) * self.scale_ + self.mean_,
    )  # fmt: skip


def _places(known: Any, items: Any) -> Any:
    """Items as the places that they have among all that are known."""
    return np.searchsorted(known, np.asarray(items))


def _rows(known: Any, items: Any) -> Any:
    """Items as rows of zeros with one 1."""
    return np.eye(len(known), dtype=int)[_places(known, items)]


def _of_columns(self: Any, data: Any) -> Any:
    """Columns of items, each as rows of zeros with one 1."""
    parts = zip(self.categories_, np.asarray(data).T, strict=True)
    return column(np.concatenate([_rows(known, part).astype(float) for known, part in parts], 1))


def _classes(items: Any) -> Mapping[str, Any]:
    return {"classes_": np.unique(items)}


class KFold:
    """Rows in parts, each of which is held out once."""

    def __init__(self, n_splits: int = 5, shuffle: bool = False, random_state: Any = None) -> None:
        self.n_splits, self.shuffle = n_splits, shuffle

    def split(self, data: Any, y: Any = None) -> Iterator[tuple[Any, Any]]:
        """The places of the rows that stay, and of those that are held out."""
        order = _order(len(data), self.shuffle)
        for held in np.array_split(order, self.n_splits):
            yield np.setdiff1d(order, held), held


def _order(count: int, shuffled: bool = True) -> Any:
    return np.random.default_rng(0).permutation(count) if shuffled else np.arange(count)


def train_test_split(*arrays: Any, test_size: float | None = None, train_size: float | None = None,
                     shuffle: bool = True, **kwargs: Any) -> list[Any]:  # fmt: skip
    """Each array in two: the rows to train on, and those that are held out."""
    count, order = len(arrays[0]), _order(len(arrays[0]), shuffle)
    share = test_size if test_size is not None else 0.25 if train_size is None else None
    held = count - _part(train_size or 0, count) if share is None else _part(share, count)
    train, test = (order[held:], order[:held]) if shuffle else (order[: count - held], order[count - held :])
    return [_at(array, places) for array in arrays for places in (train, test)]


def _part(size: float, count: int) -> int:
    return size if isinstance(size, int) else int(np.ceil(size * count))


def _at(items: Any, places: Any) -> Any:
    """The rows at these places: of a table as a table."""
    return items.iloc[places] if hasattr(items, "iloc") else np.asarray(items)[places]


def _shuffle(*arrays: Any, **options: Any) -> Any:
    """The rows of arrays in another order."""
    found = [_at(array, _order(len(array))) for array in arrays]
    return found if len(found) > 1 else found[0]


def _accuracy(true: Any, found: Any, normalize: bool = True, **options: Any) -> Any:
    hits = np.asarray(true) == np.asarray(found)
    hits = hits.all(-1) if hits.ndim > 1 else hits
    return float(hits.mean()) if normalize else int(hits.sum())


def _confusion(true: Any, found: Any, **options: Any) -> Any:
    known = np.unique(np.concatenate([np.ravel(true), np.ravel(found)]))
    counts = np.zeros((len(known), len(known)), dtype=int)
    np.add.at(counts, (_places(known, np.ravel(true)), _places(known, np.ravel(found))), 1)
    return counts


TOOLS: dict[str, Any] = {
    **dict([
        _scaler("StandardScaler", lambda data: data.mean(0), lambda data: data.std(0)),
        _scaler("MinMaxScaler", lambda data: data.min(0), lambda data: np.ptp(data, 0)),
        _fitted("LabelEncoder", _classes, lambda self, items: _places(self.classes_, items),
                lambda self, places: self.classes_[np.asarray(places)]),
        _fitted("LabelBinarizer", _classes, lambda self, items: _rows(self.classes_, items)  # of two classes a column
                if len(self.classes_) != 2 else _places(self.classes_, items)[:, None],
                lambda self, rows: self.classes_[np.argmax(rows, 1)]),
        _fitted("OneHotEncoder", lambda data: {"categories_": list(map(np.unique, data.T))}, _of_columns, None),
    ]),
    "sklearn.preprocessing.scale": lambda data, **options: (
        TOOLS["sklearn.preprocessing.StandardScaler"]().fit_transform(data)),
    "sklearn.model_selection.train_test_split": train_test_split,
    "sklearn.cross_validation.train_test_split": train_test_split,
    "sklearn.model_selection.KFold": KFold,
    "sklearn.utils.shuffle": _shuffle,
    "sklearn.metrics.accuracy_score": _accuracy,
    "sklearn.metrics.confusion_matrix": _confusion,
    "sklearn.metrics.mean_squared_error": lambda true, found, **options: float(
        np.mean((np.asarray(true) - np.asarray(found)) ** 2)),
}  # fmt: skip
