"""What axe finds in a page, in a fraction of its time."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe

# Hides every word that looks as one before it does, in the same surroundings, or shows them again: axe takes long to
# find a word's contrast, and a page has thousands of words in seven colours.
HIDE_ALIKE = """(hide) => {
    const clear = (e) => getComputedStyle(e).backgroundColor.endsWith(", 0)") && e.parentElement;
    const ground = (e) => (clear(e) ? ground(e.parentElement) : getComputedStyle(e).backgroundColor);
    const seen = new Set();
    for (const word of document.querySelectorAll("body *:not(:has(*), svg *)")) {
        const { color, fontSize, fontWeight, opacity, textDecorationLine } = getComputedStyle(word);
        const around = [word.tagName, textDecorationLine, getComputedStyle(word.parentElement).color];
        const look = [color, fontSize, fontWeight, opacity, ground(word), ...around].join();
        word.style.visibility = hide && seen.has(look) ? "hidden" : "";
        seen.add(look);
    }
}"""


COLOURS = ["color-contrast", "link-in-text-block"]


def grave_findings(page) -> list[str]:
    """Return what axe finds serious or critical in a page: each rule, an element that breaks it, and how."""
    # axe would fetch the style sheets again, from wrong addresses.
    axe, options = Axe(), {"preload": False, "resultTypes": ["violations"]}
    runs = [axe.run(page, options={**options, "rules": {name: {"enabled": False} for name in COLOURS}})]
    page.evaluate(HIDE_ALIKE, True)
    runs.append(axe.run(page, options={**options, "runOnly": COLOURS}))
    page.evaluate(HIDE_ALIKE, False)
    violations = [violation for run in runs for violation in run.response["violations"]]
    return [f"{violation['id']}: {node['html'][:200]}\n{node['failureSummary']}" for violation in violations
            if violation["impact"] in ("serious", "critical") for node in violation["nodes"]]
