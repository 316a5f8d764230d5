"""What `labkit doctor` and the first cell of a lab say of a machine."""

from __future__ import annotations

import json

import fakes
import pytest
import torch

from labkit import __main__, doctor, host, needs
from labkit.labs import lab as registry
from labkit.labs.throughput import LAB


@pytest.fixture
def machine(monkeypatch):
    """A made-up machine that limits nothing, has everything, and is calibrated for all labs but 3.3."""
    known = fakes.machine()
    for name in ("serving",):
        known.calibrations.pop(name, None)
    monkeypatch.setattr(doctor, "this", lambda *_: known)
    monkeypatch.setattr(registry, "this", lambda *_: known)
    monkeypatch.setattr(host, "limits", lambda: ())
    for need in needs.CHECKS:
        monkeypatch.setitem(needs.CHECKS, need, lambda: "")
    return known


def said(capsys, *arguments):
    assert __main__.main(["doctor", *arguments]) == 0
    return capsys.readouterr().out


def test_a_machine_without_limits_takes_few_lines(machine, capsys):
    text = said(capsys)
    assert machine.name in text and "Nothing keeps this process" in text and "PyTorch" in text
    assert "without" not in text and len(text.splitlines()) <= 10


@pytest.mark.parametrize(("device", "gpus", "words"), [
    ("cuda", ["NVIDIA A100"], "The labs compute on NVIDIA A100."),
    ("cuda", ["NVIDIA A100", "NVIDIA L4"], "2 GPUs; the labs use the first, NVIDIA A100. CUDA_VISIBLE_DEVICES"),
    ("mps", [], "The labs compute on the GPU of this Mac."), ("cpu", [], "No GPU that PyTorch can use."),
    ("cpu", ["Tesla K80"], "PyTorch does not work with the GPU here.")])
def test_what_the_labs_compute_on_is_said(device, gpus, words, machine, capsys, monkeypatch):
    monkeypatch.setattr(doctor.device, "best", lambda: torch.device(device))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(gpus))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: gpus[number])
    assert words in said(capsys)


def test_what_limits_and_what_is_missing_are_said_with_what_mends_them(machine, capsys, monkeypatch):
    monkeypatch.setattr(host, "limits", lambda: (host.Limit("Half a core is allowed.", "Ask for more."),))
    monkeypatch.setitem(needs.CHECKS, "LoadGen", lambda: "It is not installed: pip install it.")
    text = said(capsys)
    assert "Half a core is allowed. Ask for more." in text
    assert "Lab 3.2 without LoadGen: It is not installed: pip install it." in text
    LAB.begin("quick")
    begun = capsys.readouterr().out
    assert "Half a core is allowed. Ask for more." in begun and "LoadGen" in begun and "labkit doctor" in begun


def test_for_a_program_it_is_json_with_every_lab(machine, capsys, monkeypatch):
    monkeypatch.setitem(needs.CHECKS, "a GPU", lambda: "None.")
    found = json.loads(said(capsys, "--json"))
    assert [each["number"] for each in found["labs"]] == [each.number for each in registry.labs()]
    assert found["missing"] == {"a GPU": "None."} and found["computer"]["cores"] > 0
    assert not next(each for each in found["labs"] if each["number"] == "3.3")["calibrated"]


@pytest.mark.parametrize("name", needs.CHECKS)
def test_every_check_answers_in_a_sentence(name):
    assert all(reason.endswith((".", ")")) for reason in needs.missing([name]).values())


def test_a_check_that_stumbles_ends_nothing(monkeypatch):
    def stumbles():
        raise TypeError("a word in a file")

    monkeypatch.setitem(needs.CHECKS, "a GPU", stumbles)
    assert "a word in a file" in needs.missing(["a GPU"])["a GPU"]
    with pytest.raises(ValueError, match="Nothing is known of the need 'luck'"):
        needs.missing(["luck"])


def test_a_folder_that_is_full_or_cannot_be_written_is_said(machine, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "SPARE", 2**80)
    monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", str(tmp_path))
    assert "set CLUSTER_TO_EDGE_CACHE to another disk" in said(capsys)
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    assert "cache folder cannot be written" in said(capsys)
