"""Time a training step of the published method with three searches for closest faces, and a step of ours, in one run.

    .venv/bin/python bench/paper_step.py                # PyTorch3D is left out where it does not import
    .venv-pytorch3d/bin/python bench/paper_step.py      # with PyTorch3D (`make test-pytorch3d` builds that environment)

We photograph the built-in head at a low resolution (any pictures would do, as time does not depend on colours). A step
of the published method is 1,024 random rays of all pictures, 110 + 30 + 300 samples, both networks, backward, Adam. The
three searches give the same samples, and rays that miss the head are left out for all of them. "All faces" tries every
face for every point in single precision: the fastest plain torch loop that we know. It and PyTorch3D take minutes a
step. Their time grows with the number of rays, so they run fewer by default (`--few 1024` runs all), and the table has
the number. In each round those two run one step and the others five, all in turn, so that a busy machine is busy for
all. `bench/run.py --only paper` has the ratios of this in the common table; this file by itself writes the table of
single steps.
"""
import os
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import argparse, json, platform, statistics, tempfile
from dataclasses import replace
from pathlib import Path
import torch
from nerflame.scenes.capture import CaptureConfig, write_capture
from nerflame.core import require, write_text
from nerflame.runtime import cpu_threads
from nerflame.scenes.reading import load_scene
from nerflame.training.pixels import pixels_in_shell
from nerflame.heads.head import load_head
from nerflame.field.density import ShellDensity
from nerflame.published.distance import PyTorch3DMesh, pytorch3d_missing
from nerflame.training.settings import TrainConfig
from nerflame.training.stages import field_loss, field_optimiser
from nerflame.field.model import NeRFlame
from nerflame.published.model import PublishedNeRFlame
from nerflame.published.training import (
    hold_head, published_batch, published_leaves, published_loss, published_preset, with_published)
from nerflame.training.run import versions
from nerflame.training.train import seeded
from common import Row, in_turn, ratios, row, why_absent
from searches import AllFaces

def published_step(model, scene, config, search, stage, generator):
    "Return a function that takes one step of preset `paper` with `search` in place of the model's own."
    leaves = published_leaves(model.params, config.schedule)
    networks = torch.optim.Adam([*model.coarse.parameters(), *model.field.parameters()], lr=5e-4)
    heads = torch.optim.Adam(leaves.values(), lr=1e-3, weight_decay=1e-4)
    at = 1.0 if stage == "mesh" else config.schedule.freeze + 15_000.0
    posed = model.pose(model.params)
    if search is not None: posed.search = search(posed.verts, model.head.faces)
    def step():
        if stage == "mesh": model.pose_with_grad(posed, with_published(model.params, leaves))
        batch = published_batch(scene, config.schedule, at, generator)
        loss = published_loss(model, posed, batch, scene.background, generator).objective
        for optimiser in networks, heads: optimiser.zero_grad()
        loss.backward()
        for optimiser in networks, heads: optimiser.step()
    return step

def fast_step(scene, head, params, rays, generator, settle=100):
    "Return a function that takes one step of the stage `field` of preset `fast`, once its occupancy grid has settled."
    config = TrainConfig()
    model = seeded(config.seed, lambda: NeRFlame(head, params, config.model, scene.flame_to_scene, generator))
    model.density = ShellDensity(model.config.epsilon)
    posed, optimiser = model.pose_for_training(model.params), field_optimiser(model, config.rates)
    bank, settings = pixels_in_shell(scene, posed.shell), replace(config.field, rays=rays)
    def step():
        batch = bank.batch(rays, generator)
        loss = field_loss(model, [posed], batch, scene.background, settings, None, generator).objective
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    for i in range(settle):
        if i % 16 == 0:
            model.update_density(1.0 if i == 0 else 0.5, generator=generator)
            model.refresh(posed)
        step()
    return step

def check_searches(params, model, searches, generator)->str:
    "Check that the other searches find the distances of our tree, and return the largest differences as a text."
    posed = model.pose(params)
    near = posed.verts[torch.randint(len(posed.verts), (500,), generator=generator)]
    points = near + 0.1*torch.randn(500, 3, generator=generator)
    exact = posed.bvh.closest(points).distance
    differences = {}
    for name, search in searches.items():
        distance = search(posed.verts, model.head.faces).closest(points).distance
        differences[name] = float((distance - exact).abs().max())
        # single precision picks a neighbour now and then
        require(differences[name] < 2e-3, "paper_step", name, "the tree's distances to 2e-3", differences[name])
    return ", ".join(f"{name} {difference:.1g}" for name, difference in differences.items())

# they try every face
SLOW = dict(all_faces=AllFaces)
if not pytorch3d_missing(): SLOW["pytorch3d"] = PyTorch3DMesh

CAPTURE = CaptureConfig(resolution=100, n_train=24, n_val=1, n_test=1, moments=(), samples=1, sky_rays=8,
    texture_height=512)

