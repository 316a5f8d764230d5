"""Formulas become MathML while the book is built, so that no page loads a script for them."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.commands import MATRICES
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

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


def setup(app: Sphinx) -> None:
    """Let Sphinx write formulas as MathML."""
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_display, None))
