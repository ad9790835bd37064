"""Toy scenes, settings and trainings for the gate: small, and stopped by steps, so that nothing depends on time."""
import contextlib, functools, io, json, re, tempfile, warnings
from dataclasses import replace
from pathlib import Path
import numpy as np, torch
from PIL import Image
from safetensors import safe_open
import gate_names as nf
from gate import digest, without_folders

@contextlib.contextmanager
def quiet():
    "Discard what is printed, and ignore warnings."
    nowhere = io.StringIO()
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

@contextlib.contextmanager
def work_folder():
    "Make a temporary folder; `gate.without_folders` knows its name by the prefix."
    with tempfile.TemporaryDirectory(prefix="gate-") as folder:
        yield Path(folder).resolve()

def fixture(make):
    "Compute a value once, with its own seed, so that the order of parts does not matter."
    @functools.lru_cache(None)
    def made(*args):
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(0)
            return make(*args)
    return made

def draws(seed=0): return torch.Generator().manual_seed(seed)
def random(*shape, seed=0, size=1.): return size*torch.randn(*shape, generator=draws(seed))

SMALL = nf.ModelConfig(voxel=0.04, step=0.03, mesh_epsilon=0.05, epsilon=nf.EpsilonSchedule(0.05, 0.08),
    field=nf.FieldConfig(spacings=(0.32, 0.16, 0.08), width=32))
STEPS, MESH_STEPS = 24, 8
TOY = nf.TrainConfig(minutes=None, steps=STEPS, model=SMALL,
    outline=nf.OutlineConfig(steps=30, views=6, points=50, vertices=500),
    track=nf.TrackConfig(steps=(2, 2, 2, 2), vertices=500),
    mesh=nf.MeshStage(steps=MESH_STEPS, rays=256, margin=0.05), field=nf.FieldStage(rays=512, warm_up=8, timesteps=2,
    renew=3,
    refresh=4))
POSES = dict(jaw=dict(jaw_pose=[0.3, 0., 0.]), neck=dict(neck_pose=[0.1, 0.3, 0.]),
    eyes=dict(eye_pose=[0., 0.2, 0., 0.1, 0.2, 0.]),
    turned=dict(global_orient=[0., 0.4, 0.1], transl=[0.01, 0., 0.02]))

@fixture
def head(): return nf.toy_head()

@fixture
def marked_head():
    "Return the toy head with 68 landmarks."
    arrays = head().arrays
    landmarks = nf.Landmarks(np.arange(51)*7, np.full((51, 3), 1/3, np.float32), np.arange(17)[None]*11,
        np.full((1, 17, 3), 1/3, np.float32))
    return nf.Head(replace(arrays, landmarks=landmarks))

def truth(**pose):
    "Return the person in the photographs, in some pose."
    rest = head().neutral().replace(transl=[0.01, 0., -0.01], betas=torch.full((1, head().n_shape), 0.5))
    return rest.replace(**pose)

def expressive(model_head, start):
    "Return parameters that move all of a face."
    row = torch.linspace(0.2, 0.8, start.expression.shape[1])[None]
    return start.replace(expression=row, jaw_pose=[0.2, 0., 0.], neck_pose=[0., -0.2, 0.1],
        eye_pose=[0.1, 0., 0., 0., 0.1, 0.])

def photograph(params, cameras):
    "Return RGBA pictures (N, h, w, 4) of the toy head with a pattern on it."
    pattern = 0.5 + 0.4*torch.sin(60*torch.as_tensor(head().arrays.v_template))
    verts = nf.transform_points(nf.flame_to_scene(), head()(params))[0].detach()
    tree, pictures = nf.MeshBVH(verts, head().faces), []
    for i in range(len(cameras)):
        rays = nf.image_rays(cameras[i])
        hit = tree.raycast(rays.origins, rays.directions)
        inside = (hit.face_idx >= 0).float()[:, None]
        colour = nf.interpolate(pattern, head().faces, hit.face_idx, hit.bary)*inside
        pictures.append(torch.cat([colour, inside], 1).reshape(cameras.height, cameras.width, 4))
    return torch.stack(pictures)

def views(n=12, size=32, wide=2.):
    turns = torch.linspace(-wide, wide, n)
    return nf.orbit_camera(turns, 0.3*torch.sin(3*turns), width=size)

