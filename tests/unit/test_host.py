"""How much of the computer a process may use, who says so, and what the processor is called."""

from __future__ import annotations

import os
import sys
from collections import namedtuple
from pathlib import Path

import psutil
import pytest

from labkit import control_groups, host

GIB = 2**30


@pytest.fixture
def computer(tmp_path, monkeypatch):
    """A Linux computer of 16 processors and 64 GiB that limits nothing; its files lie in the folder returned."""
    monkeypatch.setattr(control_groups, "MOUNT", tmp_path / "cgroup")
    monkeypatch.setattr(control_groups, "MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(host, "SUPPLIES", tmp_path / "supplies")
    monkeypatch.setattr(host, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(host, "BOARD", tmp_path / "board")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    memory = namedtuple("memory", "total")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory(64 * GIB))
    for name in (*host.BINDING, *host.COUNTING):
        monkeypatch.delenv(name, raising=False)
    if host.resource:
        monkeypatch.setattr(host.resource, "getrlimit", lambda what: (-1, -1))
    write(tmp_path, membership="0::/\n")
    return tmp_path


def write(folder: Path, **files: str) -> None:
    """Write files whose names have a dot where the keyword has two underscores."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)


# Control groups


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("150000 100000\n", 1.5), ("50000 100000", 0.5), ("800000 50000", 16), ("6400000 100000", 16), ("max 100000", 16),
     ("", 16), ("many", 16), ("100000 0", 16)],
)
def test_a_quota_of_the_second_version_counts(quota, cores, computer):
    write(computer / "cgroup", cpu__max=quota)
    assert host.cores() == cores


@pytest.mark.parametrize(("quota", "cores"), [("200000", 2), ("25000", 0.25), ("-1", 16), ("much", 16)])
def test_a_quota_of_the_first_version_counts(quota, cores, computer):
    write(computer, membership="3:cpu,cpuacct:/\n2:memory:/\n")
    write(computer / "cgroup" / "cpu", cpu__cfs_quota_us=quota, cpu__cfs_period_us="100000\n")
    assert host.cores() == cores


@pytest.mark.parametrize("content", ["max", str(2**63 - 4096), "", "much"])
def test_what_is_no_limit_of_memory_limits_nothing(content, computer):
    write(computer / "cgroup", memory__max=content)
    write(computer / "cgroup" / "memory", memory__limit_in_bytes=content)
    assert host.container_memory() is None and host.limits() == ()


@pytest.mark.parametrize("version", [1, 2])
def test_in_nested_groups_the_tightest_holds(version, computer):
    """A hub's, a scheduler's and systemd's groups lie one in the other."""
    inner, outer = "/slurm/job_7", "/slurm"
    if version == 2:
        write(computer, membership=f"0::{inner}\n")
        groups = computer / "cgroup"
        write(groups / inner[1:], cpu__max="max 100000", memory__max=str(GIB))
        write(groups / outer[1:], cpu__max="50000 100000", memory__max=str(8 * GIB))
    else:
        write(computer, membership=f"5:memory:{inner}\n3:cpu,cpuacct:{inner}\n1:name=systemd:/x\n0::/\n")
        groups = computer / "cgroup"
        for name, quota, limit in ((inner, -1, GIB), (outer, 50000, 8 * GIB)):
            write(groups / "cpu" / name[1:], cpu__cfs_quota_us=str(quota), cpu__cfs_period_us="100000")
            write(groups / "memory" / name[1:], memory__limit_in_bytes=str(limit))
    assert host.cores() == 0.5 and host.container_memory() == GIB
    said = [limit.words for limit in host.limits()]
    assert len(said) == 2 and "0.5 cores" in said[0] and outer in said[0]
    assert "1 GiB" in said[1] and inner in said[1]


def test_groups_are_looked_for_from_the_own_one_outwards(computer):
    write(computer, membership="4:memory:/a/b\n3:cpu:/c\nodd line\n0::/user/slice\n")
    root, found = computer / "cgroup", list(control_groups.folders("memory"))
    assert found[:3] == [(root / "user/slice", 2), (root / "user", 2), (root, 2)]
    assert found[-3:] == [(root / "memory/a/b", 1), (root / "memory/a", 1), (root / "memory", 1)]


def test_in_a_container_that_is_told_its_place_on_the_host_its_own_group_counts(computer):
    write(computer, membership="0::/docker/1234\n")
    write(computer / "cgroup", cpu__max="100000 100000", memory__max=str(2 * GIB))
    assert host.cores() == 1 and host.container_memory() == 2 * GIB


def test_without_control_groups_nothing_is_limited(computer):
    (computer / "membership").unlink()
    assert host.cores() == 16 and host.container_memory() is None and host.limits() == ()


# Processors and threads


def test_the_processors_that_the_process_may_run_on_count(computer, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 7}, raising=False)
    assert host.cores() == 3
    limit, = host.limits()
    assert "3 of 16 cores" in limit.words and "taskset" in limit.words
    write(computer / "cgroup", cpu__max="200000 100000")
    assert host.cores() == 2


