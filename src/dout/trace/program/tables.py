"""What stands for pandas where it is not installed: a table with named columns, read from a CSV file.

Of pandas it has what programs prepare their data with: rows and columns are picked, changed, and handed on as arrays.
A row of `_OF_COLUMNS` or `_OF_TABLES` is one name of pandas', and what it does; options that change nothing here are
taken and left.
"""

from __future__ import annotations

import csv
import io
import operator
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from xml.etree import ElementTree

import numpy as np

from dout.trace.program.stub_modules import Quiet

_OF_SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_BLANK = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "?"})
_ACROSS = (1, "columns")  # an axis that goes along the columns
_REDUCTIONS: dict[str, Callable[..., Any]] = {  # as pandas has them: what is blank does not count
    "mean": np.nanmean, "median": np.nanmedian, "sum": np.nansum, "min": np.nanmin, "max": np.nanmax,
    "std": partial(np.nanstd, ddof=1), "var": partial(np.nanvar, ddof=1),
}  # fmt: skip


def column(items: Any) -> Any:
    """Items as a column: numbers where all are."""
    array = np.asarray(items)
    return np.ndarray.view(array.astype(object) if array.dtype.kind in "US" else array, Column)


def _bare(items: Any) -> Any:
    """The same memory as NumPy's own kind of array; anything else as it is."""
    return np.ndarray.view(items, np.ndarray) if isinstance(items, Column) else items


def _to_numpy(item: Any, dtype: Any = None, **options: Any) -> Any:
    """As `values`, of that type."""
    return item.values if dtype is None else item.values.astype(dtype)


def _replaced(items: Any, old: Any, new: Any = None, **options: Any) -> Any:
    """Items in place of others, which a dict or two lists name."""
    olds = old if isinstance(old, list) else [old]
    news = new if isinstance(new, list) else [new] * len(olds)
    pairs = dict(old if isinstance(old, Mapping) else zip(olds, news, strict=True))
    return column([pairs.get(item, item) for item in items.tolist()])


def _reduced(name: str) -> Callable[..., Any]:
    return lambda items, *args, **options: _REDUCTIONS[name](items.values, *args, **options)


def _itself(item: Any, *args: Any, **options: Any) -> Any:
    """Nothing changes: rows have no names here."""
    return item


_SHOWN = dict.fromkeys(("info", "describe", "plot", "hist", "value_counts"), Quiet())  # to be looked at
_OF_COLUMNS: dict[str, Any] = {
    "__new__": lambda cls, data=(), *args, **options: column(list(data)),
    "values": property(_bare),
    "index": property(lambda items: np.arange(len(items))),
    "iloc": property(_itself), "loc": property(_itself), "reset_index": _itself,
    "to_numpy": _to_numpy, **dict.fromkeys(("toarray", "todense"), _to_numpy),  # as a sparse array is asked
    "map": lambda items, by: column([(by.get if isinstance(by, Mapping) else by)(i) for i in items.tolist()]),
    "apply": lambda items, by, *args, **options: column([by(i, *args, **options) for i in items.tolist()]),
    "replace": _replaced,
    "to_list": lambda items: items.tolist(),
    "__float__": lambda items: float(items.values.item()), "__int__": lambda items: int(items.values.item()),
    "unique": lambda items: np.array(list(dict.fromkeys(items.tolist())), dtype=items.dtype),
    "mode": lambda items: column([max(items.unique().tolist(), key=items.tolist().count)]),
    "nunique": lambda items: len(items.unique()),
    "isnull": (_isnull := lambda items: column([i is None or i != i for i in items.tolist()])), "isna": _isnull,
    "fillna": lambda items, item=0, **options: column(np.where(items.isnull(), item, items)),
    "head": lambda items, count=5: items[:count], "tail": lambda items, count=5: items[-count:],
    **_SHOWN,
    **{name: _reduced(name) for name in _REDUCTIONS},
}  # fmt: skip
Column: Any = type("Column", (np.ndarray,), _OF_COLUMNS)  # an array that hands itself out as a column does


