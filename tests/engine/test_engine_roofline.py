"""How fast memory is, and when several threads are worth it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("numba")

from dout.engine.runtime import parallel_threshold, roofline
from dout.engine.runtime.parallel_threshold import parallel_pays
from dout.engine.runtime.roofline import bandwidth


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOUT_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(roofline, "FLOATS", 1 << 20)
    monkeypatch.setattr(roofline, "SECONDS", 0.01)
    roofline._kept.cache_clear()


def test_bandwidth_is_that_of_a_memory() -> None:
    found = bandwidth()
    assert found.size == 4 << 20
    assert 1e8 < found.copy < 1e13
    assert 1e8 < found.triad < 1e13


def test_bandwidth_is_measured_once_a_machine() -> None:
    first = bandwidth()
    roofline._kept.cache_clear()  # another process
    assert bandwidth() == first  # measured again, the last digits would differ


def test_small_kernels_stay_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel_threshold, "cores", lambda: 2)
    assert not parallel_pays(65_536, 1)
    assert parallel_pays(1 << 20, 1)
    assert parallel_pays(65_536, 100)
    assert not parallel_pays(0, 1e9)


def test_one_core_never_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel_threshold, "cores", lambda: 1)
    assert not parallel_pays(1 << 30, 100)


def test_numbas_own_limit_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    parallel_threshold.cores.cache_clear()
    assert parallel_threshold.cores() == 1
    monkeypatch.delenv("NUMBA_NUM_THREADS")
    parallel_threshold.cores.cache_clear()
