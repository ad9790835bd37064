"""Compare a person with long hair with the same person without: pictures of new expressions, and steps of training.

    .venv/bin/python bench/hair.py             # about 20 minutes on two cores, nearly all of it the two trainings
    .venv/bin/python bench/hair.py --quick     # small: to see that it works

Both captures are of the built-in person, with true parameters given, so only the hair differs. Hair that stands off the
mesh needs rigid space, which a bald head does not have. Frames and steps of the two take turns in one process, and
we take ratios round by round. A step is the forward and backward pass of 4,096 random rays, without posing. It prints
its table only.
"""
import os
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import argparse, time
from dataclasses import replace
import torch
from nerflame.scenes.capture import dressed_capture, write_capture
from nerflame.scenes.reading import load_scene
from nerflame.runtime import cpu_threads
from nerflame.heads.head import load_head
from nerflame.training.pixels import take_pixels
from nerflame.training.settings import TrainConfig
from nerflame.training.train import train
from common import in_turn, markdown, ratios, record, row
from frames import random_cameras, random_states
from scenes import RUNS

def trained(hair, size, steps):
    "Return the scene of a capture, made once, and a model trained on it with its true parameters."
    # the views of the one with hair, for both
    config = replace(dressed_capture("long"), hair=hair, resolution=size, moments=(), n_train=32, n_val=2, n_test=2)
    if size < 200: config = replace(config, samples=2, sky_rays=16, texture_height=768)
    head, folder = load_head("anny"), RUNS/f"hair_{hair}_{size}"
    if not (folder/"transforms_train.json").is_file(): write_capture(folder, config, head)
    scene = load_scene(folder, "train", None, head)
    run = train(scene, head, TrainConfig(parameters="given", minutes=None, steps=steps), callbacks=[])
    return scene, run.model

def step_of(scene, model, rays):
    "Return a function that does one step's forward and backward pass on random pixels."
    posed, generator = model.pose_for_training(model.params), torch.Generator().manual_seed(0)
    pixels = scene.cameras.width*scene.cameras.height*len(scene)
    def step():
        batch = take_pixels(scene, torch.randint(pixels, (rays,), generator=generator))
        seen = model(batch.rays, posed, scene.background.expand(rays, 3), generator)
        (seen.rgb - batch.rgb).square().mean().backward()
        for p in model.parameters(): p.grad = None
    return step

def frame_of(model, size, seed=0):
    "Return a function that poses and renders the next of several expressions and cameras."
    states, cameras = random_states(model.params, 8, seed), random_cameras(8, size, seed)
    counter = iter(range(1 << 30))
    def frame():
        i = next(counter) % 8
        with torch.no_grad(): model.render(cameras[i], model.pose(states[i]))
    return frame

def hair_rows(quick):
    "Rows of frames and steps, with hair against without."
    size, steps, rounds, width = (64, 60, 3, 128) if quick else (200, 400, 8, 256)
    bald, dressed = trained("none", size, steps), trained("long", size, steps)
    if dressed[1].space is None: raise SystemExit("hair: training found nothing off the mesh")
    rows = []
    counts = [len(model.occupancy.slots) for _, model in (bald, dressed)]
    note = f"captures of {size} x {size}, {steps} steps; {counts[0]:,} voxels without hair, {counts[1]:,} with"
    works = {f"{width} x {width}, a new expression and camera, all included": lambda p: frame_of(p[1], width),
        "a step of training, 4,096 rays, forward and backward": lambda p: step_of(*p, 4096)}
    for name, work in works.items():
        seconds = in_turn(dict(bald=work(bald), dressed=work(dressed)), rounds)
        rows += [row("frames", f"{name}, {k}", seconds[k], "s") for k in ("bald", "dressed")]
        ratio = ratios(seconds["dressed"], seconds["bald"])
        rows.append(row("frames", f"{name}: with hair by without", ratio, "x", note=note))
    return rows

def main():
    "Measure and print."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small captures and few steps, to see that it works")
    options = parser.parse_args()
    torch.set_num_threads(cpu_threads())
    begin = time.perf_counter()
    rows = hair_rows(options.quick)
    print(markdown(dict(frames=record(rows, time.perf_counter() - begin)), "A person with hair against one without"))

if __name__ == "__main__": main()
