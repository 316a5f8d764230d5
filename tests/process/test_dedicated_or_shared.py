"""Lab 2.4 by real processes: they do what they are told, share fairly, leave nothing behind, and always end."""

from __future__ import annotations

import errno
import shutil
import signal
import sys
import time

import fakes
import psutil
import pytest
import torch
from another_python import another_python
from quiet_machine import quiet_machine

from labkit import cache
from labkit.experiment import Unavailable
from labkit.labs.dedicated_or_shared import experiments as lab
from labkit.labs.dedicated_or_shared import measuring
from labkit.measure import noisy_neighbour as noisy
from labkit.measure.noisy_neighbour import DISK, PROCESSOR, SMALL, Order, Party, beside
from labkit.measure.probes import neighbours as probe
from labkit.measure.probes import storage
from labkit.processes import HelperFailed

one_core = pytest.mark.skipif(not noisy.processors(), reason="this system binds no process to a core")


@pytest.fixture(scope="module", autouse=True)
def small_file():
    """A file that is written at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(noisy, "FILE", 2**24)
        yield


@pytest.fixture
def nothing_is_left_of_a_test():
    """The `party` grows by those that an order needs, and they stay for the others."""


@pytest.fixture(scope="module")
def party():
    with Party() as started:
        yield started


def files():
    return set(cache.folder("storage").glob("read-*"))


def test_all_kinds_of_work_are_done_or_say_why_not(party):
    for work in noisy.RESOURCES + noisy.TRAININGS:
        try:
            (done,) = party.run([Order(work)], 0.05)
        except (HelperFailed, OSError) as trouble:
            assert work in noisy.ON_DISK and len(str(trouble)) > 20, work
            continue
        assert done.rate > 0 and 0 <= done.cores < 3, work


def test_who_has_no_order_rests_and_a_share_is_kept(party):
    for share in (0.3, 1.0):
        full, none, half = party.run([Order(PROCESSOR), None, Order(PROCESSOR, share)], 0.2)
        assert none is None and full.rate > 0 and half.cores <= share + 0.15


@one_core
@quiet_machine
def test_two_on_one_core_get_half_of_it_each(party):
    core = noisy.processors()[-1:]
    order = Order(PROCESSOR, cores=core)
    found = beside(party, order, [order], rounds=4, seconds=0.1)
    assert 1.5 < found.slowdown()[0] < 2.8 and 0.7 < found.total()[0] < 1.35


def test_a_disk_without_room_is_found_out_before_anything_is_written(monkeypatch):
    full, before = shutil.disk_usage("/")._replace(free=2**20), files()
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda _: full)
    sharing = lab.sharing(fakes.machine(identity={"cores": 2.0}))
    outcome = sharing.slowdown.measure(**dict(lab.START, neighbour=DISK))
    assert isinstance(outcome, Unavailable) and "are free" in outcome.reason
    assert files() == before


def test_a_file_goes_with_its_readers():
    before = files()
    with Party() as readers:
        try:
            readers.prepare([Order(DISK)])
        except HelperFailed:
            pytest.skip("nothing cold can be read here")
        assert len(files() - before) == 1
    assert files() == before


def test_a_machine_that_allows_no_process_is_said(monkeypatch):
    def refused(*_, **__):
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr("labkit.processes.subprocess.Popen", refused)
    outcome = lab.sharing(fakes.machine(identity={"cores": 2.0})).slowdown.measure(**lab.START)
    assert "lets no further process start" in outcome.reason
    assert "lets no further process start" in measuring.learn(neighbours=2).reason
    calibration = probe.calibrate(torch.device("cpu"))
    calibration.check(probe.KEYS)
    assert "lets no further process start" in calibration.reason("alone", SMALL)


def test_a_neighbour_that_is_killed_in_the_middle_ends_the_measurement_in_words():
    with pytest.raises(HelperFailed, match="it ended"), Party() as party:
        party.prepare([Order(PROCESSOR)] * 2)
        psutil.Process().children()[-1].kill()
        party.run([Order(PROCESSOR)] * 2, 0.2)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals on Windows")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_neighbours_and_their_file_leave_with_a_lab_that_is_killed_or_stopped(how, tmp_path):
    code = ("import psutil, time\nfrom labkit.measure import noisy_neighbour as noisy\n"
            "from labkit.measure.noisy_neighbour import *\nnoisy.FILE = 2**22\nwith Party() as party:\n"
            "    orders = [Order(PROCESSOR), Order(MEMORY), Order(DISK)]\n"
            "    try: party.prepare(orders)\n    except Exception: orders = orders[:2]\n"
            "    party.tell(orders, 60)\n"
            "    print(*(child.pid for child in psutil.Process().children()), flush=True)\n    time.sleep(60)")
    with another_python(code, CLUSTER_TO_EDGE_CACHE=str(tmp_path)) as parent:
        children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        time.sleep(0.3)
        parent.send_signal(how)
        _, alive = psutil.wait_procs(children, timeout=15)
        parent.communicate(timeout=15)
    assert len(children) == 3 and not alive
    assert not list(tmp_path.rglob("read-*.bin"))


def test_trainings_beside_neighbours_come_to_the_same_weights():
    alone, crowded = measuring.learn(), measuring.learn(neighbours=1)
    assert measuring.moved(alone, crowded) < 0.01 * measuring.moved(alone[:1], alone[1:])
    assert [run.seen for run in alone] == [run.seen for run in crowded]
