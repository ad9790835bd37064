"""Open pages of faces (nerflame export --html) in a headless Chromium, and fail where they do not do what they say.

    make test-browser                                 a toy whose names are scripts
    .venv/bin/python tools/browser_page.py RUN        the page of a face: size, seconds, pictures/s, PSNR to the field

The page's vertices are compared with the head model, its picture with our plain drawing of the layers. Screenshots are
written into runs/browser."""
import argparse, base64, io, os, tempfile, time
from dataclasses import replace
from pathlib import Path
import numpy as np, torch
import torch.nn.functional as F
from PIL import Image
from playwright.sync_api import sync_playwright
from nerflame.cameras import orbit_camera
from nerflame.heads.head import Head
from nerflame.metrics import psnr
from nerflame.testing import capped_model
from nerflame.use.export import ExportFiles, export_run
from nerflame.use.gltf import avatar_params, make_avatar, rest_params
from nerflame.use.layers import LayerFit, draw_layers, layer_face
from nerflame.use.motion import Motion
from nerflame.use.page import save_page
from nerflame.published.methods import load_run
from browser import comes, find_chromium
from notebooks import ROOT
from test_glb import SOFTWARE_GL, State, params_of

SCRIPT = "\"></script><img src=x onerror='window.stranger = 1'>"
NO_GL = ["--no-sandbox", "--disable-gpu", "--disable-software-rasterizer", "--disable-3d-apis"]
SIZE = 512   # of pictures, pixels

SMILE = dict(mouthSmileLeft=0.9, mouthSmileRight=0.9)
EE = dict(mouthStretchLeft=0.7, mouthStretchRight=0.7, jawOpen=0.3)
CLOSED = dict(eyeBlinkLeft=1., eyeBlinkRight=1., browInnerUp=0.8)
STATES = [
    State("rest", 0., elevation=0.), State("rest, left", 0.9, elevation=0.1),
    State("rest, right", -0.6, elevation=0.25),
    State("jaw", 0.3, turns=dict(jaw=[0.25, 0, 0]), elevation=0.), State("smile", -0.3, SMILE, elevation=0.05),
    State("neck and eyes", 0.4, turns=dict(neck=[0.1, 0.4, 0], left_eye=[0, -0.35, 0], right_eye=[0, -0.35, 0]),
        elevation=0.),
    State("wink", 0.7, dict(eyeBlinkRight=1.), dict(jaw=[0.1, 0.05, 0]), elevation=0.),
    State("eyes closed, brows", -0.8, CLOSED, elevation=0.15),
    State("kiss", 0.1, dict(mouthPucker=1.), dict(neck=[-0.15, -0.3, 0]), elevation=-0.2),
    State("ee", -1.2, EE, elevation=0.)]


def task_of(params, azimuth, elevation):
    "Return what the page's `picture` takes for a state, one row of parameters."
    weights, turns = params.expression[0].tolist(), params.full_pose[0].flatten().tolist()
    return dict(weights=weights, turns=turns, azimuth=azimuth, elevation=elevation)


def picture(page, task, fine=False, background=1.):
    "Return the page's picture of a state (H, W, 3); `fine`: with smooth edges."
    address = page.evaluate("([task, fine]) => nerflame.picture(task, fine)", [task, fine])
    data = io.BytesIO(base64.b64decode(address.split(",")[1]))
    rgba = torch.from_numpy(np.array(Image.open(data).convert("RGBA")))/255
    seen = rgba[..., :3]*rgba[..., 3:] + (1 - rgba[..., 3:])*background
    return F.avg_pool2d(seen.permute(2, 0, 1)[None], 2)[0].permute(1, 2, 0) if fine else seen


def opened(browser, path, width=SIZE + 320, height=SIZE, dark=False, scheme=""):
    "Open a page; return it, the seconds until it was ready, and the addresses that it asked for."
    page = browser.new_page(viewport=dict(width=width, height=height), color_scheme="dark" if dark else "light")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    begin = time.monotonic()
    page.goto(path.resolve().as_uri() + scheme)
    page.wait_for_selector("body[data-state]", timeout=60_000)
    return page, time.monotonic() - begin, asked


