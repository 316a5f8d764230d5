"""The Sphinx extension of the book: what jupyter-book cannot be told in `_config.yml`.

- Kernels that the build starts draw their widgets for a page without a kernel.
- The widgets' scripts are written once into the built book.
- Formulas become MathML while the book is built, so that no page loads a script for them.
- The sidebar's folding arrows and the bibliography get the names and roles that a screen reader needs.
- Only labs have buttons for Colab and Binder: neither can open a page of prose, even one that runs code.
- The icon fonts keep only the icons that the book shows: 10 kB instead of a 540 kB script.
- Pictures become WebP, which takes a quarter of the bytes of PNG for the drawn cats.
- A cached run of a notebook is forgotten when labkit has changed since: the cache looks at the notebook alone.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from fontTools import subset
from latex2mathml.commands import MATRICES
from latex2mathml.converter import convert
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

from labkit.data import data_folder

logger = logging.getLogger(__name__)

# latex2mathml knows `split` and not its twin `aligned`, and would number lines that Sphinx numbers itself.
_ENVIRONMENTS = {"aligned": "split", "align": "align*", "equation": "", "equation*": ""}


def mathml(latex: str, *, display: bool = False) -> str:
    """Return a formula as a `<math>` element.

    Args:
        latex: the formula without its delimiters.
        display: whether it stands on a line of its own.

    Raises:
        ValueError: the formula cannot be converted; the message names the formula and the trouble.
    """

    def rename(match: re.Match) -> str:
        name = _ENVIRONMENTS.get(match[2], match[2])
        return f"\\{match[1]}{{{name}}}" if name else ""

    source = re.sub(r"\\(begin|end)\{([^}]*)\}", rename, latex).strip()
    try:
        markup = convert(source, display="block" if display else "inline")
        unknown = [e.text for e in ElementTree.fromstring(markup).iter() if e.text and e.text.startswith("\\")]
    except Exception as error:
        raise ValueError(f"The formula {latex!r} cannot be read: {type(error).__name__} {error}") from error
    unknown += [name for name in re.findall(r"\\begin\{([^}]*)\}", source) if f"\\{name}" not in MATRICES]
    if unknown:
        raise ValueError(f"The formula {latex!r} uses {', '.join(unknown)}, which latex2mathml does not know.")
    return markup


def _formula(node: nodes.Element, *, display: bool) -> str:
    try:
        return mathml(node.astext(), display=display)
    except ValueError as error:
        logger.warning(str(error), location=node)
        return ""


def _visit_inline(translator, node: nodes.math) -> None:
    translator.body.append(f'<span class="math">{_formula(node, display=False)}</span>')
    raise nodes.SkipNode


def _visit_display(translator, node: nodes.math_block) -> None:
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    if node["number"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    formula = _formula(node, display=True)
    translator.body.append(f'<div class="formula" role="group" aria-label="Formula" tabindex="0">{formula}</div></div>')
    raise nodes.SkipNode


def source_digest() -> str:
    """Return a digest of labkit's own files and of the course's data: it changes whenever the result of a lab may."""
    digest = hashlib.sha256()
    for folder in (Path(__file__).parent, data_folder()):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def forget_stale_runs(cache: Path) -> None:
    """Empty the jupyter-cache at `cache` unless it was filled with this version of labkit."""
    stamp, digest = cache / "labkit.sha256", source_digest()
    if cache.is_dir() and not (stamp.is_file() and stamp.read_text() == digest):
        shutil.rmtree(cache)
    cache.mkdir(parents=True, exist_ok=True)
    stamp.write_text(digest)


def icons_used(css: str, pages: Iterable[str]) -> set[int]:
    """Return the code points of the Font Awesome icons that `pages` name and that `css` itself inserts."""
    rule = re.compile(r'((?:\.fa-[a-z0-9-]+::?before,?)+)\{content:"\\([0-9a-f]+) ?"\}')
    names = {name for page in pages for name in re.findall(r"\bfa-([a-z0-9-]+)", page)}
    rest = rule.sub("", css)
    used = {int(point, 16) for point in re.findall(r"\\(f[0-9a-f]{3})", rest)}
    used |= {ord(char) for char in re.findall("[\ue000-\uf8ff]", rest)}
    for selectors, point in rule.findall(css):
        if names.intersection(re.findall(r"\.fa-([a-z0-9-]+)", selectors)):
            used.add(int(point, 16))
    return used


def slim_icons(html: Path) -> None:
    """Reduce the theme's icons in the built book at `html` to those that it uses."""
    script = html / "_static" / "scripts" / "fontawesome.js"
    script.write_text("// The icons come from the fonts in _static/vendor/fontawesome.\n")
    css = "".join(path.read_text("utf-8") for path in (html / "_static").rglob("*.css"))
    sources = [*html.rglob("*.html"), *script.parent.glob("*.js")]
    used = icons_used(css, (path.read_text("utf-8") for path in sources))
    for path in (html / "_static" / "vendor" / "fontawesome").rglob("*.woff2"):
        options = subset.Options(flavor="woff2", notdef_outline=True)
        font = subset.load_font(path, options)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=used)
        subsetter.subset(font)
        subset.save_font(font, path, options)


