"""A process that is ended while it writes leaves no half file."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest
from another_python import another_python

from labkit import cache

WRITER = """
import signal, sys, time
from pathlib import Path
from labkit import cache

signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run with interrupts ignored

def slowly(part):
    part.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)

cache.write_atomically(Path(sys.argv[1]) / "file", slowly)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send one process an interrupt or a SIGKILL")
@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_a_process_ended_while_writing_leaves_no_half_file(how, tmp_path):
    with another_python(WRITER, tmp_path) as child:
        assert child.stdout.readline() == "writing\n"
        child.send_signal(getattr(signal, how))
        child.wait(timeout=30)
    assert not (tmp_path / "file").exists()
    if how == "SIGKILL":  # nobody can tidy up after that but the next writer, once it is clearly abandoned
        (part,) = tmp_path.iterdir()
        old = time.time() - 2 * cache.ABANDONED_S
        os.utime(part, (old, old))
        cache.write_atomically(tmp_path / "file", b"whole")
        (tmp_path / "file").unlink()
    assert not list(tmp_path.iterdir())
