"""Do what a new user does in the first hour, from `git clone` to a face under the hand, and note how long it takes.

    .venv/bin/python tools/first_hour.py                                     clone, install, demo, preview
    .venv/bin/python tools/first_hour.py --photographs FOLDER --minutes 5    and then train on a folder of photographs

It writes a table, first_hour.md, and screenshots of the preview into --out. Besides times it notes the longest silence
of each command: seconds in which it printed nothing. Needs Chromium, as `make test-browser` does."""
import argparse, contextlib, os, selectors, shutil, subprocess, sys, tempfile, time
from pathlib import Path
from playwright.sync_api import sync_playwright
from browser import comes, find_chromium, jupyter, middle, open_preview, pixels
from notebooks import ROOT

OURS = "PYTHONPATH", "VIRTUAL_ENV", "NERFLAME_SHARED", "OMP_NUM_THREADS"
CLEAN = {k: v for k, v in os.environ.items() if k not in OURS}   # as a new user has it


def watched(command, folder, log):
    "Run a command; return its seconds and the longest time in which it printed nothing. Exits where it fails."
    begin = last = time.monotonic()
    silence = 0.
    done = subprocess.Popen(command, cwd=folder, env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    waiting = selectors.DefaultSelector()
    waiting.register(done.stdout, selectors.EVENT_READ)
    with open(log, "ab") as file:
        while True:
            waiting.select()
            data, now = os.read(done.stdout.fileno(), 1 << 16), time.monotonic()
            silence, last = max(silence, now - last), now
            if not data: break
            file.write(data)
    if done.wait(): raise SystemExit(f"{' '.join(map(str, command))}: exit code {done.returncode}, see {log}")
    return time.monotonic() - begin, silence


def disk(folder):
    "Return the megabytes of a folder."
    return int(subprocess.run(["du", "-sm", folder], capture_output=True, text=True, check=True).stdout.split()[0])


def sliders(clone, run, out, name):
    "Open the preview of a RUN in JupyterLab, drag its jaw, and take screenshots; return the seconds until each."
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        server = jupyter(Path(folder), "lab", clone, clone/".venv"/"bin"/"python", clone)
        url, token = stack.enter_context(server)
        play = stack.enter_context(sync_playwright())
        browser = play.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport=dict(width=1400, height=900))
        address = f"{url}/lab/tree/{(run/'face.ipynb').relative_to(clone).as_posix()}?reset&token={token}"
        picture = open_preview(page, address)
        shown = time.monotonic() - begin
        page.screenshot(path=out/f"{name}_first.png")
        before, handle = pixels(picture), page.query_selector(".widget-hslider:has-text('jaw opens') .noUi-handle")
        x, y = middle(handle)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 60, y, steps=8)
        page.mouse.up()
        def changed():
            now = pixels(picture)   # drafts are smaller
            return len(now) == len(before) and abs(now - before).mean() > 0.003
        assert comes(page, changed), "the slider did not move the face"
        moved = time.monotonic() - begin
        page.wait_for_timeout(3000)
        page.screenshot(path=out/f"{name}_moved.png")
        browser.close()
    return shown, moved


def table(rows):
    "Return the steps as a table in Markdown."
    head = ["| step | time | since the start | longest silence | |", "| --- | ---: | ---: | ---: | --- |"]
    total, lines = 0., []
    for step, seconds, silence, note in rows:
        total += seconds
        clock = lambda s: f"{int(s)//60} min {int(s) % 60:02d} s"
        quiet = f"{silence:.0f} s" if silence else ""
        lines.append(f"| {step} | {clock(seconds)} | {clock(total)} | {quiet} | {note} |")
    return "\n".join([*head, *lines]) + "\n"


def main():
    "Go through the steps."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default=str(ROOT), help="repository to clone; default: this one")
    parser.add_argument("--out", default="runs/first_hour", type=Path, help="folder to write")
    parser.add_argument("--photographs", type=Path, help="a folder of photographs, or a film, to train on as well")
    parser.add_argument("--minutes", default="5", help="of that training")
    options = parser.parse_args()
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder)/"nerflame"
        def step(title, *command, where=clone, note=lambda: ""):
            rows.append((title, *watched(command, where, out/"log.txt"), note()))
            print(table(rows[-1:]).splitlines()[-1], flush=True)
        def preview(name, run):
            shown, moved = sliders(clone, run, out, name)
            rows.append((f"preview of {name}", shown, 0., f"a slider moved it after {moved - shown:.0f} s more"))
        step("`git clone`", "git", "clone", "-q", options.source, str(clone), where=Path(folder))
        step("`make install`", "make", "install", note=lambda: f"{disk(clone/'.venv')} MB in .venv")
        step("`make demo`", "make", "demo", note=lambda: f"{disk(clone/'runs')} MB in runs")
        shutil.copytree(clone/"runs", out/"runs", dirs_exist_ok=True)
        preview("the demo", clone/"runs"/"demo")
        if options.photographs:
            photographs = str(options.photographs.resolve())
            train = [clone/".venv"/"bin"/"nerflame", "train", photographs, "--out", "runs/me", "--head", "anny"]
            step("`nerflame train photographs`", *train, "--minutes", options.minutes)
            (clone/"runs"/"me"/"face.ipynb").write_bytes((clone/"runs"/"demo"/"face.ipynb").read_bytes())
            preview("the photographs", clone/"runs"/"me")
    (out/"first_hour.md").write_text(table(rows), encoding="utf-8")
    print(table(rows))


if __name__ == "__main__": sys.exit(main())