def webp(png: bytes) -> bytes:
    """Return a PNG as WebP: without loss where that is smaller, as for charts, else at quality 82."""
    picture, candidates = Image.open(io.BytesIO(png)), []
    for options in ({"lossless": True}, {"quality": 82}):
        file = io.BytesIO()
        picture.save(file, "webp", **options)
        candidates.append(file.getvalue())
    return min(candidates, key=len)


def slim_pictures(html: Path) -> None:
    """Turn every PNG that a page of the built book at `html` shows, as a file or inline, into WebP."""
    pictures = list((html / "_images").glob("*.png"))
    for path in pictures:
        path.with_suffix(".webp").write_bytes(webp(path.read_bytes()))
        path.unlink()

    def inline(match: re.Match) -> str:
        return "data:image/webp;base64," + base64.b64encode(webp(base64.b64decode(match[1]))).decode()

    for page in html.rglob("*.html"):
        text = old = page.read_text("utf-8")
        for path in pictures:
            text = text.replace(f"_images/{path.name}", f"_images/{path.stem}.webp")
        text = re.sub(r"data:image/png;base64,([A-Za-z0-9+/=]+)", inline, text)
        if text != old:
            page.write_text(text, "utf-8")


def _on_builder_inited(app: Sphinx) -> None:
    if app.builder.format == "html":
        cache = app.env.mystnb_config.execution_cache_path or Path(app.outdir).parent / ".jupyter_cache"
        forget_stale_runs(Path(cache))


def _on_page(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    if "body" in context:
        # docutils calls the bibliography a list, which axe refuses: its entries have a role of their own.
        context["body"] = context["body"].replace('<div role="list" class="citation-list">', "<div>")
    if not page.startswith("labs/"):
        buttons = context.get("header_buttons", [])
        context["header_buttons"] = [button for button in buttons if button.get("label") != "launch-buttons"]
    contents = context.get("generate_toctree_html")
    if contents:
        label = '<summary aria-label="Show or hide the pages of this chapter">'
        context["generate_toctree_html"] = lambda *a, **k: str(contents(*a, **k)).replace("<summary>", label)


def _on_build_finished(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        from labkit.widgets.base import write_static

        write_static(Path(app.outdir) / "_static" / "labkit")
        slim_icons(Path(app.outdir))
        slim_pictures(Path(app.outdir))


def setup(app: Sphinx) -> dict:
    """Register the extension with Sphinx."""
    os.environ["CLUSTER_TO_EDGE_BOOK"] = "1"
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_display, None))
    app.connect("builder-inited", _on_builder_inited, priority=900)  # after myst-nb has made its configuration
    app.connect("html-page-context", _on_page, priority=900)  # after the theme has added its functions
    app.connect("build-finished", _on_build_finished)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
