"""Another Python beside the tests', for what only a process of its own can show: that it is killed, or waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from subprocess import PIPE


def another_python(script: str, *arguments: object, stdout=PIPE, stderr=PIPE, **environment: str) -> subprocess.Popen:
    """Start a script with the paths of this process; it speaks UTF-8, and every line at once.

    It hears an interrupt also where these tests are deaf to it, as what a shell runs in the background is.
    """
    hearing = None if sys.platform == "win32" else partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdout=stdout, stderr=stderr, encoding="utf-8",
        preexec_fn=hearing,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1",
             "PYTHONIOENCODING": "utf-8", **environment})
