"""The tables of Lab 2.6, and the numbers that it states of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

import torch

from labkit.display import TextTable, written
from labkit.distributed.checkpoint import Checkpoints
from labkit.experiment import Comparison, Outcome, Point, Unavailable
from labkit.labs.common import times
from labkit.labs.surviving_failures import experiments as lab
from labkit.labs.surviving_failures import planner
from labkit.labs.surviving_failures.measuring import COUNT, REPEATING, RESTARTING, SAVING, TRAINING, Beside, Training
from labkit.measure.probes import failures as probe
from labkit.predict import checkpoints
from labkit.units import quantity

Found = Sequence[tuple[Point, Training | Unavailable]]  # the trainings of a lab, by their points


def runs(trained: lab.Trainings, points: Sequence[Point]) -> Found:
    """Return what was measured at some points of the lab."""
    return [(point, trained.run(**point)) for point in points]


def lives(found: Found) -> TextTable:
    """Return what each training lost, expected and measured, and the weights that it ended with."""
    rows = []
    for point, run in found:
        place = [str(point[name]) for name in ("hosts", "kills", "every")]
        if not run:
            rows.append([*place, run.reason, "", "", ""])
            continue
        again = [life.waited for life in run.survived.lives[1:]]
        rows.append([*place, f"{point['kills'] * point['every'] / 2:.0f}", f"{run.survived.repeated}",
                     quantity(mean(again), "s") if again else "", run.survived.weights[0]])
    return TextTable(["workers on", "kills", "saved every", "steps lost, expected", "steps lost", "to start again",
                      "weights at the end"], rows)


def young(trained: lab.Trainings, found: Found) -> TextTable:
    """Return what saves and lost steps took in each training, predicted and measured, and how often Young would save.
    """
    rows = []
    for point, run in found:
        place = [str(point[name]) for name in ("hosts", "kills", "every")]
        predicted = trained.experiment.predict(**point)
        if not (run and predicted):
            rows.append([*place, "", "", (predicted if run else run).reason])
            continue
        step = predicted.parts[TRAINING] / point["steps"]
        save = predicted.parts[SAVING] / (point["steps"] // point["every"])
        best = checkpoints.interval(save, point["steps"] * step / point["kills"]) / step
        rows.append([*place, f"{best:.0f} steps",
                     *(quantity(float(f"{one.parts[SAVING] + one.parts[REPEATING]:.2g}"), "s")
                       for one in (predicted, run.outcome))])
    return TextTable(["workers on", "kills", "saved every", "Young would save every",
                      "saves and lost steps, predicted", "measured"], rows)


def equal(found: Found, whole: str | Unavailable) -> dict[str, int | None]:
    """Return how many trainings were killed, and how many of them end with the weights of the unbroken one."""
    killed = [run for point, run in found if run and point["kills"]]
    if not (whole and killed):
        return {"runs": None, "equal": None}
    return {"runs": len(killed), "equal": sum(set(run.survived.weights) == {whole} for run in killed)}


def costs(found: Found) -> dict[str, Outcome | Unavailable]:
    """Return what a kill cost in the mean: seconds to start again, seconds of repeated steps, and steps lost."""
    killed = [run.survived for point, run in found if run and point["kills"]]
    if not killed:
        return dict.fromkeys(("restart", "repeated", "lost"), Unavailable("No training was killed in this run."))
    count = sum(len(run.lives) - 1 for run in killed)
    return {"restart": Outcome(mean(life.waited for run in killed for life in run.lives[1:]), "s"),
            "repeated": Outcome(sum(run.repeated * run.step for run in killed) / count, "s"),
            "lost": Outcome(sum(run.repeated for run in killed) / count, "steps")}


def expected(trained: lab.Trainings) -> dict[str, Outcome | Unavailable]:
    """Return what a kill of the lab's training is predicted to cost: seconds to start again, and steps lost."""
    again = trained.experiment.predict(**lab.KILLED)
    return {"restart": Outcome(again.parts[RESTARTING], "s") if again else again,
            "lost": Outcome(lab.KILLED["every"] / 2, "steps")}