def hostile_page(folder):
    "Write the page of a toy whose names are scripts; return the page, its face and its model."
    model = capped_model()
    names = tuple(f"{name}{SCRIPT}" if i else name for i, name in enumerate(model.head.expression_names))
    model.head = Head(replace(model.head.arrays, expression_names=names))
    face = layer_face(model, make_avatar(model, 128), LayerFit(128, 20, 64, 100))
    moved = model.head.neutral(3).replace(jaw_pose=[[0, 0, 0], [0.3, 0, 0], [0, 0, 0]])
    return save_page(folder/"toy.html", face, model, Motion(moved, np.array([0., 0.5, 1.])), SCRIPT), face, model


def check_numbers(page, face, model):
    "Compare vertices and a picture with the head model and with our drawing."
    params = rest_params(model).replace(expression=[0.4, 0.3, -0.2], global_orient=[0.1, 0.2, 0],
        neck_pose=[0.1, 0.3, 0], jaw_pose=[0.25, 0.05, 0], eye_pose=[0.1, 0.2, 0, 0, -0.3, 0])
    task = task_of(params, 0.35, 0.1)
    drawn = picture(page, task, fine=True)
    pose_it = "([w, t]) => { nerflame.head.pose(w, t); return [...nerflame.head.verts]; }"
    verts = np.array(page.evaluate(pose_it,
        [task["weights"], task["turns"]])).reshape(-1, 3)
    own = model.head(avatar_params(face.avatar, model, params))[0].numpy()[face.avatar.rows]
    error = abs(verts - own).max()
    plain = draw_layers(face, model, params, orbit_camera(0.35, 0.1, width=2*SIZE))
    plain = F.avg_pool2d(plain.permute(2, 0, 1)[None], 2)[0].permute(1, 2, 0)
    alike = float(psnr(drawn[None], plain[None])[0])
    near = f"vertices within {1e6*error:.1f} micrometres of the head model"
    print(f"page: {near}; picture {alike:.1f} dB from our drawing")
    assert error < 3e-5 and alike > 30


def check_controls(page):
    "Move what can be moved, and test that the picture follows."
    def changes(action, what):
        page.wait_for_timeout(400)
        before = page.screenshot()
        action()
        assert comes(page, lambda: page.screenshot() != before), f"page: {what} changes nothing"
    values = lambda: page.evaluate("[...document.querySelectorAll('input[type=range]')].map(i => i.valueAsNumber)")
    jaw = page.locator("label.row", has_text="jaw opens").locator("input")
    changes(lambda: jaw.fill("0.4"), "the slider of the jaw")
    changes(lambda: page.click("text=look aside"), "a preset")
    assert values()[0] == 0 and any(values()), "page: a preset begins at rest"
    changes(lambda: page.click("#reset"), "Reset")
    assert not any(values()), "page: Reset moves sliders back"
    changes(lambda: page.click("#mesh"), "the mesh")
    changes(lambda: page.click("#mesh"), "the mesh")
    page.focus("#face")
    changes(lambda: page.keyboard.press("ArrowLeft"), "an arrow key")
    changes(lambda: page.keyboard.press("r"), "the key R")
    box = page.locator("#face").bounding_box()
    x, y = box["x"] + box["width"]/2, box["y"] + box["height"]/2
    def drag():
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 80, y, steps=5)
        page.mouse.up()
    changes(drag, "the mouse")
    changes(lambda: page.keyboard.press(" "), "Play")
    assert page.inner_text("#play") == "Pause"
    changes(lambda: None, "recorded motion")
    page.click("#reset")


def check_toy(play, browser, out):
    "Test the page of a toy."
    with tempfile.TemporaryDirectory() as folder:
        path, face, model = hostile_page(Path(folder))
        page, _, asked = opened(browser, path)
        assert page.evaluate("document.body.dataset.state") == "ready", page.inner_text("#message")
        assert all(url.startswith(("file:", "data:", "blob:")) for url in asked), asked
        check_numbers(page, face, model)
        check_controls(page)
        page.screenshot(path=out/"page_toy.png")
        assert page.evaluate("window.stranger") is None, "page: a name ran as a script"
        assert SCRIPT in page.inner_text("h1"), "page: names are shown as they are"
        page.close()
        page, _, _ = opened(browser, path, 390, 780, dark=True, scheme="#play")
        assert page.inner_text("#play") == "Pause"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, "page: wider than a phone"
        page.screenshot(path=out/"page_phone.png")
        page.close()
        bare = play.chromium.launch(executable_path=find_chromium(), args=NO_GL)
        page, _, _ = opened(bare, path)
        assert "WebGL 2" in page.inner_text("#message"), "page: no message without WebGL"
        page.screenshot(path=out/"page_without_webgl.png")
        bare.close()
    print("page: sliders, presets, keys, mouse, mesh, motion, phone, missing WebGL: as they should be")


