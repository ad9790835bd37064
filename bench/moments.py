"""Whether a step of training takes longer, and training more memory, when a capture has ten times as many moments.

    .venv/bin/python bench/run.py --only moments     # about 10 minutes
    .venv/bin/python bench/moments.py --quick        # 3 and 30 moments: a check that everything works; prints only

The built-in head with random expressions, jaws and necks, photographed in plain stripes by four cameras a moment, small. Each figure comes from a process of its own that trains the stage field with
the same number of moments a batch; the two sizes take turns. Steps include the posing of moments that take their turn. Memory is the peak of the process without the bytes of the pictures.
"""
import os
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import argparse, json, statistics, subprocess, sys, tempfile, time
from dataclasses import replace
import torch
from nerflame.cameras import image_rays, orbit_camera
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
from memory import MIB, Watch

def write_moments(folder, head, moments, size, views=4):
    "A capture of random states."
    generator, config = torch.Generator().manual_seed(0), CaptureConfig()
    draw = lambda *shape: torch.rand(*shape, generator=generator)
    params = head.neutral(moments).replace(expression=0.3*draw(moments, head.n_expr)*(draw(moments, head.n_expr) > 0.8), jaw_pose=0.25*draw(moments, 1)*torch.tensor([1., 0, 0]), neck_pose=0.3*(draw(moments, 3) - 0.5))
    cameras = orbit_camera(torch.linspace(-1.6, 1.6, views), torch.tensor([0.1, -0.1]*(views//2)), width=size)
    images = torch.empty(moments*views, size, size, 4)
    for m in range(moments):
        bvh = MeshBVH(transform_points(flame_to_scene(), head(params[m]))[0], head.faces)
        for v in range(views):
            rays = image_rays(cameras[v])
            hits = bvh.raycast(rays.origins, rays.directions)
            hit = hits.face_idx >= 0
            images[m*views + v, ..., :3] = (0.5 + 0.4*torch.sin(20*rays.at(hits.t.where(hit, 0)))).reshape(size, size, 3)
            images[m*views + v, ..., 3] = hit.reshape(size, size)
    rows = [m for m in range(moments) for _ in range(views)]
    save_scene(folder, "train", images, cameras[[v for _ in range(moments) for v in range(views)]], config.near, config.far, FrameLabels(params[rows], rows, [v for _ in range(moments) for v in range(views)]))

class Steps(Callback):
    "When steps of the stage `field` were done."
    def __init__(self): self._times = []
    def after_step(self, stage, step, loss, psnr):
        if stage == "field": self._times.append(time.perf_counter())
    @property
    def times(self): return self._times

def child(job):
    "What a process of its own does: load, train, tell time and memory."
    torch.set_num_threads(cpu_threads())
    head, watch = load_head("anny"), Steps()
    scene, config = load_scene(job["data"], "train", head=head), TrainConfig()
    config = replace(config, parameters="given", minutes=None, steps=job["steps"], relief=None, field=replace(config.field, rays=job["rays"], warm_up=job["settle"]))
    with Watch() as memory: train(scene, head, config, val=scene[:2], callbacks=[watch])
    times, settle = watch.times, job["settle"]
    return dict(step=(times[-1] - times[settle - 1])/(len(times) - settle), memory=memory.most["peak"] - 4*scene.images[..., 0].numel()/MIB, frames=len(scene))

def measured(job):
    "`child` in a process of its own."
    done = subprocess.run([sys.executable, __file__, "--child", json.dumps(job)], capture_output=True, text=True)
    if done.returncode: raise RuntimeError(f"{job} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])

def moments_rows(quick):
    "Step time and memory of many moments over those of few, round by round."
    few, many, rounds = (3, 30, 1) if quick else (30, 300, 3)
    head, found = load_head("anny"), {few: [], many: []}
    with tempfile.TemporaryDirectory() as folder:
        for n in found: write_moments(f"{folder}/{n}", head, n, 48 if quick else 64)
        for _ in range(rounds):
            for n in found: found[n].append(measured(dict(data=f"{folder}/{n}", steps=60 if quick else 240, settle=20 if quick else 80, rays=512 if quick else 4096)))
    ratio = lambda key: [b[key]/a[key] for a, b in zip(found[few], found[many])]
    about = f"{few} and {many} moments of 4 pictures; a batch takes its rays from {TrainConfig().field.timesteps} of them, one is exchanged every {TrainConfig().field.renew} steps"
    targets = {} if quick else dict(reach=1.05, less=True)
    def line(name, values, unit, note="", **targets): return row("moments", name, values, unit, note=note, **targets)
    return [line(f"step with {few} moments", [1000*r["step"] for r in found[few]], "ms", about), line(f"step with {many} moments", [1000*r["step"] for r in found[many]], "ms"),
            line(f"step time, {many} over {few} moments", ratio("step"), "times", **targets),
            line(f"memory of training without pictures, {few} moments", [r["memory"] for r in found[few]], "MiB"), line(f"memory, {many} over {few} moments", ratio("memory"), "times", **targets)]

def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few moments, small pictures")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child: print(json.dumps(child(json.loads(options.child))))
    else: print(markdown(dict(moments=record(moments_rows(options.quick), 0.)), "moments"))

if __name__ == "__main__": main()
