"""How long a slider takes to reach the screen."""

from __future__ import annotations

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
    return times.sort((a, b) => a - b);
}"""


def redraw_ms(page, explorer: str = ".labkit-explorer", moves: int = 240) -> list[float]:
    """Move each slider of an Explorer in turn and return the milliseconds from move to repaint, ascending.

    Args:
        page: a playwright page with a drawn Explorer.
        explorer: the selector of the Explorer; the first that matches is taken.
        moves: how many moves to time.
    """
    return page.locator(explorer).first.evaluate(f"(host, moves) => ({_MOVE})(host, moves)", moves)