def most_lost(found: Found) -> dict[str, int | None]:
    """Return the most steps that one kill cost, and the interval between two saves there."""
    lost = [(life.reached - after.begun, point["every"]) for point, run in found if run
            for life, after in zip(run.survived.lives, run.survived.lives[1:], strict=False)]
    most, every = max(lost, key=lambda one: one[0] - one[1], default=(None, None))
    return {"most": most, "every": every}


def damaged(places: int = 200) -> TextTable | Unavailable:
    """Cut the newest of two checkpoints off at many places, and change single bits of it; count what is taken.

    Args:
        places: how many cuts, and how many changed bits.
    """
    try:
        with probe.folder() as place:
            return _damaged(place, places)
    except OSError as trouble:
        return Unavailable(f"Checkpoints cannot be written: {trouble.strerror or trouble}.")


def _damaged(folder: Path, places: int) -> TextTable:
    kept = Checkpoints(folder, {"network": "a small one"})
    for step in (10, 20):
        kept.save(step, {"weights": torch.randn(64, 16, generator=torch.Generator().manual_seed(step))})
    newest = kept.paths()[-1]
    whole = newest.read_bytes()
    cuts = [whole[:len(whole) * place // places] for place in range(places)]
    spots = [len(whole) * 8 * place // places for place in range(places)]
    flips = [whole[:at // 8] + bytes([whole[at // 8] ^ 1 << at % 8]) + whole[at // 8 + 1:] for at in spots]
    rows = []
    for name, contents in (("cut off", cuts), ("one bit changed", flips), ("whole", [whole])):
        steps = []
        for content in contents:
            newest.write_bytes(content)
            steps.append(kept.newest().step)
        rows.append([name, str(len(steps)), str(steps.count(10)), str(steps.count(20))])
    return TextTable(["the newest of two checkpoints", "tried", "the one before was taken", "it was taken"], rows)


def beside(found: Mapping[str, Beside] | Unavailable) -> TextTable | Unavailable:
    """Return what each way to save does to the steps after it."""
    if not found:
        return found
    return TextTable(["saved", "training waits", f"the {COUNT} steps beside it take longer by", "on the device after"],
                     [[way, *(quantity(float(f"{value:.2g}"), "s") for value in (one.stall, one.steps, one.written))]
                      for way, one in found.items()])


def slower_steps(found: Mapping[str, Beside] | Unavailable) -> float | Unavailable:
    """Return by how many ms the steps beside a save take longer, in all."""
    return 1e3 * found[lab.WAYS[-1]].steps if found else found


def beside_over_parts(saved: Comparison, width: int) -> Outcome | Unavailable:
    """Return how many times as long a save beside the training keeps it waiting as one for which all wait."""
    parts, beside = (dict(way=way, width=width) for way in lab.WAYS[1:])
    return times(saved, beside, parts)


def published() -> TextTable:
    """Return what two published clusters' failures mean at three sizes, with Llama 3's save and a restart of 10 min."""
    rows = []
    for source, node in (("Llama 3", planner.LLAMA_NODE), ("RSC-1", planner.RSC_NODE)):
        for nodes in (1024, 2048, 16_384):
            between = checkpoints.between(nodes, node * planner.DAY)
            best = checkpoints.best(planner.LLAMA_SAVE, between)
            share = checkpoints.effective(planner.LLAMA_SAVE, between, 600, best)
            rows.append([source, f"{nodes:,}", f"{nodes * planner.GPUS:,}", f"{between / 3600:.2g} h",
                         f"{best / 60:.1f} min", f"{share:.0%}".replace("%", " %")])
    return TextTable(["failures as at", "nodes", "GPUs", "a failure every", "best interval", "effective"], rows)


def told(found: Found, whole: str | Unavailable, saved: Comparison) -> dict[str, str]:
    """Return what the pages show of this run, by the key under which they find it."""
    same, cost = equal(found, whole), costs(found)
    waits = beside_over_parts(saved, 768)
    return {"same": f"{same['equal']} of {same['runs']}" if same["runs"] else "none",
            "restart": written(cost["restart"]), "repeated": written(cost["repeated"]),
            "beside": f"{waits.value:.2g} times" if waits else waits.reason}
