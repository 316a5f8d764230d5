"""What the book shows of a lab: its run, that it still waits for one, or why it broke off."""

from __future__ import annotations

import re

import nbformat
from nbformat import NotebookNode

from labkit.book.runs import Run

# A page that waits for its lab looks now and then whether it has been written anew, and the whole book after it.
_WAITING = """::::{admonition} This lab is being run on your machine
:class: tip labkit-waiting
Its numbers and figures stand here once it is done, and the page then loads itself anew. The labs run one after the
other, so that none disturbs another. If `make book` was stopped meanwhile, start it again: it goes on where it was.
::::

```{raw} html
<script type="module">
const written = async (url) => {
  const answer = await fetch(url, { method: "HEAD", cache: "no-store" });
  return Date.parse(answer.headers.get("Last-Modified"));
};
const last = new URL("searchindex.js", new URL(document.documentElement.dataset.content_root, document.baseURI));
const before = await written(location.pathname);
const timer = setInterval(async () => {
  try {
    const now = await written(location.pathname);
    if (now > before && await written(last) >= now) location.reload();
  } catch {
    clearInterval(timer);
  }
}, 5000);
</script>
```
"""

_BROKEN = """::::{{admonition}} This lab broke off on this machine
:class: warning labkit-broken
In its code cell {cell}: {summary}. What stands above that cell was measured; what follows it was not. The other labs do
not need this one.

What to do: close other programs and run `make book` again, which tries this lab anew and keeps the others. If it breaks
off again, please report it with what `labkit doctor` prints{detail}
::::
"""

# A warning with the place where it was raised, and the line of code that stands there.
_WARNING = re.compile(r"^.+:\d+: \w*Warning: (.*)\n(  .*\n)?", re.MULTILINE)

_DETAIL = """ and these lines:

:::{{dropdown}} The whole message
```text
{detail}
```
:::"""


def page(source: NotebookNode, run: Run | None) -> NotebookNode:
    """Return a lab's notebook as the book shows it.

    Args:
        source: the notebook without outputs.
        run: how it went on this machine; None where it has not been run yet.
    """
    if run is None:
        return _noted(source, _WAITING)
    for cell in run.notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [_in_words(output) for output in cell.outputs
                            if output.output_type != "error" or run.broken is None]
    if run.broken is None:
        return run.notebook
    detail = _DETAIL.format(detail=run.broken.detail.strip()) if run.broken.detail else "."
    return _noted(run.notebook, _BROKEN.format(cell=run.broken.cell, summary=run.broken.summary, detail=detail))


def _in_words(output: NotebookNode) -> NotebookNode:
    """Return an output with warnings by their words alone: a reader has no use for the file that gave them."""
    if output.get("name") == "stderr":
        output.text = _WARNING.sub(r"\1\n", output.text)
    return output


def _noted(notebook: NotebookNode, note: str) -> NotebookNode:
    """Return a notebook with a note below its title."""
    title, rest = notebook.cells[0].source.split("\n", 1)
    head = [nbformat.v4.new_markdown_cell(text, id=f"head-{i}") for i, text in enumerate((title, note, rest))]
    return nbformat.from_dict({**notebook, "cells": [*head, *notebook.cells[1:]]})
