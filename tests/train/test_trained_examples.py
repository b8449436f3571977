"""The examples that train a convolutional net, one of attention and a recurrent one: they run, and they learn."""

import runpy
from pathlib import Path

from dout.train import accuracy, fit, predict

EXAMPLES = Path(__file__).parents[2] / "examples"


def trained(name, epochs):
    """The names of an example, and the history of a training of so many epochs."""
    names = runpy.run_path(str(EXAMPLES / name))
    choices = {key: names[key] for key in ("loss", "optimizer", "batch", "seed", "metrics")}
    given = names["net"], names["x_train"], names["t_train"]
    return names, fit(*given, epochs=epochs, progress=False, compiled=False, **choices)


def test_filters_read_digits():
    names, _ = trained("filters.py", 4)
    assert accuracy(predict(names["net"], names["x_test"]), names["t_test"]) > 0.9


def test_attention_says_a_row_of_digits_backwards():
    names, _ = trained("reverse.py", 4)
    assert accuracy(predict(names["net"], names["x_test"]), names["t_test"]) > 0.97


def test_a_recurrent_net_learns_the_text_and_goes_on_with_it():
    names, history = trained("zen.py", 2)
    losses = [row["loss"] for row in history.rows]
    assert losses[1] < 0.85 * losses[0]
    assert names["go_on"]("Beautiful is", 5).startswith("Beautiful is")
    assert set(names["go_on"]("Now is", 5)) <= set(names["letters"])
