"""`make labs` runs every lab cell by cell; when all have passed, their outputs are kept for the book.

So a lab runs once, and what the book shows is the run that was tested.
"""

from __future__ import annotations

from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbval.plugin import IPyNbCell

from labkit.book import forget_stale_runs

CACHE = Path(__file__).parents[1] / "_build" / ".jupyter_cache"  # where jupyter-book looks for outputs


def pytest_sessionfinish(session, exitstatus):
    """Put the labs that ran from their first cell to their last into the cache of the book."""
    ran = {}
    for item in session.items if exitstatus == 0 else ():
        if isinstance(item, IPyNbCell):
            ran.setdefault(item.parent, []).append(item)
    if ran:
        forget_stale_runs(CACHE)
    for lab, items in ran.items():
        if len(items) == sum(cell.cell_type == "code" for cell in lab.nb.cells):
            for number, item in enumerate(items, 1):
                item.cell.outputs, item.cell.execution_count = item.test_outputs, number
            get_cache(CACHE).cache_notebook_bundle(CacheBundleIn(lab.nb, str(lab.path)), check_validity=False,
                                                   overwrite=True)
