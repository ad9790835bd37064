"""How good a face is after some minutes of the clock, and the memory that training takes. The commands that people use, in processes of their own: nerflame_train, then nerflame_eval.

    .venv/bin/python bench/run.py --only quality                       # 40 minutes
    .venv/bin/python bench/run.py --only quality --runs lps_200        # only these: names that begin so
    .venv/bin/python bench/run.py --only quality --minutes-scale 0.2   # other times, without targets

The last two write bench/results/part.*, so that bench.* stays whole. The time counts from the start of the command, finding the head included; a training that takes longer
than it was asked to (on a busy machine its least number of steps can) is marked, and no target counts for it. Pictures of what was scored go to bench/results/, RUNs to runs/bench/. Scenes and the second head come
from the folder of shared test data (`nerflame.files.shared`); a row says so where they are absent.
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
    if quick: return _measure("builtin_64_quick", [train_run(capture(64), "builtin_64_quick", *QUICK_OPTIONS)], "test", "built-in capture at 64 pixels, head found in the pictures; 200 steps of 1,024 rays", stem)
    chosen = [t for t in TRAININGS if not names or any(t.name.startswith(n) for n in names)]
    return [r for t in chosen for r in _training_rows(t, scale, repeats, stem)]

def _training_rows(t, scale, repeats, stem):
    "PSNR and memory of one training."
    data, file = (shared(f"data/{t.scene}"), shared("heads/ict_flame.npz")) if t.scene else (capture(t.resolution), "anny")
    if data is None or file is None: return [Row("quality", t.name, unit="dB", reach=t.psnr[0], aim=t.psnr[1], note="the shared test data are absent")]
    runs = [train_run(data, f"{t.name}_{seed}", "--head", file, "--resolution", t.resolution, "--minutes", scale*t.minutes, "--seed", seed, "--device", "cpu", *t.options) for seed in range(repeats)]
    note = f"{t.scene or 'built-in capture'} at {t.resolution} pixels, {' '.join(t.options) or 'head found in the pictures'}"
    return _measure(t.name if scale == 1 else f"{t.name} x {scale:g}", runs, t.split, note, stem, 60*scale*t.minutes, *((t.psnr, t.memory) if scale == 1 else ()))

def _measure(name, runs, split, note, stem, budget=None, psnr=(None, None), memory=(None, None), mark=""):
    "Rows of finished trainings; `budget` is what they were asked to take, seconds; `mark` goes into the name of the picture."
    if " " in split:   # scores of each, memory once
        parts = [_measure(name, runs, part, note, stem, budget, psnr, memory, f"_{part}") for part in split.split()]
        return [r for part in parts for r in part[:3]] + parts[0][3:]
    reports = [_evaluate(folder, split) for folder, _, _ in runs]
    picture, frames, took = RESULTS/f"{stem}_{name.replace(' ', '_')}{mark}.png", [f["psnr"] for f in reports[0]["frames"]], [load_run(folder).metrics["seconds"] for folder, _, _ in runs]
    draw(runs[0][0], split, picture)
    # what was learned in more time than it was given says nothing about what is learned in that time
    late = budget is not None and max(took) > LATE*budget
    if late: psnr = (None, None)
    asked = "" if budget is None else f" of {budget:.0f} s" + (": TOO LONG, so no target counts; a run does a least number of steps, and this machine was slow or busy" if late else "")
    return [row("quality", f"{name}: PSNR on {split}", [r["psnr"] for r in reports], "dB", reach=psnr[0], aim=psnr[1], note=f"{note}; trained for {max(took):.0f} s{asked}; single frames {min(frames):.1f} to {max(frames):.1f} dB; {picture.name}"),
            row("quality", f"{name}: PSNR on the head, {split}", [r["psnr_head"] for r in reports], "dB", note="the same frames, mean over the pixels of the head"),
            _lpips_row(name, split, reports),
            row("quality", f"{name}: memory of training", [peak/1e9 for _, peak, _ in runs], "GB", reach=memory[0], aim=memory[1], note="peak resident memory of nerflame_train")]

def _lpips_row(name, split, reports):
    "LPIPS of a split; a row that says why where the weights of VGG16 are not on this machine."
    title, found = f"{name}: LPIPS on the head, {split}", [r["lpips_head"] for r in reports]
    if None in found: return Row("quality", title, unit="", note=reports[0]["lpips_unavailable"] or "no mask shows a head")
    return row("quality", title, found, "", note=f"the same frames, everything else in the colour of the background; of the whole pictures {sum(r['lpips'] for r in reports)/len(reports):.4f}; lower is better")

def _evaluate(folder, split)->dict:
    "What `nerflame_eval` writes."
    command("eval", folder, "--split", split, "--device", "cpu")
    return json.loads((folder/split/"metrics.json").read_text(encoding="utf-8"))

def draw(folder, split, path, n=5, most=100_000):
    "Pictures that were scored, the photographs and their differences, in at most 100 kB."
    run = load_run(folder)
    scene, report = run_scene(run, data_folder(run), split, None), json.loads((Path(folder)/split/"metrics.json").read_text(encoding="utf-8"))
    shown = np.linspace(0, len(scene) - 1, min(len(scene), n)).round().astype(int)
    pictures = [torch.from_numpy(np.array(Image.open(picture_path(Path(folder)/split, scene.names[i])).convert("RGB"))).float()/255 for i in shown]
    photographs = [scene[int(i)].rgb[0] for i in shown]
    for size in (160, 130, 100, 80, 60):
        comparison_sheet(pictures, photographs, [f"{Path(scene.names[i]).name}\n{report['frames'][i]['psnr']:.1f} dB" for i in shown], path, columns=n, size=size)
        if path.stat().st_size <= most: return
