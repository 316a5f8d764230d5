"""The book as one file: an EPUB, and the single page that a browser prints as a PDF.

Neither runs a script, so a widget is its still there: a picture, and under it the words that say at which settings.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from bs4 import BeautifulSoup
from docutils import nodes
from jupyter_book.sphinx import build_sphinx
from sphinx.application import Sphinx

EPUB, PAGE = "epub", "singlehtml"  # Sphinx's names of the builders
TITLE = "Cluster to Edge"
_THEME = "sphinx_book_theme"  # for a site alone


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
    config = yaml.safe_load((root / "_config.yml").read_text("utf-8"))["sphinx"]["config"]
    options = {
        "external_toc_path": (root / "_toc.yml").as_posix(), "latex_individualpages": False,
        "extensions": [name for name in config["extensions"] if name != _THEME],
        "html_theme": "basic", "html_theme_options": {}, "html_permalinks": False,
        "templates_path": [], "html_copy_source": False, "html_use_index": False, "html_domain_indices": False,
        "html_css_files": ["edition.css"], "epub_css_files": ["edition.css"],
        # The site's fonts and scripts, which an EPUB has no use for.
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
    for dead in soup.select("script, .labkit-still, .labkit-host button"):
        dead.decompose()
    for picture in soup.select(".labkit-host img"):
        caption = soup.new_tag("figcaption")
        caption.string = picture["alt"]
        picture.wrap(soup.new_tag("figure")).append(caption)
    return str(soup)


def _on_resolved(app: Sphinx, doctree: nodes.document, page: str) -> None:
    if app.builder.name in (EPUB, PAGE):
        for node in doctree.findall(nodes.raw):
            if "html" in node["format"].split():
                node.replace_self(nodes.raw("", still(node.astext()), format="html"))


def setup(app: Sphinx) -> None:
    """Register it with Sphinx."""
    app.connect("doctree-resolved", _on_resolved)