class Table:
    """Columns of the same length, each with its name."""

    def __init__(self, data: Any = None, columns: Sequence[Any] | None = None, **options: Any) -> None:
        if isinstance(data, list) and data and isinstance(data[0], Mapping):
            data = {name: [row[name] for row in data] for name in data[0]}
        if not isinstance(data, Table | Mapping):
            rows = np.asarray([] if data is None else data)
            rows = rows.reshape(len(rows), -1 if rows.size else len(columns or ()))
            data = {n: rows[:, i] for i, n in enumerate(columns if columns is not None else range(rows.shape[1]))}
        self.__dict__["_columns"] = {name: column(items) for name, items in data.items()}

    def items(self) -> Any:
        """Each column with its name."""
        return self._columns.items()

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return _to_numpy(self, dtype)

    def __iter__(self) -> Any:
        return iter(self._columns)

    def __contains__(self, name: Any) -> bool:
        return name in self._columns

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__") and name in self._columns:
            return self._columns[name]
        if not name.startswith("_") and hasattr(np.ndarray, name):  # in code from before loaders gave tables
            return getattr(self.values, name)
        raise AttributeError(f"{name}: pandas is not installed, and what stands for it has no column or method so")

    def __setattr__(self, name: str, item: Any) -> None:
        if name == "columns":
            self.__dict__["_columns"] = dict(zip(item, self._columns.values(), strict=True))
        elif name in self._columns:
            self[name] = item
        else:  # as in pandas: a mark of the program's own, `table.task = "to tell apart"`
            self.__dict__[name] = item

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice) or getattr(key, "dtype", None) == np.dtype(bool):
            return self.of_rows(key)
        numbers = {*key.ravel().tolist()} if isinstance(key, np.ndarray) and key.dtype.kind in "iu" else set()
        if numbers and not numbers & self._columns.keys():
            return self.values[key]  # rows, in code from before loaders gave tables
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

    def of_rows(self, rows: Any) -> Table:
        """The same columns, of these rows."""
        return self.each(lambda items: items[_bare(rows)])

    def each(self, change: Callable[[Any], Any]) -> Table:
        """Each column changed."""
        return Table({name: change(items) for name, items in self.items()})

    def become(self, made: Table, inplace: bool = True) -> Any:
        """The table that was made, or nothing where this one becomes it."""
        if not inplace:
            return made
        self.__dict__["_columns"] = made._columns
        return None


def _values(table: Table) -> Any:
    """All columns side by side, of the type that they have in common."""
    parts = [items.values for _, items in table.items()]
    if any(part.dtype.kind not in "biuf" for part in parts):
        parts = [part.astype(object) for part in parts]
    return np.stack(parts, 1) if parts else np.zeros((0, 0))


def _drop(table: Table, labels: Any = None, axis: Any = 0, columns: Any = None, index: Any = None,
          inplace: bool = False, **options: Any) -> Any:  # fmt: skip
    """Without those columns, or rows."""
    gone = columns if columns is not None else labels if index is None else index
    gone = [gone] if isinstance(gone, str | int) else list(gone)
    if columns is None and (index is not None or axis not in _ACROSS):
        return table.become(table.of_rows(np.delete(np.arange(len(table)), gone)), inplace)
    return table.become(Table({name: items for name, items in table.items() if name not in gone}), inplace)


def _sample(table: Table, n: int | None = None, frac: float | None = None, **options: Any) -> Table:
    """Rows drawn at random, each once."""
    number = n if n is not None else round(len(table) * (frac or 0)) or 1
    return table.of_rows(np.random.default_rng(0).permutation(len(table))[:number])


def _sort_values(table: Table, by: Any, ascending: bool = True, inplace: bool = False, **options: Any) -> Any:
    """With the rows in the order of a column."""
    order = np.argsort(table[by[0] if isinstance(by, list) else by], kind="stable")
    return table.become(table.of_rows(order if ascending else order[::-1]), inplace)


def _rename(table: Table, columns: Any = None, inplace: bool = False, **options: Any) -> Any:
    """With other names."""
    new = columns if callable(columns) else lambda name: (columns or {}).get(name, name)
    return table.become(Table({new(name): items for name, items in table.items()}), inplace)


def _to_csv(table: Table, path: Any, header: bool = True, index: bool = True, **options: Any) -> None:
    """Write a file of lines."""
    with open(path, "w", newline="", encoding="utf-8") as file:  # noqa: PTH123 - it may be written apart
        rows = [["", *table]] * header + [[place, *row] for place, row in enumerate(table.values.tolist())]
        csv.writer(file).writerows(row[not index :] for row in rows)


