"""The preview in a real browser: JupyterLab and Notebook 7 on this machine's loopback, headless Chromium, a hand on a slider and on the picture.

    make test-browser                                    the toy
    .venv/bin/python tools/browser.py --avatar RUN       another face; then nothing is asserted about where the picture changes"""
import argparse, contextlib, io, json, os, shutil, subprocess, sys, tempfile, time
from pathlib import Path
import nbformat, numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# where each front end shows a notebook; both come from one server
FRONT_ENDS = {"lab": "lab/tree/face.ipynb?reset&", "notebook": "notebooks/face.ipynb?"}

# notes when pictures arrive, and how wide they are
WATCH = """(img) => {
  window.pictures = [];
  img.addEventListener("load", () => window.pictures.push([performance.now() / 1000, img.naturalWidth]));
}"""


def find_chromium():
    "The path of this machine's Chromium."
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found: raise SystemExit("no Chromium on this machine (Debian: apt-get install chromium)")
    return found


def write_notebook(path, avatar, size):
    "A notebook whose only cell previews a face."
    source = ["from nerflame.use.preview import preview"]
    if avatar: source.append(f"preview({str(Path(avatar).resolve())!r}, size={size})")
    else: source += ["from nerflame.testing import toy_model", f"preview(toy_model(), size={size})"]
    nb = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}})
    nb.cells = [nbformat.v4.new_code_cell("\n".join(source))]
    nbformat.write(nb, path)


@contextlib.contextmanager
def jupyter(folder, front_end):
    "JupyterLab or Notebook on a free port of the loopback, with settings of its own; the address, with its token."
    env = dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parent.parent), JUPYTER_RUNTIME_DIR=str(folder/"runtime"), JUPYTER_CONFIG_DIR=str(folder/"config"), JUPYTERLAB_SETTINGS_DIR=str(folder/"settings"), JUPYTERLAB_WORKSPACES_DIR=str(folder/"workspaces"))
    # no question about news over the screenshots
    quiet = folder/"settings"/"@jupyterlab"/"apputils-extension"/"notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True, exist_ok=True)
    quiet.write_text('{"fetchNews": "false"}')
    command = [sys.executable, "-m", "jupyterlab" if front_end == "lab" else "notebook", "--no-browser", "--ip=127.0.0.1", "--port=0", "--allow-root", f"--ServerApp.root_dir={folder}", "--ServerApp.terminals_enabled=False"]
    with open(folder/"jupyter.log", "wb") as log: server = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
    try:
        found = None
        for _ in range(300):
            # the server writes this file when its port is open
            if found := next((folder/"runtime").glob("jpserver-*.json"), None): break
            if server.poll() is not None: break
            time.sleep(0.2)
        if not found: raise SystemExit(f"{front_end} did not start:\n" + (folder/"jupyter.log").read_text()[-3000:])
        time.sleep(0.5)
        about = json.loads(found.read_text())
        yield f"http://127.0.0.1:{about['port']}", about["token"]
    finally:
        server.terminate()
        try: server.wait(10)
        except subprocess.TimeoutExpired: server.kill()


def open_preview(page, address):
    "Run the notebook; the picture, once it is there."
    page.goto(address)
    page.wait_for_selector(".jp-Notebook .cm-content", timeout=60_000)
    page.wait_for_selector("[data-status=idle]", state="attached", timeout=60_000)
    # a kernel that is said to be idle may not listen yet: then a cell stays without a number
    for _ in range(20):
        page.click(".jp-Notebook .cm-content")
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(1500)
        if page.inner_text(".jp-Notebook .jp-InputPrompt").strip() != "[ ]:": break
    picture = page.wait_for_selector("img.nerflame-picture", timeout=60_000)
    page.wait_for_function("(img) => img.complete && img.naturalWidth > 0", arg=picture)
    picture.evaluate(WATCH)
    return picture


def drag(page, start, offsets, seconds):
    "Press at `start`, pass all `offsets` in this time, let go."
    page.mouse.move(*start)
    page.mouse.down()
    begin = time.perf_counter()
    for i, (dx, dy) in enumerate(offsets):
        page.mouse.move(start[0] + dx, start[1] + dy)
        page.wait_for_timeout(max(0., 1000*(begin + seconds*(i + 1)/len(offsets) - time.perf_counter())))
    page.mouse.up()


def comes(page, condition, seconds=20):
    "Whether a condition holds before long."
    end = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < end: page.wait_for_timeout(100)
    return held


def measured(page, name, size, action):
    "Do it; say how many pictures a second came meanwhile, and when the full one came after the end. Fails when old ones follow in a queue."
    seconds = lambda: page.evaluate("performance.now()/1000")
    page.evaluate("window.pictures = []")
    begin = seconds()
    action()
    end = seconds()
    def settled():
        last = page.evaluate("window.pictures.at(-1)")
        return last and last[1] == size and seconds() - max(end, last[0]) > 1.5
    assert comes(page, settled), f"{name}: no full picture came"
    pictures = page.evaluate("window.pictures")
    during, after = [w for t, w in pictures if t <= end], [t - end for t, _ in pictures if t > end]
    print(f"{name}: {len(during)/(end - begin):.1f} pictures/s of {min(during, default=0)} px while dragging, {size} px {max(after, default=0.):.2f} s after its end, {len(after)} pictures in all after it")
    # some are on their way when the mouse is let go; a queue of old ones would have a hundred
    assert len(after) <= 6, f"{name}: {len(after)} pictures came after the end of the drag: old ones were queued"


def pixels(picture):
    "The picture as the browser has it, (H, W, 3) in [0, 1]."
    data = picture.evaluate("""async (img) => {
      const bytes = new Uint8Array(await (await fetch(img.src)).arrayBuffer());
      return Array.from(bytes);
    }""")
    return np.asarray(Image.open(io.BytesIO(bytes(data))).convert("RGB"), dtype=np.float32)/255


