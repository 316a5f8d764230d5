"""Lab 2.6: a checkpoint is whole or passed over, what is restored goes on as if nothing had been, and Daly is exact."""

from __future__ import annotations

import errno
import math
import random

import fakes
import pytest
import torch

from labkit import cache
from labkit.checks import NOT_ATTEMPTED
from labkit.distributed import checkpoint, elastic
from labkit.distributed.checkpoint import AnotherTraining, Checkpoints, NotSaved
from labkit.distributed.elastic import Kill, Life, Survived
from labkit.distributed.saving import WAYS
from labkit.experiment import Outcome, Unavailable
from labkit.labs.surviving_failures import checks, figures, measuring, planner, tables
from labkit.labs.surviving_failures import experiments as lab
from labkit.models import training
from labkit.models.networks.cats import CatNet
from labkit.predict import checkpoints as predict

NETWORK = {"network": "a small one", "width": 4}


def tensors(seed: int) -> dict:
    return {"weights": torch.randn(8, 8, generator=torch.Generator().manual_seed(seed))}


@pytest.fixture
def kept(tmp_path):
    kept = Checkpoints(tmp_path / "kept", NETWORK)
    for step in (10, 20):
        kept.save(step, tensors(step))
    return kept


def step(kept) -> int | None:
    found = kept.newest()
    return found and found.step


# Files


def test_the_last_two_are_kept_and_the_newest_is_found(kept):
    kept.save(30, tensors(30))
    assert [path.name[:13] for path in kept.paths()] == ["step-00000020", "step-00000030"]
    found = kept.newest()
    assert found.step == 30 and found.broken == ()
    assert step(Checkpoints(kept.folder / "none", NETWORK)) is None


def test_cut_off_at_any_byte_the_one_before_is_taken(kept):
    newest = kept.paths()[-1]
    whole = newest.read_bytes()
    for length in {*range(0, len(whole), 3), len(whole) - 1}:
        newest.write_bytes(whole[:length])
        found = kept.newest()
        assert found.step == 10 and found.broken == (newest.name,), length
    newest.write_bytes(whole + b"\0")
    assert step(kept) == 10
    newest.write_bytes(whole)
    assert step(kept) == 20


def test_a_bit_that_changed_anywhere_is_seen(kept):
    newest = kept.paths()[-1]
    whole = bytearray(newest.read_bytes())
    for place in range(0, len(whole), 2):
        whole[place] ^= 1 << place % 8
        newest.write_bytes(whole)
        assert step(kept) == 10, place
        whole[place] ^= 1 << place % 8


def test_a_file_under_the_name_of_another_and_a_lone_broken_one_are_passed_over(kept):
    old, new = kept.paths()
    new.write_bytes(old.read_bytes())
    assert step(kept) == 10
    old.write_bytes(b"")
    assert step(kept) is None


def test_a_full_disk_is_found_out_before_anything_is_written(kept, monkeypatch):
    before = {path: path.read_bytes() for path in kept.folder.iterdir()}
    monkeypatch.setattr(checkpoint.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 300})())
    with pytest.raises(NotSaved, match=r"Step 30 is not saved: a checkpoint takes .* has 300 B free. Make room"):
        kept.save(30, tensors(30))
    assert {path: path.read_bytes() for path in kept.folder.iterdir()} == before


