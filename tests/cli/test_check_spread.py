"""`dout check --dask`: the workers of a cluster check the files, and the report is the one of a check here."""

import json
import os

import pytest
from click.testing import CliRunner
from dout_commands import run_dout

from dout.cli.check_command import check
from dout.errors import TargetError

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore")  # Dask's own

LAYER = """
class Tripled:
    def forward(self, x):
        return 3 * x

    def backward(self, dout):
        return {factor} * dout
"""


def checked(folder, *more):
    told = run_dout("check", ".", "--json", *more, cwd=folder, env={**os.environ, "DOUT_NO_CACHE": "1"}, timeout=240)
    return told.returncode, told.stdout or told.stderr


def without_times(item):
    if isinstance(item, dict):
        return {key: without_times(part) for key, part in item.items() if key not in ("seconds", "text", "summary")}
    return [without_times(part) for part in item] if isinstance(item, list) else item


@pytest.mark.long
def test_workers_give_the_report_of_a_check_here(tmp_path):
    for name, factor in (("right", 3), ("wrong", 2)):
        (tmp_path / f"{name}.py").write_text(LAYER.format(factor=factor))
    how = {"protocol": "tcp", "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, **how) as cluster:
        code, spread = checked(tmp_path, "--dask", cluster.scheduler_address)
    assert code == 1
    plain_code, plain = checked(tmp_path)
    assert plain_code == code
    assert without_times(json.loads(spread)) == without_times(json.loads(plain))


def test_a_scheduler_that_does_not_answer_is_one_line(tmp_path):
    (tmp_path / "right.py").write_text(LAYER.format(factor=3))
    code, told = checked(tmp_path, "--dask", "nowhere://here")
    assert code == 2
    assert told.startswith("dout: --dask nowhere://here: no scheduler answers there")
    assert told.count("\n") == 1


def test_a_cluster_without_workers_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("dout.cli.session.spread_files._WITHOUT", 0.3)
    (tmp_path / "right.py").write_text(LAYER.format(factor=3))
    how = {"protocol": "tcp", "dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(n_workers=0, processes=False, **how) as cluster:
        told = CliRunner().invoke(check, ["--dask", cluster.scheduler_address, str(tmp_path)])
    assert isinstance(told.exception, TargetError)
    assert "the scheduler has had no worker for 0.3 s: start one: dask worker tcp://" in str(told.exception)


def test_jobs_beside_a_cluster_are_refused(tmp_path):
    code, told = checked(tmp_path, "--dask", "nowhere://here", "--jobs", "2")
    assert code == 2
    assert "--jobs counts the processes of this machine, and --dask uses others: leave one out" in " ".join(
        told.split()
    )
