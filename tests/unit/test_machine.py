"""The profile of this machine: kept, trusted only while it holds, and never in the reader's way."""

from __future__ import annotations

import errno
import json
import math
import os
import tempfile
import time
import warnings
from datetime import UTC, datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path

import fakes
import pytest
import torch

from labkit import device as devices
from labkit import effort, machine
from labkit.labs.cats import experiments as step
from labkit.labs.your_machine import LAB
from labkit.measure.probes import operators
from labkit.progress import Cancelled


@pytest.fixture
def probed(tmp_path, monkeypatch):
    """An empty cache and a quick probe; the list holds one entry for every calibration."""
    monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", str(tmp_path))
    monkeypatch.setattr(machine, "_known", None)
    monkeypatch.setattr(machine, "_tried", set())
    monkeypatch.setattr(machine, "_quiet", lambda: False)
    calls = []
    monkeypatch.setattr(operators, "calibrate", lambda device: calls.append(device) or fakes.operators())
    return calls


def here(**arguments):
    return machine.this("operators", **arguments)


def anew(**arguments):
    """Ask as a new process would."""
    machine._known = None
    return here(**arguments)


def profile(tmp_path) -> Path:
    (path,) = (p for p in (tmp_path / "machines").glob("*.json") if "unusable" not in p.name)
    return path


def spoil(path, change):
    """Rewrite a profile after `change` has been at its content."""
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content) or content))


def put(*path):
    """Return a change that sets the value at a path of keys."""

    def change(content):
        for key in path[:-2]:
            content = content[key]
        content[path[-2]] = path[-1]

    return change


def drop(*path):
    def change(content):
        for key in path[:-1]:
            content = content[key]
        del content[path[-1]]

    return change


def add(part, key, value):
    """Return a change that gives the calibration of the operators a curve, or a reason, in place of any that it has."""

    def change(content):
        pairs = [pair for pair in content["calibrations"]["operators"][part] if pair[0] != key]
        content["calibrations"]["operators"][part] = [*pairs, [key, value]]
        return content

    return change


def remove(key):
    """Return a change that takes a curve away."""

    def change(content):
        operators = content["calibrations"]["operators"]
        operators["curves"] = [pair for pair in operators["curves"] if pair[0] != key]
        return content

    return change


# Kept


def test_a_machine_is_calibrated_once(probed, tmp_path):
    first = here()
    assert here() is first
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert anew() == first
    assert len(probed) == 1
    assert first.calibrated and first.memory > 0 and first.identity["torch"] and not first.note
    assert not list(tmp_path.rglob("*.part"))


def test_again_measures_again_and_holds_from_then_on(probed):
    here()
    again = here(again=True)
    assert here() is again
    assert len(probed) == 2
    assert anew() == again
    assert len(probed) == 2


@pytest.mark.parametrize(("days", "fresh"), [(-1, False), (0, True), (machine.FRESH_DAYS - 1, True),
                                             (machine.FRESH_DAYS + 1, False), (400, False)])
@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-5)), None])
def test_a_profile_holds_for_its_days(days, fresh, zone, probed, tmp_path):
    here()
    date = (datetime.now(zone) - timedelta(days=days, minutes=1)).isoformat()
    spoil(profile(tmp_path), put("calibrations", "operators", "date", date))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        anew()
    assert len(probed) == (1 if fresh else 2)


# Damaged