def still_scene(n=12, given=False, size=32, wide=2.):
    "Return a scene of a still face."
    cameras, params = views(n, size, wide), truth()
    rgba = photograph(params, cameras)
    rgb = rgba[..., :3] + 1 - rgba[..., 3:]
    return nf.Scene(nf.as_bytes(rgb), nf.as_bytes(rgba[..., 3]), cameras, tuple(f"r_{i}" for i in range(n)),
        torch.ones(3), 3., 5.5,
        nf.flame_to_scene(), "toy", params[[0]*n] if given else None)

def moving_scene(given=False, n=6):
    "Return a scene of a face in three states."
    states = [truth(), truth(jaw_pose=[0.3, 0., 0.]), truth(neck_pose=[0., 0.4, 0.])]
    cameras, parts = views(n), []
    for state in states: parts.append(photograph(state, cameras))
    rgba = torch.cat(parts)
    cameras = replace(cameras, **{k: torch.cat([getattr(cameras, k)]*3) for k in ("c2w", "focal", "centre")})
    timesteps = tuple(t for t in (3, 5, 8) for _ in range(n))
    params = nf.cat_params([s for s in states for _ in range(n)]) if given else None
    return nf.Scene(nf.as_bytes(rgba[..., :3] + 1 - rgba[..., 3:]), nf.as_bytes(rgba[..., 3]), cameras,
        tuple(f"{t}_{j}" for t in (3, 5, 8) for j in range(n)), torch.ones(3), 3., 5.5, nf.flame_to_scene(),
        "toy", params, timesteps)

def roughly(params): return params.replace(neck_pose=params.neck_pose + torch.tensor([0.03, -0.03, 0.]))

def tiny_rays(name, eps, **rays):
    "Return a small version of a preset that samples whole rays."
    config = nf.preset(name)
    model = replace(config.model, rays=replace(config.model.rays, coarse=24, fine=16, **rays),
        network=replace(config.model.network, depth=3, width=32, skip=1, octaves=5))
    if name == "paper": model = replace(model, mesh_epsilon=eps, epsilon=nf.EpsilonSchedule(eps, 2*eps, 0, 30_000))
    return replace(config, steps=16, model=model, schedule=replace(config.schedule, rays=128, rate=3e-3,
        rate_head=2e-3))

def paper(**changes): return replace(tiny_rays("paper", 0.06, farthest=8, central=4), parameters="neutral", **changes)
def plain(**changes): return replace(tiny_rays("nerf", 0.06), **changes)

def trainings():
    "Return the toy trainings by name: a scene, settings, and more arguments."
    still, moving = (lambda **k: still_scene(**k)), (lambda **k: moving_scene(**k))
    given = replace(TOY, parameters="given")
    batch = lambda config, **changes: replace(config, schedule=replace(config.schedule, **changes))
    return {
        "still/found": (still(), TOY, {}), "still/given": (still(given=True), given, {}),
        "still/neutral": (still(), replace(TOY, parameters="neutral"), {}),
        "still/refined": (still(given=True), replace(TOY, parameters="refine"), {}),
        "still/seed": (still(given=True), replace(given, seed=3, model=replace(SMALL,
        field=replace(SMALL.field, direct=False))), {}),
        "moving/found": (moving(), TOY, {}), "moving/given": (moving(given=True), given, {}),
        "moving/plain": (moving(given=True), replace(given, relief=None, field=replace(TOY.field,
        residual=0, view_dropout=0.)), {}),
        "moving/refined": (replace(moving(given=True), params=roughly(moving(given=True).params)),
        replace(TOY, parameters="refine"), {}),
        "moving/marked": (moving(), TOY, dict(marks=True)),
        "published/neutral": (still(), paper(), {}), "published/given": (still(given=True),
        replace(paper(), parameters="given"), {}),
        "published/found": (still(), replace(paper(), parameters="fit", outline=TOY.outline, track=TOY.track), {}),
        "published/mesh only": (still(), paper(steps=1), {}),
        "published/one picture": (still(), batch(paper(), one_image=True, crop=20_000), {}),
        "plain": (still(), plain(), {}), "plain/all pictures": (still(), batch(plain(), one_image=False, crop=0), {}),
        }

