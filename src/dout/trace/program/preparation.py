"""What stands for the tools of scikit-learn with which programs prepare data and count hits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


class _Scaler:
    """Columns shifted and scaled: `where` gives what is taken away and what is divided by."""

    where: Callable[[Any], tuple[Any, Any]]

    def __init__(self, *args: Any, **options: Any) -> None:
        pass

    def fit(self, data: Any, y: Any = None) -> Any:
        """Take the shift and the scale of those rows."""
        low, by = type(self).where(np.asarray(data, dtype=float))
        self.mean_ = self.data_min_ = low
        self.scale_ = np.where(by == 0, 1, by)
        return self

    def transform(self, data: Any) -> Any:
        """The rows at that scale."""
        return (np.asarray(data, dtype=float) - self.mean_) / self.scale_

    def fit_transform(self, data: Any, y: Any = None) -> Any:
        """Both."""
        return self.fit(data).transform(data)

    def inverse_transform(self, data: Any) -> Any:
        """The rows as they were."""
        return np.asarray(data) * self.scale_ + self.mean_


class StandardScaler(_Scaler):
    """Columns of mean 0 and deviation 1."""

    @staticmethod
    def where(data: Any) -> tuple[Any, Any]:
        """The mean and the deviation."""
        return data.mean(0), data.std(0)


class MinMaxScaler(_Scaler):
    """Columns from 0 to 1."""

    @staticmethod
    def where(data: Any) -> tuple[Any, Any]:
        """The least, and how far it is to the largest."""
        return data.min(0), np.ptp(data, 0)


class LabelEncoder:
    """Items as the places that they have among all that there are."""

    def fit(self, items: Any) -> Any:
        """Take the distinct items."""
        self.classes_ = np.unique(np.asarray(items))
        return self

    def transform(self, items: Any) -> Any:
        """The places of these items."""
        return np.searchsorted(self.classes_, np.asarray(items))

    def fit_transform(self, items: Any) -> Any:
        """Both."""
        return self.fit(items).transform(items)

    def inverse_transform(self, places: Any) -> Any:
        """The items at these places."""
        return self.classes_[np.asarray(places)]


class LabelBinarizer(LabelEncoder):
    """Items as rows of zeros with one 1."""

    def transform(self, items: Any) -> Any:
        """A row for each of these items; of two classes a column."""
        places = super().transform(items)
        return places[:, None] if len(self.classes_) == 2 else np.eye(len(self.classes_), dtype=int)[places]

    def inverse_transform(self, rows: Any) -> Any:
        """The item with the largest number in each row."""
        return self.classes_[np.argmax(rows, 1)]


class OneHotEncoder:
    """Columns of items, each as rows of zeros with one 1."""

    def __init__(self, *args: Any, **options: Any) -> None:
        pass

    def fit(self, data: Any, y: Any = None) -> Any:
        """Take the distinct items of each column."""
        self.categories_ = [np.unique(part) for part in np.asarray(data).T]
        return self

    def transform(self, data: Any) -> Any:
        """A row for each of these."""
        parts = zip(self.categories_, np.asarray(data).T, strict=True)
        rows = np.concatenate([np.eye(len(known))[np.searchsorted(known, part)] for known, part in parts], 1)
        return np.ndarray.view(rows, _Dense)

    def fit_transform(self, data: Any, y: Any = None) -> Any:
        """Both."""
        return self.fit(data).transform(data)


class _Dense(np.ndarray[Any, Any]):
    """An array that can be asked for itself, as a sparse one."""

    def toarray(self) -> Any:
        """The same memory, as NumPy's own kind of array."""
        return np.ndarray.view(self, np.ndarray)

    todense = toarray


class KFold:
    """Rows in parts, each of which is held out once."""

    def __init__(self, n_splits: int = 5, shuffle: bool = False, random_state: Any = None) -> None:
        self.n_splits, self.shuffle = n_splits, shuffle

    def split(self, data: Any, y: Any = None) -> Iterator[tuple[Any, Any]]:
        """The places of the rows that stay, and of those that are held out."""
        count = len(data)
        order = np.random.default_rng(0).permutation(count) if self.shuffle else np.arange(count)
        for held in np.array_split(order, self.n_splits):
            yield np.setdiff1d(order, held), held


def train_test_split(*arrays: Any, test_size: float | None = None, train_size: float | None = None,
                     shuffle: bool = True, **kwargs: Any) -> list[Any]:  # fmt: skip
    """Each array in two: the rows to train on, and those that are held out."""
    count = len(arrays[0])
    share = test_size if test_size is not None else 0.25 if train_size is None else None
    held = count - _part(train_size or 0, count) if share is None else _part(share, count)
    order = np.random.default_rng(0).permutation(count) if shuffle else np.arange(count)
    train, test = (order[held:], order[:held]) if shuffle else (order[: count - held], order[count - held :])
    return [_at(array, places) for array in arrays for places in (train, test)]


def _part(size: float, count: int) -> int:
    return size if isinstance(size, int) else int(np.ceil(size * count))


def _at(items: Any, places: Any) -> Any:
    """The rows at these places: of a table as a table."""
    return items.iloc[places] if hasattr(items, "iloc") else np.asarray(items)[places]


def shuffle(*arrays: Any, **options: Any) -> Any:
    """The rows of arrays in another order."""
    order = np.random.default_rng(0).permutation(len(arrays[0]))
    found = [_at(array, order) for array in arrays]
    return found if len(found) > 1 else found[0]


def _accuracy(true: Any, found: Any, normalize: bool = True, **options: Any) -> Any:
    hits = np.asarray(true) == np.asarray(found)
    hits = hits.all(-1) if hits.ndim > 1 else hits
    return float(hits.mean()) if normalize else int(hits.sum())


def _confusion(true: Any, found: Any, **options: Any) -> Any:
    known = np.unique(np.concatenate([np.ravel(true), np.ravel(found)]))
    counts = np.zeros((len(known), len(known)), dtype=int)
    np.add.at(counts, (np.searchsorted(known, np.ravel(true)), np.searchsorted(known, np.ravel(found))), 1)
    return counts


TOOLS: dict[str, Any] = {
    "sklearn.model_selection.train_test_split": train_test_split,
    "sklearn.cross_validation.train_test_split": train_test_split,
    "sklearn.model_selection.KFold": KFold,
    "sklearn.utils.shuffle": shuffle,
    **{
        f"sklearn.preprocessing.{cls.__name__}": cls
        for cls in (StandardScaler, MinMaxScaler, LabelEncoder, LabelBinarizer, OneHotEncoder)
    },
    "sklearn.preprocessing.scale": lambda data, **options: StandardScaler().fit_transform(data),
    "sklearn.metrics.accuracy_score": _accuracy,
    "sklearn.metrics.confusion_matrix": _confusion,
    "sklearn.metrics.mean_squared_error": lambda true, found, **options: float(
        np.mean((np.asarray(true) - np.asarray(found)) ** 2)
    ),
}
