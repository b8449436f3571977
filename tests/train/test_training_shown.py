"""What people see of a training: the history and its curves, the bar, and logs of each layer."""

import io
import json
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from small_trainings import t, trained, x

from dout.errors import TargetError
from dout.train import JsonLines, Log, TensorBoard, accuracy

# --- what people see --------------------------------------------------------------------------------------------------


def test_a_history_is_a_table_with_curves():
    _, history = trained(metrics=[accuracy], validation=(x, t), epochs=30)
    text = str(history)
    lines = text.splitlines()
    assert lines[0].split() == ["epoch", "loss", "accuracy", "validation", "loss", "validation", "accuracy"]
    assert len(lines) < 20
    assert sum(line.endswith("best") for line in lines) == 1
    assert any(line.startswith("loss") and "█" in line for line in lines)
    assert history.best["validation loss"] == min(history["validation loss"])


def test_a_history_draws_itself_as_svg(tmp_path):
    _, history = trained(metrics=[accuracy], validation=(x, t))
    root = ET.fromstring(history._repr_svg_())
    texts = {node.text for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"loss", "accuracy", "validation loss", "validation accuracy"} <= texts
    history.save(tmp_path / "curve.svg")
    history.save(tmp_path / "curve.svg")  # its own is replaced
    (tmp_path / "mine.svg").write_text("<svg>mine</svg>")
    with pytest.raises(TargetError, match="not a chart by dout"):
        history.save(tmp_path / "mine.svg")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_shows_the_epoch_the_metrics_and_the_time_left(monkeypatch):
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    trained(metrics=[accuracy], epochs=2)
    shown = screen.getvalue()
    assert "epoch 2/2" in shown
    assert "accuracy 0." in shown
    assert "0:00:0" in shown


def test_off_a_terminal_a_line_an_epoch_is_printed_where_that_is_asked_for(capsys):
    trained(metrics=[accuracy])
    assert capsys.readouterr().err == ""
    trained(metrics=[accuracy], progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[:2] for line in lines] == [["epoch", "1"], ["epoch", "2"], ["epoch", "3"]]


def test_a_log_has_histograms_of_each_layer(tmp_path):
    right, _ = trained(seed=0)
    logged, _ = trained(seed=0, log=Log(JsonLines(tmp_path / "log.jsonl"), every=4))
    assert np.array_equal(logged[0].W, right[0].W)  # it only looks
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert sorted({row["step"] for row in rows}) == [0, 4, 8]
    first = {(row["layer"], row["what"]): row for row in rows if not row["step"]}
    assert ("net.layers[1]", "outputs") in first
    assert ("net.layers[1]", "dout") in first
    gradient, outputs = first["net.layers[0].W", "gradient"], first["net.layers[1]", "outputs"]
    assert gradient["size"] == 24
    assert sum(outputs["counts"]) == outputs["finite"] == outputs["size"] == 300
    assert outputs["low"] == 0


def test_a_log_for_tensorboard_has_histograms(tmp_path):
    board = TensorBoard(tmp_path)
    trained(seed=0, log=Log(board, every=9))
    board.writer.close()  # it writes in a thread of its own
    from tensorboardX.event_file_writer import EventFileWriter
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import RecordWriter

    assert EventFileWriter is not None
    assert RecordWriter is not None
    (file,) = tmp_path.iterdir()
    content, tags = file.read_bytes(), set()
    while content:  # length, checksum, record, checksum
        size = int.from_bytes(content[:8], "little")
        tags.update(value.tag for value in Event.FromString(content[12 : 12 + size]).summary.value)
        content = content[16 + size :]
    assert any(tag.endswith("outputs") for tag in tags)
