"""How much memory loading and training take, and how step time depends on the size of the pictures.

    .venv/bin/python bench/run.py --only memory     # about 10 minutes
    .venv/bin/python bench/memory.py --quick        # small pictures, one run of each: a check that everything works; prints only

Every figure of memory comes from a process of its own, which loads a scene and trains preset `fast` for some steps: outlines, mesh, field, and the pictures that measure PSNR
after each stage. A capture ten times larger is the same photographs ten times (hard links), so that nothing but its size differs; its pictures are mapped from a file. On Linux
the peak is told apart into anonymous memory, which only this process can give back, and pages of files (pictures and shared libraries), which the system takes back when it needs room.
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
    "MiB that this process has now, in all and of each kind; on Linux only, else nothing."
    status = Path("/proc/self/status")
    if not status.exists(): return {}
    entries = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return {k: int(entries[v].split()[0])/1024 for k, v in dict(peak="VmHWM", anonymous="RssAnon", file="RssFile").items() if v in entries}

class Watch:
    "Largest amounts of anonymous and of file memory between entering and leaving, MiB, sampled every 5 ms."
    def __enter__(self):
        self.most, self._done = memory_now(), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self
    def _look(self):
        while not self._done.wait(0.005): self.most = {k: max(v, self.most[k]) for k, v in memory_now().items()}
    def __exit__(self, *error):
        self._done.set(); self._thread.join()
        # the kernel's own peak of the process misses nothing; that of getrusage would, on Linux, begin with what the parent had
        self.most = {k: max(v, self.most[k]) for k, v in memory_now().items()} or dict(peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/(MIB if sys.platform == "darwin" else 1024))

def child(job):
    "What a process of its own does: load, train, tell its memory."
    torch.set_num_threads(cpu_threads())
    out, head = dict(imports=memory_now()), load_head(job["head"])
    with Watch() as watch: scene = load_scene(job["data"], "train", options=ReadOptions(memory=job["memory"]))
    out["loading"] = watch.most
    config = TrainConfig(minutes=None, steps=job["steps"], outline=OutlineConfig(steps=20))
    config = replace(config, mesh=replace(config.mesh, steps=job["steps"]), field=replace(config.field, warm_up=min(10, job["steps"])))
    with Watch() as watch:
        if job["steps"]: train(scene, head, config, val=scene[:2], callbacks=[])
    return out | dict(training=watch.most, images=4*scene.images[..., 0].numel()/MIB)

def measured(job):
    "`child` in a process of its own."
    done = subprocess.run([sys.executable, __file__, "--child", json.dumps(job)], capture_output=True, text=True)
    if done.returncode: raise RuntimeError(f"{job} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])

def write_scene(
    folder,     # scene folder
    head,       # whose silhouette is photographed
    frames:int,
    size:int,   # width and height, pixels
):
    "Photographs of a head in plain stripes: what they show does not matter here, their outlines do."
    config = CaptureConfig(resolution=size, n_train=frames)
    cameras = spread_cameras(frames, config)
    bvh, images = MeshBVH(transform_points(flame_to_scene(), head(head.neutral()))[0].detach(), head.faces), torch.empty(frames, size, size, 4)
    for i in range(frames):
        rays = image_rays(cameras[i])
        hits = bvh.raycast(rays.origins, rays.directions)
        hit = hits.face_idx >= 0
        images[i, ..., :3] = (0.5 + 0.4*torch.sin(20*rays.at(hits.t.where(hit, 0)))).reshape(size, size, 3)
        images[i, ..., 3] = hit.reshape(size, size)
    save_scene(folder, "train", images, cameras, config.near, config.far, to_scene=flame_to_scene())

def write_copies(
    folder,      # scene folder to write
    source,      # from `write_scene`
    times:int,
):
    "The same photographs several times, each a file of its own name; hard links where the file system has them."
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
    "Rows for one scene: peaks of loading and of training, told apart where the system does."
    about = f"pictures {results[0]['images']:.0f} MiB{', mapped from a file' if not job['memory'] else ''}; after imports {statistics.median(r['imports'].get('peak', 0) for r in results):.0f} MiB"
    label = dict(peak="peak", anonymous="anonymous", file="pages of files")
    return [_line(f"{name}, {phase}: {label[kind]}", [r[phase][kind] for r in results], "MiB", about, **(targets if (phase, kind) == ("training", "peak") else {})) for phase in ("loading", "training") for kind in results[0][phase]]

def _beyond_images(result):
    "Peak of training without the bytes of the pictures, MiB."
    return result["training"]["peak"] - result["images"]

def _step_rows(folders, head, rays, rounds):
    "Step time at equal rays for pictures of several sizes, in turn."
    generator, params = torch.Generator().manual_seed(0), head.neutral()
    steps = {size: fast_step(load_scene(folder, "train"), head, params, rays, generator) for size, folder in folders.items()}
    seconds = {size: [] for size in steps}
    for _ in range(rounds):
        for size, step in steps.items(): seconds[size] += [timed(step) for _ in range(5)]
    (small, first), (large, second) = list(seconds.items())[0], list(seconds.items())[-1]
    rows = [_line(f"step of {rays} rays, {size} x {size}", [1000*s for s in values], "ms", "stage field of preset fast, taken in turn in one process") for size, values in seconds.items()]
    pairs = [statistics.median(second[i:i + 5])/statistics.median(first[i:i + 5]) for i in range(0, len(first), 5)]
    within = "1 lies" if min(pairs) <= 1 <= max(pairs) else "1 does not lie"
    return rows + [_line(f"step time at equal rays, {large} x {large} over {small} x {small} pixels", pairs, "times", f"median of rounds of five steps each; target: within the spread; {within} within it")]

def memory_rows(
    quick:bool=False,   # small pictures, one run of each
)->list[Row]:
    "All figures."
    sizes, frames, steps, runs, rounds = ((100, 200), 10, 10, 1, 2) if quick else ((200, 400), 100, 50, 2, 6)
    head, rows, beyond = load_head("anny"), [], {}
    with tempfile.TemporaryDirectory() as folder:
        folders = {size: Path(folder)/f"{size}" for size in sizes}
        for size, data in folders.items():
            write_scene(data, head, frames, size)
            write_copies(Path(folder)/f"{size}_ten", data, 10)
            job = dict(data=str(data), head="anny", steps=steps, memory=1 << 30)
            jobs = {f"{frames} frames of {size} x {size}": job, f"{10*frames} frames of {size} x {size}": job | dict(data=f"{data}_ten", memory=0)}
            for name, job in list(jobs.items())[:1 if quick else 2]:
                results = [measured(job) for _ in range(runs)]
                beyond.setdefault(size, [_beyond_images(r) for r in results])
                rows += _memory_of(name, results, job)
        growth = [100*(b/a - 1) for a, b in zip(beyond[sizes[0]], beyond[sizes[1]])]
        rows.append(_line(f"peak memory of training beyond the pictures, {sizes[1]} x {sizes[1]} over {sizes[0]} x {sizes[0]}", growth, "% more", f"{frames} frames", **({} if quick else dict(reach=5., less=True))))
        rows += _step_rows(folders, head, 1024 if quick else 4096, rounds)
    lps, ict = None if quick else shared("data/lps"), shared("heads/ict_flame.npz")
    if lps:
        job = dict(data=str(lps), head=str(ict or "anny"), steps=steps, memory=1 << 30)
        rows += _memory_of("lps, 400 x 400", [measured(job) for _ in range(runs)], job, reach=2000., aim=1000.)
    return rows

def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small pictures, one run of each")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child: return print(json.dumps(child(json.loads(options.child))))
    torch.set_num_threads(cpu_threads())
    begin, rows = time.monotonic(), memory_rows(options.quick)
    print(markdown(dict(memory=record(rows, time.monotonic() - begin)), "Memory"))

if __name__ == "__main__": main()
