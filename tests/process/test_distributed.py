"""Data-parallel processes: they train as one, in a notebook, under torchrun and on two hosts; and all of them end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median

import psutil
import pytest
import torch
from ports import free_port
from quiet_machine import quiet_machine

from labkit import device as devices
from labkit import session
from labkit.distributed import pool
from labkit.distributed.job import Job
from labkit.distributed.pool import WorkerFailed, kept_pool, worker_pool
from labkit.distributed.rendezvous import Lost, Rendezvous
from labkit.netem import gloo_ring, hosts
from labkit.netem.emulator import BackendUnavailable
from labkit.processes import Helper
from labkit.specs.link import LinkSpec

ROOT = Path(__file__).parents[2]
GONE_S, END_S = 15, 60
SMALL = Job("cats", width=4, batch=16, pictures=512)
SLOW = LinkSpec(round_trip=0.01, rate=12.5e6)

pytestmark = [pytest.mark.skipif(devices.cores() < 2, reason="needs two processors"),
              pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed")]
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells that a port is in use, and has namespaces")
libuv = pytest.mark.skipif(os.name == "nt", reason="torchrun may lack libuv on Windows")


@pytest.fixture(scope="module")
def pair():
    with worker_pool(2) as workers:
        yield workers


@pytest.fixture(scope="module")
def single():
    """One process, on an emulated link, on a machine that allows no networks of its own."""

    @contextmanager
    def refused():
        raise BackendUnavailable("This machine allows none (Permission denied).")
        yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hosts, "switch", refused)
        with worker_pool(1, link=SLOW) as workers:
            yield workers


@pytest.fixture(scope="module", params=["namespaces", "hook"])
def linked(request):
    """A pair on an emulated link."""
    with ExitStack() as stack:
        try:
            yield stack.enter_context(worker_pool(2, link=SLOW, backend=request.param))
        except WorkerFailed as refusal:
            pytest.skip(str(refusal))


@pytest.fixture(scope="module")
def switch():
    with ExitStack() as stack:
        try:
            yield stack.enter_context(hosts.switch())
        except BackendUnavailable as refusal:
            pytest.skip(str(refusal))


def ended(processes, seconds=GONE_S) -> bool:
    return not psutil.wait_procs(processes, seconds)[1]


def test_what_no_pair_can_do_is_refused_before_it_is_tried(pair):
    huge = psutil.virtual_memory().total
    with pytest.raises(MemoryError, match="choose fewer or smaller"):
        pair.all_reduce(huge)
    with pytest.raises(MemoryError, match="free"):
        pair.steps(Job("dense", width=2**18), 1)
    with pytest.raises(ValueError, match="no link is emulated"):
        pair.set_link(SLOW)
    for ask, words in ((lambda: pair.all_reduce(0), "size"), (lambda: pair.all_reduce(16, True), "times"),
                       (lambda: pair.steps(SMALL, 0), "count"), (lambda: pair.train(SMALL, 2.5), "steps"),
                       (lambda: pair.train(SMALL, 1, every=0), "every"),
                       (lambda: pair.train(SMALL, 1, lr=0), "lr"),
                       (lambda: pair.train(SMALL, 1, target=2), "target")):
        with pytest.raises(ValueError, match=words):
            ask()
    assert pair.all_reduce(16)  # none of it ended the pool


# A pool that works


def test_steps_are_timed_on_every_rank(pair):
    for exchange in (True, False):
        found = pair.steps(SMALL, 5, exchange)
        assert [len(times) for times in found] == [5, 5] and min(map(min, found)) > 0
    assert len(pair.steps(Job("dense", width=32, batch=4), 3)[1]) == 3


def test_one_computes_alone_between_what_both_do_with_more_networks_than_are_kept(pair):
    jobs = [Job("cats", width=4, batch=batch, pictures=512) for batch in range(2, 8)]
    for _ in range(2):
        for job in jobs:
            assert [len(times) for times in pair.steps(job, 2, alone=True)] == [2]
            assert [len(times) for times in pair.steps(SMALL, 2)] == [2, 2]
    assert all(pair.steps(job, 1) for job in jobs)


@quiet_machine
def test_a_message_of_more_bytes_takes_longer(pair):
    assert min(pair.all_reduce(2**24, 5)) > min(pair.all_reduce(16, 20))


def test_two_processes_learn_what_one_learns_from_the_same_global_batch(pair, single):
    both = pair.train(SMALL, 12, every=6)
    assert len(both.losses) == 12 and [step for step, _ in both.accuracies] == [6, 12]
    assert both.samples == 12 * 2 * SMALL.batch and both.seconds > 0
    assert len(set(both.weights)) == 1 and len(both.weights) == 2
    alone = single.train(Job("cats", width=4, batch=32, pictures=512), 12)
    assert alone.losses == pytest.approx(both.losses, rel=0.02)
    assert alone.weights != pair.train(Job("cats", width=4, batch=16, pictures=512, seed=1), 12).weights[:1]


def test_training_ends_at_its_target(pair):
    reached = pair.train(SMALL, 400, every=5, target=0.4)
    assert reached.accuracies[-1][1] >= 0.4 and len(reached.losses) == reached.accuracies[-1][0] < 400


# An emulated link


@quiet_machine
def test_the_link_delays_and_narrows_what_it_was_asked_to(linked):
    for spec, size in ((LinkSpec(0.02), 16), (LinkSpec(0.002, 12.5e6), 2**20)):
        linked.set_link(spec)
        linked.all_reduce(size, 2)
        expected = gloo_ring.sending(size, 2, spec) + gloo_ring.waiting(size, 2, spec)
        assert 0.85 * expected < min(linked.all_reduce(size, 4)) < 1.5 * expected


@quiet_machine
def test_a_slow_link_slows_steps_that_exchange_and_changes_no_result(linked, pair):
    linked.set_link(SLOW)
    apart, exchanging = (median(linked.steps(SMALL, 8, exchange)[0]) for exchange in (False, True))
    assert exchanging > apart and exchanging > SLOW.round_trip
    found, plain = linked.train(SMALL, 6), pair.train(SMALL, 6)
    assert found.losses == pytest.approx(plain.losses, rel=1e-3) and len(set(found.weights)) == 1


def test_where_no_networks_can_be_made_the_hook_takes_over_and_says_why(single, monkeypatch):
    assert single.backend == "hook" and "Permission denied" in single.reason

    def refused():
        raise BackendUnavailable("This machine allows none (Permission denied).")

    monkeypatch.setattr(hosts, "switch", refused)
    with pytest.raises(WorkerFailed, match="Permission denied"), worker_pool(2, backend="namespaces"):
        pytest.fail("it started")


POOR = """
from labkit.distributed.pool import worker_pool
from labkit.specs.link import LinkSpec
with worker_pool(2, link=LinkSpec(0.005)) as workers:
    workers.all_reduce(2**20)
    print(workers.backend, workers.reason)
