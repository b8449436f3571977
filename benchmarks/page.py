"""How quick the page is with 2,000 operators (or others) in headless Chromium, in open layers and without any.

    python benchmarks/page.py [CHROMIUM] [OPERATORS]

Goals: seen within 1.5 s; a frame of panning in 33 ms, from afar and close; a layer opened or closed in 100 ms. Each
figure is the best of three; frames are means over 60.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
import draw_traces

from dout.draw import draw

OPERATORS, RUNS, FRAMES = 2000, 3, 60

SEEN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame((at) => done(at))))"
WHOLE = """async () => {
  const start = performance.now();
  window.dout.fit(false);
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now() - start;
}"""
PAN = """async ([scale, frames]) => {
  const {stage, data, fit} = window.dout;
  const picture = document.getElementById('picture');
  const frame = () => new Promise(requestAnimationFrame);
  fit(false);
  const wheel = (deltaY) => picture.dispatchEvent(new WheelEvent('wheel', {deltaY, clientX: 600, clientY: 400}));
  while (scale && stage.camera.k < scale) { wheel(-400); await frame(); await frame(); }
  const send = (name, clientX, clientY) =>
    picture.dispatchEvent(new PointerEvent(name, {clientX, clientY, pointerId: 1, bubbles: true}));
  send('pointerdown', 600, 400);
  await frame();
  const start = performance.now();
  for (let i = 1; i <= frames; i++) { send('pointermove', 600 - 20 * i, 400); await frame(); }
  const mean = (performance.now() - start) / frames;
  send('pointerup', 0, 0);
  return mean;
}"""
TOGGLE = """async ([close]) => {
  const {state, data, toggle} = window.dout;
  const layer = data.levels[0].items.find((item) => item.inside && state.open.has(item.id) === close);
  const start = performance.now();
  toggle(layer.id);
  const computed = performance.now() - start;
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return computed;
}"""


def measured(page: Page, file: Path) -> dict[str, float]:
    """Milliseconds of one visit."""
    page.goto(file.as_uri())
    found = {"seen": page.evaluate(SEEN)}
    page.wait_for_timeout(400)
    found["fit all of it into sight"] = page.evaluate(WHOLE)
    found["a frame of panning, all in sight"] = page.evaluate(PAN, [0, FRAMES])
    found["a frame of panning, close"] = page.evaluate(PAN, [1, FRAMES])
    if not page.evaluate("dout.state.open.size"):
        return found
    for what, close in (("close a layer", True), ("open a layer", False)):
        page.wait_for_timeout(400)
        found[what] = page.evaluate(TOGGLE, [close])
    return found


def main() -> None:
    """Print the table."""
    chromium = sys.argv[1] if len(sys.argv) > 1 else shutil.which("chromium")
    operators = int(sys.argv[2]) if len(sys.argv) > 2 else OPERATORS
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder, "page.html")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        for layers in (True, False):
            trace = draw_traces.random_trace(5, operators, layers=layers)
            start = time.perf_counter()
            draw(trace, open="all").save(file)
            took, size = 1000 * (time.perf_counter() - start), file.stat().st_size / 1e6
            print(f"{'open layers' if layers else 'no layers'}: {size:.1f} MB, written in {took:.0f} ms")
            runs = [measured(page, file) for _ in range(RUNS)]
            for what in runs[0]:
                print(f"  {what:34}{min(run[what] for run in runs):8.1f} ms")
        browser.close()


if __name__ == "__main__":
    main()
