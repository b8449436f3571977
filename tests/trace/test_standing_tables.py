"""What stands for a library of tables: columns, rows, words as numbers, and the forms that are read."""

import numpy as np
import pytest

from dout.trace.program import tables


@pytest.fixture
def flowers(tmp_path):
    (tmp_path / "flowers.csv").write_text("id,width,kind\n1,0.5,a\n2,,b\n3,2.5,a\n")
    return tables.read_csv(tmp_path / "flowers.csv")


def test_columns_are_of_the_kind_that_their_cells_are(flowers):
    assert [flowers[name].dtype.kind for name in flowers] == ["i", "f", "O"]
    np.testing.assert_array_equal(flowers["width"], [0.5, np.nan, 2.5])
    assert flowers.shape == (3, 3)


def test_rows_and_columns_are_picked_by_place_and_by_name(flowers):
    np.testing.assert_array_equal(flowers.iloc[:2, 0].values, [1, 2])
    np.testing.assert_array_equal(flowers.loc[0:1, "id":"width"].values, [[1, 0.5], [2, np.nan]])
    np.testing.assert_array_equal(flowers[flowers["kind"] == "a"]["id"], [1, 3])
    np.testing.assert_array_equal(flowers.drop("kind", axis=1).dropna().values, [[1, 0.5], [3, 2.5]])
    np.testing.assert_array_equal(flowers.drop([0]).index, [0, 1])
    np.testing.assert_array_equal(flowers.take(np.array([2, 0])).id, [3, 1])
    assert list(flowers.select_dtypes(include=[np.number])) == ["id", "width"]
    assert list(flowers.select_dtypes(include="object")) == ["kind"]
    assert (len(flowers.tail(2)), float(flowers.iloc[[2]]["width"]), int(flowers["id"].tail(1))) == (2, 2.5, 3)


def test_words_become_numbers(flowers):
    flowers.iloc[np.where(flowers["kind"] == "a")[0], -1] = 0
    flowers["kind"] = flowers["kind"].replace({"b": 1}).astype(int)
    np.testing.assert_array_equal(flowers.kind, [0, 1, 0])
    assert [str(flowers.info()), str(flowers.plot.bar()), str(flowers.kind.value_counts())] == [""] * 3
    assert (flowers["width"].median(), flowers.kind.mode()[0]) == (1.5, 0)
    np.testing.assert_array_equal(tables.get_dummies(["x", "y", "x"]).values, [[1, 0], [0, 1], [1, 0]])


def test_numbers_of_a_table_are_those_of_its_columns(flowers):
    numbers = flowers[["id", "width"]].fillna(0.0)
    np.testing.assert_allclose((numbers - numbers.mean()).sum(), [0, 0], atol=1e-12)
    np.testing.assert_allclose(numbers.std(), np.std(numbers.values, 0, ddof=1))
    np.testing.assert_array_equal(tables.concat([numbers, numbers]).values, np.tile(numbers.values, (2, 1)))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("1 2\n3 4\n", {"sep": " ", "header": None}),
        ("no\nno\n1,2\n3,4\n", {"skiprows": range(2), "header": None}),
        ("# no\n1\t2\n3\t4\n", {"sep": r"\s+", "names": "ab", "comment": "#"}),
    ],
)
def test_other_forms_of_tables_are_read(tmp_path, text, options):
    (tmp_path / "table").write_text(text)
    np.testing.assert_array_equal(tables.read_csv(tmp_path / "table", **options).values, [[1, 2], [3, 4]])


def test_items_of_a_whole_table_are_replaced():
    table = tables.Table({"a": ["yes", "no"], "b": [1.0, 2.0]})
    assert table.replace({"yes": 1, "no": 0}).values.tolist() == [[1.0, 1.0], [0.0, 2.0]]
