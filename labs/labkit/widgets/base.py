"""What the widgets have in common: they live with a kernel and, in the published page, without one.

With a kernel a `LabWidget` is an ordinary anywidget. While the book is built (`CLUSTER_TO_EDGE_BOOK` is set) it
opens no connection to a front end, so that the notebook stores no widget state, and shows itself as HTML: a picture,
words and its state, compressed. The page's head loads a script for each kind of widget on it, which renders them: plain
scripts and no modules, because those also run from `file://`, in a sandboxed frame and under `script-src 'self'`. Where
no script may run, the picture and the words stay, and a line that says how to get the live page. Of a notebook with a
kernel, what is exported or opened later holds the same picture and words.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from html import escape
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import anywidget
from IPython.display import display
from traitlets import Bool, Unicode, default

_HERE = Path(__file__).parent
_numbers = itertools.count(1)

_PAGE = """<div class="labkit-host" id="{id}" data-module="{module}">
{fallback}
<p class="labkit-still">This is a still: it comes alive where scripts may run.
<a href="#{id}" target="_blank" rel="noopener">Open this page in a tab of its own</a>.</p>
<script type="text/plain">{state}</script>
</div>"""


def in_book() -> bool:
    """Whether this kernel runs a notebook for the published book."""
    return bool(os.environ.get("CLUSTER_TO_EDGE_BOOK"))


@contextmanager
def _no_front_end() -> Iterator[None]:
    """Let the widgets created inside talk to nobody (also the ones that ipywidgets adds, for layout)."""
    import comm  # comes with ipywidgets 8, which the book is built with

    original, comm.create_comm = comm.create_comm, comm.DummyComm
    try:
        yield
    finally:
        comm.create_comm = original


class LabWidget(anywidget.AnyWidget):
    """A widget that needs no kernel once it is in the book.

    A subclass names its JavaScript in `script`, which defines `render`, and keeps in synced traits all that it needs.
    """

    script: ClassVar[Path]

    live = Bool(help="Whether a kernel stands behind the widget.").tag(sync=True)
    _esm = Unicode().tag(sync=True)
    _css = Unicode().tag(sync=True)

    def __init__(self, **traits):
        with _no_front_end() if in_book() else nullcontext():
            super().__init__(**traits)

    @classmethod
    def module(cls) -> str:
        """Return the source of the ES module that Jupyter loads."""
        return cls._source("export default { render };\n")

    @classmethod
    def plain_script(cls) -> str:
        """Return the source of the script that a page without a kernel loads after static.js."""
        return f'(() => {{\n{cls._source(f"""labkitMount("{cls.script.stem}", render);""")}\n}})();\n'

    @classmethod
    def _source(cls, last: str) -> str:
        """Return JavaScript that defines `render` and ends with the line `last`, which uses it."""
        return (_HERE / "shared.js").read_text("utf-8") + cls.script.read_text("utf-8") + last

    @default("live")
    def _default_live(self) -> bool:
        return not in_book()

    @default("_esm")
    def _default_esm(self) -> str:
        return "" if in_book() else self.module()

    @default("_css")
    def _default_css(self) -> str:
        return "" if in_book() else (_HERE / "style.css").read_text("utf-8")

    def picture(self) -> str | None:
        """Return an SVG for where no script runs, or None."""
        return None

    def text(self) -> str:
        """Return what the widget says, for where no script runs and for the alternative text of its picture."""
        raise NotImplementedError

    def html(self) -> str:
        """Return the widget for a page without a kernel."""
        return self._page(self.picture())

    def state(self) -> dict:
        """Return what the widget's own module reads from its model."""
        own = set(self.traits(sync=True)) - set(anywidget.AnyWidget.class_traits(sync=True))
        return {name: getattr(self, name) for name in sorted(own) if not name.startswith("_")}

    def _page(self, picture: str | None) -> str:
        fields = {
            "id": f"labkit-{next(_numbers)}",
            "module": self.script.stem,
            "fallback": self._fallback(picture),
            "state": packed(self.state()),
        }
        return re.sub(r"\{(id|module|fallback|state)\}", lambda match: fields[match[1]], _PAGE)

    def _fallback(self, picture: str | None) -> str:
        text = escape(self.text())
        if picture is None:
            return f"<p>{text}</p>"
        size = " ".join(re.findall(r'\b(?:width|height)="[\d.]+"', picture)[:2])  # keeps its place until it is drawn
        source = f"data:image/svg+xml,{quote(picture)}"
        return f'<img alt="{text}" {size} style="max-width: 100%; height: auto" src="{source}">'

    def _ipython_display_(self):
        """Show the widget; with a kernel, behind a still for whoever reads the notebook without: style.css hides it."""
        if not in_book():
            still = f'<div class="labkit-export">{self._fallback(self.picture())}</div>'
            display({"text/html": still, "text/plain": self.text()}, raw=True)
        bundle = self._repr_mimebundle_()
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        display(data, metadata=metadata, raw=True)

    def _repr_mimebundle_(self, **kwargs):
        if not in_book():
            return super()._repr_mimebundle_(**kwargs)
        picture = self.picture()
        bundle = {"text/plain": self.text(), "text/html": self._page(picture)}
        return bundle if picture is None else bundle | {"image/svg+xml": picture}


def packed(state: dict) -> str:
    """Return a widget's state as text for its page, which static.js unpacks: JSON, compressed, in base64."""
    text = json.dumps(state, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(zlib.compress(text.encode(), level=9)).decode()


def kinds() -> dict[str, type[LabWidget]]:
    """Return every kind of widget by the name that its place in a page carries in `data-module`."""
    from labkit.widgets.explorer import Explorer
    from labkit.widgets.guess import Beside, Guess
    from labkit.widgets.planner import Planner
    from labkit.widgets.quiz import Quiz
    from labkit.widgets.table import Table

    return {kind.script.stem: kind for kind in (Explorer, Guess, Beside, Planner, Quiz, Table)}


def files(page: str) -> list[str]:
    """Return the files of `write_static` that a page of HTML loads, in this order."""
    used = [f"{name}.js" for name in kinds() if f'data-module="{name}"' in page]
    return ["style.css", "static.js", *used] if used else []


def write_static(folder: Path) -> None:
    """Write what the widgets of a page without a kernel load: a style, a script for each kind, and what mounts them.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, kind in kinds().items():
        (folder / f"{name}.js").write_text(kind.plain_script(), "utf-8")
    for name in ("static.js", "style.css"):
        (folder / name).write_bytes((_HERE / name).read_bytes())
