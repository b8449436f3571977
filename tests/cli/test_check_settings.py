"""Which findings count: codes asked for, comments, baselines, and [tool.dout]."""

from check_commands import RIGHT, TRIPLE, WRITES, WRONG, codes, document, dout, layers, write


def test_select_and_ignore_take_codes_and_beginnings_and_the_longer_wins(tmp_path):
    write(tmp_path, WRITES.format("", ""))

    def found(*options):
        return codes(document("mine.py", *options, cwd=tmp_path), "Relu")

    assert "D201" in found()
    assert "D201" not in found("--ignore", "D2")
    assert found("--select", "D201") == ["D201"]
    assert found("--select", "D201", "--ignore", "D2") == ["D201"]
    assert found("--select", "D2", "--ignore", "D2") == []
    assert found("--select", "D1") == []


def test_a_comment_on_the_line_the_function_or_the_class_silences(tmp_path):
    def found(line="", function="", head=""):
        write(tmp_path, WRITES.format(function, line).replace("class Relu:", f"class Relu:{head}"))
        return "D201" in codes(document("mine.py", cwd=tmp_path), "Relu")

    assert found()
    assert not found(line="  # dout: ignore[D201]")
    assert not found(function="  # dout: ignore[D2, D5]")
    assert not found(head="  # dout: ignore")
    assert found(line="  # dout: ignore[D202]")
    assert found(line="  # dout: ignored")
    assert found(line="; text = '# dout: ignore'")


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
    write(tmp_path, RIGHT)
    for text, said in (
        ("[tool.dout]\nselekt = []\n", "[tool.dout] has no 'selekt'; it has select, ignore, strict"),
        ('[tool.dout]\nselect = ["E1"]\n', "no code begins with E1"),
        ('[tool.dout]\ntimeout = "long"\n', "[tool.dout] timeout is not a number of seconds"),
        ("[tool.dout\n", "pyproject.toml cannot be read"),
    ):
        write(tmp_path, text, "pyproject.toml")
        run = dout("mine.py", cwd=tmp_path)
        assert run.returncode == 2
        assert said in run.stderr


def test_why_a_layer_was_not_judged_is_said_whatever_is_selected(tmp_path):
    write(tmp_path, TRIPLE + "class Ends:\n    def forward(self, x):\n        raise SystemExit(3)\n"
                             "    def backward(self, dout):\n        return dout\n")  # fmt: skip
    shown = document("mine.py", "--select", "D5", cwd=tmp_path)
    assert codes(shown, "Ends") == ["D003"]
    assert list(layers(shown)) == ["Triple", "Ends"]
