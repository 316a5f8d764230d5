"""The Sphinx extension that shows a term's definition where it is pointed at: the glossary's text becomes its title."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

PAGE = "book/glossary"


class ShowDefinitions(SphinxPostTransform):
    """Gives each link to a term of the glossary its definition as a title."""

    default_priority = 20  # after the links have been resolved

    def apply(self, **kwargs) -> None:
        if PAGE not in self.env.all_docs:
            return
        definitions = {}
        for item in self.env.get_doctree(PAGE).findall(nodes.definition_list_item):
            text = " ".join(definition.astext() for definition in item.findall(nodes.definition))
            for term in item.findall(nodes.term):
                definitions |= dict.fromkeys(term["ids"], " ".join(text.split()))
        for link in self.document.findall(nodes.reference):
            target = (link.get("refuri") or "").rpartition("#")[2] or link.get("refid", "")
            if target in definitions:
                link["reftitle"] = definitions[target]


def setup(app: Sphinx) -> dict:
    """Register the extension with Sphinx."""
    app.add_post_transform(ShowDefinitions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
