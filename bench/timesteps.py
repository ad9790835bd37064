"""Compare step time and memory of training for a capture with 300 timesteps and one with 30.

    .venv/bin/python bench/run.py --only timesteps     # about 10 minutes
    .venv/bin/python bench/timesteps.py --quick        # 3 and 30 timesteps: a check that it works; prints only

The capture is the built-in head with random expressions, jaws and necks, in small photographs with plain stripes, from
four cameras a timestep. Each figure comes from a process of its own that trains the stage field with the same number of
timesteps a batch, and the two sizes take turns. Steps include posing the timesteps that enter the batch. Memory is the
peak of the process without the bytes of the pictures.
"""
import os
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import argparse, json, tempfile, time
from dataclasses import replace
import torch
from nerflame.cameras import orbit_camera
from nerflame.scenes.capture import CaptureConfig
from nerflame.runtime import cpu_threads
from nerflame.scenes.writing import FrameLabels, save_scene
from nerflame.scenes.reading import load_scene
from nerflame.heads.head import flame_to_scene, load_head, transform_points
from nerflame.closest import MeshBVH
from nerflame.training.settings import TrainConfig
from nerflame.training.callbacks import Callback
from nerflame.training.train import train
from common import markdown, record, row
from memory import MIB, Watch, measured, striped_picture

def random_params(head, n):
    "Draw n states of a head: a few expression components, jaw and neck."
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.rand(*shape, generator=generator)
    expression = 0.3*draw(n, head.n_expr)*(draw(n, head.n_expr) > 0.8)
    jaw = 0.25*draw(n, 1)*torch.tensor([1., 0, 0])
    return head.neutral(n).replace(expression=expression, jaw_pose=jaw, neck_pose=0.3*(draw(n, 3) - 0.5))

def write_timesteps(folder, head, n, size, views=4):
    "Write a capture of random states."
    params, config = random_params(head, n), CaptureConfig()
    cameras = orbit_camera(torch.linspace(-1.6, 1.6, views), torch.tensor([0.1, -0.1]*(views//2)), width=size)
    images = []
    for t in range(n):
        bvh = MeshBVH(transform_points(flame_to_scene(), head(params[t]))[0], head.faces)
        images += [striped_picture(bvh, cameras[v]) for v in range(views)]
    timestep, view = [t for t in range(n) for _ in range(views)], list(range(views))*n
    labels = FrameLabels(params[timestep], timestep, view)
    save_scene(folder, "train", torch.stack(images), cameras[view], config.near, config.far, labels)

class Steps(Callback):
    "A list of the times at which steps of the stage `field` ended."
    def __init__(self): self.times = []
    def after_step(self, stage, step, loss, psnr):
        if stage == "field": self.times.append(time.perf_counter())

def child(job):
    "Load, train and return time and memory; runs in a process of its own."
    torch.set_num_threads(cpu_threads())
    head, steps, settle = load_head("anny"), Steps(), job["settle"]
    scene, config = load_scene(job["data"], "train", head=head), TrainConfig()
    field = replace(config.field, rays=job["rays"], warm_up=settle)
    config = replace(config, parameters="given", minutes=None, steps=job["steps"], relief=None, field=field)
    with Watch() as memory: train(scene, head, config, val=scene[:2], callbacks=[steps])
    times, images = steps.times, 4*scene.images[..., 0].numel()/MIB
    a_step = (times[-1] - times[settle - 1])/(len(times) - settle)
    return dict(step=a_step, memory=memory.most["peak"] - images, frames=len(scene))

def timesteps_rows(quick):
    "Step time and memory of many timesteps over those of few, round by round."
    few, many, rounds = (3, 30, 1) if quick else (30, 300, 3)
    size, settings = (48, dict(steps=60, settle=20, rays=512)) if quick else (64, dict(steps=240, settle=80, rays=4096))
    head, found = load_head("anny"), {few: [], many: []}
    with tempfile.TemporaryDirectory() as folder:
        for n in found: write_timesteps(f"{folder}/{n}", head, n, size)
        for _ in range(rounds):
            for n in found: found[n].append(measured(dict(data=f"{folder}/{n}", **settings), __file__))
    ratio = lambda key: [b[key]/a[key] for a, b in zip(found[few], found[many])]
    step = lambda n: [1000*r["step"] for r in found[n]]
    memory = [r["memory"] for r in found[few]]
    field = TrainConfig().field
    about = f"{few} and {many} timesteps of 4 pictures; a batch takes its rays from {field.timesteps} of them"
    about += f", one is exchanged every {field.renew} steps"
    targets = {} if quick else dict(reach=1.05, less=True)
    def line(name, values, unit, note="", **targets): return row("timesteps", name, values, unit, note=note, **targets)
    return [line(f"step with {few} timesteps", step(few), "ms", about),
            line(f"step with {many} timesteps", step(many), "ms"),
            line(f"step time, {many} over {few} timesteps", ratio("step"), "times", **targets),
            line(f"memory of training without pictures, {few} timesteps", memory, "MiB"),
            line(f"memory, {many} over {few} timesteps", ratio("memory"), "times", **targets)]

def main():
    "Print the section alone, or run `child`."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few timesteps, small pictures")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child: print(json.dumps(child(json.loads(options.child))))
    else: print(markdown(dict(timesteps=record(timesteps_rows(options.quick), 0.)), "Timesteps"))

if __name__ == "__main__": main()
