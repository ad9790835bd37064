"""Train for half an hour, then draw 500 pictures in the preview, and see whether memory grows or speed falls.

    .venv/bin/python bench/long.py                                            # 35 to 45 minutes
    .venv/bin/python bench/long.py --minutes 3 --pictures 60 --out runs/long  # short: to see that it works

The capture is the built-in person in four states, so that posed heads come and go while it trains. A training fixes its
number of steps early on, so it ends before its time where the machine becomes faster. The preview draws what a hand
that drags a slider sees: a draft and a full picture of each new expression. Every few seconds we note the resident
memory of the process, and steps or pictures a second of processor time, which other programs on the machine disturb
least.

Memory and speed settle first: kernels compile, caches fill, and the shell grows. So we fit lines to the last half of
the stage `field`, in which every step is alike, and to all pictures but the first tenth. The spread is two standard
errors of a line through the means of ten equal parts, because neighbouring samples are not independent. Linux only.
"""
import os
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import argparse, csv, io, random, time
from dataclasses import astuple, dataclass, fields
from pathlib import Path
import numpy as np, torch
from nerflame.core import write_text
from nerflame.heads.head import load_head
from nerflame.plot import new_figure, save_figure
from nerflame.runtime import cpu_threads
from nerflame.scenes.capture import CaptureConfig, write_capture
from nerflame.scenes.reading import load_scene
from nerflame.training.callbacks import Callback
from nerflame.training.settings import TrainConfig
from nerflame.training.train import train
from nerflame.widget.preview import Preview
from common import machine
from memory import memory_now
from scenes import RUNS

@dataclass(frozen=True)
class Sample:
    "What was noted for some seconds."
    phase: str       # a stage of the training, or "preview"
    minutes: float   # since the beginning
    wall: float      # steps or pictures a second
    cpu: float       # steps or pictures a second of processor time
    memory: float    # resident, MiB

class Log(Callback):
    "Notes memory and speed every few seconds, in `samples`."
    def __init__(self, every):
        self.samples, self._every, self._begun = [], every, time.monotonic()
        self._restart("")

    def after_step(self, stage, step, loss, psnr): self.done(str(stage))
    def log(self, text): print(text, flush=True)

    def _restart(self, phase):
        self._phase, self._count = phase, 0
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def done(self, phase):
        "Count a step or a picture."
        # the first one of a phase ends what belongs to no phase
        if phase != self._phase: return self._restart(phase)
        self._count += 1
        wall, cpu = time.monotonic() - self._wall, time.process_time() - self._cpu
        if wall < self._every: return
        now, minutes = memory_now(), (time.monotonic() - self._begun)/60
        resident = now["anonymous"] + now["file"]
        self.samples.append(Sample(phase, minutes, self._count/wall, self._count/cpu, resident))
        self._restart(phase)

def capture_scene(head, size):
    "Return the training pictures of the built-in person in four states; the capture is written once."
    folder = RUNS/f"long_{size}"
    expressions = ("jaw open", "smile", "surprise")
    config = CaptureConfig(resolution=size, n_train=32, n_val=2, n_test=2, moments=(), filmed=expressions, samples=2,
        sky_rays=16, texture_height=768)
    if not (folder/"transforms_train.json").is_file(): write_capture(folder, config, head)
    return load_scene(folder, "train", None, head)

def draw_pictures(run, n, log):
    "Draw n pictures in the preview, a draft and a full picture of each random expression in turn."
    preview, draws = Preview(run, later=lambda seconds, act: None), random.Random(0)
    for i in range(n):
        if i % 2 == 0: preview.set_state(preview.state().shuffled(draws))
        preview.draw(i % 2 == 0)
        if preview.error: raise preview.error
        log.done("preview")

@dataclass(frozen=True)
class Trend:
    "A line through values against time."
    begin: float    # its value at the first sample
    end: float      # at the last one
    spread: float   # two standard errors of the change

    @property
    def change(self)->float: return self.end - self.begin

def trend(minutes, values, parts=10):
    "Fit a line to the means of equal parts, with the spread of its change over all the time."
    x, y = (np.array([part.mean() for part in np.array_split(np.array(v), parts)]) for v in (minutes, values))
    slope, base = np.polyfit(x, y, 1)
    error = np.sqrt(((y - base - slope*x)**2).sum()/(parts - 2)/((x - x.mean())**2).sum())
    span = minutes[-1] - minutes[0]
    begin = base + slope*minutes[0]
    return Trend(begin, begin + slope*span, 2*error*span)

