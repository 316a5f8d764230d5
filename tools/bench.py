"""The course's own bars, measured on this machine: `make bench`.

Prints one line a bar: what was measured, the figure, the bar, and whether it holds. Nothing here fails a build: a
noisy machine is no defect, and the tests hold what can be held anywhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from built_book import PAGES, ROOT
from chromium import launch
from playwright.sync_api import sync_playwright

TESTS = ROOT / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "browser")]

import field  # noqa: E402
import hand_written  # noqa: E402
from speed import interactive_after, repaint_times  # noqa: E402
from weight import weigh  # noqa: E402
from widget_pages import alive  # noqa: E402

from labkit import device as devices  # noqa: E402
from labkit import machine, validate  # noqa: E402
from labkit.book.serve import serving  # noqa: E402
from labkit.models import generation  # noqa: E402
from labkit.models.datasets import cats  # noqa: E402
from labkit.models.evaluation import evaluate  # noqa: E402
from labkit.models.networks.cats import CatNet  # noqa: E402
from labkit.models.networks.transformer import Transformer  # noqa: E402
from labkit.models.training import train  # noqa: E402
from labkit.timing import clock  # noqa: E402

LAB = "labs/1-terminology/3-cats.html"


def line(what: str, figure: str, bar: str, holds: bool) -> None:
    """Print one bar."""
    print(f"{'holds ' if holds else 'MISSED'}  {what:<58} {figure:>16}   bar: {bar}", flush=True)


def start_up() -> None:
    command = "import time; t = time.perf_counter(); import labkit, sys; print(time.perf_counter() - t); "
    command += "assert 'torch' not in sys.modules"
    runs = [float(subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout)
            for _ in range(5)]
    line("import labkit, without torch", f"{min(runs):.3f} s", "0.3 s", min(runs) <= 0.3)


def pictures() -> None:
    begin = time.perf_counter()
    cats.draw(50_000, seed=11)
    seconds = time.perf_counter() - begin
    line("50,000 pictures of 32 × 32", f"{seconds:.1f} s", "10 s", seconds <= 10)


def training() -> None:
    data, test = cats.load(50_000, seed=1), cats.draw(3_000, seed=3)
    torch.manual_seed(0)
    network = CatNet()
    run = train(network, data.images, data.labels, epochs=3)
    accuracy = evaluate(network, test).accuracy
    good = accuracy >= 0.99 and run.seconds <= 60
    line("training to 99 % on unseen pictures", f"{accuracy:.1%}, {run.seconds:.1f} s", "99 %, 60 s", good)

    some = data[:12_800]
    device = devices.best()

    def ours():
        train(CatNet(), some.images, some.labels, epochs=1, batch=128, lr=4e-3, seed=0, device=device)

    def plain():
        hand_written.train(CatNet(), some.images, some.labels, epochs=1, batch=128, lr=4e-3, seed=0, device=device)

    timings = clock.interleave({"ours": ours, "plain": plain}, budget=15, tolerance=0.005)
    ratio = timings["plain"].median / timings["ours"].median
    line("throughput of the loop, over the same by hand", f"{ratio:.3f}", "0.97", ratio >= 0.97)


def writing() -> None:
    """Set the course's decode beside the same by hand, and beside what `transformers` generates where it is there."""
    network, tokens = Transformer(256).eval(), 128
    prompt = generation.encode("x" * 64)
    calls = {"ours": lambda: generation.with_cache(network, prompt, tokens),
             "plain": lambda: hand_written.write(network, prompt, tokens)}
    try:
        from transformers import GPT2Config, GPT2LMHeadModel

        other = GPT2LMHeadModel(GPT2Config(vocab_size=256, n_positions=512, n_embd=256, n_layer=4, n_head=4)).eval()
        calls["theirs"] = lambda: other.generate(prompt[None], do_sample=False, min_new_tokens=tokens,
                                                 max_new_tokens=tokens, pad_token_id=0)
    except ImportError:
        print("skipped: a token of transformers' generate, which is not installed")
    timings = clock.interleave(calls, budget=8, tolerance=0.005)
    for name, bar in (("plain", 0.97), ("theirs", 1.0)):
        if name in timings:
            ratio = timings[name].median / timings["ours"].median
            what = {"plain": "tokens a second, over the same by hand",
                    "theirs": "tokens a second, over transformers' generate"}[name]
            line(what, f"{ratio:.3f}", f"{bar:g}", ratio >= bar)


def predictions() -> None:
    everything = validate.chosen(())
    for lab, comparison in validate.validate(validate.calibrated(everything), everything):
        score = validate.score(lab, comparison)
        if score.errors:
            line(f"error of {score.title[:40].lower()}, median and p90", f"{score.median:.0%}, {score.p90:.0%}",
                 f"{score.goal.median:.0%}, {score.goal.p90:.0%}", score.reached)


def pages() -> None:
    with serving(ROOT / "_build" / "html", port=0) as address, sync_playwright() as playwright:
        browser = launch(playwright)
        if browser is None:
            print("skipped: the pages' weight and the sliders' speed, for want of a Chromium or Chrome")
            return
        page, asked = browser.new_page(), set()
        page.on("request", lambda request: asked.add(request.url))
        page.goto(address + LAB)
        alive(page)
        weight = weigh(page, asked)
        line("lab page on the wire, without the widgets' bundle", f"{weight.page / 1e3:.0f} kB", "400 kB",
             weight.page <= 400e3)
        line("lab page on the wire, with it", f"{weight.total / 1e3:.0f} kB", "750 kB", weight.total <= 750e3)
        seconds, name = max((min(interactive_after(browser, f"{address}{name}.html") for _ in range(3)), name)
                            for name in PAGES)
        line("the slowest page alive, at a quarter of the speed", f"{seconds:.2f} s", "1.5 s", seconds <= 1.5)
        print(f"        {name}")
        times = sorted(repaint_times(browser))
        p95 = times[int(0.95 * len(times))]
        line(f"slider to repaint, 95th percentile of {len(times)} moves", f"{p95:.1f} ms", "16 ms", p95 <= 16)
        browser.close()


def against_the_field() -> None:
    """Set the probes beside the field's tools; a bar that is missed comes with what is known of the reason."""
    devices.settle()
    for tool in field.ALL:
        print()
        try:
            for found in tool():
                line(f"{found.what}, {len(found.ratios)} pairs", found.figure, f"1 ± {found.bar:.0%}", found.holds)
                if not found.holds:
                    print(f"        {found.why}")
                if found.contention > clock.CONTENDED:
                    print(f"        Other programs used up to {found.contention:.0%} of the processor meanwhile.")
        except field.Missing as reason:
            print(f"skipped {tool.__name__}: {reason}")


def book() -> None:
    """Clone, install, execute, build: what `make book` does before it serves."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        fresh = {**os.environ, "CLUSTER_TO_EDGE_CACHE": str(Path(folder) / "cache")}
        begin = time.perf_counter()
        subprocess.run(["make", "html"], cwd=clone, env=fresh, check=True, capture_output=True)
        seconds = time.perf_counter() - begin
    line("make book from an empty clone, packages downloaded", f"{seconds / 60:.1f} min", "5 min", seconds <= 300)


def main() -> None:
    """Measure every bar."""
    print(f"{machine.this().name}, torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    for bar in (start_up, pictures, training, writing, predictions, against_the_field, pages, book):
        bar()
    if note := machine.this().note:
        print(f"\n{note}")


if __name__ == "__main__":
    main()