@pytest.mark.parametrize(
    "damage",
    [
        b"", b"{", b"null", b"7", b'"profile"', b"[]", b"{}", bytes(range(256)), b"\x00" * 4096, b"[" * 100_000,
        lambda content: [content],
        put("profile_version", machine.PROFILE_VERSION + 1), put("profile_version", 1),
        put("colour", "red"),
        put("memory", math.nan), put("memory", -1), put("memory", "8 GiB"),
        put("calibrations", []), put("calibrations", "operators", {}), put("calibrations", "operators", []),
        put("calibrations", "operators", None),
        *(put("calibrations", name, fakes.operators().as_json())
          for name in ("oracle", "training", "../operators", "memory")),
        *(put("calibrations", "operators", *change) for change in (
            ("colour", "red"), ("curves", {}), ("curves", []), ("missing", 7), ("missing", None),
            ("reference_seconds", 0), ("reference_seconds", "fast"), ("reference_seconds", math.inf),
            ("drift", 0.9), ("drift", math.inf), ("drift", math.nan), ("drift", None),
            ("effort", "much"), ("effort", None),
            ("contention", "much"), ("contention", math.nan), ("contention", -0.1), ("contention", 1.1),
            ("date", "yesterday"), ("date", 20260101), ("date", None), ("date", "0001-01-01T00:00:00+14:00"))),
        *(add("missing", key, "It has none.") for key in (["optimiser"], ["conv16"])),
        lambda content: add("missing", ["optimiser"], 7)(remove(["optimiser"])(content)),
        *(add("curves", *change) for change in (
            (["optimiser"], []), (["optimiser"], None), (["optimiser"], 7),
            (["infer", "conv16", "four"], [[1, 1e-3]]), (["infer", "conv16", 4], [[1, 1e-3], [2]]),
            (["infer", "conv16", 4], [[1, 1e-3], [1, 1e-3]]),
            (["infer", "conv16", 4], [[8, 1e-3], [2, 1e-3]]), (["infer", "conv16", 4], [[0, 1e-3]]),
            ("optimiser", [[1, 1e-3]]), ([["infer"], "conv16", 4], [[1, 1e-3]]), ({}, [[1, 1e-3]]),
            (7, [[1, 1e-3]]))),
        *(add("curves", ["train", "dense", 256], [[2, 1e-3], [8, seconds]])
          for seconds in (math.nan, math.inf, -1e-3, 0, "1 ms", None)),
        *(drop(key) for key in ("profile_version", "name", "device", "memory", "calibrations")),
        *(drop("calibrations", "operators", key)
          for key in ("curves", "reference_seconds", "drift", "contention", "date")),
        *map(remove, (["optimiser"], ["infer", "conv16", 4], ["train", "dense", 4096])),
        put("identity", "name", "another processor"), drop("identity"),
    ],
)
def test_a_profile_that_cannot_be_used_is_set_aside_and_measured_again(damage, probed, tmp_path):
    first = here()
    path = profile(tmp_path)
    path.write_bytes(damage) if isinstance(damage, bytes) else spoil(path, damage)
    damaged = path.read_bytes()
    with pytest.warns(UserWarning, match=r"cannot be used: it .* set aside as .*\.unusable\.json"):
        again = anew()
    assert len(probed) == 2
    assert again.calibrations.keys() == first.calibrations.keys()
    assert path.with_suffix(".unusable.json").read_bytes() == damaged
    assert anew() == again
    assert len(probed) == 2


def test_a_truncated_profile_is_measured_again(probed, tmp_path):
    here()
    path = profile(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="damaged"):
        assert anew().calibrated


def test_a_folder_in_the_profiles_place_stops_nobody(probed, tmp_path):
    here()
    path = profile(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.warns(UserWarning, match="cannot be used"):
        assert anew().calibrated


# Nowhere to keep it


def refused(*_, **__):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("trouble", ["a file in its place", "full", "read-only"])
def test_a_folder_that_cannot_be_written_costs_only_the_next_calibration(trouble, probed, tmp_path, monkeypatch):
    if trouble == "a file in its place":
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", str(tmp_path / "file"))
    elif trouble == "full":
        monkeypatch.setattr(os, "replace", full)
    else:
        monkeypatch.setattr(tempfile, "mkstemp", refused)
    with pytest.warns(UserWarning, match=r"cannot be kept.*CLUSTER_TO_EDGE_CACHE") as said:
        first = here()
    assert len(said) == 1
    assert first.calibrated
    assert here() is first
    assert len(probed) == 1
    with pytest.warns(UserWarning, match="cannot be kept"):
        again = here(again=True)
    assert here() is again
    assert len(probed) == 2
    assert not list(tmp_path.rglob("*.part"))


def test_a_damaged_profile_in_a_read_only_folder_stops_nobody(probed, tmp_path, monkeypatch):
    here()
    profile(tmp_path).write_bytes(b"{")
    monkeypatch.setattr(Path, "replace", refused)
    monkeypatch.setattr(tempfile, "mkstemp", refused)
    with pytest.warns(UserWarning, match="cannot be kept"), pytest.warns(UserWarning, match="It stays where it is"):
        assert anew().calibrated


def test_contention_during_the_calibration_is_said(probed, monkeypatch):
    monkeypatch.setattr(operators, "calibrate", lambda device: fakes.operators(contention=0.4))
    with pytest.warns(UserWarning, match=r"Other programs used up to 40%.*'operators', again=True"):
        here()
    assert "40%" in anew().note


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"drift": 2.04, "battery": True}, r"factor of up to 2 .*on its battery: plug it in"),
        ({"drift": 2.04}, r"factor of up to 2 .*its clock or a neighbour"),
        ({"drift": 1.6, "contention": 0.5}, r"used up to 50%.*factor of up to 1\.6"),
    ],
)
def test_a_machine_whose_pace_changed_is_told_so(found, words, probed, monkeypatch):
    monkeypatch.setattr(operators, "calibrate", lambda device: fakes.operators(**found))
    with pytest.warns(UserWarning, match=words) as said:
        assert here().note == str(said[0].message)
    assert "measure again: labkit.machine.this('operators', again=True)" in anew().note


