"""Asks every address that the course names whether it is still there: `python tools/links.py`, or `make links`.

Prints those that are gone, with the files that name them; the exit status is 1 where there are any. A site that refuses
a program (403, 429) or has trouble of its own is no broken link.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[1]
NAMED_IN = ("*.md", "*.bib", "*.ipynb", "*.csv", "*.yml", "*.toml", "labs/labkit/*.py")
ADDRESS = re.compile(r"https?://[^\s\"'<>`|\\{}\[\]]+")
OWN = re.compile(r"//(localhost|127\.|192\.168\.)|/cluster-to-edge/cluster-to-edge")  # a reader's, and the course's
TIMEOUT_S, AT_ONCE = 30, 16


def addresses(text: str) -> Iterator[str]:
    """Yield the addresses in a text, without what only ends their sentence and without their fragments."""
    for found in ADDRESS.findall(text):
        address = found.split("#")[0].rstrip(".,;:!?*_")
        while address.endswith(")") and address.count("(") < address.count(")"):
            address = address[:-1].rstrip(".,;:!?*_")
        if not OWN.search(address):
            yield address


def gone(address: str) -> str:
    """Return why there is nothing at an address, or nothing where there is something."""
    try:
        with urlopen(Request(address, headers={"User-Agent": "Mozilla/5.0"}), timeout=TIMEOUT_S):
            return ""
    except HTTPError as answer:
        return f"{answer.code}" if answer.code in (404, 410) else ""
    except (URLError, OSError, ValueError) as trouble:
        return str(getattr(trouble, "reason", trouble))


def main() -> int:
    """Ask all; returns the exit status."""
    listed = subprocess.run(["git", "ls-files", "-z", *NAMED_IN], cwd=ROOT, check=True, capture_output=True, text=True)
    named = defaultdict(set)
    for name in filter(None, listed.stdout.split("\0")):
        for address in addresses((ROOT / name).read_text("utf-8")):
            named[address].add(name)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        broken = [(address, why) for address, why in zip(named, pool.map(gone, named), strict=True) if why]
    for address, why in broken:
        print(f"{address}: {why} ({', '.join(sorted(named[address]))})")
    print(f"{len(named) - len(broken)} of {len(named)} addresses are there.")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
