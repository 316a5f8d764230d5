"""Train one network with many processes: what `torchrun`, Slurm and a notebook's worker pool start.

    torchrun --nproc-per-node=2 -m labkit.distributed.train --network cats --batch 64 --steps 50

With `--checkpoints FOLDER` rank 0 saves now and then, and a training that is started again goes on from there; with
torchrun's `--max-restarts=3` that happens by itself when a process dies.

On several machines every one of them runs the same command with `--nnodes`, `--node-rank` and `--master-addr`. Without
a launcher the variables RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT say the same. Rank 0 shows how it goes, and at
the end one line of JSON.

A worker pool starts this module with the one argument `--orders`, and tells each process by lines of JSON what to do.
Its processes compute on the processor; the others on GPUs where each has one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from time import monotonic, sleep

from labkit.distributed.job import NETWORKS, History, Job
from labkit.inputs import above_zero, whole
from labkit.processes import collect_seldom, end_with_parent, say

ORDERS = "--orders"
LAUNCHED = "TORCHELASTIC_RUN_ID"  # torchrun sets it for the processes that it starts, and ends
PATIENCE_S, SILENCE_S = 60.0, 30.0  # seconds that others may come later, and may be silent in the middle of the work
_BEAT_S = 0.3
_GLANCE_S = 0.5


def main(arguments: list[str]) -> int:
    """Run one rank as the command line says; return the exit status."""
    options = _options(arguments)
    from labkit import device as devices
    from labkit.distributed.rendezvous import Lost, Rendezvous
    from labkit.distributed.worker import Worker

    try:
        job = Job(**{name: getattr(options, name) for name in asdict(Job())})
        whole(steps=options.steps, every=options.every, save_every=options.save_every)
        above_zero(lr=options.lr, patience=options.patience, silence=options.silence)
        own = Rendezvous()
        keeper = _keeper(options, job, own)
    except ValueError as wrong:
        _fail(f"This cannot be run: {wrong}", options.journal)
        return 2

    if LAUNCHED in os.environ:
        threading.Thread(target=_end_with_launcher, args=(os.getppid(),), daemon=True).start()

    def tell(share, text=""):
        if options.journal and own.rank == 0:
            _say(json.dumps({"step": round(share * options.steps)}))
        elif text and own.rank == 0:
            _say(text)

    try:
        store = own.join(options.patience)
        device = devices.of_process(own.local, own.locals)
        worker = Worker(store, own.rank, own.processes, device=device, silence=options.silence)
        if options.journal:
            _say(json.dumps({"rank": own.rank, "process": os.getpid()}))
        elif own.local == 0:
            _say(f"Rank {own.rank} of {own.processes} is here and computes on {worker.device}.")
        report = worker.train(job, options.steps, lr=options.lr, every=options.every, tell=tell, keeper=keeper)
        reports = worker.gather(report)
    except Lost as lost:
        _fail(f"Rank {own.rank}: {lost}", options.journal)
        os._exit(1)  # threads that wait for the others would hold up a usual end
    if own.rank == 0:
        _say_result(job, History.of(reports, job.batch))
    elif own.local == 0 and not options.journal:
        _say(f"Rank {own.rank} is done. Its weights at the end: {report['weights']}.")
    worker.leave()
    return 0


def _options(arguments):
    usual = Job()
    parser = argparse.ArgumentParser(prog="labkit.distributed.train", description=__doc__.split("\n")[0])
    parser.add_argument("--network", choices=NETWORKS, default=usual.network)
    for name, kind, value, what in (
        ("width", int, usual.width, "channels of the cats, or neurons in a dense layer"),
        ("depth", int, usual.depth, "dense layers"),
        ("batch", int, usual.batch, "examples in a step of one process"),
        ("seed", int, usual.seed, "of the weights and of the order of the pictures"),
        ("pictures", int, usual.pictures, "that the processes share out"),
        ("steps", int, 50, "of training"),
        ("every", int, 10, "steps after which rank 0 says how it goes"),
        ("lr", float, 1e-3, "Adam's learning rate"),
        ("patience", float, PATIENCE_S, "seconds that other ranks may come later"),
        ("silence", float, SILENCE_S, "seconds to wait for the others in the middle of the work"),
    ):
        parser.add_argument(f"--{name}", type=kind, default=value, help=f"{what} ({value})")
    parser.add_argument("--checkpoints", metavar="FOLDER", help="where rank 0 saves, and goes on from after a restart")
    parser.add_argument("--save-every", type=int, default=100, help="steps between two checkpoints (100)")
    parser.add_argument("--journal", action="store_true", help="say every step, save and start as a line of JSON")
    return parser.parse_args(arguments)


def _keeper(options, job: Job, own):
    """Return what saves the training, None where nothing does; raises `ValueError` for checkpoints that do not fit."""
    if not options.checkpoints:
        return None
    from labkit.distributed.checkpoint import Checkpoints, Keeper

    checkpoints = Checkpoints(options.checkpoints, {**job.as_dict(), "lr": options.lr, "processes": own.processes})
    found = checkpoints.newest() if own.rank == 0 else None
    if found and found.step > options.steps:
        raise ValueError(f"the checkpoints in {options.checkpoints} are of step {found.step}, and only {options.steps} "
                         "steps are asked for: name another folder, or more steps")

    def tell(event: dict) -> None:
        if own.rank == 0:
            _say(json.dumps(event) if options.journal else _in_words(event))

    return Keeper(checkpoints, options.save_every, own.rank, tell)


def _in_words(event: dict) -> str:
    if "begun" in event:
        lost = f" {len(event['broken'])} later ones are not whole." if event["broken"] else ""
        return (f"Going on after step {event['begun']}, from its checkpoint." if event["begun"] else
                "Beginning at the first step: there is no checkpoint.") + lost
    return f"Step {event['saved']} is saved." if "saved" in event else event["why"]


def _say_result(job: Job, history: History) -> None:
    _say(json.dumps({
        **asdict(job), "processes": len(history.weights), "steps": len(history.losses), "examples": history.samples,
        "seconds": history.seconds,
        "examples_per_second": history.samples / history.seconds if history.seconds else None,
        "loss": history.losses[-1] if history.losses else None,
        "accuracy": history.accuracies[-1][1] if history.accuracies else None, "weights": history.weights}))


def _say(line: str, to=None) -> None:
    """Write a line in one piece: under `torchrun` all ranks write into the same pipe, and `print` ends a line later."""
    to = to or sys.stdout
    to.write(line + "\n")
    to.flush()


def _fail(why: str, journal: bool) -> None:
    _say(json.dumps({"failed": why}) if journal else why, sys.stdout if journal else sys.stderr)


def _end_with_launcher(launcher: int) -> None:
    """End this process when its launcher is gone, also in the middle of an exchange."""
    while os.getppid() == launcher:
        sleep(_GLANCE_S)
    _say("The launcher of this process has ended, and so does it.", sys.stderr)
    os._exit(1)


# In a worker pool


def obey(rank: int, processes: int, store: str, threads: int, delayed: bool, patience: float) -> None:
    """Join a worker pool, then do what it orders, line by line, until it closes the line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever interrupts the notebook ends the pool through it
    orders = end_with_parent(clean_up=lambda: shutil.rmtree(Path(store).parent, ignore_errors=True))
    import torch

    from labkit import device as devices
    from labkit.distributed import rendezvous
    from labkit.distributed.worker import Worker

    try:
        devices.settle()
        torch.set_num_threads(threads)
        shared = torch.distributed.FileStore(store, processes)
        rendezvous.wait_for_ranks(shared, rank, processes, patience)
        worker = Worker(shared, rank, processes, delayed=delayed, device=torch.device("cpu"), silence=SILENCE_S)
        say("ready")
        while True:
            say(_done(worker, json.loads(next(orders)), say))
    except Exception as trouble:
        lost = isinstance(trouble, rendezvous.Lost)
        with suppress(OSError):  # nobody may be left to read it
            say({"failed": str(trouble) if lost else f"{type(trouble).__name__}: {trouble}", "lost": lost})
        next(orders)  # nothing more comes: the pool ends this process


def _done(worker, order: dict, say) -> object:
    """Do an order and return the answer; now and then say how far it is."""
    from labkit.specs.link import LinkSpec
    from labkit.specs.sharding import ShardedJob

    last = monotonic()

    def tell(share, text=""):
        nonlocal last
        if monotonic() > last + _BEAT_S:
            last = monotonic()
            say({"done": share, "text": text})

    what = order.pop("do")
    if what == "set_link":
        worker.link.spec = LinkSpec(*order["link"])
        return {}
    if what in ("all_reduce", "exchange"):
        return getattr(worker, what)(**order)
    if what == "sharded":
        return worker.sharded(ShardedJob(**order.pop("job")), **order, tell=tell)
    return getattr(worker, what)(Job(**order.pop("job")), **order, tell=tell)


if __name__ == "__main__":
    collect_seldom()
    if sys.argv[1:2] == [ORDERS]:
        obey(**json.loads(sys.argv[2]))
    else:
        sys.exit(main(sys.argv[1:]))
