"""Which findings count: codes asked for, comments, baselines, and [tool.dout]."""

import pytest
from check_commands import TRIPLE, WRITES, WRONG, codes, document, dout, layers, write

from dout.check.project.settings import Settings, read_settings
from dout.check.project.settings import codes as codes_of
from dout.check.rules import rules
from dout.errors import TargetError


@pytest.mark.long
def test_select_and_ignore_take_codes_and_beginnings_and_the_longer_wins(tmp_path):
    write(tmp_path, WRITES.format("", ""))
    assert codes(document("mine.py", "--select", "D201", "--ignore", "D2", cwd=tmp_path), "Relu") == ["D201"]
    assert codes(document("mine.py", "--select", "D2", "--ignore", "D2", cwd=tmp_path), "Relu") == []

    def wants(select, ignore):
        settings = Settings(select=codes_of(select, "--select"), ignore=codes_of(ignore, "--ignore"))
        return settings.wants(rules()["D201"].finding("m"))

    assert wants("", "")
    assert not wants("", "D2")
    assert wants("D201", "")
    assert wants("D201", "D2")
    assert not wants("D2", "D2")
    assert not wants("D1", "")


def test_a_comment_on_the_line_the_function_or_the_class_silences(tmp_path):
    def relu(name, line="", function="", head=""):
        return WRITES.format(function, line).replace("class Relu:", f"class {name}:{head}")

    told = {"Told": {}, "Other": {"line": "  # dout: ignore[D202]"}, "Word": {"line": "  # dout: ignored"},
            "Text": {"line": "; text = '# dout: ignore'"}}  # fmt: skip
    silent = {"Line": {"line": "  # dout: ignore[D201]"}, "Function": {"function": "  # dout: ignore[D2, D5]"},
              "Head": {"head": "  # dout: ignore"}}  # fmt: skip
    write(tmp_path, "".join(relu(name, **where) for name, where in (told | silent).items()))
    shown = document("mine.py", cwd=tmp_path)
    assert {name for name in layers(shown) if "D201" in codes(shown, name)} == set(told)
    assert layers(shown).keys() == (told | silent).keys()


@pytest.mark.long
def test_a_baseline_knows_what_was_there_after_lines_have_moved_and_counts_what_is_new(tmp_path):
    write(tmp_path, WRONG)
    first = dout("mine.py", "--baseline", "known.json", "--write-baseline", cwd=tmp_path)
    assert first.returncode == 0
    assert "wrote " in first.stderr
    write(tmp_path, "# moved\n" * 7 + WRONG)
    again = document("mine.py", "--baseline", "known.json", cwd=tmp_path)
    assert again["exit_code"] == 0
    assert codes(again) == []
    assert again["summary"]["known"] > 0
    write(tmp_path, WRONG + WRONG.replace("Square", "Another"))
    new = document("mine.py", "--baseline", "known.json", cwd=tmp_path)
    assert new["exit_code"] == 1
    assert (codes(new), "D101" in codes(new, "Another")) == ([], True)


@pytest.mark.long
def test_pyproject_settles_codes_files_and_strictness(tmp_path):
    write(tmp_path, WRITES.format("", ""), "a.py")
    write(tmp_path, WRITES.format("", ""), "old/b.py")
    write(tmp_path, WRONG, "left_out/c.py")
    write(
        tmp_path,
        '[tool.dout]\nselect = ["D1", "D201"]\nexclude = ["left_out"]\ntimeout = 30\nmemory = 1.5\nstrict = true\n'
        '[tool.dout.per-file-ignores]\n"old/*" = ["D201"]\n',
        "pyproject.toml",
    )
    files = {f["file"]: [c["code"] for c in f["layers"][0]["findings"]] for f in document(".", cwd=tmp_path)["files"]}
    assert files == {"a.py": ["D201"], "old/b.py": []}
    assert codes(document("a.py", "--select", "D1", cwd=tmp_path), "Relu") == []


def test_a_wrong_key_or_value_in_pyproject_is_said(tmp_path):
    for text, said in (
        ("[tool.dout]\nselekt = []\n", "[tool.dout] has no 'selekt'; its keys are select, ignore, strict"),
        ('[tool.dout]\nselect = ["E1"]\n', "no code begins with E1"),
        ('[tool.dout]\ntimeout = "long"\n', "[tool.dout] timeout is not a number of seconds"),
        ("[tool.dout]\ntimeout = true\n", "[tool.dout] timeout is not a number of seconds"),
        ("[tool.dout]\nmemory = -1\n", "[tool.dout] memory is below 0; write 0 for no limit"),
        ('[tool.dout]\nexclude = "old"\n', '[tool.dout] exclude is not a list of texts; write ["…"]'),
        ("[tool.dout]\nstrict = 1\n", "[tool.dout] strict is not true or false"),
        ('[tool.dout]\nper-file-ignores = ["D2"]\n', "[tool.dout] per-file-ignores is not a table"),
        ('[tool]\ndout = "strict"\n', "[tool.dout] is not a table"),
        ("[tool.dout\n", "pyproject.toml cannot be read"),
    ):
        write(tmp_path, text, "pyproject.toml")
        with pytest.raises(TargetError) as refused:
            read_settings(tmp_path)
        assert said in str(refused.value)
    run = dout("mine.py", cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr.startswith(f"dout: {tmp_path}/pyproject.toml cannot be read: ")


def test_why_a_layer_was_not_judged_is_said_whatever_is_selected(tmp_path):
    write(tmp_path, TRIPLE + "class Ends:\n    def forward(self, x):\n        raise SystemExit(3)\n"
                             "    def backward(self, dout):\n        return dout\n")  # fmt: skip
    shown = document("mine.py", "--select", "D5", cwd=tmp_path)
    assert codes(shown, "Ends") == ["D002"]
    assert list(layers(shown)) == ["Triple", "Ends"]
