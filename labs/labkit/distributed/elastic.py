"""A training under torchrun, the framework's elastic launcher, whose processes are killed while it runs.

torchrun starts the ranks, and starts all of them again when one dies; they go on from the newest checkpoint that is
whole. `python -m labkit.distributed.elastic ARGUMENTS` is torchrun itself, which ends with whoever started it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter

import psutil

from labkit.distributed.job import Job
from labkit.distributed.rendezvous import INTERFACE, PORT, interface_with
from labkit.netem import hosts
from labkit.processes import Helper, HelperFailed, collect_seldom, end_with_parent

MONITOR_S = 0.05  # seconds between two looks of the launcher at its processes
SILENCE_S = 90.0  # seconds for which a training may say nothing: several starts of the framework on a slow machine
_GLANCE_S = 0.02
_END_S = 10.0
_SAVINGS = 2  # restarts that are left over, for a failure that nobody asked for


class TrainingFailed(HelperFailed):
    """The training could not be started, or ended for good; the message says why."""


@dataclass(frozen=True)
class Kill:
    """One failure: SIGKILL to a rank as soon as a step is done."""

    step: int
    rank: int


@dataclass
class Life:
    """A training from one start to its end, or to the next kill.

    Args:
        waited: seconds from the launch, or from the kill before it, until it begins.
        begun: steps that were done before it, by its checkpoint.
        reached: the last step that it has told of.
        seconds: from its beginning until it is killed or done.
        ticks: seconds from each step that was told to the next.
        broken: checkpoints that were not whole when it began.
    """

    waited: float
    begun: int
    reached: int = 0
    seconds: float = 0.0
    ticks: list[float] = field(default_factory=list)
    broken: Sequence[str] = ()


@dataclass(frozen=True)
class Survived:
    """A training that came to its end.

    Args:
        lives: one more than there were kills.
        saves: seconds that each save kept the training waiting.
        not_saved: why some saves failed.
        seconds: from the launch until the result.
        weights: a digest of each rank's at the end.
    """

    lives: Sequence[Life]
    saves: Sequence[float]
    not_saved: Sequence[str]
    seconds: float
    weights: Sequence[str]

    @property
    def step(self) -> float:
        """Seconds of a step, in the median, of those without a save."""
        return median(tick for life in self.lives for tick in life.ticks)

    @property
    def repeated(self) -> int:
        """Steps that were done, lost, and done again."""
        return sum(life.reached - after.begun for life, after in zip(self.lives, self.lives[1:], strict=False))


def survive(job: Job, steps: int, folder: Path, *, every: int, kills: Sequence[Kill] = (), processes: int = 2,
            switch: hosts.Switch | None = None) -> Survived:
    """Train to the end, whatever is killed, and return how it went.

    Args:
        job: what one process does.
        steps: of the whole training.
        folder: for checkpoints and logs.
        every: steps between two saves.
        kills: in the order of their steps.
        processes: ranks, on this computer.
        switch: puts each rank, with a launcher of its own, on a host behind it.

    Raises:
        TrainingFailed: this machine lets no process start, or the training ended for good; nothing runs any more.
    """
    command = ["--max-restarts", str(len(kills) + _SAVINGS), "--monitor-interval", str(MONITOR_S),
               "--log-dir", str(folder / "log"), *([] if switch else ["--standalone", "--local-addr", "127.0.0.1"]),
               "--nproc-per-node", "1" if switch else str(processes), "-m", "labkit.distributed.train", "--journal",
               "--checkpoints", str(folder / "kept"), "--save-every", str(every), "--steps", str(steps)]
    command += [word for name, value in job.as_dict().items() for word in (f"--{name}", str(value))]
    places = [[]] if switch is None else [
        ["--nnodes", str(processes), "--node-rank", str(host), "--master-addr", hosts.address(0),
         "--master-port", str(PORT)] for host in range(processes)]
    begin = perf_counter()
    with _launched([[*place, *command] for place in places], switch) as launchers:
        return _Watch(launchers, kills, begin).follow()


@contextmanager
def _launched(commands: list[list[str]], switch: hosts.Switch | None) -> Iterator[list[Helper]]:
    environment = {"OMP_NUM_THREADS": "1"} | ({} if switch else {INTERFACE: interface_with("127.0.0.1") or "lo"})
    with ExitStack() as stack:
        try:
            yield [stack.enter_context(Helper("labkit.distributed.elastic", *command, environment=environment,
                                              within=switch.host(host) if switch else ()))
                   for host, command in enumerate(commands)]
        except HelperFailed as trouble:
            raise TrainingFailed(str(trouble)) from trouble


class _Watch:
    """Listens to a training's journal, and kills."""

    def __init__(self, launchers: list[Helper], kills: Sequence[Kill], begin: float):
        self._launchers, self._kills, self._begin = launchers, list(kills), begin
        self._lives, self._saves, self._not_saved = [], [], []
        self._ids: dict[int, int] = {}
        self._processes: list[psutil.Process] = []
        self._since = self._last = begin  # of the launch or the kill, and of the step before
        self._failed = ""

    def follow(self) -> Survived:
        heard_at = monotonic()
        try:
            while True:
                for place, launcher in enumerate(self._launchers):  # a message of each in turn
                    if (found := self._hear(launcher, 0 if place else _GLANCE_S)) is None:
                        continue
                    heard_at = monotonic()
                    if "weights" in found:
                        return Survived(self._lives, self._saves, self._not_saved, perf_counter() - self._begin,
                                        found["weights"])
                    self._note(found)
                if monotonic() > heard_at + SILENCE_S:
                    raise TrainingFailed(f"The training said nothing for {SILENCE_S:g} s. {self._failed}".strip())
        finally:
            for launcher in self._launchers:
                launcher.end()
            for process in psutil.wait_procs(self._processes, _END_S)[1]:
                process.kill()

    def _hear(self, launcher: Helper, seconds: float) -> dict | None:
        try:
            heard = launcher.heard(seconds)
        except HelperFailed as trouble:
            raise TrainingFailed(self._failed or str(trouble)) from trouble
        return heard and heard[0]

    def _note(self, event: dict) -> None:
        now = perf_counter()
        if "process" in event:
            self._ids[event["rank"]] = event["process"]
            with suppress(psutil.NoSuchProcess):
                self._processes.append(psutil.Process(event["process"]))
        elif "begun" in event:
            self._lives.append(Life(now - self._since, event["begun"], event["begun"], broken=event["broken"]))
            self._since = self._last = now
        elif "step" in event:
            life = self._lives[-1]
            life.reached, life.seconds = event["step"], now - self._since
            if self._last:
                life.ticks.append(now - self._last)
            self._last = now
            if self._kills and event["step"] >= self._kills[0].step:
                self._kill(self._kills.pop(0))
        elif "saved" in event:
            self._saves.append(event["seconds"])
            self._last = 0.0  # the step that follows is told later
        elif "not saved" in event:
            self._not_saved.append(event["why"])
        elif "failed" in event:
            self._failed = event["failed"]

    def _kill(self, kill: Kill) -> None:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(self._ids[kill.rank]).kill()
        self._since = perf_counter()


if __name__ == "__main__":
    collect_seldom()
    end_with_parent()
    from torch.distributed.run import main

    main(sys.argv[1:])