def test_a_disk_that_fills_up_in_the_middle_leaves_the_ones_before(kept, monkeypatch):
    before = {path: path.read_bytes() for path in kept.folder.iterdir()}

    def full(path, content):
        half = path.with_name(f".{path.name}.part")
        half.write_bytes(content[:len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(cache, "write_atomically", full)
        with pytest.raises(NotSaved, match=r"No space left on device.*still there"):
            kept.save(30, tensors(30))
    assert step(kept) == 20
    kept.save(40, tensors(40))  # and what was half written is cleared away
    assert step(kept) == 40 and not list(kept.folder.glob(".*")) and len(before) == len(kept.paths())


def test_the_checkpoint_of_another_network_is_refused_and_kept(kept):
    other = Checkpoints(kept.folder, {"network": "a small one", "width": 8})
    with pytest.raises(AnotherTraining, match="another training: width was 4 and is now 8"):
        other.newest()
    assert step(kept) == 20


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotSaved, match="cannot be written"):
        Checkpoints(tmp_path / "file", NETWORK).save(1, tensors(1))


# What is saved is enough


def test_a_training_that_is_restored_goes_on_to_the_bit():
    def built():
        torch.manual_seed(0)
        network = training.to_device(CatNet(4), torch.device("cpu")).train()
        return network, training.optimiser(network)

    def train(network, adam, steps):
        for number in steps:
            dice = torch.Generator().manual_seed(number)
            images, labels = torch.rand(4, 3, 32, 32, generator=dice), torch.randint(3, (4,), generator=dice)
            training.step(network, adam, images.to(memory_format=torch.channels_last), labels)

    whole, broken, again = built(), built(), built()
    train(*whole, range(6))
    train(*broken, range(3))
    checkpoint.restore(*again, checkpoint.state(*broken))
    train(*again, range(3, 6))
    expected, got = (checkpoint.state(*one) for one in (whole, again))
    assert expected.keys() == got.keys() and all(torch.equal(expected[name], got[name]) for name in expected)


# Predictions


@pytest.mark.parametrize(("save", "between", "restart", "every"), [
    (2, 600, 30, 60), (20, 600, 120, 150), (5, 100, 50, 30)])
def test_the_effective_share_is_what_random_failures_leave(save, between, restart, every):
    dice, spent, done = random.Random(1), 0.0, 0.0
    left = dice.expovariate(1 / between)

    def lasts(seconds: float) -> bool:
        nonlocal left, spent
        if seconds <= left:
            left, spent = left - seconds, spent + seconds
            return True
        spent, left = spent + left, dice.expovariate(1 / between)
        return False

    for _ in range(8000):
        while not lasts(every + save):
            while not lasts(restart):
                pass
        done += every
    assert predict.effective(save, between, restart, every) == pytest.approx(done / spent, rel=0.03)


@pytest.mark.parametrize("save", [0.5, 30, 600])
@pytest.mark.parametrize("between", [300, 11_000, 1e6])
def test_no_interval_is_better_than_the_best_and_youngs_is_near_it(save, between):
    best = predict.best(save, between)
    top = predict.effective(save, between, 60, best)
    assert all(predict.effective(save, between, 60, best * factor) < top for factor in (0.5, 0.9, 1.1, 2))
    if between > 100 * save:
        assert best == pytest.approx(predict.interval(save, between), rel=0.1)


def test_the_longest_restart_leaves_just_the_share_that_was_asked_for():
    longest = predict.longest_restart(0.9, 2.4, 11_000)
    assert predict.effective(2.4, 11_000, longest, predict.best(2.4, 11_000)) == pytest.approx(0.9)
    assert predict.longest_restart(0.9, 600, 1000) < 0
    assert predict.between(1024, 2048) == 2
    for wrong in (lambda: predict.between(0, 1), lambda: predict.effective(1, 1, 0, 1), lambda: predict.best(-1, 1),
                  lambda: predict.longest_restart(1.1, 1, 1)):
        with pytest.raises(ValueError):
            wrong()
    assert predict.effective(1, 1e-3, 1, 1) == 0


def test_every_point_is_predicted_and_reads_as_a_sentence():
    machine = fakes.machine()
    for experiment in (lab.trainings(machine).experiment, lab.saves(machine), planner.plan()):
        assert all(f"{{{axis.name}}}" in experiment.readout for axis in experiment.axes)
        for point in list(experiment.points())[::17]:
            assert experiment.predict(**point) or point["hosts"] == lab.TWO, point


def test_more_kills_take_longer_and_more_nodes_get_on_for_less_of_the_time():
    trained, plan = lab.trainings(fakes.machine()).experiment, planner.plan()
    seconds = [trained.predict(**dict(lab.KILLED, kills=kills)).value for kills in lab.KILLS]
    assert seconds == sorted(seconds)
    shares = [plan.predict(**dict(planner.START, nodes=nodes)).value for nodes in planner.NODES]
    assert shares == sorted(shares, reverse=True)
    assert 90 < plan.predict(**planner.START).value < 95  # as Llama 3's makers report: more than 90 %


def test_kills_are_spread_over_the_training_and_hit_real_ranks():
    for count in (1, 3, 8):
        found = lab.kills(count, 160, 2)
        assert len(found) == count and all(0 < kill.step <= 160 and kill.rank in (0, 1) for kill in found)
        assert [kill.step for kill in found] == sorted(kill.step for kill in found)
        assert found == lab.kills(count, 160, 2)
    assert lab.kills(0, 160, 2) == []


def test_the_numbers_of_the_verdict_on_t1_are_what_the_formula_says():
    def worth(nodes: float) -> float:
        between = predict.between(nodes, planner.LLAMA_NODE * planner.DAY)
        return nodes * predict.effective(planner.LLAMA_SAVE, between, 600, predict.best(planner.LLAMA_SAVE, between))

    assert worth(16_384) == pytest.approx(10_000, rel=0.01)
    assert max(range(20_000, 60_000, 500), key=worth) == pytest.approx(37_000, abs=600)


# What is said of the runs


def training_of(*lives: Life, weights: str = "aa") -> measuring.Training:
    return measuring.Training(Survived(lives, [0.01], [], 9.0, [weights, weights]), 1.0)


def test_the_tables_tell_what_was_lost_and_where_weights_differ():
    whole = training_of(Life(4, 0, 160, 1.6, [0.01] * 160))
    killed = training_of(Life(4, 0, 50, 0.5, [0.01] * 50), Life(3, 40, 160, 1.2, [0.01] * 120))
    other = training_of(*killed.survived.lives, weights="bb")
    points = dict(lab.KILLED, kills=0), lab.KILLED, dict(lab.KILLED, hosts=lab.TWO)
    found = list(zip(points, (whole, killed, other), strict=True))
    assert tables.equal(found, "aa") == {"runs": 2, "equal": 1}
    assert tables.most_lost(found) == {"most": 10, "every": 20}
    cost = tables.costs(found)
    assert (cost["restart"].value, cost["lost"].value) == (3, 10)
    assert cost["repeated"].value == pytest.approx(0.1)
    assert killed.outcome.parts[measuring.RESTARTING] == 3 and killed.outcome.value == 9
    assert "bb" in str(tables.lives(found)) and figures.lives(killed)
    trained = lab.trainings(fakes.machine())
    said = tables.young(trained, [*found[1:], (lab.KILLED, Unavailable("No process starts."))])
    assert "steps" in str(said) and "110 ms" in str(said) and "No process starts." in str(said)


def test_where_nothing_could_run_the_tables_say_so():
    nothing = [(lab.KILLED, Unavailable("No process starts."))]
    assert "No process starts." in str(tables.lives(nothing))
    assert tables.equal(nothing, Unavailable("None.")) == {"runs": None, "equal": None}
    assert not tables.costs(nothing)["restart"] and tables.most_lost(nothing)["most"] is None
    reason = Unavailable("No process starts.")
    assert tables.beside(reason) is reason and figures.lives(reason) is reason


def test_every_damage_of_the_lab_is_seen():
    rows = tables.damaged(50).rows
    assert [row[1:] for row in rows] == [("50", "50", "0"), ("50", "50", "0"), ("1", "0", "1")]


def test_a_machine_that_lets_no_process_start_is_told_in_a_sentence(monkeypatch, tmp_path):
    def refused(*_, **__):
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr("subprocess.Popen", refused)
    with pytest.raises(elastic.TrainingFailed, match="lets no further process start"):
        elastic.survive(measuring.probe.JOB, 10, tmp_path, every=5, kills=[Kill(3, 0)])
    found = measuring.Trainer(1.0)(False, (), 20, 160, 1)
    assert isinstance(found, Unavailable) and "lets no further process start" in found.reason


def test_one_core_has_no_room_for_two_hosts(monkeypatch):
    monkeypatch.setattr(lab.probe, "processes", lambda: 1)
    trained = lab.trainings(fakes.machine()).experiment
    assert trained.predict(**lab.KILLED)
    assert "two workers" in trained.predict(**dict(lab.KILLED, hosts=lab.TWO)).reason


# The exercises


def test_right_answers_are_accepted_and_wrong_ones_told():
    plan = planner.plan()
    point = dict(nodes=8192, node=264, save=10, every=planner.BEST)
    longest = next(value for value in reversed(planner.RESTARTS)
                   if plan.predict(restart=value, **point).value >= 80)
    assert longest < planner.RESTARTS[-1]
    for check, right, wrong in (
            (lambda answer: checks.time_between(answer, node=264, nodes=1024), 264 * 24 / 1024, 264 * 1024),
            (lambda answer: checks.interval(answer, save=30, between=6), math.sqrt(2 * 30 * 21_600) / 60, 6),
            (lambda answer: checks.lost_work(answer, every=80, kills=4), 160, 320),
            (lambda answer: checks.slowest_restart(answer, plan, wanted=80, **point), longest, 60)):
        assert check(right).ok and not check(wrong).ok
        assert check(None).state == NOT_ATTEMPTED


def test_the_published_clusters_stand_where_their_sources_say():
    assert pytest.approx(264, abs=1) == planner.LLAMA_NODE
    rows = {tuple(row[:2]): row for row in tables.published().rows}
    assert rows["Llama 3", "2,048"][3] == "3.1 h" and rows["RSC-1", "2,048"][3] == "1.8 h"
    assert isinstance(plan := planner.plan().predict(**planner.START), Outcome) and "every" in plan.note
    assert set(WAYS) == {row["way"] for row in lab.save_points()}