def settled(samples, phase):
    "Return the samples of a phase after it has settled."
    own = [s for s in samples if s.phase == phase]
    return own[len(own)//2 if phase == "field" else len(own)//10:]

_LEAST = 20   # samples of a line

def verdict(line, worse, limit=0.01):
    "Say whether values clearly get worse (`worse`: the sign of such a change) by more than a share of them."
    least, most = worse*line.change - line.spread, worse*line.change + line.spread
    if least > limit*line.begin: return "**grows**" if worse > 0 else "**falls**"
    if most < 2*limit*line.begin: return "no growth" if worse > 0 else "no slowdown"
    return "too noisy to tell"

def lines_of(samples):
    "Return the rows of the table."
    rows, kinds = [], (("memory", "memory", "MiB", 1), ("cpu", "speed", "a second of processor time", -1))
    for phase in "field", "preview":
        own = settled(samples, phase)
        if len(own) < _LEAST:
            rows.append(f"| {phase} | too few samples ({len(own)}) | | | |")
            continue
        for name, title, unit, worse in kinds:
            line = trend([s.minutes for s in own], [getattr(s, name) for s in own])
            span = own[-1].minutes - own[0].minutes
            change = f"{100*line.change/line.begin:+.2f} ± {100*line.spread/line.begin:.2f} %"
            rows.append(f"| {phase}, {title} | {line.begin:.4g} to {line.end:.4g} {unit} | {span:.1f} min, {len(own)} "
                f"samples | {change} | {verdict(line, worse)} |")
    return rows

def report(samples, options, metrics):
    "Return the result in Markdown."
    m, steps, trained = machine(), metrics["stages"]["field"]["steps"], metrics["seconds"]/60
    drawn = samples[-1].minutes - trained
    intro = (f"A training that was asked to take {options.minutes:g} minutes took {trained:.1f} ({steps:,} steps of "
        f"the stage `field`), then {options.pictures} pictures in the preview took {drawn:.1f}. The capture is the "
        f"built-in person in four states, {options.size} x {options.size} pixels. {m['cpu']}, {m['threads']} threads "
        f"of {m['cores']} cores, load {m['load']} at the end.")
    head = ["| what | line, from first to last | fitted to | change ± 2 standard errors | |",
        "| --- | --- | --- | ---: | --- |"]
    picture = f"![memory and speed]({Path(options.out).name}.png)"
    return "\n".join(["# A long run", "", intro, "", *head, *lines_of(samples), "", picture, ""])

def draw(samples):
    "Draw memory and speed against time."
    figure, axes = new_figure(2, 1, 6.5, 2.0)
    for phase in dict.fromkeys(s.phase for s in samples):
        own = [s for s in samples if s.phase == phase]
        for ax, name in zip(axes[:, 0], ("memory", "cpu")):
            ax.plot([s.minutes for s in own], [getattr(s, name) for s in own], label=phase)
    axes[0, 0].set(ylabel="resident memory (MiB)", ylim=(0, 1.15*max(s.memory for s in samples)))
    axes[0, 0].legend(fontsize=8, frameon=False, loc="lower right", ncols=6)
    axes[1, 0].set(xlabel="minutes", ylabel="steps or pictures\na second of CPU time", yscale="log")
    return figure

def main():
    "Train, draw and write the results."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--minutes", type=float, default=30., help="of training; default 30")
    add("--pictures", type=int, default=500, help="drafts and full pictures in the preview; default 500")
    add("--every", type=float, default=5., help="seconds between samples; default 5")
    add("--size", type=int, default=100, help="width of the photographs, pixels; default 100")
    add("--out", default="bench/results/long", help="files to write, without ending; default %(default)s")
    options = parser.parse_args()
    torch.set_num_threads(cpu_threads())
    head = load_head("anny")
    scene = capture_scene(head, options.size)
    log = Log(options.every)
    run = train(scene, head, TrainConfig(minutes=options.minutes), val=scene[:2], callbacks=[log])
    draw_pictures(run, options.pictures, log)
    rows = io.StringIO()
    lines = [[v if isinstance(v, str) else round(v, 3) for v in astuple(s)] for s in log.samples]
    csv.writer(rows, lineterminator="\n").writerows([[f.name for f in fields(Sample)], *lines])
    text = report(log.samples, options, run.metrics)
    Path(options.out).parent.mkdir(parents=True, exist_ok=True)
    write_text(f"{options.out}.csv", rows.getvalue())
    write_text(f"{options.out}.md", text)
    save_figure(draw(log.samples), f"{options.out}.png", 70)
    print(text, end="")

if __name__ == "__main__": main()