def marks_of(scene):
    "Return the exact landmarks (N, 68, 3) of the moving scene."
    states = [truth(), truth(jaw_pose=[0.3, 0., 0.]), truth(neck_pose=[0., 0.4, 0.])]
    states = [s.replace(head=marked_head().fingerprint) for s in states]
    rows = [nf.project(scene.cameras[i], nf.transform_points(nf.flame_to_scene(),
        marked_head().landmarks(states[i//6])[0]))[0][0] for i in range(len(scene))]
    return torch.nn.functional.pad(torch.stack(rows), (0, 1), value=1.)

class Rows(nf.Callback):
    "A list of the numbers of all steps; it interrupts training after `stop` of them."
    def __init__(self, stop=None): self._rows, self._stop = [], stop
    def after_step(self, stage, step, loss, psnr):
        self._rows.append((step, loss, psnr))
        if len(self._rows) == self._stop: raise KeyboardInterrupt

def train_toy(name, out=None, stop=None, resume=False):
    "Train a toy; return the RUN (None after an interrupt) and the numbers of its steps."
    scene, config, more = trainings()[name]
    rows, val = Rows(stop), None if "moving" in name else still_scene(3, given="given" in name, wide=1.5)
    whose = marked_head() if more else head()
    with quiet(), torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        try:
            run = nf.train(scene, whose, config, val, out, [rows], marks_of(scene) if more else None, resume)
        except KeyboardInterrupt: run = None
    return run, rows._rows

@fixture
def trained(name): return train_toy(name)

def numbers_of(value):
    "Return the numbers in nested dictionaries, without names and times."
    if isinstance(value, dict):
        return [n for k in sorted(value) if k not in TIMES for n in numbers_of(value[k])]
    if isinstance(value, (list, tuple)): return [n for v in value for n in numbers_of(v)]
    return [value] if isinstance(value, (int, float, bool)) else []


TIMES = "seconds", "spent", "begun", "marked", "end", "frames_per_second"

def file_content(path):
    "Return the content of a file without times, versions and folders of this machine."
    suffix = path.suffix.lower()
    if suffix == ".png" or suffix in (".jpg", ".gif"):
        with Image.open(path) as image:
            frames = []
            for i in range(getattr(image, "n_frames", 1)):
                image.seek(i)
                frames.append(np.asarray(image.convert("RGBA")))
        return frames
    if suffix == ".npz": return {k: v for k, v in np.load(path, allow_pickle=False).items()}
    if suffix == ".safetensors":
        with safe_open(path, "pt") as file: return {k: file.get_tensor(k) for k in file.keys()}
    if suffix == ".mp4":
        import imageio.v2 as imageio
        with imageio.get_reader(path) as film:
            return [np.asarray(frame) for frame in film] + [film.get_meta_data()["fps"]]
    if suffix == ".json": return without_times(json.loads(path.read_text()))
    if suffix in TEXTS:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        return without_folders(text).encode("utf-8", "surrogateescape")
    return path.read_bytes()

TEXTS = ".yaml", ".obj", ".mtl", ".txt", ".csv", ".nerflame", ""

def without_times(value):
    "Return nested values without entries that hold times, and texts without folders of this machine."
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in TIMES}
    if isinstance(value, list): return [without_times(v) for v in value]
    return without_folders(value) if isinstance(value, str) else value

def store_folder(gate, name, folder):
    "Tell the names of the files in a folder, and store the hash of each file."
    files = [p for p in sorted(Path(folder).rglob("*")) if p.is_file()]
    shown = [re.sub(r"events\.out.*", "events", p.relative_to(folder).as_posix()) for p in files]
    gate.tell(f"{name}/files", "\n".join(shown))
    for path, shown_name in zip(files, shown):
        if "events" in shown_name or path.name == "versions.json": continue
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file: metadata = file.metadata() or {}
            if "facts" in metadata:
                metadata["facts"] = json.dumps(without_times(json.loads(metadata["facts"])), sort_keys=True)
            gate.store(f"{name}/{shown_name}/metadata", without_folders(json.dumps(metadata, sort_keys=True)))
        gate.store(f"{name}/{shown_name}", digest(file_content(path)))

def command(gate, name, *arguments):
    "Run a command in this process; return its exit code and output as a message, without bars."
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings(), \
            torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        try: code = nf.COMMANDS[name]([str(a) for a in arguments])
        except SystemExit as e: code = e.code
        except Exception as e: code = f"{type(e).__name__}: {e}"
    lines = [line for line in re.split("[\r\n]", err.getvalue()) if re.match("note:|nerflame ", line)]
    shown = out.getvalue().rstrip("\n").split("\n") if out.getvalue() else []
    return "\n".join([f"exit {code}", *(re.sub(r"\d+(\.\d+)? (s|seconds|minutes)\b", r"TIME \2", s)
        for s in (*shown, *lines))])
