"""The Sphinx extension of the book: what jupyter-book cannot be told in `_config.yml`.

- A lab's page shows the run of it that is kept (`labkit.book.runs`); Sphinx itself runs the code of prose pages alone.
- Kernels that the build starts draw their widgets for a page without a kernel.
- The widgets' scripts are written once into the built book, and each page loads those of its own widgets.
- Formulas become MathML (`labkit.book.formulas`), and numbers keep their units (`labkit.book.spaces`).
- The sidebar's folding arrows and the bibliography get the names and roles that a screen reader needs.
- An EPUB and a page to print show the widgets' stills (`labkit.book.editions`).
- Only labs have buttons for Colab and Binder: neither can open a page of prose, even one that runs code.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

import nbformat
from docutils import nodes
from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from labkit.book import editions, formulas, lab_pages, runs, spaces, surprises
from labkit.data import data_folder, package_folder
from labkit.labs.lab import Lab, labs
from labkit.widgets import base

RUNS = "runs"  # the folder of the labs' runs, beside the built pages
# In the metadata of a page: a digest of what was read in place of its source; whether it lists the surprises.
_SHOWN, _SURPRISES = "labkit_shown", "labkit_surprises"


def source_digest() -> str:
    """Return a digest of labkit's own files and of the course's data: it changes whenever a page's result may."""
    digest = hashlib.sha256()
    for folder in (package_folder(), data_folder()):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def pages_cache(base: Path) -> Path:
    """Return the folder inside `base` for what the code of prose pages gave with this version of labkit.

    Such folders of other versions are removed; nothing else in `base` is touched.
    """
    ours = base / f"labkit-{source_digest()[:16]}"
    for other in base.glob("labkit-*"):
        if other != ours and re.fullmatch("labkit-[0-9a-f]{16}", other.name):
            shutil.rmtree(other, ignore_errors=True)
    return ours


def _on_config(app: Sphinx, config: Config) -> None:
    folder = Path(config.nb_execution_cache_path or Path(app.outdir).parent / ".jupyter_cache")
    config.nb_execution_cache_path = str(pages_cache(folder))
    # Pages are read side by side, and two readers that find no cache would both begin to make one.
    get_cache(config.nb_execution_cache_path).db.dispose()


def _shown(app: Sphinx, lab: Lab) -> str:
    """Return a lab's page as JSON."""
    root = Path(app.srcdir)
    run = runs.kept(lab, root, Path(app.outdir).parent / RUNS)
    return nbformat.writes(lab_pages.page(runs.source(lab, root), run))


def _on_outdated(app: Sphinx, env: BuildEnvironment, added: set, changed: set, removed: set) -> list[str]:
    """Name the pages that are to be read again though their sources are the same: labs that have been run since."""
    again = [lab.notebook for lab in labs() if lab.notebook in env.found_docs
             and env.metadata[lab.notebook].get(_SHOWN) != _digest(_shown(app, lab))]
    return again + [name for name in env.found_docs if again and env.metadata[name].get(_SURPRISES)]


def _on_source(app: Sphinx, name: str, content: list[str]) -> None:
    for lab in labs():
        if lab.notebook == name:
            content[0] = _shown(app, lab)
            app.env.metadata[name][_SHOWN] = _digest(content[0])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Surprises(SphinxDirective):
    """Lists what came out otherwise than the labs expect, in the runs that this book shows."""

    def run(self) -> list[nodes.Node]:
        root, folder = Path(self.env.app.srcdir), Path(self.env.app.outdir).parent / RUNS
        self.env.metadata[self.env.docname][_SURPRISES] = True
        return self.parse_text_to_nodes(surprises.markdown({lab: runs.kept(lab, root, folder) for lab in labs()}))


def _is_site(app: Sphinx) -> bool:
    """Return whether the site is built: the other editions run no script, though Sphinx writes HTML for them too."""
    return app.builder.name == "html"


def _on_page(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    if "body" in context:
        # docutils calls the bibliography a list, which axe refuses: its entries have a role of their own.
        context["body"] = context["body"].replace('<div role="list" class="citation-list">', "<div>")
        for name in base.files(context["body"]) if _is_site(app) else ():
            if name.endswith(".css"):
                app.add_css_file(f"labkit/{name}")
            else:
                app.add_js_file(f"labkit/{name}", loading_method="defer")
    if not page.startswith("labs/"):
        buttons = context.get("header_buttons", [])
        context["header_buttons"] = [button for button in buttons if button.get("label") != "launch-buttons"]
    contents = context.get("generate_toctree_html")
    if contents:
        label = '<summary aria-label="Show or hide the pages of this chapter">'
        context["generate_toctree_html"] = lambda *a, **k: str(contents(*a, **k)).replace("<summary>", label)


def _on_builder(app: Sphinx) -> None:
    if _is_site(app):
        base.write_static(Path(app.outdir) / "_static" / "labkit")  # before the pages, which carry its files' checksums


def setup(app: Sphinx) -> dict:
    """Register the extension with Sphinx."""
    os.environ["CLUSTER_TO_EDGE_BOOK"] = "1"
    # It numbers sections once all pages are read, and does not say that they may be read side by side.
    app.setup_extension("sphinx_multitoc_numbering")
    app.extensions["sphinx_multitoc_numbering"].parallel_read_safe = True
    formulas.setup(app)
    spaces.setup(app)
    editions.setup(app)
    app.add_directive("labkit-surprises", Surprises)
    app.connect("config-inited", _on_config)
    app.connect("env-get-outdated", _on_outdated)
    app.connect("source-read", _on_source)
    app.connect("html-page-context", _on_page, priority=900)  # after the theme has added its functions
    app.connect("builder-inited", _on_builder)
    # With another labkit every page is read again.
    return {"env_version": source_digest(), "parallel_read_safe": True, "parallel_write_safe": True}
