"""Measure the quality of a face after some minutes of training, and the memory of training.

    .venv/bin/python bench/run.py --only quality                       # 40 minutes
    .venv/bin/python bench/run.py --only quality --runs lps_200        # only trainings whose names begin so
    .venv/bin/python bench/run.py --only quality --minutes-scale 0.2   # other times, without targets

We run the commands nerflame train and nerflame eval in processes of their own. The last line writes to
bench/results/part.*, so that bench.* stays whole. The time counts from the start of the command, finding the head
included. We mark a training that takes longer than it was asked to (on a busy machine its least number of steps can),
and no target counts for it. Scored pictures go to bench/results/, RUNs to runs/bench/. Scenes and the second head come
from the folder of shared test data (`nerflame.files.shared`); without it a row gives this reason.
"""
import json
from dataclasses import dataclass
from pathlib import Path
import numpy as np, torch
from PIL import Image
from nerflame.files import shared
from nerflame.evaluation.render import picture_path
from nerflame.evaluation.scores import comparison_sheet
from nerflame.published.methods import load_run
from nerflame.training.run import data_folder, run_scene
from common import RESULTS, Row, command, row
from scenes import QUICK_OPTIONS, capture, train_run

@dataclass(frozen=True)
class Training:
    "A training to measure."
    name: str
    scene: str                    # a folder of the shared data, or "" for the built-in capture
    resolution: int
    minutes: float
    split: str = "test"           # or several, with spaces between
    options: tuple = ()
    psnr: tuple = (None, None)    # targets: reach, aim
    memory: tuple = (None, None)  # GB

TRAININGS = (
    Training("lps_200_2min", "lps", 200, 2, psnr=(30., 32.)),
    Training("lps_200_5min", "lps", 200, 5, psnr=(31.5, 34.)),
    Training("lps_400_15min", "lps", 400, 15, psnr=(31., 34.), memory=(2., 1.)),
    Training("actor_neutral_200_2min", "actor_neutral", 200, 2, "val", ("--parameters", "given"), (30., 33.)),
    Training("actor_neutral_200_5min", "actor_neutral", 200, 5, "val", ("--parameters", "given"), (32., 35.)),
    Training("actor_neutral_200_10min", "actor_neutral", 200, 10, "test", ("--parameters", "given"), (29., 31.)),
    Training("actor_200_10min", "actor", 200, 10, "val test", ("--parameters", "given"), (30., 33.)),
    Training("actor_fit_200_10min", "actor", 200, 10, "val test", ("--parameters", "fit")),
    Training("builtin_200_2min", "", 200, 2),
    Training("builtin_200_5min", "", 200, 5))

LATE = 1.15   # a training that took longer than this times its minutes (its final look at val included) meets no target

def quality_rows(quick, scale=1.0, repeats=1, names=None, stem="bench"):
    "All trainings, one after the other; pictures go to files that begin with `stem`."
    if quick:
        name = "builtin_64_quick"
        note = "built-in capture at 64 pixels, head found in the pictures; 200 steps of 1,024 rays"
        return _measure(name, [train_run(capture(64), name, *QUICK_OPTIONS)], "test", note, stem)
    chosen = [t for t in TRAININGS if not names or any(t.name.startswith(n) for n in names)]
    return [r for t in chosen for r in _training_rows(t, scale, repeats, stem)]

def _training_rows(t, scale, repeats, stem):
    "Rows of one training."
    data, file = (capture(t.resolution), "anny") if not t.scene else \
        (shared(f"data/{t.scene}"), shared("heads/ict_flame.npz"))
    if data is None or file is None:
        absent = "the shared test data are absent"
        return [Row("quality", t.name, unit="dB", reach=t.psnr[0], aim=t.psnr[1], note=absent)]
    options = ["--head", file, "--resolution", t.resolution, "--minutes", scale*t.minutes]
    def run(seed): return train_run(data, f"{t.name}_{seed}", *options, "--seed", seed, "--device", "cpu", *t.options)
    runs, way = [run(seed) for seed in range(repeats)], " ".join(t.options) or "head found in the pictures"
    note = f"{t.scene or 'built-in capture'} at {t.resolution} pixels, {way}"
    name, targets = (t.name, (t.psnr, t.memory)) if scale == 1 else (f"{t.name} x {scale:g}", ())
    return _measure(name, runs, t.split, note, stem, 60*scale*t.minutes, *targets)