def prepare(few, stage, settle=100, all_rays=1024):
    """Warm up the steps to measure.
    Return them as {name: (function, rays)}, the agreement of their searches, and the number of faces."""
    generator, head = torch.Generator().manual_seed(0), load_head("anny")
    with tempfile.TemporaryDirectory() as folder:
        scene = load_scene(write_capture(Path(folder)/"capture", CAPTURE, head), "train", head=head)
    params, config = scene.params[0], published_preset("paper")
    settings = replace(config.model, rays=replace(config.model.rays, near=scene.near, far=scene.far))
    model = seeded(config.seed, lambda: PublishedNeRFlame(head, params, settings, scene.flame_to_scene))
    if stage == "field":
        hold_head(model, params)
        model.density = ShellDensity(model.config.epsilon, 15_000)
    agreement = check_searches(params, model, SLOW, generator)
    searches = dict(bvh=(None, all_rays)) | {name: (search, few) for name, search in SLOW.items()}
    if few != all_rays: searches["bvh_few"] = (None, few)
    steps = {}
    for name, (search, rays) in searches.items():
        with_rays = replace(config, schedule=replace(config.schedule, rays=rays))
        steps[name] = published_step(model, scene, with_rays, search, stage, generator), rays
    steps["fast"] = fast_step(scene, head, params, 4096, generator, settle), 4096
    for name, (step, _) in steps.items():
        if name not in SLOW: step()   # the first step compiles, except for those in SLOW
    return steps, agreement, len(head.faces)

def measure(steps, rounds, short=5):
    "Time the steps, all in turn; those that do not try every face run `short` times a round."
    repeat = {name: 1 if name in SLOW else short for name in steps}
    return in_turn({name: step for name, (step, _) in steps.items()}, rounds, repeat, warm=False)

LABELS = dict(all_faces="paper, every face for every point (torch)", pytorch3d="paper, PyTorch3D",
    bvh_few="paper, our tree, as few rays", bvh="paper, our tree", fast="fast")

def paper_rows(quick):
    "Rows for the whole benchmark: each step, and its ratio to a step that tries every face, in the same round."
    few, rounds = (8, 2) if quick else (64, 3)
    steps, agreement, faces = prepare(few, "mesh", *((20, 256) if quick else ()))
    seconds, rows = measure(steps, rounds, 2 if quick else 5), []
    for name in LABELS:
        if name not in steps: continue
        note = f"{steps[name][1]:,} rays, {faces:,} faces, stage {'field' if name == 'fast' else 'mesh'}"
        rows.append(row("paper", f"a step: {LABELS[name]}", seconds[name], "s", note=note))
    note = f"largest difference of distances to the tree's: {agreement}"
    def ratio(name, slow, **targets):
        values = ratios(seconds[slow], seconds[name], steps[name][1]/steps[slow][1])
        return row("paper", f"{LABELS[name]}, against {LABELS[slow]}, per ray", values, "x", **targets, note=note)
    rows += [ratio("bvh_few", "all_faces", reach=8., aim=15.), ratio("bvh", "all_faces"),
        ratio("fast", "all_faces", reach=1000., aim=5000.)]
    if "pytorch3d" not in SLOW: return [*rows, Row("paper", LABELS["pytorch3d"], note=why_absent(pytorch3d_missing()))]
    return rows + [ratio(name, "pytorch3d") for name in ("bvh_few", "bvh", "fast")]

def table_line(name, r, slowest):
    "Format one step as a line of the table."
    times, s = slowest["per_ray_ms"]/r["per_ray_ms"], r["seconds"]
    faster = f"{times:,.0f}" if times >= 100 else f"{times:.3g}"
    seconds = f"{statistics.median(s):.2f} ({min(s):.2f} to {max(s):.2f})"
    return f"| {LABELS[name]} | {r['rays']:,} | {seconds} | {r['per_ray_ms']:.3g} | {faster} |"

def write_table(options, steps, seconds, n_faces):
    "Write the steps as JSON and as a table."
    rows = {}
    for name, values in seconds.items():
        rays = steps[name][1]
        rows[name] = dict(rays=rays, seconds=values, per_ray_ms=1000*statistics.median(values)/rays)
    machine = f"{platform.processor() or platform.machine()}, {cpu_threads()} threads"
    result = dict(stage=options.stage, faces=n_faces, machine=machine, python=platform.python_version(),
        versions=versions(), rows=rows)
    about = f"One training step, {n_faces:,} faces, stage {options.stage}, {cpu_threads()} threads"
    about += f", torch {torch.__version__}; median of {options.rounds} round(s), with the smallest and the largest."
    about += " In a round, the short steps ran five times, of which the median counts."
    lines = [about, "", "| step | rays | seconds | a ray, ms | times as fast, per ray |",
        "| --- | ---: | ---: | ---: | ---: |"]
    lines += [table_line(name, rows[name], rows["all_faces"]) for name in LABELS if name in rows]
    write_text(f"{options.out}.json", json.dumps(result, indent=1) + "\n")
    write_text(f"{options.out}.md", "\n".join(lines) + "\n")
    print("\n".join(lines))

def main():
    "Measure the steps and write their table."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="runs of each step; default 3")
    parser.add_argument("--few", type=int, default=64, help="rays a step where all faces are tried; default 64")
    parser.add_argument("--stage", choices=("mesh", "field"), default="mesh",
        help="mesh: the head is fitted (default); field: density is learned")
    parser.add_argument("--out", default="bench/results/paper_step",
        help="files to write, without ending; default %(default)s")
    options = parser.parse_args()
    torch.set_num_threads(cpu_threads())
    steps, _, n_faces = prepare(options.few, options.stage)
    write_table(options, steps, measure(steps, options.rounds), n_faces)

if __name__ == "__main__": main()
