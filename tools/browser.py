"""Test the preview in JupyterLab and Notebook 7 with a headless Chromium that drags a slider and the picture.

    make test-browser                                    the toy
    .venv/bin/python tools/browser.py --avatar RUN       another face, without a test of the parts that change

The servers listen on this machine's loopback only."""
import argparse, contextlib, io, json, os, shutil, subprocess, sys, tempfile, time
from pathlib import Path
import nbformat, numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright
from notebooks import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# where each front end shows a notebook; both come from one server
FRONT_ENDS = {"lab": "lab/tree/face.ipynb?reset&", "notebook": "notebooks/face.ipynb?"}

# a script that stores the time and the width of each picture that arrives
WATCH = """(img) => {
  window.pictures = [];
  img.addEventListener("load", () => window.pictures.push([performance.now() / 1000, img.naturalWidth]));
}"""


def find_chromium():
    "Return the path of this machine's Chromium."
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found: raise SystemExit("no Chromium on this machine (Debian: apt-get install chromium)")
    return found


def write_notebook(path, source):
    "Write a notebook of one cell."
    kernel = dict(name="python3", display_name="python3", language="python")
    nb = nbformat.v4.new_notebook(metadata=dict(kernelspec=kernel))
    nb.cells = [nbformat.v4.new_code_cell(source)]
    nbformat.write(nb, path)


def preview_of(avatar, size):
    "Return code that previews a face, or the toy."
    lines = ["from nerflame.widget.preview import preview"]
    if avatar: return "\n".join([*lines, f"preview({str(Path(avatar).resolve())!r}, size={size})"])
    return "\n".join([*lines, "from nerflame.testing import toy_model", f"preview(toy_model(), size={size})"])


@contextlib.contextmanager
def jupyter(folder, front_end, shown=None, python=sys.executable, package=ROOT):
    """Start JupyterLab or Notebook on a free port of the loopback, with its own settings; yield its address and token.
    Its files are in `folder`, and it shows `shown`, by default the same."""
    folders = dict(JUPYTER_RUNTIME_DIR="runtime", JUPYTER_CONFIG_DIR="config", JUPYTERLAB_SETTINGS_DIR="settings",
        JUPYTERLAB_WORKSPACES_DIR="workspaces")
    env = dict(os.environ, PYTHONPATH=str(package), **{name: str(folder/f) for name, f in folders.items()})
    # no question about news over the screenshots
    quiet = folder/"settings"/"@jupyterlab"/"apputils-extension"/"notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True, exist_ok=True)
    quiet.write_text('{"fetchNews": "false"}')
    command = [python, "-m", "jupyterlab" if front_end == "lab" else "notebook",
        "--no-browser", "--ip=127.0.0.1", "--port=0", "--allow-root",
        f"--ServerApp.root_dir={shown or folder}", "--ServerApp.terminals_enabled=False"]
    with open(folder/"jupyter.log", "wb") as log:
        server = subprocess.Popen(command, cwd=shown or folder, env=env, stdout=log, stderr=log)
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


def run_cell(page, address):
    "Open a notebook and run its first code cell."
    page.goto(address)
    page.wait_for_selector(".jp-CodeCell .cm-content", timeout=60_000)
    page.wait_for_selector("[data-status=idle]", state="attached", timeout=60_000)
    # a kernel that is called idle may not listen yet, and then the cell gets no number
    for _ in range(20):
        # a question about the workspace, for instance, would catch the click
        if page.query_selector(".jp-Dialog"): page.keyboard.press("Escape")
        page.click(".jp-CodeCell .cm-content")
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(1500)
        if page.inner_text(".jp-CodeCell .jp-InputPrompt").strip() != "[ ]:": break


def open_preview(page, address):
    "Run a notebook and return the element of the preview's picture, once it is there."
    run_cell(page, address)
    picture = page.wait_for_selector("img.nerflame-picture", timeout=60_000)
    page.wait_for_function("(img) => img.complete && img.naturalWidth > 0", arg=picture)
    picture.evaluate(WATCH)
    return picture


def drag(page, start, offsets, seconds):
    "Press at `start`, pass all `offsets` in this time, and let go."
    page.mouse.move(*start)
    page.mouse.down()
    begin = time.perf_counter()
    for i, (dx, dy) in enumerate(offsets):
        page.mouse.move(start[0] + dx, start[1] + dy)
        page.wait_for_timeout(max(0., 1000*(begin + seconds*(i + 1)/len(offsets) - time.perf_counter())))
    page.mouse.up()


def comes(page, condition, seconds=20):
    "Test whether a condition holds within some seconds."
    end = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < end: page.wait_for_timeout(100)
    return held


def measured(page, name, size, action):
    """Run an action and print the pictures a second meanwhile, and the time until the full picture after its end.
    Fail if old pictures follow in a queue."""
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
    rate, width, last = len(during)/(end - begin), min(during, default=0), max(after, default=0.)
    print(f"{name}: {rate:.1f} pictures/s of {width} px while dragging, {size} px {last:.2f} s after its end,"
        f" {len(after)} pictures in all after it")
    # some are on their way when the mouse is let go; a queue of old ones would have a hundred
    assert len(after) <= 6, f"{name}: {len(after)} pictures came after the end of the drag: old ones were queued"


def pixels(picture):
    "Return the picture as the browser has it, (H, W, 3) in [0, 1]."
    data = picture.evaluate("""async (img) => {
      const bytes = new Uint8Array(await (await fetch(img.src)).arrayBuffer());
      return Array.from(bytes);
    }""")
    return np.asarray(Image.open(io.BytesIO(bytes(data))).convert("RGB"), dtype=np.float32)/255