def _astype(table: Table, dtype: Any, **options: Any) -> Table:
    """Of that type; a dict names one for each of some columns."""
    types = dtype if isinstance(dtype, Mapping) else dict.fromkeys(table, dtype)
    return Table({name: items.astype(types[name]) if name in types else items for name, items in table.items()})


def _apply(table: Table, change: Callable[..., Any], axis: Any = 0, **options: Any) -> Any:
    """Each column changed by a function, or each row."""
    return column([change(row) for _, row in table.iterrows()]) if axis in _ACROSS else table.each(change)


def _select_dtypes(table: Table, include: Any = None, exclude: Any = None, **options: Any) -> Table:
    """The columns with numbers, or the others."""
    numbers = "object" not in str(include) if include is not None else "object" in str(exclude)
    return Table({name: items for name, items in table.items() if (items.dtype.kind in "biuf") == numbers})


def _reduced_table(name: str) -> Callable[..., Any]:
    def reduced(table: Table, axis: Any = 0, **options: Any) -> Any:
        if axis in _ACROSS:
            return column(_REDUCTIONS[name](table.values, axis=1))
        return column([_REDUCTIONS[name](items.values) for _, items in table.items() if items.dtype.kind in "biuf"])

    return reduced


def _acting(name: str) -> Callable[..., Any]:
    act = getattr(operator, name)
    return lambda table, other: Table(act(table.values, np.asarray(other)), list(table))


_OF_TABLES: dict[str, Any] = {
    "columns": property(lambda table: column(np.array(list(table), dtype=object))),
    "values": property(_values), "to_numpy": _to_numpy,
    "shape": property(lambda table: (len(table), len(table._columns))),
    "T": property(lambda table: Table(table.values.T)),
    "index": property(lambda table: np.arange(len(table))),
    "iloc": property(lambda table: _Places(table, by_name=False)),
    "loc": property(lambda table: _Places(table, by_name=True)),
    "drop": _drop, "sample": _sample, "sort_values": _sort_values, "rename": _rename, "to_csv": _to_csv,
    "astype": _astype, "apply": _apply, "select_dtypes": _select_dtypes,
    **dict.fromkeys(("pop", "drop_in_place"), lambda table, name: table._columns.pop(name)),
    "append": lambda table, other, **options: concat([table, other]) if len(table) else other,
    "rows": lambda table: list(map(tuple, table.values.tolist())),
    "head": lambda table, count=5: table.of_rows(slice(count)),
    "tail": lambda table, count=5: table.of_rows(slice(-count, None)),
    "take": lambda table, rows, axis=0, **options: table.of_rows(rows),
    **_SHOWN,
    "dropna": lambda table, inplace=False, **options: table.become(
        table.of_rows(~np.any([items.isnull() for _, items in table.items()], 0)), inplace),
    **dict.fromkeys(("reset_index", "set_index", "sort_index"),
                    lambda table, *args, inplace=False, **options: table.become(table, inplace)),
    "iterrows": lambda table: ((i, {n: items[i] for n, items in table.items()}) for i in range(len(table))),
    "copy": lambda table, deep=True: table.each(np.copy),
    "fillna": lambda table, item=0, inplace=False, **options: table.become(
        table.each(lambda items: items.fillna(item)), inplace),
    "replace": lambda table, *args, inplace=False, **options: table.become(
        table.each(lambda items: items.replace(*args)), inplace),
    **dict.fromkeys(("isnull", "isna"), lambda table: table.each(_isnull)),
    **{name: _reduced_table(name) for name in _REDUCTIONS},
    **{f"__{name}__": _acting(name) for name in ("add", "sub", "mul", "truediv")},
}  # fmt: skip
for _name, _item in _OF_TABLES.items():
    setattr(Table, _name, _item)


