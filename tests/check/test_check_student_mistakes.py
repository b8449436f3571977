"""Mistakes as students make them, each beside its right twin: the mistake is an error, the twin is not.

`student_mistakes.txt` has those that are wrong on ordinary inputs, `setting_mistakes.txt` those that are right as they
are built and wrong at another setting. A case is the right source, a text in it, and the text in its stead.
"""

import json
import re
from pathlib import Path

import pytest
from dout_commands import run_dout

FILES = [Path(__file__).parents[1] / "support" / f"{kind}_mistakes.txt" for kind in ("student", "setting")]


def cases():
    """Name, right source and wrong source of each."""
    for file in FILES:
        for block in re.split(r"^### ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            name, body = block.split("\n", 1)
            right, edit = body.split("\n-----\n")
            old, new = edit.removesuffix("\n").split("\n=====\n") if "\n=====\n" in edit else (edit[:-7], "")
            assert right.count(old) == 1, name
            yield name, right, right.replace(old, new)


CASES = {name: twins for name, *twins in cases()}
SAMPLE = [*CASES][::26]


def checked(folder, names, timeout=500):
    """The severities of the findings on each file, of a right and of a wrong layer, by its name."""
    for name in names:
        for kind, source in zip(("right", "wrong"), CASES[name], strict=True):
            (folder / f"{kind}_{name}.py").write_text(f"import numpy as np\n\n\n{source}\n", encoding="utf-8")
    run = run_dout("check", ".", "--json", "--timeout", "60", cwd=folder, timeout=timeout)
    return {
        Path(file["file"]).stem: [f["severity"] for layer in file["layers"] for f in layer["findings"]]
        for file in json.loads(run.stdout)["files"]
        if any(layer["verdicts"] or layer["findings"] for layer in file["layers"])
    }


def misjudged(found, names):
    """The cases whose mistake is no error, and those whose twin is one."""
    passed = [name for name in names if "error" not in found[f"wrong_{name}"]]
    return passed, [name for name in names if "error" in found[f"right_{name}"]]


def test_a_mistake_is_an_error_and_its_right_twin_is_none(tmp_path):
    assert misjudged(checked(tmp_path, SAMPLE), SAMPLE) == ([], [])


REPAIRED = [
    "tanh_no_return", "sigmoid_typo_in_kept_name", "maxpool_assign_not_add", "leaky_relu_slope_squared", "mse_half",
    "hinge_no_row_count", "gradient_cut_to_nothing", "add_broadcast_bias", "loss_with_its_gradient",
    "misspelt_method_below_an_abstract_class", "parameter_value_sublayers",
]  # fmt: skip


def fixed(folder, names):
    """The names of the mistakes that `--fix --unsafe-fixes` leaves, and those of the files that it changes again."""
    for name in names:
        (folder / f"{name}.py").write_text(f"import numpy as np\n\n\n{CASES[name][1]}\n", encoding="utf-8")
    words = ["check", ".", "--fix", "--unsafe-fixes", "--json", "--timeout", "60"]
    runs, texts = [], []
    for _ in range(2):
        runs.append(run_dout(*words, cwd=folder, timeout=2000))
        texts.append({file.stem: file.read_text(encoding="utf-8") for file in folder.glob("*.py")})
    layers = [
        (Path(file["file"]).stem, layer) for file in json.loads(runs[0].stdout)["files"] for layer in file["layers"]
    ]
    left = {name for name, layer in layers if any(finding["severity"] == "error" for finding in layer["findings"])}
    return left, {name for name in names if texts[0][name] != texts[1][name]}


@pytest.mark.long
def test_a_mistake_that_is_often_made_is_repaired_and_then_left_alone(tmp_path):
    assert fixed(tmp_path, REPAIRED) == (set(), set())


@pytest.mark.long
def test_nine_of_ten_mistakes_on_ordinary_inputs_are_repaired(tmp_path):
    names = re.findall(r"^### (.*)$", FILES[0].read_text(encoding="utf-8"), re.MULTILINE)
    left, again = fixed(tmp_path, names)
    assert again == set()
    assert len(left) <= 0.1 * len(names), left


@pytest.mark.long
def test_all_mistakes_are_errors_and_all_right_twins_are_none(tmp_path):
    assert misjudged(checked(tmp_path, CASES, timeout=2000), CASES) == ([], [])
