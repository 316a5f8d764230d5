"""Lab 2.6 with real processes: workers are killed, on one computer and on two hosts, and nothing is lost or left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack

import fakes
import psutil
import pytest
import torch

from labkit import cache
from labkit import device as devices
from labkit.distributed import elastic, sharded
from labkit.distributed.checkpoint import SPARE, Checkpoints
from labkit.distributed.elastic import Kill, TrainingFailed, survive
from labkit.distributed.job import Job
from labkit.labs.surviving_failures import experiments as lab
from labkit.measure.probes import failures as probe
from labkit.netem import hosts
from labkit.netem.emulator import BackendUnavailable

SMALL = Job("cats", width=4, batch=16, pictures=512)
STEPS, EVERY = 60, 10

pytestmark = [pytest.mark.skipif(devices.cores() < 2, reason="needs two processors"),
              pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed"),
              pytest.mark.skipif(os.name == "nt", reason="torchrun may lack libuv on Windows")]


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left():
    before = set(psutil.Process().children(recursive=True))
    yield
    assert set(psutil.Process().children(recursive=True)) <= before
    assert not list(cache.folder("checkpoints").glob("*"))


@pytest.fixture(scope="module")
def workers():
    """The saves and the unbroken training of one worker pool."""
    saves = lab.saves(fakes.machine())
    with saves.experiment.session():
        yield saves


def test_saves_are_measured_in_every_way_and_the_steps_beside_them_too(workers):
    for way in sharded.WAYS:
        assert workers.experiment.measure(way=way, width=384).value > 0
    found = workers.beside(256)
    assert set(found) == set(sharded.WAYS) and all(one.written >= one.stall > 0 for one in found.values())


def test_a_training_whose_workers_are_killed_ends_with_the_weights_of_an_unbroken_one(workers, tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "JOB", SMALL)
    whole = workers.unbroken(STEPS)
    run = survive(SMALL, STEPS, tmp_path, every=EVERY, kills=[Kill(25, 0)])
    assert set(run.weights) == {whole} and len(run.weights) == 2
    first, again = run.lives
    assert 25 <= first.reached <= 30 and again.begun == first.reached // EVERY * EVERY and again.reached == STEPS
    assert run.repeated == first.reached - again.begun and run.step > 0 and not run.not_saved
    kept = Checkpoints(tmp_path / "kept", {})
    assert [path.name[:13] for path in kept.paths()] == ["step-00000050", "step-00000060"]
    _goes_on_from_the_one_before_a_broken_one_and_refuses_another_network(tmp_path, kept, whole)


def _goes_on_from_the_one_before_a_broken_one_and_refuses_another_network(tmp_path, kept, whole):
    newest = kept.paths()[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    run = survive(SMALL, STEPS, tmp_path, every=EVERY)
    assert run.lives[0].begun == 50 and run.lives[0].broken == [newest.name] and set(run.weights) == {whole}
    before = {path: path.read_bytes() for path in kept.paths()}
    monkey = Job("cats", width=8, batch=16, pictures=512)
    with pytest.raises(TrainingFailed, match="another training: width was 4 and is now 8"):
        survive(monkey, STEPS, tmp_path, every=EVERY, processes=1)
    assert {path: path.read_bytes() for path in kept.paths()} == before


def test_after_a_kill_two_hosts_meet_again(workers, tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "JOB", SMALL)
    with ExitStack() as stack:
        try:
            switch = stack.enter_context(hosts.switch())
        except BackendUnavailable as refusal:
            pytest.skip(str(refusal))
        run = survive(SMALL, STEPS, tmp_path, every=EVERY, kills=[Kill(33, 1)], switch=switch)
    assert [life.begun for life in run.lives] == [0, 30] and set(run.weights) == {workers.unbroken(STEPS)}


POOR = """
from pathlib import Path
from labkit.distributed.elastic import survive
from labkit.distributed.job import Job
run = survive(Job("cats", width=4, batch=16, pictures=512), 40, Path("/mnt"), every=10, processes=1)
print(run.lives[0].reached, len(run.saves), len(run.not_saved), run.not_saved[:1])
"""


def test_a_full_disk_and_little_shared_memory_end_no_training():
    """The disk has room for one checkpoint, and half of another."""
    room = SPARE // 1024 + 5 * SMALL.gradients() // 1024
    poor = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs -o size=64m none /dev/shm "
            f'&& mount -t tmpfs -o size={room}k none /mnt && exec "$@"', "sh")
    if sys.platform != "linux" or subprocess.run([*poor, "true"], capture_output=True).returncode:
        pytest.skip("this machine cannot be made poorer")
    done = subprocess.run([*poor, sys.executable, "-c", POOR], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    reached, saves, failed, why = done.stdout.strip().split(" ", 3)
    assert (int(reached), int(saves), int(failed)) == (40, 1, 3)
    assert "is not saved: a checkpoint takes" in why and "Make room there" in why


ORPHANS = """
import sys
from pathlib import Path
from labkit.distributed import elastic
from labkit.distributed.job import Job
note = elastic._Watch._note
def told(self, event):
    note(self, event)
    if "process" in event: print(event["process"], flush=True)
elastic._Watch._note = told
elastic.survive(Job("cats", width=4, batch=16, pictures=512), 10**6, Path(sys.argv[1]), every=10**6, processes=1)
"""


def test_no_worker_outlives_a_killed_notebook(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ORPHANS, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        worker = psutil.Process(int(parent.stdout.readline()))
        launcher = worker.parent()
        parent.kill()
        assert not psutil.wait_procs([worker, launcher], 15)[1]


def test_the_launcher_is_the_frameworks_own():
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "labkit.distributed.elastic", "--help"], capture_output=True,
                          text=True, stdin=subprocess.PIPE, timeout=60)
    assert "max-restarts" in done.stdout.replace("_", "-") and time.monotonic() - begin < 60
    assert elastic.MONITOR_S < 1