def middle(element):
    "Return the middle of an element on the page."
    box = element.bounding_box()
    return box["x"] + box["width"]/2, box["y"] + box["height"]/2


def check_toy(neutral, slid, turned):
    "Test that the jaw moves the mouth and not the forehead (between hair and brows), and that an orbit changes both."
    h = len(neutral)
    part = lambda a, b: slice(int(a*h), int(b*h))
    change = lambda picture, rows: float(np.abs(picture - neutral)[rows, part(0.4, 0.6)].mean())
    mouth, forehead = change(slid, part(0.62, 0.85)), change(slid, part(0.27, 0.3))
    orbit = change(turned, part(0.2, 0.8))
    print(f"mean change by the jaw: mouth {mouth:.3f}, forehead {forehead:.4f}; by the orbit: {orbit:.3f}")
    assert mouth > 0.04, "the picture did not change around the mouth"
    assert forehead < 0.01, "the picture changed on the forehead"
    assert orbit > 0.04, "the picture did not turn"


# the last line of the code that the preview copies
LAST = "Image.fromarray(to_bytes(pixels.rgb))"


def check_side(page, front_end, out):
    "Test download, copied code and search, and that the sliders stay in their place meanwhile."
    rail = lambda: page.query_selector(".widget-hslider:has-text('jaw opens')").bounding_box()["x"]
    before = rail()
    page.click("button:has-text('save PNG')")
    link = page.wait_for_selector("a[download^=preview_]", timeout=20_000)
    with page.expect_download() as waiting: link.click()
    download, saved = waiting.value, out/f"{front_end}_download.png"
    download.save_as(saved)
    assert Image.open(saved).format == "PNG" and download.suggested_filename.startswith("preview_")
    assert rail() == before, "a path in the status line moved the sliders"
    page.click("button:has-text('copy code')")
    copied = lambda: page.eval_on_selector_all("textarea", f"all => all.some(t => t.value.trim().endsWith('{LAST}'))")
    assert comes(page, copied), "copied code does not end in its picture"
    box = page.query_selector("input[placeholder^='type to find an expression']")
    for word, told in (("zebra", "no expression is like"), ("brow inn", "browInnerUp has a slider")):
        box.fill(word)
        box.press("Enter")
        answer = lambda told=told: page.query_selector(f".widget-html:has-text('{told}')")
        assert comes(page, answer), f"the preview gave no answer to {word!r}"
    assert page.query_selector(".widget-hslider:has-text('browInnerUp')") and rail() == before
    print(f"{front_end}: download, code and search work; the sliders stay at {before:.0f} px")


def main():
    "Visit each front end; exit code 1 when a test fails."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="runs/browser", help="folder of the screenshots")
    parser.add_argument("--avatar", help="the RUN of a face; the toy by default")
    parser.add_argument("--front_ends", nargs="+", choices=tuple(FRONT_ENDS), default=tuple(FRONT_ENDS),
        help="where to open the notebook, one after the other; default: all")
    parser.add_argument("--size", type=int, default=256, help="width of the full picture, pixels")
    options = parser.parse_args()
    chromium = find_chromium()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    for front_end in options.front_ends: visit(front_end, chromium, out, options)
    print(f"screenshots in {out}")


def visit(front_end, chromium, out, options):
    "Start the server of a front end and a browser, and test the preview."
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        write_notebook(folder/"face.ipynb", preview_of(options.avatar, options.size))
        url, token = stack.enter_context(jupyter(folder, front_end))
        play = stack.enter_context(sync_playwright())
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        stack.callback(browser.close)
        page = browser.new_page(viewport=dict(width=1300, height=900))
        try: walk(page, f"{url}/{FRONT_ENDS[front_end]}token={token}", out, front_end, options)
        except Exception:
            page.screenshot(path=out/f"{front_end}_failed.png")
            raise


def walk(page, address, out, front_end, options):
    "Use the preview as a person would, with screenshots."
    errors = []
    def note(error):
        text = error.stack or str(error)
        # Notebook 7.6 stumbles over its own settings when it starts, so we ignore errors of its core alone
        if "notebook_core" not in text or "blob:" in text: errors.append(text)
    page.on("pageerror", note)
    picture = open_preview(page, address)
    panel = page.query_selector(".jp-OutputArea-output:has(img.nerflame-picture)")
    neutral = pixels(picture)
    assert len(neutral) == options.size
    panel.screenshot(path=out/f"{front_end}_neutral.png")

    knob = page.query_selector(".widget-hslider:has-text('jaw opens') .noUi-handle")
    far = 200*np.concatenate([np.sin(np.linspace(0, 3*np.pi, 150))**2*0.6, np.linspace(0, 0.6, 50)])
    slide = lambda: drag(page, middle(knob), [(dx, 0) for dx in far], 4)
    measured(page, f"{front_end}: jaw slider", options.size, slide)
    slid = pixels(picture)
    panel.screenshot(path=out/f"{front_end}_jaw.png")

    page.click("button:has-text('reset')")
    assert comes(page, lambda: np.array_equal(pixels(picture), neutral)), "reset did not bring the first picture back"

    phase = np.linspace(0, 2.5*np.pi, 200)
    way = [(-70*np.sin(p), 25*np.sin(2*p)) for p in phase]
    measured(page, f"{front_end}: orbit", options.size, lambda: drag(page, middle(picture), way, 4))
    turned = pixels(picture)
    panel.screenshot(path=out/f"{front_end}_orbit.png")
    check_side(page, front_end, out)
    panel.screenshot(path=out/f"{front_end}_side.png")
    assert not errors, errors
    if not options.avatar: check_toy(neutral, slid, turned)


if __name__ == "__main__": main()
