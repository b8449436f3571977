"""Of a file that has changed, the layers that have not are not judged again, and are told where they stand now."""

import json

import pytest
from check_commands import PLAIN, dout, write

from dout.check.worker.kept_answers import OFF

LAYER = """
class {name}{base}:
    def __init__(self):
        self.made = {scale}

    def forward(self, x):
        self.x = x
        return x * x * self.made

    def backward(self, dout):
        return dout * {factor} * self.x * self.made
"""


def text(*names, factor=2, before="import time\n", **more):
    """Layers that are built with a number that no other run has."""
    given = {"base": "", "scale": "time.time_ns() / 1e18", "factor": factor, **more}
    return before + "".join(LAYER.format(name=name, **given) for name in names)


@pytest.fixture
def judged(tmp_path):
    """What a check says of each layer of a file with this text, without how long it took."""
    environment = {key: value for key, value in PLAIN.items() if key != OFF} | {"DOUT_CACHE_DIR": str(tmp_path / "c")}

    def check(code, fresh=False):
        write(tmp_path / "code", code)
        how = environment | ({OFF: "1"} if fresh else {})
        shown = json.loads(dout("mine.py", "--json", cwd=tmp_path / "code", env=how).stdout)
        return {layer["layer"]: layer for file in shown["files"] for layer in file["layers"]}

    return check


WRONG = {"factor": 3}


@pytest.mark.long
def test_a_layer_whose_code_is_as_it_was_is_not_judged_again(judged):
    before = judged(text("A", "B", **WRONG))
    after = judged(text("A", **WRONG) + text("B", before="", factor=4))
    assert after["A"]["seconds"] == before["A"]["seconds"]
    assert after["B"]["seconds"] != before["B"]["seconds"]
    assert after["B"]["findings"][0]["message"] != before["B"]["findings"][0]["message"]


@pytest.mark.long
def test_a_layer_that_has_moved_is_told_where_it_is_now_and_its_fix_fits(judged):
    fixed = {"scale": "1.0", **WRONG}
    before = judged(text("A", "B", **fixed))
    after = judged(text("New", "A", before="import time\n", **fixed) + text("B", before="\n\n", **fixed))
    alone = judged(text("New", "A", before="import time\n", **fixed) + text("B", before="\n\n", **fixed), fresh=True)
    assert [after[name]["seconds"] for name in "AB"] == [before[name]["seconds"] for name in "AB"]
    for layers in (after, alone):
        for layer in layers.values():
            del layer["seconds"]
    assert after == alone


OTHERS = {
    "a base class": (text("Base"), "class A(Base):\n    pass\n"),
    "a function": ("def twice(x):\n    return 2 * x\n", text("A", before="import time\n", scale="twice(time.time())")),
    "a constant": ("SCALE = 2.0\n", text("A", scale="SCALE")),
    "a class that builds it": ("class Net:\n    def __init__(self):\n        self.layer = A()\n", text("A")),
    "a class that it uses": ("class Held:\n    value = 2.0\n", text("A", scale="Held.value")),
    "a class that is used by one that it uses": (
        "class Far:\n    value = 2.0\n\n\nclass Held:\n    value = Far.value\n", text("A", scale="Held.value")),
    "a class of which the module has an object": (
        "class Held:\n    value = 2.0\n\n\nheld = Held()\n", text("A", scale="held.value")),
}  # fmt: skip


@pytest.mark.one_in(4)
@pytest.mark.parametrize("what", OTHERS)
def test_what_a_layer_stands_on_is_noticed_when_it_changes(what, judged):
    other, layer = OTHERS[what]
    before = judged(other + layer)
    changed = other.replace("2.0", "3.0").replace("2 * x", "3 * x").replace("A()", "A ()").replace("x * x", "x * x * 1")
    assert changed != other
    assert judged(changed + layer)["A"]["seconds"] != before["A"]["seconds"]


HELPER = "def twice(x):\n    return {} * x if x.sum() > 0 else 2 * x\n"
LED_NOWHERE = {
    "a comment": ("", "# more\n"),
    "a function that nothing names": ("", "def other(x):\n    return x\n"),
    "a value that nothing names": ("OTHER = 1\n", "OTHER = 2\n"),
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("what", LED_NOWHERE)
def test_what_a_layer_does_not_lead_to_judges_nothing_again(what, judged):
    old, new = LED_NOWHERE[what]
    used = HELPER.format(2) + text("A", scale="time.time() * twice(__import__('numpy').ones(1))[0]")
    calm = used.replace("__import__('numpy')", "np").replace("import time", "import time\nimport numpy as np")
    before = judged(old + calm)
    assert judged(new + calm)["A"]["seconds"] == before["A"]["seconds"]
    assert judged(new + calm.replace("else 2", "else 3"))["A"]["seconds"] != before["A"]["seconds"]


@pytest.mark.long
def test_a_layer_of_two_functions_is_kept_as_a_class_is(judged):
    pair = (
        "def {0}_forward(x):\n    return x * x, x\n\n\ndef {0}_backward(dout, cache):\n    return {1} * dout * cache\n"
    )
    before = judged(pair.format("cube", 2) + pair.format("square", 2))
    after = judged(pair.format("cube", 3) + pair.format("square", 2))
    assert [before[name]["seconds"] == after[name]["seconds"] for name in before] == [False, True]


@pytest.mark.long
def test_a_program_runs_again_only_for_a_layer_that_it_uses(judged, tmp_path):
    program = (
        "import time\nimport numpy as np\nfrom mine import A\n\nA(time.time_ns() / 1e18).forward(np.ones((2, 3)))\n"
    )
    write(tmp_path / "code", program, "train.py")
    layers = text("A", scale="scale", before="").replace("(self)", "(self, scale)") + text("B", before="", scale="2.0")
    first = judged(layers)["A"]
    other = judged(layers.replace("class B", "class B:\n    more = 1\n\n\nclass C"))["A"]
    assert "train.py" in first["used"]
    assert other["chosen"] == first["chosen"]
    assert judged(layers.replace("x * x", "x * x * 1", 1))["A"]["chosen"] != first["chosen"]


@pytest.mark.long
def test_two_classes_of_a_name_and_a_broken_file_are_judged_anew(judged):
    before = judged(text("A", "B"))
    assert judged("class A") == {}
    assert judged(text("A", "B") + text("A", before="", factor=3))["A"]["findings"] != before["A"]["findings"]
