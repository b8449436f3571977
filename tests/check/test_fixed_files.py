"""A fix changes its place in the file and no other byte, or leaves the file with a line that says why."""

import stat

import pytest

from dout.check.project.fixed_files import fixed_file, fixed_files
from dout.check.report.fix import Fix
from dout.errors import TargetError
from dout.files import text_of

TEXT = "# é\nclass A:\n\tb = 1 + 2  \n\x0c\n\tc = 3\n"
FILES = {
    "plain": TEXT.encode(),
    "crlf": TEXT.replace("\n", "\r\n").encode(),
    "cr": TEXT.replace("\n", "\r").encode(),
    "mixed": TEXT.replace("\n", "\r\n", 2).encode(),
    "bom": b"\xef\xbb\xbf" + TEXT.encode(),
    "latin": ("# coding: latin-1\n" + TEXT).encode("latin-1"),
    "unended": TEXT.rstrip("\n").encode(),
    "astral": TEXT.replace("# é", "'''𝕏\u2028'''").encode(),
}


def edited(path, old, new):
    """The fix that makes `old` in a file `new`, as a check sees it: read by Python, with an ending at the end."""
    text = text_of(path)
    text += "" if text.endswith("\n") else "\n"
    assert text.count(old) == 1
    return Fix(str(path), text, text.replace(old, new))


def written(folder, data):
    path = folder / "mine.py"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", FILES)
def test_every_other_byte_is_as_it_was(name, tmp_path):
    path = written(tmp_path, FILES[name])
    fixed_file(path, [edited(path, "1 + 2", "1 - 2"), edited(path, "c = 3", "c = (1, 3)")]).write()
    assert path.read_bytes() == FILES[name].replace(b"1 + 2", b"1 - 2").replace(b"c = 3", b"c = (1, 3)")


@pytest.mark.parametrize("name", FILES)
def test_a_new_line_ends_as_the_first_line_of_the_file(name, tmp_path):
    path, ending = written(tmp_path, FILES[name]), {"crlf": b"\r\n", "mixed": b"\r\n", "cr": b"\r"}.get(name, b"\n")
    fixed_file(path, [edited(path, "\tb = ", "\ta = 0\n\tb = ")]).write()
    assert path.read_bytes() == FILES[name].replace(b"\tb = ", b"\ta = 0" + ending + b"\tb = ")


def test_of_fixes_that_overlap_the_first_is_taken(tmp_path):
    path = written(tmp_path, FILES["plain"])
    first, other, apart = (edited(path, *two) for two in (("1 + 2", "0"), ("+ 2", "+ 5"), ("c = 3", "c = 4")))
    fixed = fixed_file(path, [first, other, apart])
    assert fixed.fixes == (first, apart)
    assert fixed.after == FILES["plain"].replace(b"1 + 2", b"0").replace(b"c = 3", b"c = 4")


def test_two_lines_at_one_place_are_not_both_written(tmp_path):
    path = written(tmp_path, FILES["plain"])
    fixes = [edited(path, "\tc = 3", f"\t{name} = 0\n\tc = 3") for name in "xy"]
    assert fixed_file(path, fixes).fixes == (fixes[0],)


def test_the_difference_reads_as_a_diff_with_the_least_that_changes(tmp_path):
    fix = edited(written(tmp_path, FILES["plain"]), "1 + 2", "1 - 2")
    assert str(fix).splitlines()[2:] == ["@@ -3 +3 @@", "-\tb = 1 + 2  ", "+\tb = 1 - 2  "]
    (edit,) = fix.edits
    assert (edit.start, edit.end, edit.new) == ((3, 7), (3, 8), "-")


def why_not(path, fix):
    with pytest.raises(TargetError) as error:
        fixed_file(path, [fix]).write()
    return str(error.value)


def test_a_file_that_changed_since_the_check_stays_as_it_is(tmp_path):
    path = written(tmp_path, FILES["plain"])
    fix = edited(path, "1 + 2", "1 - 2")
    fixed = fixed_file(path, [fix])
    path.write_bytes(FILES["plain"] + b"# more\n")
    assert "it has changed since it was checked" in why_not(path, fix)
    with pytest.raises(TargetError, match="has changed since it was checked"):
        fixed.write()
    assert path.read_bytes() == FILES["plain"] + b"# more\n"


def test_a_read_only_file_stays_as_it_is_also_where_a_root_may_write(tmp_path):
    path = written(tmp_path, FILES["plain"])
    path.chmod(0o444)
    assert "it is read-only" in why_not(path, edited(path, "1 + 2", "1 - 2"))


def test_permissions_and_links_are_kept_and_nothing_else_is_left_in_the_folder(tmp_path):
    path, link = written(tmp_path, FILES["plain"]), tmp_path / "link.py"
    path.chmod(0o754)
    link.symlink_to(path)
    fixed_file(link, [edited(link, "1 + 2", "1 - 2")]).write()
    assert (link.is_symlink(), stat.S_IMODE(path.stat().st_mode)) == (True, 0o754)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link.py", "mine.py"]
    assert b"1 - 2" in path.read_bytes()


def test_bytes_that_their_encoding_would_not_write_again_stay_as_they_are(tmp_path):
    path = written(tmp_path, b"# coding: utf-7\n# +AGE-\nb = 1\n")
    assert "its bytes are not what utf-7 makes of its text" in why_not(path, edited(path, "b = 1", "b = 2"))


def test_a_character_that_the_encoding_has_not_is_not_written(tmp_path):
    path = written(tmp_path, b"# coding: ascii\nb = 1\n")
    assert "characters that ascii has not" in why_not(path, edited(path, "b = 1", "b = 'é'"))


def test_a_file_that_was_not_checked_stays_as_it_is(tmp_path):
    path = written(tmp_path, FILES["plain"])
    files, refused = fixed_files([edited(path, "1 + 2", "1 - 2")], checked=set())
    assert (files, len(refused)) == ([], 1)
    assert "mine.py is not fixed: it is not one of the files that are checked" in refused[0]
