"""What stands for pandas where it is not installed: a table with named columns, read from a CSV file.

Of pandas it has what programs prepare their data with: rows and columns are picked, changed, and handed on as arrays.
"""

from __future__ import annotations

import csv
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial, partialmethod
from typing import Any

import numpy as np

_BLANK = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "?"})


class Column(np.ndarray[Any, Any]):
    """An array that hands itself out as a column does."""

    @property
    def values(self) -> Any:
        """The same memory, as NumPy's own kind of array."""
        return np.ndarray.view(self, np.ndarray)

    index = property(lambda self: np.arange(len(self)))
    iloc = loc = property(lambda self: self)

    def to_numpy(self, dtype: Any = None, **options: Any) -> Any:
        """As `values`, of that type."""
        return self.values if dtype is None else self.values.astype(dtype)

    def _reduced(self, how: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """As pandas does: what is blank does not count."""
        return how(self.values, *args, **options)

    mean, sum = partialmethod(_reduced, np.nanmean), partialmethod(_reduced, np.nansum)
    min, max = partialmethod(_reduced, np.nanmin), partialmethod(_reduced, np.nanmax)
    std, var = partialmethod(_reduced, np.nanstd, ddof=1), partialmethod(_reduced, np.nanvar, ddof=1)

    def map(self, change: Any) -> Column:
        """Each item changed by a function, or by a dict."""
        look = change.get if isinstance(change, Mapping) else change
        return column([look(item) for item in self.tolist()])

    def apply(self, change: Callable[..., Any], *args: Any, **options: Any) -> Column:
        """Each item changed by a function."""
        return column([change(item, *args, **options) for item in self.tolist()])

    def replace(self, old: Any, new: Any = None, **options: Any) -> Column:
        """Items in place of others, which a dict or two lists name."""
        olds = old if isinstance(old, list) else [old]
        news = new if isinstance(new, list) else [new] * len(olds)
        pairs = dict(old if isinstance(old, Mapping) else zip(olds, news, strict=True))
        return column([pairs.get(item, item) for item in self.tolist()])

    def unique(self) -> Any:
        """The distinct items, in their order."""
        return np.array(list(dict.fromkeys(self.tolist())), dtype=self.dtype)

    def nunique(self) -> int:
        """How many distinct items there are."""
        return len(self.unique())

    def isnull(self) -> Column:
        """Where nothing is."""
        return column([item is None or item != item for item in self.tolist()])

    isna = isnull

    def fillna(self, item: Any = 0, **options: Any) -> Column:
        """That item where nothing is."""
        return column(np.where(self.isnull(), item, self))

    def reset_index(self, **options: Any) -> Column:
        """Itself: rows have no names here."""
        return self

    def head(self, count: int = 5) -> Any:
        """The first rows."""
        return self[:count]


def column(items: Any) -> Column:
    """Items as a column: numbers where all are."""
    array = np.asarray(items)
    if array.dtype.kind in "US":
        array = array.astype(object)
    return np.ndarray.view(array, Column)


class Table:
    """Columns of the same length, each with its name."""

    def __init__(self, data: Any = None, columns: Sequence[Any] | None = None, **options: Any) -> None:
        if isinstance(data, Table):
            found = data._columns
        elif isinstance(data, Mapping):
            found = {name: column(items) for name, items in data.items()}
        elif isinstance(data, list) and data and isinstance(data[0], Mapping):
            found = {name: column([row[name] for row in data]) for name in data[0]}
        else:
            rows = np.asarray([] if data is None else data)
            rows = rows.reshape(len(rows), -1)
            found = {n: column(rows[:, i]) for i, n in enumerate(columns if columns is not None else _count(rows))}
        self.__dict__["_columns"] = dict(found)

    # --- shape and numbers --------------------------------------------------------------------------------------------

    @property
    def columns(self) -> Any:
        """The names."""
        return np.array(list(self._columns), dtype=object)

    @property
    def values(self) -> Any:
        """All columns side by side, of the type that they have in common."""
        parts = [item.values for item in self._columns.values()]
        if any(part.dtype.kind not in "biuf" for part in parts):
            parts = [part.astype(object) for part in parts]
        return np.stack(parts, 1) if parts else np.zeros((0, 0))

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns."""
        return len(self), len(self._columns)

    index = property(lambda self: np.arange(len(self)))
    iloc = property(lambda self: _Places(self, by_name=False))
    loc = property(lambda self: _Places(self, by_name=True))

    def to_numpy(self, dtype: Any = None, **options: Any) -> Any:
        """As `values`, of that type."""
        return self.values if dtype is None else self.values.astype(dtype)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.to_numpy(dtype)

    def __iter__(self) -> Any:
        return iter(self._columns)

    def __contains__(self, name: Any) -> bool:
        return name in self._columns

    # --- columns and rows ---------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self._columns:
            raise AttributeError(f"{name}: pandas is not installed, and what stands for it has no column or method so")
        return self._columns[name]

    def __setattr__(self, name: str, item: Any) -> None:
        if name == "columns":
            self.__dict__["_columns"] = dict(zip(item, self._columns.values(), strict=True))
        else:
            self[name] = item

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice) or getattr(key, "dtype", None) == np.dtype(bool):
            return self._rows(key)
        if isinstance(key, list) or (isinstance(key, np.ndarray) and key.ndim):
            return Table({name: self._columns[name] for name in key})
        return self._columns[key]

    def __setitem__(self, name: Any, items: Any) -> None:
        if isinstance(name, list):
            for one, part in zip(name, np.asarray(items).T, strict=True):
                self[one] = part
        else:
            self._columns[name] = column(np.broadcast_to(items, len(self)) if np.ndim(items) == 0 else items)

    def __delitem__(self, name: Any) -> None:
        del self._columns[name]

    def _rows(self, rows: Any) -> Table:
        rows = rows.values if isinstance(rows, Column) else rows
        return Table({name: item[rows] for name, item in self._columns.items()})

    def drop(self, labels: Any = None, axis: Any = 0, columns: Any = None, index: Any = None, inplace: bool = False,
             **options: Any) -> Any:  # fmt: skip
        """Without those columns, or rows."""
        gone = columns if columns is not None else labels if index is None else index
        gone = [gone] if isinstance(gone, str | int) else list(gone)
        if columns is None and (index is not None or axis not in (1, "columns")):
            return self._in_place(inplace, self._rows(np.delete(np.arange(len(self)), gone)))
        return self._in_place(inplace, Table({n: item for n, item in self._columns.items() if n not in gone}))

    def _in_place(self, inplace: bool, made: Table) -> Any:
        if not inplace:
            return made
        self.__dict__["_columns"] = made._columns
        return None

    def pop(self, name: Any) -> Any:
        """That column, which is taken out."""
        return self._columns.pop(name)

    def head(self, count: int = 5) -> Table:
        """The first rows."""
        return self._rows(slice(count))

    def sample(self, n: int | None = None, frac: float | None = None, **options: Any) -> Table:
        """Rows drawn at random, each once."""
        number = n if n is not None else round(len(self) * (frac or 0)) or 1
        return self._rows(np.random.default_rng(0).permutation(len(self))[:number])

    def dropna(self, inplace: bool = False, **options: Any) -> Any:
        """The rows in which nothing is missing."""
        return self._in_place(inplace, self._rows(~np.any([c.isnull() for c in self._columns.values()], 0)))

    def sort_values(self, by: Any, ascending: bool = True, inplace: bool = False, **options: Any) -> Any:
        """With the rows in the order of a column."""
        order = np.argsort(self[by[0] if isinstance(by, list) else by], kind="stable")
        return self._in_place(inplace, self._rows(order if ascending else order[::-1]))

    def reset_index(self, inplace: bool = False, **options: Any) -> Any:
        """The same: rows have no names here."""
        return self._in_place(inplace, self)

    set_index = sort_index = reset_index

    def rename(self, columns: Any = None, inplace: bool = False, **options: Any) -> Any:
        """With other names."""
        new = columns if callable(columns) else lambda name: (columns or {}).get(name, name)
        return self._in_place(inplace, Table({new(name): item for name, item in self._columns.items()}))

    def to_csv(self, path: Any, header: bool = True, index: bool = True, **options: Any) -> None:
        """Write a file of lines."""
        with open(path, "w", newline="", encoding="utf-8") as file:  # noqa: PTH123 - it may be written apart
            writer = csv.writer(file)
            writer.writerows([["", *self._columns][not index :]] * header)
            writer.writerows([place, *row][not index :] for place, row in enumerate(self.values.tolist()))

    def iterrows(self) -> Any:
        """Each row with its number."""
        for place in range(len(self)):
            yield place, {name: item[place] for name, item in self._columns.items()}

    def items(self) -> Any:
        """Each column with its name."""
        return self._columns.items()

    # --- numbers ------------------------------------------------------------------------------------------------------

    def _each(self, change: Callable[[Column], Any]) -> Table:
        return Table({name: change(item) for name, item in self._columns.items()})

    def astype(self, dtype: Any, **options: Any) -> Table:
        """Of that type; a dict names one for each of some columns."""
        types = dtype if isinstance(dtype, Mapping) else dict.fromkeys(self._columns, dtype)
        return Table({n: item.astype(types[n]) if n in types else item for n, item in self._columns.items()})

    def copy(self, deep: bool = True) -> Table:
        """The same, in memory of its own."""
        return self._each(np.copy)

    def fillna(self, item: Any = 0, inplace: bool = False, **options: Any) -> Any:
        """That item where nothing is."""
        return self._in_place(inplace, self._each(lambda one: one.fillna(item)))

    def isnull(self) -> Table:
        """Where nothing is."""
        return self._each(Column.isnull)

    isna = isnull

    def apply(self, change: Callable[..., Any], axis: Any = 0, **options: Any) -> Any:
        """Each column changed by a function, or each row."""
        if axis in (1, "columns"):
            return column([change(row) for _, row in self.iterrows()])
        return self._each(change)

    def _reduced(self, how: Callable[..., Any], axis: Any = 0, **options: Any) -> Column:
        if axis in (1, "columns"):
            return column(how(self.values, axis=1))
        return column([how(item.values) for item in self._columns.values() if item.dtype.kind in "biuf"])

    mean, sum = partialmethod(_reduced, np.nanmean), partialmethod(_reduced, np.nansum)
    min, max = partialmethod(_reduced, np.nanmin), partialmethod(_reduced, np.nanmax)
    std = partialmethod(_reduced, partial(np.nanstd, ddof=1))

    def _with(self, act: Callable[[Any, Any], Any], other: Any) -> Table:
        return Table(act(self.values, np.asarray(other)), list(self._columns))

    __add__, __sub__ = partialmethod(_with, operator.add), partialmethod(_with, operator.sub)
    __mul__, __truediv__ = partialmethod(_with, operator.mul), partialmethod(_with, operator.truediv)


class _Places:
    """The rows and columns of a table by their places; columns `by_name`."""

    def __init__(self, table: Table, *, by_name: bool) -> None:
        self.table, self.by_name = table, by_name

    def __getitem__(self, key: Any) -> Any:
        rows, names, one = self._meant(key)
        if one:
            return self.table[names[0]][rows]
        picked = Table({name: self.table[name] for name in names})
        return column(picked.values[rows]) if isinstance(rows, int | np.integer) else picked._rows(rows)

    def __setitem__(self, key: Any, item: Any) -> None:
        rows, names, one = self._meant(key)
        for place, name in enumerate(names):
            held = self.table[name]
            part = item if one or np.ndim(item) < 2 else np.asarray(item)[:, place]
            if held.dtype != object and np.asarray(part).dtype.kind not in "biuf":
                held = self.table._columns[name] = column(held.astype(object))
            held[rows] = part

    def _meant(self, key: Any) -> tuple[Any, list[Any], bool]:
        """The rows, the names of the columns, and whether it is one of them alone."""
        rows, which = key if isinstance(key, tuple) else (key, slice(None))
        rows = rows.values if isinstance(rows, Column) else rows
        every = list(self.table)
        if not self.by_name:
            found = np.array(every, dtype=object)[which]
            return rows, list(np.atleast_1d(found)), np.ndim(found) == 0
        if isinstance(rows, slice) and rows.stop is not None:
            rows = slice(rows.start, rows.stop + 1)  # the last one counts
        if isinstance(which, slice):
            ends = [None if end is None else every.index(end) for end in (which.start, which.stop)]
            return rows, every[ends[0] : None if ends[1] is None else ends[1] + 1], False
        return rows, which if isinstance(which, list) else [which], not isinstance(which, list)


def read_csv(
    source: Any, sep: str | None = ",", delimiter: str | None = None, header: Any = "infer",
    names: Sequence[Any] | None = None, index_col: Any = None, usecols: Any = None, skiprows: int = 0,
    nrows: int | None = None, comment: str | None = None, encoding: str | None = "utf-8",
    skipinitialspace: bool = False, **options: Any,
) -> Table:  # fmt: skip
    """The table in a file of lines."""
    if hasattr(source, "read"):
        lines = source.read().splitlines()
    else:
        with open(source, encoding=encoding) as file:  # noqa: PTH123 - it may be stood for
            lines = file.read().splitlines()
    lines = [line for line in lines[skiprows or 0 :] if line.strip() and not (comment and line.startswith(comment))]
    between = delimiter or sep or ","
    if len(between) > 1:  # r"\s+"
        rows = [line.split(None if "s" in between else between.strip("\\")) for line in lines]
    else:
        rows = list(csv.reader(lines, delimiter=between, skipinitialspace=skipinitialspace or between == " "))
    if header == "infer":
        header = 0 if names is None else None
    own = rows.pop(header) if isinstance(header, int) else None
    known = list(names) if names is not None else own or list(range(len(rows[0]) if rows else 0))
    cells = zip(*(row + [""] * (len(known) - len(row)) for row in rows[:nrows]), strict=False)
    table = Table({name: _typed(part) for name, part in zip(known, cells, strict=False)})
    if usecols is not None:
        table = Table({n: table[n] for i, n in enumerate(known) if n in usecols or i in usecols})
    if index_col not in (None, False):
        del table[known[index_col] if isinstance(index_col, int) else index_col]
    return table


def _typed(cells: Sequence[str]) -> Any:
    """Texts as whole numbers or numbers, where all are."""
    for kind in (int, float):
        try:
            return column([kind(cell) if kind is int or cell not in _BLANK else np.nan for cell in cells])
        except ValueError:
            continue
    return column(np.array([cell if cell not in _BLANK else None for cell in cells], dtype=object))


def _count(rows: Any) -> Iterable[int]:
    return range(rows.shape[1])


def concat(tables: Sequence[Any], axis: Any = 0, **options: Any) -> Any:
    """Tables one below the other, or side by side; columns one below the other."""
    tables = list(tables)
    if axis in (1, "columns"):
        parts = [one.items() if isinstance(one, Table) else [(i, one)] for i, one in enumerate(tables)]
        return Table({name: item for part in parts for name, item in part})
    if not isinstance(tables[0], Table):
        return column(np.concatenate(tables))
    return Table({name: np.concatenate([one[name] for one in tables]) for name in tables[0]})


def get_dummies(data: Any, columns: Sequence[Any] | None = None, dtype: Any = int, **options: Any) -> Table:
    """A column for each distinct item: 1 where it is, otherwise 0."""
    if not isinstance(data, Table):
        data = column(data)
        return Table({item: (data == item).astype(dtype) for item in sorted(data.unique().tolist())})
    words = [n for n, item in data.items() if (n in columns if columns is not None else item.dtype.kind == "O")]
    found = {n: item for n, item in data.items() if n not in words}
    for name in words:
        found.update({f"{name}_{key}": item for key, item in get_dummies(data[name], dtype=dtype).items()})
    return Table(found)


NAMES: dict[str, Any] = {
    "pandas.DataFrame": Table,
    "pandas.Series": lambda data=(), *args, **options: column(list(data)),
    "pandas.read_csv": read_csv,
    "pandas.read_table": lambda source, sep="\t", **options: read_csv(source, sep, **options),
    "pandas.concat": concat,
    "pandas.get_dummies": get_dummies,
    "pandas.isnull": lambda item: column(np.atleast_1d(item)).isnull(),
    "pandas.to_numeric": lambda item, **options: column(np.asarray(item, dtype=float)),
}
