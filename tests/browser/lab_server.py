"""A real JupyterLab for the tests: its own folders, no other host asked, and nothing left running."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_START_S, _END_S = 40, 10

# By default JupyterLab asks whether it may fetch news, looks for a newer version of itself, and lists extensions.
_SETTINGS = {"fetchNews": "false", "checkForUpdates": False}
_QUIET = ["--LabApp.extension_manager=readonly", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]


@contextmanager
def lab_server(folder: Path) -> Iterator[tuple[str, Path]]:
    """Run JupyterLab with this interpreter's kernel; yields its address and the folder that it shows.

    Raises:
        RuntimeError: the server does not start; the message ends with its last words.
    """
    home, runtime, settings = folder / "notebooks", folder / "runtime", folder / "settings"
    plugin = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    for new in (home, runtime, plugin.parent):
        new.mkdir(parents=True)
    plugin.write_text(json.dumps(_SETTINGS), "utf-8")
    own = {
        "JUPYTER_NO_CONFIG": "1",
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "IPYTHONDIR": str(folder / "ipython"),
        "CLUSTER_TO_EDGE_CACHE": str(folder / "cache"),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", *_QUIET]
    command += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", "--IdentityProvider.token="]
    command += [f"--ServerApp.root_dir={home}", f"--LabApp.user_settings_dir={settings}"]
    command += [f"--LabApp.workspaces_dir={folder / 'workspaces'}"]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, env={**os.environ, **own}, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield _address(server, runtime, Path(log.name)), home
        finally:
            _end(server)


def _address(server: subprocess.Popen, runtime: Path, log: Path) -> str:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and server.poll() is None:
        for file in runtime.glob("jpserver-*.json"):
            try:
                return json.loads(file.read_text("utf-8"))["url"]
            except ValueError:  # still being written
                break
        time.sleep(0.05)
    raise RuntimeError(f"JupyterLab did not start. {log.read_text('utf-8', 'replace')[-2000:]}")


def _end(server: subprocess.Popen) -> None:
    """End the server and its kernels: politely, then not."""
    try:
        family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    server.terminate()
    _, left = psutil.wait_procs(family, timeout=_END_S)
    for process in left:
        process.kill()
    server.wait(_END_S)