"""


@linux
def test_a_machine_without_networks_or_shared_memory_and_with_a_deep_folder_still_trains(tmp_path):
    folder = tmp_path / ("deep" * 28)
    folder.mkdir()
    poor = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs -o size=4k none /dev/shm && "
            'echo 0 > /proc/sys/user/max_net_namespaces && exec "$@"', "sh")
    if subprocess.run([*poor, "true"], capture_output=True).returncode:
        pytest.skip("this machine cannot be made poorer")
    with Command(sys.executable, "-c", POOR, within=poor, TMPDIR=str(folder)) as run:
        status, said, errors = run.end()
    assert status == 0, errors
    assert said.startswith("hook This machine allows no networks in user space (")
    assert "too long" not in said and not list(folder.iterdir())


# A pool that fails


@posix
def test_training_starts_and_a_rank_killed_in_mid_step_ends_the_others_and_is_named():
    begin = time.monotonic()
    with worker_pool(2) as found:
        processes = [psutil.Process(number) for number in found.ids]
        found.steps(SMALL, 1)
        assert time.monotonic() - begin < END_S  # about 3 s on a quiet machine
        threading.Timer(0.3, processes[1].kill).start()
        begin = time.monotonic()
        with pytest.raises(WorkerFailed, match=r"^Rank 1: it was ended by signal 9"):
            found.steps(SMALL, 10**6)
        assert time.monotonic() - begin < GONE_S and ended(processes)
        with pytest.raises(WorkerFailed, match=r"has ended.*Rank 1"):
            found.steps(SMALL, 1)


@posix
def test_a_kept_pool_serves_the_next_too_until_it_has_failed():
    with session.KEPT.open():
        with kept_pool(1) as first, kept_pool(1) as again:
            assert again is first
        psutil.Process(first.ids[0]).kill()
        with pytest.raises(WorkerFailed, match="signal 9"), kept_pool(1) as broken:
            broken.steps(SMALL, 1)
        with kept_pool(1) as another:
            assert another is not first and len(another.steps(SMALL, 2)[0]) == 2
            processes = [psutil.Process(number) for number in another.ids]
    assert ended(processes)


def test_an_exception_in_one_rank_comes_to_the_reader_with_its_rank():
    with worker_pool(2) as found:
        processes = [psutil.Process(number) for number in found.ids]
        found._workers[0].tell({"do": "all_reduce", "size": 2**20, "times": 10**6})
        found._workers[1].tell({"do": "all_reduce", "size": "large", "times": 1})
        begin = time.monotonic()
        with pytest.raises(WorkerFailed, match=r"^Rank 1: TypeError"):
            found._answers(range(2), 60)
        assert time.monotonic() - begin < GONE_S and ended(processes)


def test_a_rank_that_never_joins_is_named_in_seconds(monkeypatch, tmp_path):
    (tmp_path / "sleeping.py").write_text("import sys\nsys.stdin.read()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(pool, "JOIN_S", 1.0)

    def helper(module, *arguments, **more):
        return Helper("sleeping" if json.loads(arguments[1])["rank"] == 1 else module, *arguments, **more)

    monkeypatch.setattr(pool, "Helper", helper)
    begin = time.monotonic()
    with pytest.raises(WorkerFailed, match="Rank 1 of 2 did not join within 1 s"), worker_pool(2):
        pytest.fail("it started")
    assert time.monotonic() - begin < 2 * GONE_S


@pytest.fixture
def interruptible():
    """An interrupt that is felt, also where the tests run with interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@posix
