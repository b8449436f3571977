"""Entries of the cache of kernels: damaged, foreign, or not to be written, they are compiled again."""

from __future__ import annotations

import errno
import os
import warnings
from pathlib import Path

import pytest
from cached_kernels import again, compiled, double, doubles, new_process, place

pytest.importorskip("numba")

from dout import cache_folder
from dout.engine.runtime import binding, kernel_cache

__all__ = ["compiled", "new_process", "place"]  # fixtures


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "other"])
def test_damaged_entry_is_compiled_again(harm: str, compiled: list[str], place: Path) -> None:
    double()
    (entry,) = place.glob("*.bin")
    whole = entry.read_bytes()
    flipped = bytes([*whole[:-100], whole[-100] ^ 4, *whole[-99:]])
    entry.write_bytes({"cut": whole[:-300], "flip": flipped, "empty": b"", "other": b"no kernel"}[harm])
    assert doubles(again())
    assert compiled == ["double", "double"]
    assert cache_folder.read(entry.name)


def test_damaged_text_is_never_read(place: Path) -> None:
    double()
    (entry,) = place.glob("*.py")
    entry.write_text("out[i] = 0")
    assert doubles(again())


def test_every_bit_of_an_entry_is_checked(place: Path) -> None:
    cache_folder.write("entry", b"code")
    path = place / "entry"
    whole = path.read_bytes()
    for at in range(8 * len(whole)):
        path.write_bytes(bytes(byte ^ (1 << at % 8 if index == at // 8 else 0) for index, byte in enumerate(whole)))
        assert cache_folder.read("entry") is None


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no POSIX permissions")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_entry_that_others_may_write_is_not_used(what: str, compiled: list[str], place: Path) -> None:
    double()
    (entry,) = place.glob("*.bin")
    (place if what == "folder" else entry).chmod(0o777)
    with pytest.warns(RuntimeWarning, match="others can write"):
        assert doubles(again())
    with warnings.catch_warnings():  # it is said once
        warnings.simplefilter("error")
        assert doubles(again())
    assert compiled == ["double"] * (3 if what == "folder" else 2)


def test_files_of_another_user_are_not_used_but_for_those_of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    trusted = {
        user: cache_folder._own(os.stat_result((0o600, 0, 0, 1, user, 0, 0, 0, 0, 0))) for user in (0, 1000, 1001)
    }
    assert trusted == {0: True, 1000: True, 1001: False}


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no POSIX permissions")
def test_new_folder_is_the_users_alone(place: Path) -> None:
    cache_folder.write("entry", b"")
    assert place.stat().st_mode & 0o777 == 0o700
    assert (place / "entry").stat().st_mode & 0o777 == 0o600


def test_full_disk_is_a_warning(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    class Full:
        def __init__(self, handle: int, mode: str) -> None:
            os.close(handle)

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *error: object) -> None: ...

        def write(self, data: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdopen", Full)
    with pytest.warns(RuntimeWarning, match="No space left on device") as said:
        assert doubles(double())
    assert len(said) == 1
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("path", ["/dev/null/cache", "/proc/cache"])
def test_folder_that_cannot_be_made_is_a_warning(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOUT_CACHE_DIR", path)
    with pytest.warns(RuntimeWarning, match="set DOUT_CACHE_DIR"):
        assert doubles(double())


def test_read_only_folder_is_still_read(compiled: list[str], place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    double()

    def refuse(**_: object) -> None:  # root may write anywhere, so permissions would not show it
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    assert doubles(again())
    assert compiled == ["double"]


def test_code_of_another_processor_is_not_used(compiled: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    double()
    monkeypatch.setattr(binding, "host", lambda: ("generic", ""))
    kernel_cache._surroundings.cache_clear()
    assert doubles(again())
    assert compiled == ["double", "double"]
    kernel_cache._surroundings.cache_clear()


def test_an_upgrade_of_dout_alone_keeps_the_code(compiled: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    double()
    monkeypatch.setattr("dout.__version__", "99.0")
    read = Path.read_bytes  # only what is part of the code counts among dout's own modules
    parts = ("math", "lowering", "work_stealing", "compiler", "binding", "product_code", "product_tiles")

    def newer(path: Path) -> bytes:
        ours = "dout" in path.parts and path.suffix == ".py"
        return read(path) + b"#" * (ours and not {path.stem, path.parent.name} & set(parts))

    monkeypatch.setattr(Path, "read_bytes", newer)
    kernel_cache._surroundings.cache_clear()
    assert doubles(again())
    assert compiled == ["double"]
    kernel_cache._surroundings.cache_clear()


@pytest.mark.parametrize(
    "part", ["row_access", "accumulate", "vector_math", "vector_math_exp", "vector_math_rare", "entry_point"]
)
def test_code_that_was_made_with_other_code_of_ours_is_not_used(
    part: str, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    double()
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"#" * (path.name == f"{part}.py"))
    kernel_cache._surroundings.cache_clear()
    assert doubles(again())
    assert compiled == ["double", "double"]
    kernel_cache._surroundings.cache_clear()
