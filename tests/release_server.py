"""The course as a release that pip can install: a tagged clone of the working tree, served by git's plain protocol."""

from __future__ import annotations

import subprocess
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"]
TAG = f"v{PROJECT['version']}"
COURSE = f"{PROJECT['name']} @ git+{ADDRESS}@{TAG}"  # what the first cell of every notebook installs


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def serving_release(folder: Path) -> Iterator[str]:
    """Serve a bare clone on this computer; yields its address. `folder` is an empty one."""
    tree, site = folder / "tree", folder / "site"
    tree.mkdir()
    site.mkdir()
    _git("init", "-q", cwd=tree)
    listed = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).decode().split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((ROOT / name).read_bytes())
    _git("add", "-A", cwd=tree)
    _git("commit", "-q", "-m", "the working tree", cwd=tree)
    _git("tag", TAG, cwd=tree)
    _git("clone", "-q", "--bare", str(tree), str(site / "course.git"), cwd=site)
    _git("update-server-info", cwd=site / "course.git")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/course.git"
        server.shutdown()


def _git(*arguments: str, cwd: Path) -> bytes:
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *who, *arguments], cwd=cwd, check=True, capture_output=True, timeout=60).stdout
