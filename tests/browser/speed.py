"""How long a page takes to come alive, and a slider to reach the screen."""

from __future__ import annotations

import toy
from widget_pages import alive, in_the_book, widget_pages

from labkit.widgets.explorer import Explorer

# A message posted inside a frame arrives after that frame has been painted.
_MOVE = """async (host, moves) => {
    const sliders = [...host.querySelectorAll("input[type=range]")];
    const times = [];
    for (let i = 0; i < moves; i++) {
        const slider = sliders[i % sliders.length];
        await new Promise((done) => requestAnimationFrame(() => {
            const start = performance.now();
            slider.value = (Number(slider.value) + 1) % (Number(slider.max) + 1);
            slider.dispatchEvent(new Event("input", { bubbles: true }));
            const painted = new MessageChannel();
            painted.port1.onmessage = () => done(times.push(performance.now() - start));
            painted.port2.postMessage(0);
        }));
    }
    return times;
}"""

# A widget that is still a picture or words holds its state in a script.
_ANSWERS = """new Promise((done) => {
    const onScreen = (host) => {
        const { top, bottom } = host.getBoundingClientRect();
        return bottom >= 0 && top <= innerHeight;
    };
    const check = () => {
        const waits = document.readyState !== "complete"
            || [...document.querySelectorAll(".labkit-host:has(> script)")].some(onScreen);
        if (waits) requestAnimationFrame(check);
        else requestIdleCallback(() => done(performance.now() / 1000));
    };
    check();
})"""


def repaint_times(browser, moves: int = 300) -> list[float]:
    """Return the milliseconds from a move of a slider to its repaint, each slider in turn.

    Args:
        browser: a playwright browser.
        moves: how many moves to time, on three axes and 2,304 points.
    """
    with widget_pages() as add, in_the_book():
        page = browser.new_page()
        try:
            page.goto(add("speed", Explorer(toy.step_time(), x="nodes").html()))
            alive(page)
            return page.locator(".labkit-explorer").evaluate(_MOVE, moves)
        finally:
            page.close()


def interactive_after(browser, address: str, slower: float = 4) -> float:
    """Return the seconds from opening a page until the widgets on its first screen live and its script is idle.

    Args:
        browser: a playwright Chromium.
        address: of the page.
        slower: how many times slower than this machine's its processor is made to be.
    """
    context = browser.new_context()
    try:
        page = context.new_page()
        context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
        page.goto(address, wait_until="domcontentloaded")
        return page.evaluate(_ANSWERS)
    finally:
        context.close()
