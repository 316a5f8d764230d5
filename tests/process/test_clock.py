"""Whose time is whose: real neighbours are noticed, and what this process has started counts as its own."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from time import sleep

import psutil
from quiet_machine import quiet_machine

from labkit.timing import clock

NEIGHBOURS = """
import subprocess, sys
busy = "import time; end = time.time() + 30\\nwhile time.time() < end: pass"
for _ in range(int(sys.argv[1])):
    print(subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid)
"""


@quiet_machine
def test_real_neighbours_are_noticed():
    """They are nobody's children here: who started them has ended."""
    started = subprocess.run([sys.executable, "-c", NEIGHBOURS, str(os.cpu_count() or 1)], capture_output=True,
                             text=True, timeout=60, check=True)
    neighbours = [psutil.Process(int(pid)) for pid in started.stdout.split()]
    try:
        while not all(sum(neighbour.cpu_times()[:2]) for neighbour in neighbours):
            sleep(0.02)
        timing = clock.time(lambda: sum(range(1000)), budget=0.8)
    finally:
        for neighbour in neighbours:
            neighbour.kill()
    assert timing.contention > clock.CONTENDED
    assert "close them" in timing.note


@quiet_machine
def test_what_children_do_is_nobody_elses(monkeypatch):
    """On a machine that has nothing to do but this process and a busy child, others have no share."""
    busy = "import time; print('busy', flush=True)\nend = time.time() + 1\nwhile time.time() < end: pass"
    fields, others = type(psutil.cpu_times()), {}

    def spent(child):
        with suppress(psutil.Error):  # it has ended, and `os.times` counts it
            return sum(child.cpu_times()[:2])
        return 0.0

    with subprocess.Popen([sys.executable, "-uc", busy], stdout=subprocess.PIPE) as process:
        child = psutil.Process(process.pid)
        monkeypatch.setattr(psutil, "cpu_times", lambda percpu: [fields(**{
            **dict.fromkeys(fields._fields, 0.0), "user": sum(os.times()[:4]) + spent(child), **others})])
        assert process.stdout.readline().strip() == b"busy"
        contention, begin = clock.Contention(), spent(child)
        sleep(0.5)
        assert spent(child) > begin
        assert contention.share() < 0.02
        process.communicate()
        assert contention.share() < 0.02
    contention = clock.Contention()
    others["system"] = 0.3 * (os.cpu_count() or 1)
    sleep(0.3)
    assert contention.share() > 0.5  # what somebody else did is seen
