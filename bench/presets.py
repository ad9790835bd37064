"""The three presets on the built-in capture at equal wall time: PSNR on val against time, PSNR on test at the end, and a picture.

    .venv/bin/python bench/presets.py --minutes 8

Time counts from the first look at the pictures, finding the head included; measuring on the way does not count. A picture of the published method takes minutes
on a CPU, so PSNR is that of random pixels, the same ones for all (2,048 of val on the way, 1,024 of each test view at the end). `paper` and `nerf` go through their whole schedules
in the time that there is, with fewer rays a step than the 1,024 of their publications; what 40,000 or 200,000 steps give is for a CUDA card.
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
    "PSNR of n random pixels of each frame, as one, dB."
    area, error, posed = scene.cameras.width*scene.cameras.height, [], model.pose(model.params)
    generator = torch.Generator().manual_seed(0)
    index = (torch.randint(area, (len(scene), n), generator=generator) + area*torch.arange(len(scene))[:, None]).flatten()
    for part in index.split(size):
        batch = take_pixels(scene, part)
        error.append((model(batch.rays, posed, scene.background.expand(len(part), 3)).rgb.clamp(0, 1) - batch.rgb).square().mean(1))
    return float(mse_to_psnr(torch.cat(error).mean()))

class Curve(Callback):
    "PSNR on val at a few moments; the clock stands still meanwhile."
    def __init__(self, scene, clock, moments): self._scene, self._clock, self._moments, self._rows = scene, clock, list(moments), []
    def before_fit(self, model): self._model = model
    def log(self, text): print(text, flush=True)
    def after_step(self, stage, step, loss, psnr):
        if stage == "outline" or not self._moments or self._clock.spent < self._moments[0]: return
        while self._moments and self._clock.spent >= self._moments[0]: self._moments.pop(0)
        spent, begin = self._clock.spent, time.monotonic()
        self._rows.append((spent/60, pixel_psnr(self._model, self._scene, -(-2048//len(self._scene)))))
        print(f"{stage}, step {step}: {spent:.0f} s, {self._rows[-1][1]:.2f} dB", flush=True)
        self._clock.started += time.monotonic() - begin

def train_one(name, data, head, options):
    "A preset for the given time: its curve, its score on test, its steps."
    config, clock = replace(preset(name), minutes=options.minutes, steps=None), TimeBudget(60*options.minutes)
    if name != "fast": config = replace(config, schedule=replace(config.schedule, rays=options.rays))
    curve = Curve(load_scene(data, "val"), clock, [60*options.minutes*k/12 for k in range(1, 12)])
    run = method_of(config).train(load_scene(data, "train"), head, config, val=load_scene(data, "val"), out=Path(options.runs)/name, callbacks=[curve], budget=clock)
    test, stages = load_scene(data, "test"), run.metrics["stages"]
    rows = curve._rows + [(run.metrics["seconds"]/60, pixel_psnr(run.model, load_scene(data, "val"), -(-2048//len(curve._scene))))]
    return dict(minutes=[r[0] for r in rows], psnr=[r[1] for r in rows], test=pixel_psnr(run.model, test, 1024), steps={k: v["steps"] for k, v in stages.items() if "steps" in v},
                rays=config.schedule.rays if name != "fast" else config.field.rays)

def picture(name, options):
    "What a RUN renders of the test view that is most in front of the face, and the photograph."
    seen = load_scene(Path(options.runs)/"capture", "test", options.picture)
    front = int(seen.cameras.positions[:, 1].argmin())
    return load_run(Path(options.runs)/name).model.render(seen.cameras[front], None, seen.background).rgb, seen[front].rgb[0]

def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8.0, help="for each preset; default 8")
    parser.add_argument("--rays", type=int, default=128, help="rays a step of paper and nerf; default 128")
    parser.add_argument("--picture", type=int, default=100, help="width of the pictures at the end, pixels; default 100")
    parser.add_argument("--runs", default="runs/presets", help="folder for the capture and the RUNs; default %(default)s")
    parser.add_argument("--out", default="bench/results/presets", help="files to write, without ending; default %(default)s")
    parser.add_argument("--presets", nargs="+", default=["fast", "paper", "nerf"], help="which; default all three")
    parser.add_argument("--again", action="store_true", help="train only what has no result in --out yet, and draw everything again")
    options = parser.parse_args()
    torch.set_num_threads(cpu_threads())
    head, data = load_head("anny"), Path(options.runs)/"capture"
    if not (data/"transforms_train.json").is_file(): write_capture(data, CaptureConfig(), head)
    known = json.loads(Path(f"{options.out}.json").read_text())["results"] if options.again else {}
    results = {name: known.get(name) or train_one(name, data, head, options) for name in options.presets}
    machine = f"{platform.processor() or platform.machine()}, {cpu_threads()} threads"
    write_text(f"{options.out}.json", json.dumps(dict(machine=machine, versions=versions(), minutes=options.minutes, results=results), indent=1) + "\n")
    lines = [f"The built-in capture at 200 x 200 pixels, {options.minutes:g} minutes each, {cpu_threads()} threads.", "", "| preset | rays a step | steps | test, dB |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| `{k}` | {r['rays']:,} | {' + '.join(str(n) for s, n in r['steps'].items() if s != 'outlines')} | {r['test']:.2f} |" for k, r in results.items()]
    write_text(f"{options.out}.md", "\n".join(lines) + "\n")
    save_figure(plot_curves({k: (r["minutes"], r["psnr"]) for k, r in results.items()}, "minutes", "PSNR on val, dB"), f"{options.out}.png")
    frames, truths = zip(*(picture(name, options) for name in options.presets))
    comparison_sheet(frames, truths, options.presets, f"{options.out}_picture.png", size=options.picture)
    print("\n".join(lines))

if __name__ == "__main__": main()
