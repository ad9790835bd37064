"""Measure how a head ends: at the neck's cut, at clothes, and whether loose specks float around it.

    .venv/bin/python bench/neck.py RUN                     # the split test of the scene that the RUN was trained on
    .venv/bin/python bench/neck.py RUN --split val --data SCENE

For each photograph we count, in its mask and in the rendered cover: islands (connected pixels of more than one half,
of at least four pixels), specks (smaller ones), and the length of the neck's outline (the contour at one half lower
than the head model's neck joint, pixels; hair has another, which frays). "Below" are the pixels of cover outside of the
mask, "missing" those of the mask without cover, both lower than the neck joint. Pixels that the scene ignores count as
empty in both.
"""
import os
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import argparse
from dataclasses import dataclass
import numpy as np, torch
from contourpy import contour_generator
from scipy import ndimage
from nerflame.cameras import project
from nerflame.evaluation.runs import RunScene, frame_params, own_params
from nerflame.fitting.outlines import downward
from nerflame.metrics import head_psnr
from nerflame.training.run import data_folder, read_run

SPECK = 4   # pixels, from which on we call something an island

@dataclass
class Shape:
    "What a cover (H, W) in [0, 1] looks like."
    islands: int
    specks: int
    outline: float   # pixels

def shape_of(cover, below):
    "Count the parts of a cover (H, W), and measure its outline in a region, a mask (H, W)."
    labels, n = ndimage.label(cover > 0.5, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    lines, length = contour_generator(z=np.pad(cover, 1)).lines(0.5), 0.
    for line in lines:
        x, y = ((line[1:] + line[:-1])/2 - 1).round().astype(int).T
        inside = below[y.clip(0, below.shape[0] - 1), x.clip(0, below.shape[1] - 1)]
        length += float(np.linalg.norm(np.diff(line, axis=0), axis=1)[inside].sum())
    return Shape(int((sizes >= SPECK).sum()), int((sizes < SPECK).sum()), length)

def below_neck(scene, i, model, params):
    "Test which pixels of a frame (H, W) are lower than the neck joint."
    joint = model.head.flame.joints(params)[0, 1]
    place = model.to_scene[:3, :3] @ joint + model.to_scene[:3, 3]
    at = project(scene.cameras[i], place[None])[0][0, 0]
    down = downward(scene.cameras[[i]], scene.up)[0]
    rows, columns = torch.meshgrid(*(torch.arange(n) + 0.5 for n in scene.mask[i].shape), indexing="ij")
    return ((torch.stack([columns, rows], -1) - at) @ down > 0).numpy()

def measure(model, scene, i, params):
    "Compare the render of a frame with its photograph."
    pixels, frame = model.render(scene.cameras[i], params, scene.background), scene[i]
    counted = np.ones(frame.mask[0].shape, bool) if frame.ignored is None else (frame.ignored[0] == 0).numpy()
    cover, mask = pixels.accumulation.cpu().numpy()*counted, frame.mask[0].numpy()*counted
    low = below_neck(scene, i, model, params)
    wrong = [int((a & low & (abs(cover - mask) > 0.5)).sum()) for a in (mask < 0.5, mask > 0.5)]
    weight = torch.as_tensor(counted).float()[None]
    whole = head_psnr(pixels.rgb[None], frame.rgb, weight)[0]
    head = head_psnr(pixels.rgb[None], frame.rgb, weight*frame.mask)[0]
    return shape_of(cover, low), shape_of(mask, low), wrong, float(whole), float(head)

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--split", default="test")
    parser.add_argument("--data")
    args = parser.parse_args()
    run = read_run(args.run)
    scene, reference = RunScene(run, data_folder(run, args.data)).load(args.split)
    params = frame_params(run.model, own_params(run, scene, reference) or scene.params, reference)
    if params is None: params = run.model.params
    states = [params[i if len(params) > 1 else 0] for i in range(len(scene))]
    rows = []
    print(f"{'photograph':12}  islands  specks        outline   more    below  missing  whole dB  head dB")
    for i, state in enumerate(states):
        got, true, wrong, whole, head = measure(run.model, scene, i, state)
        shapes = got.islands, true.islands, got.specks, true.specks, got.outline, true.outline
        rows.append([*shapes, *wrong, whole, head])
        print_row(scene.names[i], rows[-1])
    print_row("mean", np.mean(rows, 0))

def print_row(name, values):
    "Print the figures of a photograph; those of its mask in brackets."
    a, b, c, d, e, f, below, missing, whole, head = values
    parts = f"{a:4.3g} ({b:.2g}) {c:4.3g} ({d:.2g}) {e:7.0f} ({f:4.0f}) {e/f - 1:+7.1%}"
    print(f"{name:12} {parts} {below:7.4g} {missing:8.4g} {whole:8.2f} {head:8.2f}")

if __name__ == "__main__": main()
