"""A zoo of machines that is ended leaves nothing running."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest
import zoo

GONE_S = 20  # until a kernel has noticed that who started it is gone


@pytest.mark.skipif(sys.platform == "win32", reason="the zoo starts its labs by a POSIX shell")
def test_a_zoo_that_is_ended_ends_its_lab():
    tool = psutil.Popen([sys.executable, zoo.__file__, "plain", "1.2"], stdout=subprocess.DEVNULL)
    started = []
    try:
        while not any("ipykernel_launcher" in each.cmdline() for each in started):
            assert tool.poll() is None
            time.sleep(0.1)
            started = tool.children(recursive=True)
        tool.terminate()
        assert tool.wait(GONE_S) == 128 + 15
        assert not psutil.wait_procs(started, GONE_S)[1]
    finally:
        for each in (tool, *started):
            with suppress(psutil.NoSuchProcess):
                each.kill()
