"""Data-parallel training without its processes: what a job is, what a link costs, what is said when it cannot be."""

from __future__ import annotations

import errno
import json
import math
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from labkit import control_groups, host
from labkit import device as devices
from labkit.distributed import pool, rendezvous, train
from labkit.distributed.job import History, Job
from labkit.distributed.pool import WorkerFailed, worker_pool
from labkit.netem import gloo_ring
from labkit.specs.link import LinkSpec

SLOW = LinkSpec(round_trip=0.01, rate=12.5e6)
has_distributed = pytest.mark.skipif(not torch.distributed.is_available(),
                                     reason="this PyTorch has no torch.distributed")


# The job


@pytest.mark.parametrize(("wrong", "words"), [
    ({"network": "birds"}, "choose one of cats, dense"), ({"batch": 0}, "batch must be a whole number from 1"),
    ({"width": -1}, "width"), ({"depth": "2"}, "depth"), ({"pictures": 0}, "pictures"), ({"seed": -1}, "from 0 up")])
def test_a_job_that_cannot_be_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        Job(**wrong)


@pytest.mark.parametrize("job", [Job(), Job("dense", width=64, depth=3)])
def test_a_job_goes_over_json_and_knows_its_size(job):
    assert Job(**json.loads(json.dumps(job.as_dict()))) == job
    assert job.parameters() == sum(values.numel() for values in job.build().parameters())
    assert job.gradients() == 4 * job.parameters() < job.memory()


def test_a_job_that_no_memory_holds_takes_none_to_count():
    assert Job("dense", width=2**20, depth=8).gradients() > 2**45


def test_a_history_is_the_mean_of_what_the_ranks_report():
    reports = [{"losses": [1.0, 2.0], "accuracies": [[2, 0.5]], "seconds": 3.0, "weights": "a"},
               {"losses": [3.0, 4.0], "accuracies": [[2, 0.5]], "seconds": 3.1, "weights": "a"}]
    assert History.of(reports, 8) == History([2.0, 3.0], [[2, 0.5]], 3.0, 32, ["a", "a"])


# The ring


@pytest.mark.parametrize(("size", "processes", "trips"), [
    (16, 1, 0), (16, 2, 2), (2**22, 2, 2), (2**22 + 1, 2, 3), (2**23, 2, 4), (16, 4, 6), (2**23, 4, 6), (2**24, 4, 12)])
def test_gloo_waits_a_round_trip_for_every_two_segments(size, processes, trips):
    assert gloo_ring.round_trips(size, processes) == trips


def test_a_ring_sends_all_but_its_own_chunk_twice():
    assert gloo_ring.sending(4000, 2, LinkSpec(rate=1000)) == 4
    assert gloo_ring.sending(4000, 4, LinkSpec(rate=1000)) == 6
    assert gloo_ring.sending(4000, 1, LinkSpec(rate=1000)) == 0


@has_distributed
def test_two_messages_share_the_link_and_wait_at_once():
    from labkit.distributed.comm_hook import DelayedAllReduce

    link = DelayedAllReduce(2, LinkSpec(round_trip=0.5, rate=1000))
    assert link.due(10.0, 1000) == 10 + 1 + 1
    assert link.due(10.0, 2000) == 10 + 1 + 2 + 1  # sent after the first, its wait not
    assert link.due(20.0, 1000) == 22


# What a worker pool refuses


@pytest.mark.parametrize("processes", [0, 1.5, True, None])
def test_a_number_of_processes_that_is_none_is_refused(processes):
    for ask in (pool.room, lambda count: worker_pool(count).__enter__()):
        with pytest.raises(ValueError, match="processes must be a whole number from 1"):
            ask(processes)


def test_more_processes_than_processors_are_refused_and_never_faked():
    many = math.floor(devices.cores()) + 1
    assert not pool.room(many) and f"{many} processes need {many} cores" in pool.room(many).reason
    assert not pool.room(1, threads=many)
    with pytest.raises(WorkerFailed, match="need"), worker_pool(many):
        pytest.fail("it started")


@has_distributed
def test_half_a_core_has_room_for_one_process(monkeypatch):
    monkeypatch.setattr(devices, "cores", lambda: 0.5)
    assert pool.room(1) == 1 and "may use 0.5" in pool.room(2).reason


@has_distributed
@pytest.mark.parametrize("variable", [{"OMP_PROC_BIND": "true"}, {"GOMP_CPU_AFFINITY": "0-1"}])
def test_a_variable_that_binds_this_process_to_one_processor_is_named_with_what_to_do(variable, monkeypatch):
    [(name, value)] = variable.items()
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(control_groups, "cores", lambda: None)
    monkeypatch.setattr(host, "bound", lambda: 1)
    monkeypatch.setattr(host, "_bound_elsewhere", lambda: 2)
    reason = pool.room(2).reason
    assert f"{name}={value} in the environment" in reason and f"env -u {name}" in reason


def test_a_backend_or_link_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="namespaces, hook, loopback"), worker_pool(1, backend="rope"):
        pytest.fail("it started")
    with pytest.raises(ValueError, match="no link is emulated"), worker_pool(1, backend="loopback", link=SLOW):
        pytest.fail("it started")


