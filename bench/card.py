"""Measure a CUDA device: seconds until a face is there, its quality after a minute, and pictures a second.

    .venv/bin/python bench/run.py --only card     # 3 minutes, with a GPU; results go to bench/results/card.*

Scene and head come from the folder of shared test data (`nerflame.files.shared`).
"""
import time
import torch
from nerflame.files import shared
from nerflame.scenes.reading import load_scene
from nerflame.evaluation.scores import evaluate
from nerflame.heads.head import load_head
from nerflame.metrics import psnr
from nerflame.published.model import load_model
from nerflame.training.settings import TrainConfig
from nerflame.training.callbacks import Callback
from nerflame.training.checkpoint import TimeBudget
from nerflame.training.train import train, scene_psnr
from common import Row, ratios, row, timed
from frames import random_cameras, random_states
from scenes import RUNS

class Until(Callback):
    "End the stage `field` at some PSNR; the clock stands still while it is measured."
    def __init__(self, scene, clock, target, every):
        self._scene, self._clock, self._target = scene, clock, target
        self._every, self._next = every, every
        self._seconds = None

    def before_fit(self, model): self._model = model

    def after_step(self, stage, step, loss, psnr):
        if stage != "field" or self._clock.spent < self._next: return
        reached, begin = self._clock.spent, time.monotonic()
        better = scene_psnr(self._model, self._scene, max_frames=20) >= self._target
        self._clock.started += time.monotonic() - begin
        self._next = reached + self._every
        if better:
            self._seconds = reached
            raise KeyboardInterrupt   # ends training as Ctrl-C does

    @property
    def seconds(self): return self._seconds   # None: not reached

def seconds_to(target, scene, val, head, minutes=1.):
    """Return the seconds until a PSNR on val is reached, or None if it is not reached in `minutes`.
    Finding the head counts, reading files does not."""
    clock = TimeBudget(60*minutes)
    until = Until(val, clock, target, 0.5)
    train(scene, head, TrainConfig(minutes=minutes), callbacks=[until], budget=clock)
    return until.seconds

def picture_seconds(model, states, cameras):
    "Time a picture of each state from its camera: (seconds of pose, seconds of render, picture)."
    def one(i):
        made = {}
        def pose(): made["posed"] = model.pose(states[i].to(model.device))
        def render(): made["rgb"] = model.render(cameras[i].to(model.device), made["posed"]).rgb
        return timed(pose), timed(render), made["rgb"].cpu()
    return [one(i) for i in range(len(cameras))][3:]   # the first ones compile

def picture_rows(model, n, size=512):
    "Pictures with a new expression and camera each, on the GPU and on the CPU beside it."
    folder = RUNS/"card"
    model.save(folder)
    states, cameras = random_states(model.params, n + 3), random_cameras(n + 3, size)
    gpu, cpu = (picture_seconds(m, states, cameras) for m in (model, load_model(folder)))
    same = min(float(psnr(a[2][None], b[2][None])[0]) for a, b in zip(gpu, cpu))
    whole = lambda frames: [p + r for p, r, _ in frames]
    line = lambda name, values, unit, **rest: row("card", f"{size} x {size}, {name}", values, unit, **rest)
    note = f"{n} of them; at least {same:.1f} dB to the same picture from the CPU"
    a_second = [1/s for s in whole(gpu)]
    return [line("a new expression and camera in each", a_second, "frames/s", reach=60., aim=200., note=note),
            line("of this model.pose", [1000*p for p, _, _ in gpu], "ms"),
            line("of this model.render", [1000*r for _, r, _ in gpu], "ms"),
            line("against the CPU cores of the same machine", ratios(whole(cpu), whole(gpu)), "x")]

@torch.no_grad()
def card_rows():
    "All rows of the section, or one that gives the reason where there is no GPU or no data."
    data, file, name = shared("data/lps"), shared("heads/ict_flame.npz"), "lps at 400 pixels, time until 30 dB on val"
    targets = dict(unit="s", reach=20., aim=8.)
    if not data or not file: return [Row("card", name, **targets, note="the shared test data are absent")]
    if not torch.cuda.is_available(): return [Row("card", name, **targets, note="no CUDA device here")]
    scene, val, test = (load_scene(data, split).to("cuda") for split in ("train", "val", "test"))
    head = load_head(str(file)).to("cuda")
    with torch.enable_grad():
        first, *then = [seconds_to(30., scene, val, head) for _ in range(4)]
        run = train(scene, head, TrainConfig(minutes=1), val=val, callbacks=[], budget=TimeBudget(60))
    scores = [f["psnr"] for f in evaluate(run.model, test, progress=False)["frames"]]
    reached = [s for s in then if s is not None]
    if len(reached) < len(then):
        soon = Row("card", name, **targets, note=f"reached in {len(reached)} of {len(then)} runs")
    else:
        cold = "not reached in a minute" if first is None else f"{first:.1f} s"
        note = f"{cold} in the first run of this process, with what had to be compiled"
        soon = row("card", name, reached, **targets, note=note)
    steps = run.metrics["stages"]["field"]["steps"]
    note = f"{steps:,} steps of the stage field; single frames {min(scores):.1f} to {max(scores):.1f} dB"
    after = row("card", "lps at 400 pixels, PSNR on test after 1 minute", [sum(scores)/len(scores)], "dB", note=note)
    return [soon, after, *picture_rows(run.model, 30)]
