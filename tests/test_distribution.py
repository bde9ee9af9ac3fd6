"""Runs on several devices and processes, and the clusters that are refused."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from keras_lightnets.errors import UserError
from keras_lightnets.training.distribution import distribute, meet
from keras_lightnets.training.slurm import slurm_cluster
from tests import distributed_run
from tests.photos import TINY

ROOT = Path(__file__).parents[1]


def _process(strategy, output, *settings, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.distributed_run", strategy, str(output), *settings],
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def _losses(output):
    return [json.loads(line)["loss"] for line in (output / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.chosen
def test_two_replicas_learn_as_one(tmp_path):
    process = _process("mirrored", tmp_path / "two", LOGICAL_CPUS="2")
    distributed_run.run("none", str(tmp_path / "one"))
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    one, two = (_losses(tmp_path / name) for name in ("one", "two"))
    assert len(one) == 20 and one[-1] < 0.7 * one[0]
    assert two == pytest.approx(one, rel=1e-4)
    weights = [np.load(tmp_path / f"{name}.worker0.npz") for name in ("one", "two")]
    for name in weights[0].files:
        np.testing.assert_allclose(weights[0][name], weights[1][name], atol=1e-5)


def _addresses(count):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{listener.getsockname()[1]}" for listener in listeners]
    for listener in listeners:
        listener.close()
    return addresses


def _worker(addresses, index):
    return json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "slurm", "tolerance"),
    [((), False, 1e-4), ((), True, 1e-4), (("mixed_precision=true",), False, 0.01)],
    ids=["TF_CONFIG", "Slurm", "float16"],
)
def test_two_workers_learn_as_one(settings, slurm, tolerance, tmp_path):
    addresses = _addresses(2)
    environments = [_slurm("localhost", "2", i) if slurm else {"TF_CONFIG": _worker(addresses, i)} for i in (0, 1)]
    processes = [_process("auto", tmp_path / "two", *settings, **environment) for environment in environments]
    distributed_run.run("none", str(tmp_path / "one"), **dict(setting.split("=") for setting in settings))
    for process in processes:
        _, stderr = process.communicate(timeout=300)
        assert process.returncode == 0, stderr
    assert _losses(tmp_path / "two") == pytest.approx(_losses(tmp_path / "one"), rel=tolerance)
    weights = [np.load(tmp_path / f"two.worker{i}.npz") for i in (0, 1)]
    for name in weights[0].files:
        np.testing.assert_array_equal(weights[0][name], weights[1][name])


def _slurm(nodes, tasks, number):
    """What Slurm sets for a task of a job step."""
    return {
        "SLURM_JOB_ID": "4711",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_TASKS_PER_NODE": tasks,
        "SLURM_PROCID": str(number),
    }


def test_slurm_names_the_workers(monkeypatch):
    # A batch script that starts no step is one process.
    monkeypatch.setenv("SLURM_NTASKS", "2")
    assert slurm_cluster() is None
    for nodes, tasks, names in (
        ("n[9-10]", "1(x2)", ["n9:24220", "n10:24220"]),
        ("gpu[08,11]-ib,x", "2,1(x2)", ["gpu08-ib:24220", "gpu08-ib:24221", "gpu11-ib:24220", "x:24220"]),
        ("r[1-2]n[3-4]", "1(x4)", ["r1n3:24220", "r1n4:24220", "r2n3:24220", "r2n4:24220"]),
    ):
        for name, value in _slurm(nodes, tasks, 1).items():
            monkeypatch.setenv(name, value)
        assert slurm_cluster() == (names, 1)
    monkeypatch.setenv("SLURM_STEP_TASKS_PER_NODE", "1(x3)")
    with pytest.raises(UserError, match="The SLURM_ variables of this job step cannot be read"):
        slurm_cluster()


SLURM = {
    "no number of tasks": ({"SLURM_STEP_NUM_TASKS": "x"}, "invalid literal"),
    "an open bracket": ({"SLURM_STEP_NODELIST": "n[1-2"}, "nodes"),
    "too many nodes": ({"SLURM_STEP_NODELIST": "n[1-999999999]"}, "too many nodes"),
    "too many tasks": ({"SLURM_STEP_TASKS_PER_NODE": "999999999(x2)"}, "task 0 of 20000"),
    "too many times": ({"SLURM_STEP_TASKS_PER_NODE": "1(x999999999)"}, "zip"),
    "other text": ({"SLURM_STEP_TASKS_PER_NODE": "1,one"}, "tasks '1,one'"),
    "a task too many": ({"SLURM_PROCID": "7"}, "task 7 of 2"),
    "a negative task": ({"SLURM_PROCID": "-1"}, "task -1 of 2"),
    "spaces": ({"SLURM_STEP_NODELIST": "a b,c"}, "must be HOST:PORT. Received: 'a b:"),
    "a node twice": ({"SLURM_STEP_NODELIST": "a,a"}, "is the address of several workers"),
}


@pytest.mark.parametrize("name", SLURM)
def test_job_steps_that_are_refused(name, monkeypatch):
    values, message = SLURM[name]
    for key, value in {**_slurm("n[1-2]", "1(x2)", 0), **values}.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(UserError, match=message) as caught:
        slurm_cluster()
    assert "SLURM_ variables" in str(caught.value) and "\n" not in str(caught.value)


def test_a_worker_that_does_not_come_up_is_named():
    addresses = _addresses(3)
    with (
        socket.create_server(("127.0.0.1", int(addresses[2].split(":")[1]))),
        pytest.raises(UserError, match=rf"^worker 1 \({addresses[1]}\) did not come up within 0.5 seconds"),
    ):
        meet(addresses, 0, 0.5)


def _cluster(worker, index=0):
    return json.dumps({"cluster": {"worker": worker}, "task": {"type": "worker", "index": index}})


CLUSTERS = {
    "an index that is no number": (_cluster(["a:1", "b:1"], "x"), "TF_CONFIG cannot be read"),
    "half an index": (_cluster(["a:1", "b:1"], 0.5), "TF_CONFIG cannot be read"),
    "no port": (_cluster(["a", "b"]), "the address of worker 0 must be HOST:PORT. Received: 'a'"),
    "a dict of workers": (_cluster({"0": "a:1", "1": "b:2"}), "TF_CONFIG cannot be read"),
    "a port too large": (_cluster(["a:1", "b:99999"]), "the address of worker 1 must be HOST:PORT"),
    "port 0": (_cluster(["a:0", "b:1"]), "the address of worker 0 must be HOST:PORT"),
    "numbers": (_cluster([1, 2]), "the address of worker 0 must be HOST:PORT. Received: 1"),
    "an address twice": (_cluster(["a:1", "a:1"]), "a:1 is the address of several workers"),
    "a name no host can have": (_cluster([f"127.0.0.1:{_addresses(1)[0][10:]}", "a..b:1"]), "did not come up within"),
    "a list": ("[]", "TF_CONFIG cannot be read"),
    "deep": ("[" * 100_000, "TF_CONFIG cannot be read"),
    "no cluster": (None, "multiworker needs TF_CONFIG or a Slurm job"),
    "no JSON": ("{", "TF_CONFIG cannot be read"),
    "parameter servers": (
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
        "parameter servers, which Keras 3 does not support",
    ),
    "an evaluator": (
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "evaluator", "index": 0}}',
        "must describe tasks of type 'worker' only",
    ),
    "no such worker": (
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}',
        "this is worker 2, but the cluster has 2 workers",
    ),
}


@pytest.mark.parametrize("name", CLUSTERS)
def test_clusters_that_are_refused(name, monkeypatch):
    config, message = CLUSTERS[name]
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(UserError, match=message) as caught:
        distribute("multiworker", 0.1)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_killed_and_restarted(victim, tmp_path):
    addresses, output = _addresses(2), tmp_path / "run"

    def start(index):
        return _process("multiworker", output, "epochs=200", TF_CONFIG=_worker(addresses, index))

    processes = [start(0), start(1)]
    log = output / "log.jsonl"
    while not log.exists() or len(log.read_text().splitlines()) < 10:
        assert all(process.poll() is None for process in processes), [process.stderr.read() for process in processes]
        time.sleep(0.1)
    processes[victim].send_signal(signal.SIGKILL)
    processes[victim].communicate()
    processes[victim] = start(victim)
    for process in processes:
        _, stderr = process.communicate(timeout=500)
        assert process.returncode == 0, stderr
    assert len(_losses(output)) == 200
    weights = [np.load(f"{output}.worker{i}.npz") for i in (0, 1)]
    for name in weights[0].files:
        np.testing.assert_array_equal(weights[0][name], weights[1][name])


@pytest.mark.slow
def test_launch_trains_on_two_workers(photos, tmp_path):
    command = ["train", *TINY, "--data", str(photos), "--output", str(tmp_path / "out"), "--epochs", "2"]
    result = subprocess.run(
        [sys.executable, "-m", "keras_lightnets.cli.main", "launch", "--workers", "2", "--", *command],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "Strategy multiworker: 2 workers, 2 replicas; batch 16 = 2 x 8" in " ".join(result.stdout.split())
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["strategy"] == {"name": "multiworker", "workers": 2, "replicas": 2}
    assert report["exports"][1]["max_abs_diff"] < 1e-4