def measure_run(browser, folder, out):
    "Write the page of a RUN, print its size, time, speed and PSNR to the field, and save screenshots."
    run, name = load_run(folder), Path(folder).resolve().name
    path = out/f"{name}.html"
    export_run(run, ExportFiles(html=path))
    page, seconds, _ = opened(browser, path)
    speed = max(page.evaluate("nerflame.speed(60)") for _ in range(3))
    size = path.stat().st_size/1e6
    print(f"{name}: {size:.2f} MB, opens in {seconds:.1f} s, {speed:.1f} pictures/s of {SIZE} x {SIZE}")
    rows, decibels = [], []
    for state in STATES:
        params = params_of(run.model.head, rest_params(run.model), state)
        task = task_of(params, state.azimuth, state.elevation)
        full = run.model.render(state.camera(SIZE), params).rgb.cpu()
        seen = [picture(page, task, fine) for fine in (False, True)]
        decibels.append([float(psnr(full[None], s[None])[0]) for s in seen])
        print(f"  {state.name:20} {decibels[-1][0]:.2f} dB while it moves, {decibels[-1][1]:.2f} dB at rest")
        rows.append(torch.cat([full, seen[1], (4*(full - seen[1]).abs()).clamp(0, 1)], 1))
    moving, still = np.mean(decibels, 0)
    print(f"  mean                 {moving:.2f} dB while it moves, {still:.2f} dB at rest")
    sheet = torch.cat([torch.cat(rows[:5]), torch.cat(rows[5:])], 1)
    Image.fromarray((sheet*255).byte().numpy()).save(out/f"{name}_page.png")
    moves = dict(rest=({}, 0.), jaw=({"jaw opens": 0.35}, 0.), smile=({"mouthSmile": 0.9}, 0.3), orbited=({}, 0.9))
    show = "([v, a]) => { document.getElementById('reset').click(); nerflame.set(v); nerflame.look(a, 0.05); }"
    for label, move in moves.items():
        page.evaluate(show, move)
        page.wait_for_timeout(1500)
        page.screenshot(path=out/f"{name}_page_{label}.png")
    page.close()
    for label, dark in dict(phone=False, phone_dark=True).items():
        page, _, _ = opened(browser, path, 390, 780, dark)
        page.wait_for_timeout(1000)
        page.screenshot(path=out/f"{name}_page_{label}.png")
        page.close()


def side_by_side(out, name, file):
    "Write the screenshots of a page beside each other."
    shots = [Image.open(out/f"{name}_page_{label}.png").convert("RGB") for label in ("smile", "orbited", "phone_dark")]
    shots = [shot.resize((round(shot.width*SIZE/shot.height), SIZE), Image.LANCZOS) for shot in shots]
    sheet = Image.new("RGB", (sum(shot.width for shot in shots) + 16*(len(shots) - 1), SIZE), "white")
    for i, shot in enumerate(shots): sheet.paste(shot, (sum(s.width + 16 for s in shots[:i]), 0))
    sheet.save(file, quality=85)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="*", metavar="RUN", help="folder that nerflame train or demo wrote")
    parser.add_argument("--picture", metavar="FILE.jpg", help="of the last RUN: screenshots side by side")
    options = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    out = ROOT/"runs"/"browser"
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_chromium(), args=SOFTWARE_GL)
        if not options.run: check_toy(play, browser, out)
        for folder in options.run: measure_run(browser, folder, out)
        browser.close()
    if options.picture: side_by_side(out, Path(options.run[-1]).resolve().name, options.picture)


if __name__ == "__main__": main()