@has_distributed
def test_a_machine_that_lets_no_process_start_is_told_in_words(monkeypatch):
    def refused(*_, **__):
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refused)
    for link in (None, SLOW):  # on an emulated link, its own process is the first that cannot start
        with pytest.raises(WorkerFailed, match=r"Rank 0 could not start.*lets no further process start.*ulimit -u"):
            worker_pool(1, link=link).__enter__()


# What a command line refuses


@has_distributed
@pytest.mark.parametrize(("environment", "arguments", "words"), [
    ({}, (), "WORLD_SIZE"), ({"WORLD_SIZE": "2", "RANK": "2"}, (), "have the ranks 0 to 1"),
    ({"WORLD_SIZE": "2.5", "RANK": "0"}, (), "not '2.5'"), ({"WORLD_SIZE": "1", "RANK": "0"}, ("--batch=0",), "batch"),
    ({"WORLD_SIZE": "1", "RANK": "0"}, ("--steps=0",), "steps"),
    ({"WORLD_SIZE": "1", "RANK": "0"}, ("--lr=0",), "lr"),
    ({"WORLD_SIZE": "1", "RANK": "0", "MASTER_PORT": "0"}, (), "MASTER_PORT")])
def test_a_command_that_cannot_be_run_says_what_is_wrong(environment, arguments, words, monkeypatch, capsys):
    for name in ("WORLD_SIZE", "RANK", "MASTER_PORT", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert train.main(list(arguments)) == 2
    assert words in capsys.readouterr().err


@has_distributed
def test_a_line_is_written_in_one_piece(monkeypatch):
    """All ranks of `torchrun` write into one pipe, unbuffered: a line that came in pieces would mix with another's."""
    pieces = []
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(write=pieces.append, flush=lambda: None))
    assert train.main(["--steps=0"]) == 2
    (line,) = pieces
    assert line.startswith("This cannot be run:") and line.endswith("\n")


# The rendezvous


@has_distributed
def test_ranks_that_do_not_come_are_named():
    with pytest.raises(rendezvous.Lost, match=r"Ranks 1, 2 of 3 did not join within 0\.1 s"):
        rendezvous.wait_for_ranks(torch.distributed.HashStore(), 0, 3, patience=0.1)


@pytest.fixture
def three(monkeypatch):
    """Rank 0 of three, with addresses that the others have said, and those that lead to them."""
    for name, value in {"WORLD_SIZE": "3", "RANK": "0", "MASTER_ADDR": "first"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MASTER_PORT", raising=False)
    own = rendezvous.Rendezvous()

    def found(mine, *theirs):
        store = torch.distributed.HashStore()
        for rank, address in enumerate((mine, *theirs)):
            rendezvous.wait_for_ranks(store, rank, 1 if rank == 0 else rank + 1, 1, address)
        ways = {"192.168.1.21": "192.168.1.20", "10.0.0.2": "10.0.0.1"}
        monkeypatch.setattr(rendezvous, "own_address", lambda address, port: ways[address])
        return own._reachable(store, mine)

    return found


@has_distributed
@pytest.mark.parametrize(("mine", "theirs", "right"), [
    ("127.0.0.1", ("192.168.1.21", "10.0.0.2"), "192.168.1.20"),  # this computer's own name leads to 127.0.1.1
    ("127.0.1.1", ("127.0.0.1", "10.0.0.2"), "10.0.0.1"),  # another process of this computer says nothing new
    ("127.0.0.1", ("127.0.0.1", ""), "127.0.0.1"),  # all on one computer
    ("192.168.1.20", ("192.168.1.21", "10.0.0.2"), "192.168.1.20")])
def test_an_address_that_only_this_computer_reaches_is_replaced_by_one_that_the_others_do(three, mine, theirs, right):
    assert three(mine, *theirs) == right


def test_the_loopback_interface_is_found_by_its_address():
    assert rendezvous.interface_with(rendezvous.own_address("127.0.0.1", 80)) == rendezvous.interface_with("127.0.0.1")
    assert rendezvous.interface_with("192.0.2.77") is None and rendezvous.own_address("no host", 80) == ""
    assert rendezvous.loopback("127.0.1.1") and rendezvous.loopback("::1")
    assert not rendezvous.loopback("192.168.1.20") and not rendezvous.loopback("")


def test_ranks_that_cannot_reach_each_other_are_told_of_interface_and_hosts_file(monkeypatch):
    monkeypatch.setenv(rendezvous.INTERFACE, "eth7")
    monkeypatch.setattr(rendezvous.socket, "gethostname", lambda: "first")
    for address, named in (("127.0.1.1", True), ("192.168.1.20", False)):
        monkeypatch.setattr(rendezvous, "own_address", lambda name, port, address=address: address)
        words = rendezvous.out_of_reach(RuntimeError("[gloo/pair.cc:1] Connection refused. And more"))
        assert "uses eth7" in words and "Connection refused." in words
        assert ("the hosts file, by which this computer's own name, first, leads to 127.0.1.1" in words) == named


@has_distributed
def test_a_name_that_leads_nowhere_but_here_is_told_of_the_hosts_file(monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    words = rendezvous.Rendezvous()._no_store(False, 1, OSError("refused"))
    assert "this computer itself" in words and "hosts file" in words


def test_the_place_of_an_error_in_the_framework_is_left_out():
    assert rendezvous.short(RuntimeError("[a/b.cc:12] Broken pipe. Detail")) == "Broken pipe"
    assert rendezvous.short(OSError()) == "OSError"
