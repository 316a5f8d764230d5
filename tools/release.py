"""Makes what a release carries: `python tools/release.py FOLDER`, or `make release`, after the book has been built.

The site as an archive that opens from a disk, the executed notebooks, an EPUB, a PDF, and the wheel of labkit.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import nbformat
from chromium import launch

from labkit.book import RUNS, editions, lab_pages, runs
from labkit.labs.lab import labs

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "_build"
NAME = "cluster-to-edge"
MARGIN = dict.fromkeys(("top", "bottom", "left", "right"), "18mm")


def archive(folder: Path, path: Path) -> Path:
    """Write all files of a folder into a ZIP file, below a folder named as the file."""
    with ZipFile(path, "w", ZIP_DEFLATED) as packed:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                packed.write(file, Path(path.stem) / file.relative_to(folder))
    return path


def notebooks(path: Path) -> Path:
    """Write every lab with what it gave, as the book shows it, into a ZIP file."""
    with ZipFile(path, "w", ZIP_DEFLATED) as packed:
        for lab in labs():
            page = lab_pages.page(runs.source(lab, ROOT), runs.kept(lab, ROOT, BUILD / RUNS))
            packed.writestr(f"{path.stem}/{lab.notebook}.ipynb", nbformat.writes(page))
    return path


def pdf(page: Path, path: Path) -> Path:
    """Print a page with a headless Chromium and with its scripts off.

    Raises:
        RuntimeError: there is no Chromium.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch(playwright)
        if browser is None:
            raise RuntimeError("There is no Chromium to print the PDF with: install one.")
        printed = browser.new_context(java_script_enabled=False).new_page()
        printed.goto(page.as_uri())
        printed.pdf(path=path, format="A4", outline=True, tagged=True, margin=MARGIN)
        browser.close()
    return path


def main(folder: Path) -> int:
    """Make everything; returns the exit status."""
    if not (BUILD / "html" / "index.html").is_file():
        print("There is no built book in _build/html. Run 'make html' first.", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    number = version(NAME)
    try:
        made = [
            archive(BUILD / "html", folder / f"{NAME}-{number}-site.zip"),
            notebooks(folder / f"{NAME}-{number}-executed-notebooks.zip"),
            Path(shutil.copy(editions.build(editions.EPUB, ROOT, BUILD, number), folder / f"{NAME}-{number}.epub")),
            pdf(editions.build(editions.PAGE, ROOT, BUILD, number), folder / f"{NAME}-{number}.pdf"),
        ]
    except RuntimeError as trouble:
        print(trouble, file=sys.stderr)
        return 1
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(wheel, check=True)
    for path in [*made, *folder.glob("*.whl")]:
        print(f"{path.relative_to(folder)}  {path.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
