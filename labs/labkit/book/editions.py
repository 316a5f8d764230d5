"""The book as one file: an EPUB, and the single page that a browser prints as a PDF.

Neither runs a script, so a widget is its still there: a picture, and under it the words that say at which settings.
What the EPUB must be, EPUBCheck holds it to (tests/nightly/test_release.py).
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import yaml
from bs4 import BeautifulSoup
from docutils import nodes
from jupyter_book.sphinx import build_sphinx
from sphinx.application import Sphinx
from sphinx.builders.epub3 import Epub3Builder

EPUB, PAGE = "epub", "singlehtml"  # Sphinx's names of the builders
TITLE = "Cluster to Edge"
_THEME = "sphinx_book_theme"  # for a site alone
_STYLE = "edition.css"


def build(edition: str, root: Path, folder: Path, version: str) -> Path:
    """Build an edition; returns its file.

    Args:
        edition: EPUB or PAGE.
        root: the checkout.
        folder: where it is built; what the code of pages gave is taken from beside it.
        version: the release's.

    Raises:
        RuntimeError: a page has a fault; Sphinx has printed which.
    """
    assets = root / "book" / "assets"
    config = yaml.safe_load((root / "_config.yml").read_text("utf-8"))["sphinx"]["config"]
    options = {
        "external_toc_path": (root / "_toc.yml").as_posix(), "latex_individualpages": False,
        "extensions": [name for name in config["extensions"] if name != _THEME],
        "html_theme": "basic", "html_theme_options": {}, "html_permalinks": False,
        "templates_path": [], "html_copy_source": False, "html_use_index": False, "html_domain_indices": False,
        "html_css_files": [_STYLE], "epub_css_files": [_STYLE],
        # The site's look and scripts, which an EPUB has no use for.
        "epub_exclude_files": [f"_static/{path.relative_to(assets).as_posix()}" for path in assets.rglob("*")
                               if path.name != _STYLE],
        "suppress_warnings": [*config["suppress_warnings"], "epub.unknown_project_files"],
        "project": TITLE, "version": version, "release": version,
        "epub_title": TITLE, "epub_tocscope": "includehidden", "epub_tocdepth": 2, "epub_show_urls": "no",
        "epub_basename": "cluster-to-edge",
    }
    # On the page, the plain theme warns of each option that jupyter-book sets for another.
    status = build_sphinx(root, folder / edition, noconfig=True, path_config=root / "_config.yml",
                          confoverrides=options, doctreedir=folder / f".doctrees-{edition}", quiet=True,
                          warningiserror=edition == EPUB, keep_going=True, builder=edition)
    if status != 0:
        raise RuntimeError(f"The {edition} edition of the book has faults: see the warnings above.")
    if edition == EPUB:
        return folder / edition / "cluster-to-edge.epub"
    page = folder / edition / "book" / "index.html"
    # Sphinx writes the addresses of pictures and styles as if the first page lay in the root.
    page.write_text(re.sub('(src|href)="(_images|_static)/', r'\1="../\2/', page.read_text("utf-8")), "utf-8")
    return page


def still(html: str) -> str:
    """Return HTML as well-formed XHTML with the stills of its widgets: no script, and a picture's words below it."""
    soup = BeautifulSoup(html, "html.parser")
    for dead in soup.select("script, style, audio, .labkit-still, .labkit-host button, summary > .expanded"):
        dead.decompose()
    for line in soup.select("summary > p"):
        line.name = "span"
    for picture in soup.select(".labkit-host img"):
        caption = soup.new_tag("figcaption")
        caption.string = picture["alt"]
        picture.wrap(soup.new_tag("figure")).append(caption)
    return str(soup)


class _Epub(Epub3Builder):
    """Sphinx's own, for a book whose first page does not lie in the root and which has formulas."""

    def get_toc(self) -> None:
        super().get_toc()
        for entry in self.refnodes:
            entry["refuri"] = posixpath.normpath(entry["refuri"])

    def build_content(self) -> None:
        super().build_content()
        content = Path(self.outdir, "content.opf")
        text = content.read_text("utf-8")
        content.write_text(re.sub(r'href="(\w+/[^"]+\.xhtml)"', self._with_formulas, text), "utf-8")

    def _with_formulas(self, item: re.Match) -> str:
        formulas = "<math" in Path(self.outdir, item[1]).read_text("utf-8")
        return f'{item[0]} properties="mathml"' if formulas else item[0]


def _on_page(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    if app.builder.name in (EPUB, PAGE) and "body" in context:
        context["body"] = still(context["body"])
    if app.builder.name == EPUB:  # the style of cells is written when the EPUB is packed already
        context["css_files"] = [file for file in context["css_files"] if "mystnb" not in str(file.filename)]


def setup(app: Sphinx) -> None:
    """Register it with Sphinx."""
    app.add_builder(_Epub, override=True)
    app.connect("html-page-context", _on_page)