def middle(element):
    "Where the middle of an element is on the page."
    box = element.bounding_box()
    return box["x"] + box["width"]/2, box["y"] + box["height"]/2


def check_toy(neutral, slid, turned):
    "The jaw moves the mouth and leaves the forehead (between hair and brows) alone; an orbit changes both."
    h = len(neutral)
    row, column = (lambda a, b: slice(int(a*h), int(b*h))), slice(int(0.4*h), int(0.6*h))
    mouth, forehead = row(0.62, 0.85), row(0.27, 0.3)
    change = lambda a, rows: float(np.abs(a - neutral)[rows, column].mean())
    print(f"mean change by the jaw: mouth {change(slid, mouth):.3f}, forehead {change(slid, forehead):.4f}; by the orbit: {change(turned, row(0.2, 0.8)):.3f}")
    assert change(slid, mouth) > 0.04, "the picture did not change around the mouth"
    assert change(slid, forehead) < 0.01, "the picture changed on the forehead"
    assert change(turned, row(0.2, 0.8)) > 0.04, "the picture did not turn"


def check_side(page, front_end, out):
    "A saved picture can be downloaded, copied code shows a picture, a word finds an expression, and nothing moves sideways meanwhile."
    rail = lambda: page.query_selector(".widget-hslider:has-text('jaw opens')").bounding_box()["x"]
    before = rail()
    page.click("button:has-text('save PNG')")
    link = page.wait_for_selector("a[download^=preview_]", timeout=20_000)
    with page.expect_download() as waiting: link.click()
    waiting.value.save_as(out/f"{front_end}_download.png")
    assert Image.open(out/f"{front_end}_download.png").format == "PNG" and waiting.value.suggested_filename.startswith("preview_")
    assert rail() == before, "a path in the status line moved the sliders"
    page.click("button:has-text('copy code')")
    assert comes(page, lambda told=told: page.eval_on_selector_all("textarea", "all => all.some(t => t.value.trim().endsWith('Image.fromarray(to_bytes(pixels.rgb))'))")), "copied code does not end in its picture"
    box = page.query_selector("input[placeholder^='type to find an expression']")
    for word, told in (("zebra", "no expression is like"), ("brow inn", "browInnerUp has a slider")):
        box.fill(word)
        box.press("Enter")
        assert comes(page, lambda told=told: page.query_selector(f".widget-html:has-text('{told}')")), f"nothing was said about {word!r}"
    assert page.query_selector(".widget-hslider:has-text('browInnerUp')") and rail() == before
    print(f"{front_end}: download, code and search work; the sliders stay at {before:.0f} px")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="runs/browser", help="folder of the screenshots")
    parser.add_argument("--avatar", help="the RUN of a face; the toy by default")
    parser.add_argument("--front_ends", nargs="+", choices=tuple(FRONT_ENDS), default=tuple(FRONT_ENDS), help="in what the notebook is opened, one after the other; default: all")
    parser.add_argument("--size", type=int, default=256, help="width of the full picture, pixels")
    options = parser.parse_args()
    chromium = find_chromium()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    for front_end in options.front_ends: visit(front_end, chromium, out, options)
    print(f"screenshots in {out}")


def visit(front_end, chromium, out, options):
    "One front end, from the start of its server to the end of a person's visit."
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        folder = Path(folder)
        write_notebook(folder/"face.ipynb", options.avatar, options.size)
        url, token = stack.enter_context(jupyter(folder, front_end))
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        stack.callback(browser.close)
        page = browser.new_page(viewport=dict(width=1300, height=900))
        try: walk(page, f"{url}/{FRONT_ENDS[front_end]}token={token}", out, front_end, options)
        except Exception:
            page.screenshot(path=out/f"{front_end}_failed.png")
            raise


def walk(page, address, out, front_end, options):
    "What a person would do, with screenshots."
    errors = []
    # Notebook 7.6 stumbles over its own settings when it starts; what comes from its core alone is not about us
    page.on("pageerror", lambda error: "notebook_core" in (error.stack or "") and "blob:" not in error.stack or errors.append(error.stack or str(error)))
    picture = open_preview(page, address)
    panel = page.query_selector(".jp-OutputArea-output:has(img.nerflame-picture)")
    neutral = pixels(picture)
    assert len(neutral) == options.size
    panel.screenshot(path=out/f"{front_end}_neutral.png")

    knob = page.query_selector(".widget-hslider:has-text('jaw opens') .noUi-handle")
    far = 200*np.concatenate([np.sin(np.linspace(0, 3*np.pi, 150))**2*0.6, np.linspace(0, 0.6, 50)])
    measured(page, f"{front_end}: jaw slider", options.size, lambda: drag(page, middle(knob), [(dx, 0) for dx in far], 4))
    slid = pixels(picture)
    panel.screenshot(path=out/f"{front_end}_jaw.png")

    page.click("button:has-text('reset')")
    assert comes(page, lambda: np.array_equal(pixels(picture), neutral)), "reset did not bring the first picture back"

    phase = np.linspace(0, 2.5*np.pi, 200)
    measured(page, f"{front_end}: orbit", options.size, lambda: drag(page, middle(picture), [(-70*np.sin(p), 25*np.sin(2*p)) for p in phase], 4))
    turned = pixels(picture)
    panel.screenshot(path=out/f"{front_end}_orbit.png")
    check_side(page, front_end, out)
    panel.screenshot(path=out/f"{front_end}_side.png")
    assert not errors, errors
    if not options.avatar: check_toy(neutral, slid, turned)


if __name__ == "__main__": main()
