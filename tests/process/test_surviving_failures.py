"""Lab 2.6 with real processes: workers are killed, on one computer and on two hosts, and nothing is lost or left."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack

import fakes
import psutil
import pytest
import torch
from ports import free_port

from labkit import cache
from labkit import device as devices
from labkit.distributed import saving
from labkit.distributed.checkpoint import SPARE, Checkpoints
from labkit.distributed.elastic import Kill, survive
from labkit.distributed.job import Job
from labkit.labs.surviving_failures import experiments as lab
from labkit.labs.surviving_failures import measuring
from labkit.measure.probes import failures as probe
from labkit.netem import hosts
from labkit.netem.emulator import BackendUnavailable
from labkit.processes import ONE_THREAD

SMALL = Job("cats", width=4, batch=16, pictures=512)
STEPS, EVERY = 60, 10

pytestmark = [pytest.mark.skipif(devices.cores() < 2, reason="needs two processors"),
              pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed"),
              pytest.mark.skipif(os.name == "nt", reason="torchrun may lack libuv on Windows")]


@pytest.fixture(scope="module", autouse=True)
def no_checkpoint_is_left():
    yield
    assert not list(cache.folder("checkpoints").glob("*"))


@pytest.fixture
def nothing_is_left_of_a_test():
    """The pool of `workers` starts with the first measurement, and stays for the others."""


@pytest.fixture(scope="module")
def workers():
    """One worker pool, kept for the saves and the unbroken training; the experiment on saves."""
    saves = lab.saves(fakes.machine())
    with saves.session():
        yield saves


def test_saves_are_measured_in_every_way_and_the_steps_beside_them_too(workers):
    for way in saving.WAYS:
        assert workers.measure(way=way, width=384).value > 0
    found = measuring.beside(256)
    assert set(found) == set(saving.WAYS) and all(one.written >= one.stall > 0 for one in found.values())


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A training of which rank 0 was killed at step 25, and its folder."""
    folder = tmp_path_factory.mktemp("killed")
    return survive(SMALL, STEPS, folder, every=EVERY, kills=[Kill(25, 0)]), folder


@pytest.fixture(scope="module")
def whole(workers):
    """A digest of the weights of the same training, unbroken."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "JOB", SMALL)
        return measuring.unbroken(STEPS)


def test_a_training_whose_worker_is_killed_ends_with_the_weights_of_an_unbroken_one(killed, whole):
    run, folder = killed
    assert set(run.weights) == {whole} and len(run.weights) == 2
    first, again = run.lives
    assert 25 <= first.reached < 60 and again.begun == first.reached // EVERY * EVERY and again.reached == STEPS
    assert run.repeated == first.reached - again.begun and run.step > 0 and not run.not_saved
    assert [path.name[:13] for path in Checkpoints(folder / "kept", {}).paths()] == ["step-00000050", "step-00000060"]


def test_two_hosts_pass_over_a_broken_checkpoint_and_meet_again_after_a_kill(killed, whole):
    _, folder = killed
    newest = Checkpoints(folder / "kept", {}).paths()[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    with ExitStack() as stack:
        try:
            switch = stack.enter_context(hosts.switch())
        except BackendUnavailable as refusal:
            pytest.skip(str(refusal))
        run = survive(SMALL, STEPS, folder, every=EVERY, kills=[Kill(53, 1)], switch=switch)
    assert [life.begun for life in run.lives] == [50, 50] and list(run.lives[0].broken) == [newest.name]
    assert set(run.weights) == {whole}


def one_rank(folder, *arguments, within=()):
    """Run the training by one process without a launcher; return its status and what it said."""
    alone = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    done = subprocess.run([*within, sys.executable, "-m", "labkit.distributed.train", "--width=4", "--batch=16",
                           "--pictures=512", f"--steps={STEPS}", f"--checkpoints={folder}", f"--save-every={EVERY}",
                           *arguments], capture_output=True, text=True, timeout=90,
                          env={**os.environ, **ONE_THREAD, **alone})
    return done.returncode, done.stdout + done.stderr


def test_the_checkpoints_of_another_training_are_refused_and_left_alone(killed):
    kept = killed[1] / "kept"
    before = {path: path.read_bytes() for path in kept.iterdir()}
    status, said = one_rank(kept, "--seed=1")
    assert status == 2 and "are of another training: seed was 0 and is now 1, processes was 2 and is now 1" in said
    assert {path: path.read_bytes() for path in kept.iterdir()} == before


def test_a_full_disk_and_little_shared_memory_end_no_training():
    """The disk has room for one checkpoint, and half of another."""
    room = SPARE // 1024 + 5 * SMALL.gradients() // 1024
    poor = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs -o size=64m none /dev/shm "
            f'&& mount -t tmpfs -o size={room}k none /mnt && exec "$@"', "sh")
    if sys.platform != "linux" or subprocess.run([*poor, "true"], capture_output=True).returncode:
        pytest.skip("this machine cannot be made poorer")
    status, said = one_rank("/mnt", within=poor)
    assert status == 0, said
    assert "Step 10 is saved." in said and said.count("is not saved: a checkpoint takes") == 5
    assert "Make room there" in said and f'"steps": {STEPS}' in said


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
