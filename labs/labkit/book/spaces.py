"""A number and its unit stay on one line: the space between them does not break."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:%|[nµmk]?[smWJ]|[kMG]?Hz|km/h|(?:[kMGTP]i?)?B(?:/s)?|[kMG]bit(?:/s)?"
                          r"|[kMGTPE]?FLOP(?:/s)?)(?!\w))")


def joined(text: str) -> str:
    """Return a text in which a number's unit cannot slip into the next line."""
    return _BEFORE_UNIT.sub("\N{NO-BREAK SPACE}", text)


class JoinUnits(SphinxPostTransform):
    """Joins the numbers and units of a page's running text."""

    default_priority = 30  # after the numbers of other pages have been put in

    def apply(self, **kwargs) -> None:
        for text in list(self.document.findall(nodes.Text)):
            if not isinstance(text.parent, (nodes.literal, nodes.literal_block, nodes.raw, nodes.math)):
                text.parent.replace(text, nodes.Text(joined(text)))


def setup(app: Sphinx) -> None:
    """Register the transform with Sphinx."""
    app.add_post_transform(JoinUnits)
