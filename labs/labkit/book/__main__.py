"""Builds the book, serves it, and runs the labs behind it: `python -m labkit.book`, which `make book` calls.

The pages come first; then the labs run one after the other, and each fills in its page. Ctrl-C leaves a book, and the
next call goes on where this one was. With `--html` the labs run first and the book is built once, whole, from nothing;
the exit status is 1 where a lab broke off or a page has a fault.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout
from jupyter_book.sphinx import build_sphinx

from labkit import effort
from labkit.book import RUNS, runs
from labkit.book.progress import Progress
from labkit.book.serve import serving
from labkit.data import package_folder
from labkit.labs.lab import Lab, labs

ROOT = package_folder().parents[1]
BUILD = ROOT / "_build"
HTML, DOCTREES, KEPT = BUILD / "html", BUILD / ".doctrees", BUILD / RUNS
_SOUND = DOCTREES / "sound"  # is there after a build without a fault: kept doctrees would hide it from the next one
_LOG = BUILD / "kernels.log"
_PORT_TAKEN = "Address already in use"  # in the log: another program took a port that a kernel was about to open
_TRIES = 3
_JOBS = min(os.cpu_count() or 1, 4)  # prose pages that are read at a time; each runs its code in a kernel


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m labkit.book", description=__doc__.split(": ", 1)[0])
    parser.add_argument("--html", action="store_true", help="run the labs, build once, serve nothing")
    options = parser.parse_args(arguments)
    if not (ROOT / "_config.yml").is_file():
        return _refused("This labkit is no part of a checkout of the course, so there is no book to build.")
    os.environ.setdefault(effort.VARIABLE, effort.QUICK)
    BUILD.mkdir(exist_ok=True)
    try:
        effort.current()
        with FileLock(BUILD / "book.lock", timeout=0):
            return whole() if options.html else behind()
    except ValueError as refusal:
        return _refused(str(refusal))
    except Timeout:
        return _refused("Another 'make book' or 'make html' is at work in this folder. Wait for it, or stop it.")
    except KeyboardInterrupt:
        print("\nStopped. The next 'make book' goes on from here.")
        return 130 if options.html else 0


def whole() -> int:
    """Run the labs that want it, then build the book from nothing."""
    run_labs(lambda lab: None)
    for leftover in (HTML, DOCTREES, BUILD / "jupyter_execute"):
        shutil.rmtree(leftover, ignore_errors=True)
    sound = build(jobs=_JOBS)
    broken = [lab for lab in labs() if (run := runs.kept(lab, ROOT, KEPT)) and run.broken]
    for lab in broken:
        print(f"Lab {lab.number}, {lab.title}, broke off: its page says where and what to do.", file=sys.stderr)
    return int(not sound or bool(broken))


def behind() -> int:
    """Build the pages, serve them, and fill in the labs one by one; serves until Ctrl-C."""
    print("Building the pages; the first time this takes about two minutes.", flush=True)
    begin = time.monotonic()
    if not _SOUND.exists():
        shutil.rmtree(DOCTREES, ignore_errors=True)
    sound = build(jobs=_JOBS)
    if not (HTML / "index.html").is_file():
        return _refused("The pages are not complete. If you stopped it, start 'make book' again: it goes on from here. "
                        "If not, the lines above say why.")
    with serving(HTML) as address:
        print(f"The book is at {address} (built in {time.monotonic() - begin:.0f} s; Ctrl-C stops it).", flush=True)
        ran = []
        broken = run_labs(lambda lab: ran.append(build()))
        if ran:
            sound = build(every=True) and sound
        if not sound:
            print("Some pages have faults: see the warnings above.")
        print(f"Every lab is in the book{', some broken off' if broken else ''}. "
              f"What came out otherwise than expected: {address}book/appendices/surprises.html", flush=True)
        while True:
            time.sleep(3600)


def run_labs(after) -> list[Lab]:
    """Run the labs that want it, one after the other; returns those that broke off.

    Args:
        after: is called with each lab when it is done.
    """
    level = effort.current()
    wanting = [lab for lab in labs() if runs.wanting(lab, ROOT, KEPT, level)]
    broken = []
    for lab, progress in Progress.over(wanting, level):
        with progress:
            run = runs.execute(lab, ROOT, level, progress.tell)
        runs.keep(run, lab, KEPT)
        progress.done(run)
        broken += [lab] if run.broken else []
        after(lab)
    return broken


def build(jobs: int = 1, every: bool = False) -> bool:
    """Build the pages that have changed; returns whether they are without a fault.

    Args:
        jobs: how many pages are read at a time.
        every: whether all pages are written again, also those that only quote what a lab gave.
    """
    sound = _SOUND.exists() or not DOCTREES.exists()
    _SOUND.unlink(missing_ok=True)
    options = {"external_toc_path": (ROOT / "_toc.yml").as_posix(), "latex_individualpages": False, "nitpicky": True}
    for _ in range(_TRIES):
        with _own_errors():
            status = build_sphinx(ROOT, HTML, noconfig=True, path_config=ROOT / "_config.yml", confoverrides=options,
                                  doctreedir=DOCTREES, quiet=True, force_all=every, warningiserror=True,
                                  keep_going=True, jobs=jobs)
        if not isinstance(status, Exception) or _PORT_TAKEN not in _LOG.read_text("utf-8", "replace"):
            break
        print("Another program took the port of a page's kernel as it started: the pages are read again.",
              file=sys.stderr)
    if isinstance(status, KeyboardInterrupt):
        raise status
    if sound and status == 0:
        _SOUND.touch()
    return status == 0


@contextmanager
def _own_errors() -> Iterator[None]:
    """Keep what the kernels of prose pages write to standard error out of the terminal: it goes to a file."""
    terminal, before = os.dup(2), sys.stderr
    with open(terminal, "w", encoding="utf-8", errors="replace", buffering=1) as own:
        with _LOG.open("w") as log:
            os.dup2(log.fileno(), 2)
        sys.stderr = own
        try:
            yield
        finally:
            sys.stderr = before
            os.dup2(terminal, 2)


def _refused(why: str) -> int:
    print(why, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