def test_a_steady_machine_is_told_nothing_even_on_its_battery(probed, monkeypatch):
    monkeypatch.setattr(operators, "calibrate", lambda device: fakes.operators(drift=1.4, battery=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not here().note


# Measured again by itself


@pytest.mark.parametrize("trouble", [{"contention": 0.4}, {"drift": 3.0}])
def test_what_was_disturbed_is_measured_again_once_the_machine_is_quiet(trouble, probed, monkeypatch):
    steady = fakes.operators()
    monkeypatch.setattr(operators, "calibrate", lambda device: probed.append(device) or fakes.operators(**trouble))
    with pytest.warns(UserWarning):
        assert here().calibration("operators").disturbed
    assert anew().calibration("operators").disturbed and len(probed) == 1  # not while others work
    monkeypatch.setattr(machine, "_quiet", lambda: True)
    monkeypatch.setattr(operators, "calibrate", lambda device: probed.append(device) or steady)
    assert here().calibration("operators") == steady and len(probed) == 2
    assert anew().calibration("operators") == steady and len(probed) == 2


def test_a_machine_that_is_never_steady_is_not_measured_for_ever(probed, monkeypatch):
    monkeypatch.setattr(machine, "_quiet", lambda: True)
    drifts = iter((4.0, 3.0, 5.0, 6.0))
    monkeypatch.setattr(operators, "calibrate",
                        lambda device: probed.append(device) or fakes.operators(drift=next(drifts)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(5):
            machine._tried.clear()  # as in a new process
            found = [anew().calibration("operators") for _ in range(2)]
    assert len(probed) == machine._TRIES
    assert found[-1].drift == 3.0, "the least disturbed is kept"


def test_in_one_process_what_is_disturbed_is_measured_again_once(probed, monkeypatch):
    monkeypatch.setattr(machine, "_quiet", lambda: True)
    monkeypatch.setattr(operators, "calibrate", lambda device: probed.append(device) or fakes.operators(drift=4.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(4):
            here()
    assert len(probed) == 2


def test_more_effort_measures_again_and_less_does_not(probed, monkeypatch):
    for level, times in (("quick", 1), ("quick", 1), ("usual", 2), ("quick", 2), ("long", 3), ("usual", 3)):
        monkeypatch.setenv(effort.VARIABLE, level)
        anew()
        assert len(probed) == times, level


def test_a_probe_that_fails_loses_nothing_of_the_others_and_is_lent_for_the_session_alone(probes, monkeypatch):
    module = import_module("labkit.measure.probes.memory")
    works = module.calibrate
    monkeypatch.setattr(module, "calibrate", lambda device: 1 / 0)
    with pytest.warns(UserWarning, match="'memory' failed .ZeroDivisionError.*another machine"):
        found = machine.this("products", "memory", "storage")
    assert probes == ["products", "storage"]
    lent = found.calibration("memory")
    assert lent.lent and lent.curve("read") and lent.widening >= 5
    assert machine.this("memory") is found
    monkeypatch.setattr(module, "calibrate", works)
    assert not in_a_new_process("products", "memory", "storage").calibration("memory").lent
    assert probes == ["products", "storage", "memory"]


def test_the_courses_machine_can_lend_every_probe():
    course = machine.load(machine.COURSE)
    assert sorted(course.calibrations) == machine._probes()
    assert not any(part.lent for part in course.calibrations.values())


@pytest.mark.parametrize(("contention", "drift", "at_least", "at_most"), [
    (0.0, 1.0, 1, 1), (0.15, 1.5, 1, 1), (0.5, 1.0, 1.3, 3), (0.0, 6.0, 2, 4), (0.02, 48.0, 5.8, 12),
    (1.0, 1e6, 1, 1e9)])
def test_a_disturbed_calibration_predicts_less_narrowly(contention, drift, at_least, at_most):
    part = fakes.operators(contention=contention, drift=drift)
    assert at_least <= part.widening <= at_most and part.disturbed == (part.widening > 1)
    points = [fakes.machine(), fakes.machine(calibrations={"operators": part})]
    usual, wide = (step.time(one).predict(batch=128, width=16, mode="inference", where=step.THIS) for one in points)
    assert 0 < wide.low <= usual.low < usual.value == wide.value < usual.high <= wide.high
    if drift == 48:
        assert wide.high > 2.95 * wide.value, "predictions from such a profile were off by up to 195 %"


# Several probes


def in_a_new_process(*probes, **arguments):
    machine._known = None
    return machine.this(*probes, **arguments)


def test_asking_for_one_keeps_the_others(probes):
    machine.this("products")
    assert machine.this("memory").calibrations.keys() == {"products", "memory"}
    kept = in_a_new_process("storage")
    assert probes == ["products", "memory", "storage"]
    assert all(kept.calibration(name).curves == fakes.tour()[name].curves for name in probes)
    assert in_a_new_process(*probes).calibrations == kept.calibrations == machine.this().calibrations
    assert probes == ["products", "memory", "storage"]


def test_all_of_the_tour_are_measured_in_its_order(probes):
    assert machine.this(*LAB.probes).calibrations.keys() == set(LAB.probes)
    assert tuple(probes) == LAB.probes


def test_a_stale_one_is_measured_again_and_the_fresh_ones_stay(probes, tmp_path):
    machine.this("products", "memory")
    old = (datetime.now(UTC) - timedelta(days=machine.FRESH_DAYS + 1)).isoformat()
    spoil(profile(tmp_path), put("calibrations", "products", "date", old))
    assert in_a_new_process("memory").calibrations.keys() == {"memory"}
    assert probes == ["products", "memory"]
    assert in_a_new_process("memory", "products").calibrations.keys() == {"products", "memory"}
    assert probes == ["products", "memory", "products"]


def test_again_for_one_leaves_the_others(probes):
    first = machine.this("products", "memory")
    again = machine.this("memory", again=True)
    assert probes == ["products", "memory", "memory"]
    assert again.calibration("products") == first.calibration("products")
    assert in_a_new_process("products", "memory") == again
    assert len(probes) == 3


@pytest.mark.parametrize("wrong", ["oracle", "", "training", "device", "os", "Memory", "../memory", "memory.py",
                                   LAB.probes, None, 7])
def test_an_unknown_instrument_is_refused_with_those_that_there_are(wrong, probes, tmp_path):
    with pytest.raises(ValueError, match=r"no probe .* memory, .*products, .*storage") as refusal:
        machine.this("memory", wrong)
    assert str(wrong) in str(refusal.value)
    assert not probes and not list(tmp_path.iterdir())


def test_what_was_not_asked_says_how_to_ask(probes):
    with pytest.raises(ValueError, match=r"'memory' measures.*labkit\.machine\.this\('memory'\)"):
        machine.this("products").calibration("memory")


def test_where_nothing_can_be_kept_the_process_knows_all_that_it_measured(probes, monkeypatch):
    kept = in_a_new_process("loopback")
    monkeypatch.setattr(tempfile, "mkstemp", refused)
    for name in ("products", "memory"):
        with pytest.warns(UserWarning, match="cannot be kept"):
            known = machine.this(name)
    assert probes == ["loopback", "products", "memory"] and known.calibrations.keys() == set(probes)
    assert machine.this(*probes) is known
    assert in_a_new_process("loopback").calibrations == kept.calibrations


def test_what_holds_for_other_threads_is_not_taken_for_these(probes):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        machine.this("products")
        torch.set_num_threads(2)
        other = machine.this("memory")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert in_a_new_process("memory").identity == other.identity
    finally:
        torch.set_num_threads(before)
    if devices.cores() >= 2:
        assert other.calibrations.keys() == {"memory"} and other.identity["threads"] == 2


def test_another_memory_limit_is_another_machine(probes, monkeypatch):
    for limit, times in ((None, 1), (2**30, 2), (2**31, 3), (2**30, 3), (None, 3)):
        monkeypatch.setattr(devices, "container_memory", lambda limit=limit: limit)
        found = in_a_new_process("memory")
        assert found.identity["container"] == limit and found.memory <= (limit or math.inf)
        assert len(probes) == times


@pytest.mark.parametrize("end", [Cancelled, KeyboardInterrupt])
def test_a_calibration_that_ends_early_keeps_nothing_and_blocks_nobody(end, probed, tmp_path, monkeypatch):
    def stopped(device):
        raise end

    with monkeypatch.context() as patch:
        patch.setattr(operators, "calibrate", stopped)
        with pytest.raises(end):
            here()
    assert not list(tmp_path.rglob("*.json"))
    begin = time.monotonic()
    assert here().calibrated
    assert time.monotonic() - begin < 20