@pytest.mark.parametrize("name", host.BINDING)
def test_a_variable_that_binds_the_process_is_named(name, computer, monkeypatch):
    """OpenMP binds the thread that loads it and no other: the others, and the parent, still have what there was."""
    monkeypatch.setenv(name, "true")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0} if process == 0 else {0, 1}, raising=False)
    limit, = host.limits()
    assert f"{name}=true" in limit.words and "1 of 2 cores" in limit.words and f"-u {name}" in limit.mend


def test_a_variable_that_binds_nothing_is_not_named(computer, monkeypatch):
    monkeypatch.setenv("OMP_PROC_BIND", "false")
    assert host.limits() == ()
    monkeypatch.setenv("OMP_PROC_BIND", "true")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0}, raising=False)  # so was all else, by taskset
    assert "taskset" in host.limits()[0].words


@pytest.mark.parametrize("name", host.COUNTING)
def test_a_variable_that_allows_fewer_threads_than_cores_is_named(name, computer, monkeypatch):
    for value, said in (("1", True), ("4,2", True), ("16", False), ("64", False), ("", False), ("all", False)):
        monkeypatch.setenv(name, value)
        found = host.limits()
        assert bool(found) == said, value
        assert not said or (f"{name}={value}" in found[0].words and f"-u {name}" in found[0].mend)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes to processors")
def test_a_real_binding_counts():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert host.cores() <= 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.skipif(host.resource is None, reason="this system has no such limits")
def test_few_open_files_are_said(computer, monkeypatch):
    files = host.resource.RLIMIT_NOFILE
    monkeypatch.setattr(host.resource, "getrlimit", lambda what: (256, 256) if what == files else (-1, -1))
    limit, = host.limits()
    assert "256 files" in limit.words and "ulimit -n" in limit.mend


# The battery


@pytest.mark.parametrize(("supplies", "on_battery"), [
    ({}, False),
    ({"BAT0": {"type": "Battery", "status": "Discharging"}}, True),
    ({"BAT0": {"type": "Battery", "status": "Charging"}}, False),
    ({"BAT0": {"type": "Battery", "status": "Discharging"}, "AC": {"type": "Mains", "online": "1"}}, False),
    ({"hidpp_battery_0": {"type": "Battery", "scope": "Device", "status": "Discharging"}}, False),  # a wireless mouse
    ({"BAT0": {"type": "Battery", "status": "a word", "energy_now": "none"}}, False),
    ({"BAT0": {}, "ups": {"type": "UPS", "status": "Discharging"}}, False),
])
def test_only_the_computers_own_battery_counts(supplies, on_battery, computer):
    for name, files in supplies.items():
        write(computer / "supplies" / name, **files)
    assert host.on_battery() is on_battery


@pytest.mark.parametrize("trouble", [TypeError, AttributeError, OSError, RuntimeError, NotImplementedError])
def test_a_probe_that_stumbles_ends_nothing(trouble, monkeypatch):
    def stumbles():
        raise trouble

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(psutil, "sensors_battery", stumbles, raising=False)
    assert host.on_battery() is False


# What the processor is called


@pytest.fixture
def asked_anew():
    host.processor.cache_clear()
    yield
    host.processor.cache_clear()


def test_a_pc_says_its_name_at_once(computer, asked_anew):
    write(computer, cpuinfo="processor\t: 0\nmodel name\t: AMD EPYC 9\nprocessor\t: 1\n")
    assert host.processor() == "AMD EPYC 9"


def test_an_arm_board_has_a_name(computer, asked_anew, monkeypatch):
    write(computer, cpuinfo="processor\t: 0\nCPU part\t: 0xd0b\n", board="Raspberry Pi 5 Model B Rev 1.0\0")
    monkeypatch.setattr(host, "_brand", lambda: "Cortex-A76")
    assert host.processor() == "Raspberry Pi 5 Model B Rev 1.0, Cortex-A76"


def test_a_name_that_cannot_be_found_is_the_kind_of_processor(computer, asked_anew, monkeypatch):
    for command in ("/no/such/program", "/bin/false"):
        monkeypatch.setattr(sys, "executable", command)
        host.processor.cache_clear()
        assert host.processor()


def test_a_fingerprint_keeps_while_the_clock_changes_and_differs_between_kinds(computer):
    prints = []
    for mhz, part in (("1500.0", "0xd0b"), ("2400.0", "0xd0b"), ("1500.0", "0xd08")):
        write(computer, cpuinfo=f"processor\t: 0\ncpu MHz\t\t: {mhz}\nCPU part\t: {part}\n")
        prints.append(host.fingerprint())
    assert prints[0] == prints[1] != prints[2]