class _Places:
    """The rows and columns of a table by their places; columns `by_name`."""

    def __init__(self, table: Table, *, by_name: bool) -> None:
        self.table, self.by_name = table, by_name

    def __getitem__(self, key: Any) -> Any:
        rows, names, one = self._meant(key)
        if one:
            return self.table[names[0]][rows]
        picked = Table({name: self.table[name] for name in names})
        return column(picked.values[rows]) if isinstance(rows, int | np.integer) else picked.of_rows(rows)

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
        rows, every = _bare(rows), list(self.table)
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
    names: Sequence[Any] | None = None, index_col: Any = None, usecols: Any = None, skiprows: Any = 0,
    nrows: int | None = None, comment: str | None = None, encoding: str | None = "utf-8",
    skipinitialspace: bool = False, **options: Any,
) -> Table:  # fmt: skip
    """The table in a file of lines."""
    if hasattr(source, "read"):
        text = source.read()
        lines = (text.decode(encoding or "utf-8") if isinstance(text, bytes) else text).splitlines()
    elif zipfile.is_zipfile(source):
        lines = _sheet(source)
    else:
        with open(source, encoding=encoding) as file:  # noqa: PTH123 - it may be stood for
            lines = file.read().splitlines()
    skipped = range(skiprows or 0) if isinstance(skiprows, int | None) else skiprows
    lines = [line for i, line in enumerate(lines) if i not in skipped]
    lines = [line for line in lines if line.strip() and not (comment and line.startswith(comment))]
    between = delimiter or sep or ","
    if len(between) > 1:  # r"\s+"
        rows = [line.split(None if "s" in between else between.strip("\\")) for line in lines]
    else:
        rows = list(csv.reader(lines, delimiter=between, skipinitialspace=skipinitialspace or between == " "))
    if header == "infer":
        header = 0 if names is None else None
    own = rows.pop(header) if isinstance(header, int) else None
    known = list(names) if names is not None else own or list(range(len(rows[0]) if rows else 0))
    known = [name if name not in known[:place] else f"{name}.{place}" for place, name in enumerate(known)]
    rows = rows[:nrows]
    try:
        whole = np.array(rows, dtype=np.int64)  # as of images: one column at a time takes long
        table = Table(whole, known)
    except (ValueError, OverflowError, IndexError):
        cells = zip(*(row + [""] * (len(known) - len(row)) for row in rows), strict=False)
        table = Table({name: _typed(part) for name, part in zip(known, cells, strict=False)})
    if usecols is not None:
        table = Table({n: table[n] for i, n in enumerate(known) if n in usecols or i in usecols})
    if index_col not in (None, False):
        del table[known[index_col] if isinstance(index_col, int) else index_col]
    return table


def _sheet(file: Any) -> list[str]:
    """The first sheet of a workbook as lines of cells with commas between them."""
    with zipfile.ZipFile(file) as book:
        parts = {name: ElementTree.fromstring(book.read(name)) for name in book.namelist() if name.endswith(".xml")}
    words = ["".join(item.itertext()) for item in parts.get("xl/sharedStrings.xml", ())]
    lines = io.StringIO()
    for row in parts["xl/worksheets/sheet1.xml"].iter(f"{{{_OF_SHEETS}}}row"):
        cells = [("".join(cell.itertext()), cell.get("t")) for cell in row]
        csv.writer(lines).writerow(words[int(text)] if kind == "s" else text for text, kind in cells)
    return lines.getvalue().splitlines()


def _typed(cells: Sequence[str]) -> Any:
    """Texts as whole numbers or numbers, where all are."""
    for kind in (int, float):
        try:
            return column([kind(cell) if kind is int or cell not in _BLANK else np.nan for cell in cells])
        except ValueError:
            continue
    return column(np.array([cell if cell not in _BLANK else None for cell in cells], dtype=object))


def concat(tables: Sequence[Any], axis: Any = 0, **options: Any) -> Any:
    """Tables one below the other, or side by side; columns one below the other."""
    tables = list(tables)
    if axis in _ACROSS:
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
    **dict.fromkeys(("pandas.DataFrame", "polars.DataFrame"), Table),
    "pandas.Series": Column,
    **dict.fromkeys(("pandas.read_csv", "polars.read_csv"), read_csv),
    "pandas.read_excel": lambda source, sheet_name=0, **options: read_csv(source, **options),
    "pandas.read_table": lambda source, sep="\t", **options: read_csv(source, sep, **options),
    "pandas.concat": concat,
    "pandas.get_dummies": get_dummies,
    "pandas.isnull": lambda item: column(np.atleast_1d(item)).isnull(),
    "pandas.to_numeric": lambda item, **options: column(np.asarray(item, dtype=float)),
}
