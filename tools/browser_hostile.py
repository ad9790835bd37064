"""Open a stranger's RUN and a report about a stranger's photographs in a headless Chromium, and fail if a script runs.

    make test-browser

Every text that a RUN, its scene or a message can bring holds a script: the folder of the photographs, the names of
head, parts, expressions and frames, a key of its settings. The last notebook runs the same script on purpose, which
shows that we would have noticed."""
import argparse, contextlib, json, tempfile, time
from dataclasses import replace
from pathlib import Path
import numpy as np, torch
from playwright.sync_api import sync_playwright
from nerflame.core import write_text
from nerflame.field.model import NeRFlame
from nerflame.heads.head import Head
from nerflame.photos.cameras import Portrait
from nerflame.photos.report import SceneFindings, write_report
from nerflame.scenes.writing import save_scene
from nerflame.testing import small_model, toy_head, toy_person, toy_scene
from nerflame.training.run import RunConfig, save_run
from browser import FRONT_ENDS, comes, find_chromium, jupyter, open_preview, preview_of, run_cell, write_notebook

# no slash, because it also has to be the name of a file
SCRIPT = "\"><img src=x onerror='window.stranger = 1'><svg onload='window.stranger = 2'>"

# notebooks and their RUNs, and what they tell a reader
RUNS = dict(face="seen", lost="lost", broken="broken")
TOLD = dict(lost=f"the photographs are not at {SCRIPT}nowhere", broken=SCRIPT)


def write_scene(folder):
    "Write photographs whose files are named after the script."
    seen = toy_scene(toy_person(), torch.tensor([-0.5, 0., 0.5]))
    save_scene(folder, "train", torch.cat([seen.rgb, seen.mask[..., None]], -1), seen.cameras, 3., 5.5)
    file = folder/"transforms_train.json"
    top = json.loads(file.read_text())
    for i, frame in enumerate(top["frames"]):
        for key in ("file_path", "mask_path"):
            if key not in frame: continue
            old = folder/frame[key]
            if not old.is_file(): old = old.with_suffix(".png")
            new = old.with_name(f"{SCRIPT}{i}_{key}.png")
            old.rename(new)
            frame[key] = new.relative_to(folder).as_posix()
    write_text(file, json.dumps(top))


def hostile_head()->Head:
    "Return the toy head with the script in every name."
    arrays, named = toy_head().arrays, lambda names: tuple(f"{SCRIPT}{i}{name}" for i, name in enumerate(names))
    lists = {key: named(getattr(arrays, key)) for key in ("expression_names", "shape_names", "part_names")}
    return Head(replace(arrays, **lists, name=f"toy{SCRIPT}"))


def write_stranger(folder):
    "Write the RUN of a stranger, with photographs and without, and one that does not open."
    head = hostile_head()
    person = toy_person().replace(head=head.fingerprint)
    model = NeRFlame(head, person, small_model(), generator=torch.Generator().manual_seed(0))
    for _ in range(8): model.update_density(fade=1., generator=torch.Generator().manual_seed(0))
    scene = folder/f"photographs {SCRIPT}"
    write_scene(scene)
    for name, data in dict(seen=scene, lost=f"{SCRIPT}nowhere", broken=scene).items():
        save_run(folder/name, model, RunConfig(data=str(data), head=head.name), {})
    file = folder/"broken"/"config.yaml"
    write_text(file, file.read_text() + f"\n? {json.dumps(SCRIPT)}\n: {json.dumps(SCRIPT)}\n")


def scripts(page)->list:
    "Return what the script has done in a page, and the elements that it would have made."
    ran = page.evaluate("window.stranger || 0")
    return [ran, page.evaluate("document.querySelectorAll('img[src=x], svg[onload]').length")]


def read_as_text(page, text)->bool:
    "Test whether a page shows a text to a reader."
    return comes(page, lambda: text in page.inner_text("body"))


def visit(front_end, chromium, out):
    "Open the RUNs in a front end."
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        write_stranger(folder)
        pages = {name: preview_of(folder/run, 128) for name, run in RUNS.items()}
        pages["control"] = f"from IPython.display import HTML\nHTML({SCRIPT!r})"
        for page_name, source in pages.items(): write_notebook(folder/f"{page_name}.ipynb", source)
        url, token = stack.enter_context(jupyter(folder, front_end))
        play = stack.enter_context(sync_playwright())
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        stack.callback(browser.close)
        for page_name in pages:
            page = browser.new_page(viewport=dict(width=1300, height=1200))
            address = f"{url}/{FRONT_ENDS[front_end].replace('face', page_name)}token={token}"
            try: check_page(page, address, page_name)
            finally: page.screenshot(path=out/f"{front_end}_stranger_{page_name}.png")
            page.close()
            time.sleep(3)   # until JupyterLab lets go of its workspace
    print(f"{front_end}: a stranger's RUN ran nothing")


def check_page(page, address, name):
    "Run a notebook and test that no script ran; in the last one, that it did."
    if name in ("face", "lost"):
        open_preview(page, address)
        page.click("button:has-text('random')")
        if name == "face": page.click("button:has-text('error')")
        box = page.query_selector("input[placeholder^='type to find an expression']")
        box.fill("img")
        box.press("Enter")
    else: run_cell(page, address)
    page.wait_for_timeout(2500)
    if name == "control": return require_run(page)
    assert scripts(page) == [0, 0], f"{name}: a script of a stranger ran in the notebook: {scripts(page)}"
    if name in TOLD: assert read_as_text(page, TOLD[name]), f"{name}: the text of the stranger is not shown"


def require_run(page):
    "Test that the script does run where a page lets it."
    assert comes(page, lambda: scripts(page)[0]), "the script does not run even where HTML is not escaped"


def visit_report(chromium, out):
    "Open a report about photographs whose names and faults hold the script."
    portrait = Portrait(f"{SCRIPT}.jpg", np.full((40, 30, 3), 128, np.uint8))
    findings = SceneFindings([portrait], None, [None], [None], {f"{SCRIPT}.heic": SCRIPT}, np.zeros(0), None)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as play:
        report = write_report(Path(name)/"report.html", findings, toy_head())
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=dict(width=1000, height=900))
        page.goto(report.as_uri())
        page.wait_for_timeout(1000)
        page.screenshot(path=out/"stranger_report.png")
        assert scripts(page) == [0, 0], f"report: a script of a stranger ran: {scripts(page)}"
        assert read_as_text(page, SCRIPT), "report: the text of the stranger is not shown"
        browser.close()
    print("report: a stranger's photographs ran nothing")


def main():
    "Visit each front end and the report; exit code 1 when a script ran."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="runs/browser", help="folder of the screenshots")
    parser.add_argument("--front_ends", nargs="*", choices=tuple(FRONT_ENDS), default=tuple(FRONT_ENDS),
        help="where to open the notebooks, one after the other; default: all")
    options = parser.parse_args()
    chromium, out = find_chromium(), Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    visit_report(chromium, out)
    for front_end in options.front_ends: visit(front_end, chromium, out)


if __name__ == "__main__": main()