def test_an_interrupt_ends_the_crew_with_all_its_ranks(interruptible):
    with worker_pool(2) as found:
        processes = [psutil.Process(number) for number in found.ids]
        for process in processes:
            process.send_signal(signal.SIGINT)  # some notebooks interrupt what they started too: that is not for them
        assert found.all_reduce(16)
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            found.all_reduce(2**20, 10**6)
        assert ended(processes)


PARENT = """
from labkit.distributed.pool import worker_pool
with worker_pool(2) as found:
    print(*found.ids, flush=True)
    found.all_reduce(2**20, 10**6)
"""


@posix
def test_no_rank_survives_a_killed_notebook_even_one_that_waits_in_the_middle_of_an_exchange():
    with Command(sys.executable, "-c", PARENT) as parent:
        waiting, stopped = (psutil.Process(int(number)) for number in parent.process.stdout.readline().split())
        stopped.suspend()
        time.sleep(0.3)
        parent.process.kill()
        assert ended([waiting])
        stopped.resume()
        assert ended([stopped])


# The command


class Command:
    """The command of one rank or launcher, and what it says."""

    def __init__(self, *command: str, within=(), **environment):
        paths = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        self.process = subprocess.Popen(
            [*within, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "labs"), "PATH": paths, "OMP_NUM_THREADS": "1", **environment})

    def __enter__(self):
        return self

    def said(self, words: str) -> str:
        """Return the first line that contains the words."""
        for line in self.process.stdout:
            if words in line:
                return line
        raise AssertionError(f"it never said '{words}': {self.process.stderr.read()}")

    def end(self) -> tuple[int, str, str]:
        """Wait for its end; return its status, what it printed, and what it complained of."""
        said, errors = self.process.communicate(timeout=END_S)
        return self.process.returncode, said, errors

    def kill(self) -> list[psutil.Process]:
        """Kill it and all that it started, as when a machine loses its power; return what was killed."""
        processes = [*psutil.Process(self.process.pid).children(recursive=True), psutil.Process(self.process.pid)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return processes

    def __exit__(self, *_):
        with suppress(psutil.NoSuchProcess):
            self.kill()
        self.process.communicate()


def rank(number, *arguments, within=(), **environment):
    """A rank without a launcher."""
    return Command(sys.executable, "-m", "labkit.distributed.train", "--width=4", "--pictures=512", "--batch=16",
                   *arguments, within=within, RANK=str(number), **environment)


def torchrun(*arguments, within=()):
    return Command("torchrun", *arguments, within=within)


CATS = ("-m", "labkit.distributed.train", "--width=4", "--pictures=512", "--batch=16", "--every=4")


@libuv
@posix
@pytest.mark.parametrize("rendezvous", ["--master-port={port}", "--standalone"])
def test_torchrun_trains_as_the_notebook_does_also_after_a_worker_was_killed(pair, rendezvous):
    steps = 200
    with torchrun("--nproc-per-node=2", "--max-restarts=1", rendezvous.format(port=free_port()), *CATS,
                  f"--steps={steps}") as run:
        run.said("Step 8 of")
        ranks = psutil.Process(run.process.pid).children()
        next(each for each in ranks if each.environ().get("RANK") == "1").kill()
        status, said, errors = run.end()
    assert status == 0, errors
    *progress, last = said.splitlines()
    result = json.loads(last)
    assert any("Rank 0 of 2 is here" in line for line in progress)  # they met again
    assert result["processes"] == 2 and result["examples"] == steps * 32 and 0 <= result["accuracy"] <= 1
    assert result["loss"] == pytest.approx(pair.train(SMALL, steps).losses[-1], rel=0.05, abs=0.01)
    assert len(set(result["weights"])) == 1


@posix
def test_a_training_in_the_background_outlives_the_shell_that_started_it(tmp_path):
    log = tmp_path / "log"
    train = f"{sys.executable} -m labkit.distributed.train --width=4 --pictures=512 --steps=40"
    command = f"nohup {train} > {log} 2>&1 & echo $!"
    with Command("sh", "-c", command, RANK="0", WORLD_SIZE="1", MASTER_PORT=str(free_port())) as shell:
        training = psutil.Process(int(shell.process.stdout.readline()))
        assert shell.process.wait(END_S) == 0
        assert ended([training], END_S)
    assert json.loads(log.read_text().splitlines()[-1])["steps"] == 40, log.read_text()


@linux
def test_who_cannot_meet_says_why_in_seconds(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    begin = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for rank, address, words in ((0, port, f"Port {port} of this computer is in use"),
                                     (1, free_port(), "Nobody answered at 127.0.0.1")):
            monkeypatch.setenv("RANK", str(rank))
            monkeypatch.setenv("MASTER_PORT", str(address))
            with pytest.raises(Lost, match=words):
                Rendezvous().join(patience=1)
    assert time.monotonic() - begin < GONE_S


# Two machines, as two networks with addresses of their own


def test_slurm_trains_on_two_hosts_to_the_end(switch, tmp_path):
    """The template as it is; `srun` and `scontrol` are stand-ins that start it on two emulated hosts."""
    for name, code in {
        "scontrol": f'[ "$*" = "show hostnames here[1-2]" ] && echo {hosts.address(0)} && echo {hosts.address(1)}',
        "srun": '[ "$1" = --kill-on-bad-exit=1 ] && shift || exit 3\n'
                f'SLURM_NODEID=1 {" ".join(switch.host(1))} "$@" &\n'
                f'SLURM_NODEID=0 {" ".join(switch.host(0))} "$@" && wait -n',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{code}\n")
        (tmp_path / name).chmod(0o755)
    job = {"SLURM_JOB_NODELIST": "here[1-2]", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ID": "41"}
    paths = os.pathsep.join((str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]))
    with Command("bash", str(ROOT / "labs/2-training/train.sbatch"), *CATS[2:], "--steps=8", PATH=paths, **job) as run:
        status, said, errors = run.end()
    assert status == 0, errors
    result = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    assert result["processes"] == 2 and len(set(result["weights"])) == 1
    assert f"Rank 1 is done. Its weights at the end: {result['weights'][0]}" in said


def named(switch, number, folder) -> list[str]:
    """Return what starts a command on a host that knows both by name, and its own as 127.0.1.1, as on a Debian."""
    names = {f"host{other}": "127.0.1.1" if other == number else hosts.address(other) for other in range(2)}
    file = folder / f"hosts{number}"
    file.write_text("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in names.items()))
    return [*switch.host(number), "unshare", "--mount", "sh", "-c", f'mount --bind {file} /etc/hosts && exec "$@"',
            "sh"]


def test_two_hosts_train_by_name_and_when_one_dies_the_other_ends_in_seconds_with_a_message(switch, tmp_path):
    several = ("--nnodes=2", "--nproc-per-node=1", "--master-addr=host0", "--master-port=29400",
               "--rdzv-conf=timeout=20")
    with (torchrun("--node-rank=0", *several, *CATS, "--steps=100000", within=named(switch, 0, tmp_path)) as first,
          torchrun("--node-rank=1", *several, *CATS, "--steps=100000", within=named(switch, 1, tmp_path)) as second):
        first.said("Step 8 of")
        killed = second.kill()
        begin = time.monotonic()
        status, _, errors = first.end()
        assert time.monotonic() - begin < 2 * GONE_S
        assert status != 0 and "Rank 0: The connection to rank 1 broke" in errors
        assert ended(killed)


def test_when_the_network_falls_silent_both_ranks_end_in_seconds_with_a_message(switch):
    rendezvous = {"WORLD_SIZE": "2", "MASTER_ADDR": hosts.address(0), "MASTER_PORT": "29401"}
    with (rank(0, "--silence=2", "--steps=100000", within=switch.host(0), **rendezvous) as first,
          rank(1, "--silence=2", "--steps=100000", within=switch.host(1), **rendezvous) as second):
        first.said("Step 10 of")
        switch.cut()
        try:
            for run, other in ((first, 1), (second, 0)):
                status, _, errors = run.end()
                assert status == 1 and f"Nothing was heard from rank {other} for too long" in errors, errors
        finally:
            switch.mend()
