"""What stands for libraries and files that are not there answers as they do, and names what it cannot answer."""

import numpy as np
import pytest
from foreign_programs import SCALE, USED, written
from recorded_scripts import record_script

from dout.errors import UserCodeError
from dout.trace.program import data_files, data_sets, drawn_data, file_readers
from dout.trace.record.script import run_script


def test_a_fetched_file_is_gone_through_in_pieces_of_any_size():
    data = bytes(range(256)) * 2
    answer = file_readers._Answer(data)
    assert b"".join(answer) == b"".join(answer.iter_content(100)) == b"".join(answer.iter_content(None)) == data
    assert [len(piece) for piece in answer.iter_content(200)] == [200, 200, 112]
    with file_readers._Answer(b'{"rows": [1, 2]}') as fetched:
        assert fetched.json() == {"rows": [1, 2]}
        assert fetched.raw.read() == fetched.content


@pytest.mark.parametrize(("name", "size"), [("glove.6B.50d.txt", 50), ("vectors-300d-2M.vec", 300)])
def test_a_file_of_vectors_has_a_word_and_its_numbers_in_each_line(name, size):
    lines = data_files.content(name, as_text=True).decode().splitlines()
    assert all(len(np.array(line.split()[1:], dtype=float)) == size for line in lines)
    assert len({line.split()[0] for line in lines}) == len(lines) > 10


def test_a_text_whose_name_says_no_size_is_of_words():
    with pytest.raises(ValueError, match="could not convert"):
        np.array(data_files.content("glove.txt", as_text=True).split()[1:], dtype=float)


def test_columns_that_name_files_name_images():
    table = data_files._rows(["file name", "size", "label"], header=True).decode().splitlines()
    assert table[0] == "file name,size,label"
    assert [line.split(",")[0] for line in table[1:3]] == ["0.png", "1.png"]
    assert float(table[1].split(",")[1]) != float(table[2].split(",")[1])


def test_the_rows_of_a_set_can_be_cut_into_parts_and_batches(monkeypatch):
    monkeypatch.setattr(drawn_data, "_users_texts", lambda files=(): iter(["batch = 100"]))
    rows = drawn_data._rows(60_000)
    assert rows > 100
    assert all(int(rows * part) % 100 == 0 for part in (0.7, 0.1, 0.2))


def test_a_library_is_not_taken_for_the_package_around_the_program(tmp_path):
    (tmp_path / "setup.py").write_text("")
    (tmp_path / "nn").mkdir()
    (tmp_path / "nn" / "__init__.py").write_text("place = 1")
    used = "import torch\nfrom torch.nn import functional\nassert torch.utils.data.DataLoader\n"
    assert record_script(written(tmp_path, train=SCALE + used + USED)).calls
    own = "from ownlib.nn import place\nassert place == 1\n"  # a package of its own may be called otherwise
    assert record_script(written(tmp_path, run=SCALE + own + USED)).calls


@pytest.mark.parametrize("library", ["somelib", "torch"])
def test_what_a_missing_base_class_was_to_have_is_missing(tmp_path, library):
    asked = f"import {library}\nclass Mine({library}.Thing):\n    own = 1\nassert Mine().own == 1\nMine().place()\n"
    with pytest.raises(UserCodeError, match=f"needs {library}"):
        record_script(written(tmp_path, train=SCALE + asked + USED))


def test_a_number_in_an_array_is_a_number_also_where_nothing_is_recorded(tmp_path):
    prepared = "rows = np.zeros((300, 1))\nfor i in range(300):\n    rows[i] = i\nassert float(rows[7]) == 7.0\n"
    assert record_script(written(tmp_path, train=SCALE + prepared + USED)).calls
    with pytest.raises(UserCodeError, match="TypeError"):
        record_script(written(tmp_path, train=SCALE + prepared.replace("rows[7]", "rows[:2]") + USED))


def test_a_program_that_raises_before_its_layers_run_has_nothing_to_show(tmp_path):
    raising = "scale = np.ones(4) * 2\nraise ValueError('no data')\n"
    run = run_script(written(tmp_path, train=SCALE + raising))
    with pytest.raises(UserCodeError, match="ValueError"):
        run.trace()
    assert run_script(written(tmp_path, train=SCALE + USED + raising)).trace().calls


def test_what_no_layer_needs_is_left_out_and_what_one_needs_stays(tmp_path):
    other = "other = np.arange(6.0)\nrest = other[2:] * 3.0\nempty = np.zeros(5)\nhalf = np.ones((3, 4)) / 2.0\n"
    trace = record_script(written(tmp_path, train=SCALE + other + USED.replace("np.ones((3, 4))", "half", 1)))
    words = {node.primitive.name for node in trace.graph.nodes}
    assert "divide" in words
    assert not {"zeros", "arange", "getitem"} & words


def test_an_older_loader_gives_arrays_and_its_follower_a_table():
    older, newer = (data_sets.loader(f"sklearn.datasets.fetch_{name}", str) for name in ("mldata", "openml"))
    assert older("MNIST original").data.reshape(-1, 28, 28).shape[0] == len(older("MNIST original").target)
    assert hasattr(newer("mnist_784").data, "columns")
    assert not isinstance(newer("mnist_784").data, np.ndarray)
