"""One training step of the published method, with three ways to find the closest faces, and one step of ours; all in one run.

    .venv/bin/python bench/paper_step.py                      # PyTorch3D is left out where it does not import
    .venv-pytorch3d/bin/python bench/paper_step.py            # with PyTorch3D (`make test-pytorch3d` builds that environment)

The built-in head is photographed at a low resolution (any pictures would do, as time does not depend on colours). A step of the published method is
1,024 random rays of all pictures, 110 + 30 + 300 samples, both networks, backward, Adam; the three ways give the same samples, and rays that miss the head are left out for
all of them. "All faces" tries every face for every point in single precision: the fastest plain torch loop that we know. It and PyTorch3D take minutes a step, so
they run fewer rays by default, as their time grows with the number of rays (`--few 1024` runs all); what was run is in the table. In each round those two run one step and the others five, all in turn, so that a busy machine is busy for all.
"""
import os
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import argparse, json, platform, statistics, tempfile, time
from dataclasses import replace
from pathlib import Path
import torch
from nerflame.capture import CaptureConfig, write_capture
from nerflame.core import cpu_threads, write_text
from nerflame.data import load_scene
from nerflame.fit import pixels_in_shell
from nerflame.heads import load_head
from nerflame.mesh import PyTorch3DMesh, pytorch3d_missing
from nerflame.train import field_optimiser, field_step, hold_head, new_model, preset, published_batch, published_leaves, published_loss, versions, with_published
from common import Row, in_turn, ratios, row
from searches import AllFaces

def published_step(model, scene, config, search, stage, generator):
    "One step of preset `paper` with `search` in place of the model's own; a function without arguments."
    leaves, optimiser = published_leaves(model.params, config.published), torch.optim.Adam([*model.coarse.parameters(), *model.field.parameters()], lr=5e-4)
    heads, at = torch.optim.Adam(leaves.values(), lr=1e-3, weight_decay=1e-4), 1.0 if stage == 1 else config.published.freeze + 15_000.0
    posed = model.pose(model.params)
    if search is not None: posed.search = search(posed.verts, model.head.faces)
    def step():
        if stage == 1: model.move(posed, with_published(model.params, leaves))
        loss, _ = published_loss(model, posed, published_batch(scene, config.published, at, generator), scene.background, generator)
        optimiser.zero_grad(); heads.zero_grad(); loss.backward(); optimiser.step(); heads.step()
    return step

def fast_step(scene, head, params, rays, generator):
    "One step of stage 2 of preset `fast`, after its density grid has settled."
    config = preset("fast")
    model = new_model(scene, head, params, config, generator)
    model.stage.fill_(2)
    posed, settings, optimiser = model.pose(model.params), replace(config.field_stage, rays=rays), field_optimiser(model, config)
    bank = pixels_in_shell(scene, posed.shell)
    def step(): field_step(model, posed, bank.batch(rays, generator), scene.background, settings, optimiser, None, generator)
    for i in range(100):
        if i % 16 == 0: model.update_density(1.0 if i == 0 else 0.5, generator=generator); model.refresh(posed)
        step()
    return step

def check_all_faces(params, model, generator):
    "A fast loop that finds the wrong faces would prove nothing."
    posed = model.pose(params)
    points = posed.verts[torch.randint(len(posed.verts), (500,), generator=generator)] + 0.1*torch.randn(500, 3, generator=generator)
    ours, exact = AllFaces(posed.verts, model.head.faces).closest(points).distance, posed.bvh.closest(points).distance
    assert (ours - exact).abs().max() < 2e-3, (ours - exact).abs().max()   # single precision picks a neighbour now and then

def timed(step):
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin

def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each step is run; default 3")
    parser.add_argument("--few", type=int, default=64, help="rays a step where all faces are tried; default 64")
    parser.add_argument("--stage", type=int, choices=(1, 2), default=1, help="1: the head is fitted (default); 2: density is learned")
    parser.add_argument("--out", default="bench/results/paper_step", help="files to write, without ending; default %(default)s")
    options = parser.parse_args()
    torch.set_num_threads(cpu_threads())
    generator, head = torch.Generator().manual_seed(0), load_head("anny")
    with tempfile.TemporaryDirectory() as folder:
        scene = load_scene(write_capture(Path(folder)/"capture", CaptureConfig(resolution=100, n_train=24, n_val=1, n_test=1, moments=(), samples=1, sky_rays=8, texture_height=512), head), "train", head=head)
    params, config = scene.params[0], preset("paper")
    model = new_model(scene, head, params, config, generator)
    if options.stage == 2: hold_head(model, params); model.stage.fill_(2); model.step.fill_(15_000)
    check_all_faces(params, model, generator)
    searches = dict(bvh=(None, 1024)) | dict(all_faces=(AllFaces, options.few))
    if not pytorch3d_missing():
        from nerflame.mesh import PyTorch3DMesh
        searches["pytorch3d"] = (PyTorch3DMesh, options.few)
    steps = {name: (published_step(model, scene, replace(config, published=replace(config.published, rays=rays)), search, options.stage, generator), rays) for name, (search, rays) in searches.items()}
    if options.few != 1024: steps["bvh_few"] = (published_step(model, scene, replace(config, published=replace(config.published, rays=options.few)), None, options.stage, generator), options.few)
    steps["fast"] = (fast_step(scene, head, params, 4096, generator), 4096)
    for step, _ in steps.values(): step() if step not in (steps["all_faces"][0], steps.get("pytorch3d", (None,))[0]) else None   # the first step compiles; these two have nothing to compile
    seconds = {name: [] for name in steps}
    for _ in range(options.rounds):
        for name, (step, _) in steps.items():
            for _ in range(1 if name in ("all_faces", "pytorch3d") else 5): seconds[name].append(timed(step))
    write_results(options, steps, seconds, len(head.faces))

LABELS = dict(all_faces="paper, every face for every point (torch)", pytorch3d="paper, PyTorch3D", bvh_few="paper, our tree, as few rays", bvh="paper, our tree", fast="fast")

def write_results(options, steps, seconds, n_faces):
    "JSON and a table."
    rows = {name: dict(rays=steps[name][1], seconds=values, per_ray_ms=1000*statistics.median(values)/steps[name][1]) for name, values in seconds.items()}
    slowest = rows["all_faces"]["per_ray_ms"]
    result = dict(stage=options.stage, faces=n_faces, machine=f"{platform.processor() or platform.machine()}, {cpu_threads()} threads", python=platform.python_version(), versions=versions(), rows=rows)
    lines = [f"One training step, {n_faces:,} faces, stage {options.stage}, {cpu_threads()} threads, torch {torch.__version__}; median of the steps in {options.rounds} round(s), with the smallest and the largest.", "",
             "| step | rays | seconds | a ray, ms | times as fast, per ray |", "| --- | ---: | ---: | ---: | ---: |"]
    for name in LABELS:
        if name not in rows: continue
        r = rows[name]
        lines.append(f"| {LABELS[name]} | {r['rays']:,} | {statistics.median(r['seconds']):.2f} ({min(r['seconds']):.2f} to {max(r['seconds']):.2f}) | {r['per_ray_ms']:.3g} | {slowest/r['per_ray_ms']:.3g} |")
    write_text(f"{options.out}.json", json.dumps(result, indent=1) + "\n")
    write_text(f"{options.out}.md", "\n".join(lines) + "\n")
    print("\n".join(lines))

if __name__ == "__main__": main()