def _measure(
    name,
    runs,                 # finished trainings from `train_run`
    split,                # or several, with spaces between
    note,
    stem,                 # pictures go to files that begin with it
    budget=None,          # time that the trainings were asked to take, seconds
    psnr=(None, None),    # targets: reach, aim
    memory=(None, None),  # GB
    mark="",              # at the end of the name of the picture
):
    "Rows of finished trainings."
    if " " in split:   # scores of each, memory once
        parts = [_measure(name, runs, part, note, stem, budget, psnr, memory, f"_{part}") for part in split.split()]
        return [r for part in parts for r in part[:3]] + parts[0][3:]
    reports, seconds = [], []
    for folder, _, _ in runs:
        reports.append(_evaluate(folder, split))
        seconds.append(load_run(folder).metrics["seconds"])
    picture = RESULTS/f"{stem}_{name.replace(' ', '_')}{mark}.png"
    draw(runs[0][0], split, picture)
    # a longer training cannot tell what is learned in the given time
    late = budget is not None and max(seconds) > LATE*budget
    if late: psnr = (None, None)
    note = f"{note}; trained for {max(seconds):.0f} s{'' if budget is None else f' of {budget:.0f} s'}{TOO_LONG*late}"
    frames = [f["psnr"] for f in reports[0]["frames"]]
    note = f"{note}; single frames {min(frames):.1f} to {max(frames):.1f} dB; {picture.name}"
    def line(what, values, unit, note, **targets):
        return row("quality", f"{name}: {what}", values, unit, note=note, **targets)
    rows = [line(f"PSNR on {split}", [r["psnr"] for r in reports], "dB", note, reach=psnr[0], aim=psnr[1])]
    note = "the same frames, mean over the pixels of the head"
    rows.append(line(f"PSNR on the head, {split}", [r["psnr_head"] for r in reports], "dB", note))
    rows.append(_lpips_row(name, split, reports))
    note, peaks = "peak resident memory of nerflame train", [peak/1e9 for _, peak, _ in runs]
    return [*rows, line("memory of training", peaks, "GB", note, reach=memory[0], aim=memory[1])]

TOO_LONG = ": TOO LONG, so no target counts; a run does a least number of steps, and this machine was slow or busy"

def _lpips_row(name, split, reports):
    "A row of LPIPS, or one that gives the reason where it was not measured, such as weights that are not here."
    title, found = f"{name}: LPIPS on the head, {split}", [r["lpips_head"] for r in reports]
    if None in found:
        return Row("quality", title, unit="", note=reports[0]["lpips_unavailable"] or "no mask shows a head")
    whole = sum(r["lpips"] for r in reports)/len(reports)
    note = "the same frames, everything else in the colour of the background"
    return row("quality", title, found, "", note=f"{note}; of the whole pictures {whole:.4f}; lower is better")

def _evaluate(folder, split)->dict:
    "Run `nerflame eval` and read its report."
    command("eval", folder, "--split", split, "--device", "cpu")
    return _report(folder, split)

def _report(folder, split): return json.loads((Path(folder)/split/"metrics.json").read_text(encoding="utf-8"))

def draw(folder, split, path, n=5, most=100_000):
    "Draw scored pictures, the photographs and their differences, in at most 100 kB."
    run = load_run(folder)
    scene, frames = run_scene(run, data_folder(run), split, None), _report(folder, split)["frames"]
    shown = np.linspace(0, len(scene) - 1, min(len(scene), n)).round().astype(int)
    def picture(name):
        rgb = Image.open(picture_path(Path(folder)/split, name)).convert("RGB")
        return torch.from_numpy(np.array(rgb)).float()/255
    pictures = [picture(scene.names[i]) for i in shown]
    photographs = [scene[int(i)].rgb[0] for i in shown]
    titles = [f"{Path(scene.names[i]).name}\n{frames[i]['psnr']:.1f} dB" for i in shown]
    for size in (160, 130, 100, 80, 60):
        comparison_sheet(pictures, photographs, titles, path, columns=n, size=size)
        if path.stat().st_size <= most: return
