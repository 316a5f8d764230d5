"""What axe finds in a page, in a fraction of its time."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe

# Hides every word that looks as one before it does, in the same surroundings, or shows them again: axe takes long to
# find a word's contrast, and a page has thousands of words in seven colours.
HIDE_ALIKE = """(hide) => {
    const clear = (e) => getComputedStyle(e).backgroundColor.endsWith(", 0)") && e.parentElement;
    const ground = (e) => (clear(e) ? ground(e.parentElement) : getComputedStyle(e).backgroundColor);
    const seen = new Set();
    const alike = (word) => {
        const { color, fontSize, fontWeight, opacity, textDecorationLine } = getComputedStyle(word);
        const around = [word.tagName, textDecorationLine, getComputedStyle(word.parentElement).color];
        const look = [color, fontSize, fontWeight, opacity, ground(word), ...around].join();
        return seen.size === seen.add(look).size;
    };
    const words = [...document.querySelectorAll("body *:not(:has(*), svg *)")];
    // All are looked at before the first is changed: a change in between costs a new layout of the page.
    for (const word of hide ? words.filter(alike) : words) word.style.visibility = hide ? "hidden" : "";
}"""


COLOURS = ["color-contrast", "link-in-text-block"]
# axe would fetch the style sheets again, from wrong addresses.
OPTIONS = {"preload": False, "resultTypes": ["violations"]}
RUN = "async ([exclude, options]) => (await axe.run({ exclude }, options)).violations"


def grave_findings(page) -> list[str]:
    """Return what axe finds serious or critical in a page: each rule, an element that breaks it, and how."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    violations = page.evaluate(RUN, [[], {**OPTIONS, "rules": {name: {"enabled": False} for name in COLOURS}}])
    page.evaluate(HIDE_ALIKE, True)
    violations += page.evaluate(RUN, [["svg"], {**OPTIONS, "runOnly": COLOURS}])  # it cannot tell the ground in one
    page.evaluate(HIDE_ALIKE, False)
    return [f"{violation['id']}: {node['html'][:200]}\n{node['failureSummary']}" for violation in violations
            if violation["impact"] in ("serious", "critical") for node in violation["nodes"]]
