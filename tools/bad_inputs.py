"""Give every reader of nerflame bad files and values, and write what comes of it as a table.

    make test-inputs                             all cases, a few minutes; fails at a traceback, a hang or a lost file
    .venv/bin/python tools/bad_inputs.py --kinds camera_path run --shown 5     some kinds, with five messages of each
    .venv/bin/python tools/bad_inputs.py --table nbs/bad_inputs.md             also write the table

Each case runs in a process of its own with limits of time and memory. Faults are made from a good file: bytes that
are cut, changed or replaced, and each value within replaced by others that are wrong in kind, shape or range."""
import argparse, collections, contextlib, io, itertools, json, os, pickle, shutil, signal, sys, tempfile, time
import traceback, warnings
from pathlib import Path
os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np, torch, yaml
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from nerflame.core import InputError, read_yaml
from nerflame.fitting.landmarks import load_landmarks_2d
from nerflame.heads.files import load_landmarks, save_head_arrays, save_params
from nerflame.heads.flame import cat_params
from nerflame.heads.head import load_head, load_saved_head, load_saved_params, save_head
from nerflame.published.files import published_files, read_hparams
from nerflame.published.methods import load_run
from nerflame.scenes.pictures import read_image, read_mask
from nerflame.scenes.reading import load_scene
from nerflame.scenes.writing import FrameLabels, save_scene
from nerflame.testing import small_model, toy_head, toy_person, toy_scene
from nerflame.training.settings import TrainConfig
from nerflame.training.train import train
from nerflame.use.drive import camera_path
from nerflame.use.motion import load_motion, read_live_link
from nerflame.use import commands

SECONDS, MEMORY = 60, 6 << 30   # of one case
OUTCOMES = "refused", "accepted", "traceback", "hang", "crash"
HEAD = toy_head()


# ---- faults ---------------------------------------------------------------------------------------------------------

def byte_faults(data):
    "Return contents that are no longer what a file was, by name."
    cut = {f"cut to {part:.0%}": data[:int(len(data)*part)] for part in (0.9, 0.5, 0.1, 0.01)}
    random = np.random.default_rng(0)
    noise = bytearray(data)
    for i in random.integers(0, len(data), 20): noise[i] ^= 0xff
    latin, page = "größer".encode("latin-1")*9, b"<!DOCTYPE html><title>Login</title>"
    return cut | {"empty": b"", "zeros": bytes(len(data)), "random": random.bytes(2000), "text": b"hello\n"*20,
                  "changed bytes": bytes(noise), "CRLF": data.replace(b"\n", b"\r\n"), "Latin-1": latin,
                  "web page": page, "twice": data + data}


def place_faults(path):
    "Return functions that put something else in the place of a file, by name."
    def replace_by(make):
        def act():
            path.unlink()
            make()
        return act
    def closed(): path.chmod(0)
    link = lambda to: replace_by(lambda: path.symlink_to(to))
    found = {"missing": path.unlink, "a folder": replace_by(path.mkdir), "a link to itself": link(path),
             "a pipe": replace_by(lambda: os.mkfifo(path)), "a link to /dev/zero": link("/dev/zero")}
    return found if os.geteuid() == 0 else found | {"no permission": closed}


WRONG = None, "text", float("nan"), float("inf"), 1e30, -1, 10**300, True, [], {}, [[1, 2], [3]], "x"*5000


def tree_faults(content, path=()):
    "Return copies of nested containers in which one value is wrong or missing, by name."
    found = {}
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in list(items)[:6]:
        name = ".".join(map(str, (*path, key)))
        def changed(new, key=key):
            copy = json.loads(json.dumps(content))
            if new is KeyError: del copy[key]
            else: copy[key] = new
            return copy
        found[f"{name} missing"] = changed(KeyError)
        for wrong in WRONG: found[f"{name} = {str(wrong)[:12]}"] = changed(wrong)
        for inner, inside in tree_faults(value, (*path, key)).items(): found[inner] = changed(inside)
    return found


def array_faults(arrays):
    "Return copies of a dict of arrays in which one is wrong or missing, by name."
    found = {}
    for name, a in arrays.items():
        a = np.asarray(a)
        empty = a[:0] if a.ndim else np.zeros(0)
        wrong = dict(missing=None, texts=np.array(["a", "b"]), empty=empty, flat=a.reshape(-1)[:7])
        if a.dtype.kind == "f":
            wrong |= dict(nan=np.full_like(a, np.nan), huge=np.full_like(a, 1e30), negative=-np.abs(a) - 1)
        if a.dtype.kind in "iu": wrong |= dict(beyond=a + 10**7, negative=a*0 - 5, halves=a + 0.5)
        dates = np.full(a.shape, "2001-01-01", "datetime64[D]")
        wrong |= dict(wide=np.concatenate([np.atleast_1d(a)]*2, -1), dates=dates)
        wrong |= dict(objects=np.full(a.shape, None, object))
        others = {k: v for k, v in arrays.items() if k != name}
        for kind, value in wrong.items():
            found[f"{name} {kind}"] = others if value is None else others | {name: value}
    return found


# ---- kinds of inputs ------------------------------------------------------------------------------------------------

def text_cases(file, content, write):
    "Yield cases of a text file that holds nested containers."
    for name, wrong in tree_faults(content).items(): yield name, lambda wrong=wrong: file.write_text(write(wrong))


def npz_cases(file):
    "Yield cases of an archive of arrays."
    with np.load(file) as opened: arrays = dict(opened)
    for name, wrong in array_faults(arrays).items():
        yield name, lambda wrong=wrong: np.savez(file, **wrong)


def tensor_cases(file):
    "Yield cases of a safetensors file."
    tensors = {k: t.clone() for k, t in load_file(file).items()}   # not the file itself, which we write over
    with safe_open(str(file), "pt") as opened: metadata = opened.metadata()
    arrays = {k: t.numpy() for k, t in tensors.items()}
    for name, wrong in array_faults(arrays).items():
        usable = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in wrong.items() if v.dtype.kind in "fiub"}
        yield name, lambda usable=usable: save_file(usable, file, metadata)
    for key, text in metadata.items():
        values = dict(missing=None, empty="", bracket="{", number="7", list="[]", deep="["*5000)
        for kind, value in values.items():
            other = {k: v for k, v in metadata.items() if k != key} | ({} if value is None else {key: value})
            yield f"metadata {key} {kind}", lambda other=other: save_file(tensors, file, other)
        if not text.startswith("{"): continue
        for name, wrong in tree_faults(json.loads(text)).items():
            changed = metadata | {key: json.dumps(wrong)}
            yield f"metadata {key}.{name}", lambda changed=changed: save_file(tensors, file, changed)


class Kind:
    "One kind of input: a folder with a good one, the file that is made bad, and the reader."
    def __init__(self, folder, file, read, cases=()):
        self.folder, self.file, self.read, self.more = folder, Path(file), read, cases

    def cases(self):
        "Yield the name of each fault, and a function that makes it in a copy of the folder."
        data = self.file.read_bytes()
        for name, wrong in byte_faults(data).items(): yield name, lambda wrong=wrong: self.file.write_bytes(wrong)
        yield from place_faults(self.file).items()
        yield from self.more


def make_kinds(root):
    "Write a good input of every kind, and return the kinds by name."
    angles = torch.arange(4)*1.5
    capture = root/"scene"
    scene = toy_scene(toy_person(), angles)
    pictures = torch.cat([scene.rgb, scene.mask[..., None]], -1)
    states = [toy_person().replace(jaw_pose=[0.1*i, 0., 0.]) for i in range(3)]
    labels = FrameLabels(params=cat_params([toy_person()]*4))
    for split in "train", "val": save_scene(capture, split, pictures, scene.cameras, scene.near, scene.far, labels)
    save_params(states[1], root/"params"/"00000.npz")
    save_params(cat_params(states), root/"motion"/"motion.npz")
    save_head_arrays(HEAD.arrays, root/"head"/"head.npz")
    (root/"saved").mkdir()
    save_head(HEAD, root/"saved"/"head.safetensors", toy_person())
    (root/"picture").mkdir()
    Image.fromarray((scene.rgb[0]*255).byte().numpy()).save(root/"picture"/"a.png")
    Image.fromarray((scene.mask[0]*255).byte().numpy()).save(root/"picture"/"a.jpg", quality=95)
    (root/"pickle").mkdir()
    arrays = HEAD.arrays
    basis = np.concatenate([arrays.shapedirs, arrays.exprdirs], 2)
    entries = dict(v_template=arrays.v_template, f=arrays.faces, shapedirs=basis,
        posedirs=arrays.posedirs, J_regressor=arrays.J_regressor, weights=arrays.lbs_weights, n_shape=4, n_expr=3,
        kintree_table=np.stack([arrays.parents, np.arange(5)]))
    (root/"pickle"/"head.pkl").write_bytes(pickle.dumps(entries, 2))
    marks = dict(lmk_face_idx=np.arange(51), lmk_b_coords=np.full((51, 3), 1/3))
    (root/"marks").mkdir()
    np.savez(root/"marks"/"landmark_embedding.npz", **marks)
    (root/"points").mkdir()
    points = {name: [[20., 20.]]*68 for name in scene.names} | dict(size=[40, 40])
    (root/"points"/"points.json").write_text(json.dumps(points))
    keys = [dict(time=t, position=[0., -8., 1.], target=[0., 0., 0.], fov=20.) for t in (0., 1., 2.)]
    (root/"path").mkdir()
    (root/"path"/"path.json").write_text(json.dumps(dict(keyframes=keys)))
    (root/"yaml").mkdir()
    shutil.copy(published_files()[0], root/"yaml"/"job.yaml")
    (root/"csv").mkdir()
    header = "Timecode,BlendShapeCount,JawOpen,EyeBlinkLeft,HeadYaw,HeadPitch,HeadRoll"
    rows = [f"00:00:0{i}:00.0,61,0.{i},0.1,0.01,0.02,0.03" for i in range(8)]
    (root/"csv"/"face.csv").write_text("\n".join([header, *rows]) + "\n")
    run = root/"run"
    warnings.simplefilter("ignore")
    config = TrainConfig(parameters="given", minutes=None, steps=2, model=small_model())
    train(load_scene(capture, "train", None, HEAD), HEAD, config, out=run, callbacks=[])
    return _kinds(root, scene)


def _kinds(root, scene):
    "Return the kinds of inputs by name, of the files in a folder."
    content = json.loads((root/"scene"/"transforms_train.json").read_text())
    read_scene = lambda: load_scene(root/"scene", "train", None, HEAD)
    config = read_yaml(root/"run"/"config.yaml")
    path, job, points = root/"path"/"path.json", root/"yaml"/"job.yaml", root/"points"/"points.json"
    saved = root/"saved"/"head.safetensors"
    run, field, own_head = (root/"run"/name for name in ("config.yaml", "field.safetensors", "head.safetensors"))
    read_run = lambda: load_run(root/"run").model.render(scene.cameras[0])
    rows = (root/"csv"/"face.csv").read_text().splitlines()
    face, wrong_cells = root/"csv"/"face.csv", ("", "text", "nan", "1e400", "\x00", "9"*200)
    def csv_cases():
        for i, j, wrong in itertools.product((0, 1, 4), range(7), wrong_cells):
            changed = [r.split(",") for r in rows]
            changed[i][j] = wrong
            name = f"line {i} column {j} = {wrong!r}"[:60]
            yield name, lambda changed=changed: face.write_text("\n".join(map(",".join, changed)))
    def npz_kind(name, read):
        file = root/name
        return Kind(file.parent, file, lambda: read(file), list(npz_cases(file)))
    times, pickled = np.linspace(0, 2, 5), root/"pickle"/"head.pkl"
    first_picture = root/"scene"/content["frames"][0]["file_path"]
    if not first_picture.is_file(): first_picture = next((root/"scene"/"train").glob("*.png"))
    return dict(
        transforms=Kind(root/"scene", root/"scene"/"transforms_train.json", read_scene,
                        list(text_cases(root/"scene"/"transforms_train.json", content, json.dumps))),
        scene_picture=Kind(root/"scene", first_picture, read_scene),
        picture=Kind(root/"picture", root/"picture"/"a.png", lambda: read_image(root/"picture"/"a.png")),
        mask=Kind(root/"picture", root/"picture"/"a.jpg", lambda: read_mask(root/"picture"/"a.jpg")),
        flame_param=npz_kind("params/00000.npz", HEAD.load_params),
        motion=npz_kind("motion/motion.npz", lambda file: load_motion(file, HEAD)),
        head_npz=npz_kind("head/head.npz", lambda file: load_head(file, teeth=False)),
        head_pickle=Kind(root/"pickle", pickled, lambda: load_head(pickled, teeth=False)),
        saved_head=Kind(root/"saved", saved, lambda: load_saved_params(saved, load_saved_head(saved)),
                        list(tensor_cases(saved))),
        landmark_embedding=npz_kind("marks/landmark_embedding.npz", load_landmarks),
        landmarks=Kind(root/"points", points, lambda: load_landmarks_2d(points, scene),
                       list(text_cases(points, json.loads(points.read_text()), json.dumps))),
        camera_path=Kind(root/"path", path, lambda: camera_path(path, times),
                         list(text_cases(path, json.loads(path.read_text()), json.dumps))),
        published_yaml=Kind(root/"yaml", job, lambda: read_hparams(job),
                            list(text_cases(job, read_yaml(job), yaml.safe_dump))),
        recording=Kind(root/"csv", face, lambda: read_live_link(face), list(csv_cases())),
        run_config=Kind(root/"run", run, read_run, list(text_cases(run, config, yaml.safe_dump))),
        run_metrics=Kind(root/"run", root/"run"/"metrics.json", read_run),
        run_field=Kind(root/"run", field, read_run, list(tensor_cases(field))),
        run_head=Kind(root/"run", own_head, read_run),
    )


# ---- the command line -----------------------------------------------------------------------------------------------

VALUES = dict(
    render=("--size", "--fps", "--turntable", "--expression", "--jaw", "--neck", "--camera", "--background", "--out",
            "--zoom"),
    drive=("--source", "--arkit", "--fps", "--smooth", "--size", "--out", "--turns", "--camera_path"),
    export=("--glb", "--texture", "--out", "--frames"),
    train=("--minutes", "--steps", "--rays", "--seed", "--resolution", "--out", "--frames", "--size"))
TEXTS = ("", "-1", "0", "nan", "inf", "1e30", "1000000000000", "99999999999999999999999", "text", "a=1,a=2",
         "jawOpen=1e30", "1,2", "1e5,0,0", "\udcff", "x"*5000, "/proc/none/x", "/dev/null/x")


def command_cases(root):
    "Yield command lines with a value that is wrong."
    data = {"train": root/"scene"}
    for command, options in VALUES.items():
        for option in options:
            for text in TEXTS:
                place = str(data.get(command, root/"run"))
                yield f"{command} {option} {text[:20]!r}", command, [place, f"{option}={text}"]


# ---- running --------------------------------------------------------------------------------------------------------

def in_child(work):
    "Do something in a process of its own; return the outcome, its message and the seconds."
    began = time.monotonic()
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reads)
        import resource
        used = int(Path("/proc/self/statm").read_text().split()[0])*resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
            with quiet[0], quiet[1]: outcome = attempt(work)
            os.write(writes, json.dumps(outcome).encode()[:4000])
        finally: os._exit(0)
    os.close(writes)
    return (*gathered(child, reads, began), time.monotonic() - began)


def attempt(work):
    "Return the outcome of some work and its message."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = work()
    except InputError as e: return ["refused", str(e)[:1500]]
    except OSError as e: return ["refused", f"{e}"[:1500]] if e.filename else ["traceback", repr(e)[:500]]
    except SystemExit as e: return ["refused" if e.code in (1, 2) else "accepted", "exit"]
    except BaseException: return ["traceback", traceback.format_exc()[-1500:]]
    return ["refused", f"code {code}"] if type(code) is int and code in (1, 2) else ["accepted", ""]


def gathered(child, reads, began):
    "Wait for a child, and return what it wrote."
    data = b""
    os.set_blocking(reads, False)
    while True:
        with contextlib.suppress(BlockingIOError): data += os.read(reads, 1 << 16)
        done, status = os.waitpid(child, os.WNOHANG)
        if done: break
        if time.monotonic() - began > SECONDS:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(reads)
            return "hang", f"more than {SECONDS} s"
        time.sleep(0.002)
    with contextlib.suppress(BlockingIOError): data += os.read(reads, 1 << 16)
    os.close(reads)
    return json.loads(data) if data else ("crash", f"status {status}")


def listing(folder): return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def run_kind(name, kind, shown):
    "Run all cases of a kind; return them as (fault, outcome, message, seconds)."
    results, kept = [], kind.folder.with_name(f"{name}_good")
    shutil.copytree(kind.folder, kept)
    for fault, make in list(kind.cases()):
        make()
        before = listing(kind.folder)
        outcome, message, seconds = in_child(kind.read)
        if listing(kind.folder) != before: outcome, message = "crash", "files were left behind"
        results.append((fault, outcome, message, seconds))
        if kind.file.exists() and not kind.file.is_symlink() and kind.file.is_file(): kind.file.chmod(0o644)
        shutil.rmtree(kind.folder)
        shutil.copytree(kept, kind.folder)
    report(name, results, shown)
    return results


def report(name, results, shown):
    "Print what came of the cases of a kind."
    counts = collections.Counter(outcome for _, outcome, _, _ in results)
    slowest = max(seconds for *_, seconds in results)
    print(f"{name}: {len(results)} cases, {dict(counts)}, slowest {slowest:.1f} s", flush=True)
    for outcome in "traceback", "hang", "crash", "accepted", "refused":
        some = [r for r in results if r[1] == outcome]
        limit = len(some) if outcome in ("traceback", "hang", "crash") else shown
        for fault, _, message, _ in some[:limit]:
            last = (message.strip().splitlines() or [""])[-1]
            print(f"  {outcome}: {fault}: {last[:220]}", flush=True)


def run_commands(root, shown):
    "Run all command lines with wrong values."
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name, command, arguments in command_cases(root):
            def work(command=command, arguments=arguments):
                os.chdir(folder)
                sys.argv = [f"nerflame_{command}", *arguments]
                return getattr(commands, f"{command}_command")()
            results.append((name, *in_child(work)))
    report("command line", results, shown)
    return results


def table(found):
    "Return the results as a table in Markdown."
    head = ["| input | cases | " + " | ".join(OUTCOMES) + " | slowest |", "|---|" + "---:|"*(len(OUTCOMES) + 2)]
    def row(name, results):
        counts = collections.Counter(r[1] for r in results)
        cells = name, len(results), *(counts[o] for o in OUTCOMES), f"{max(r[3] for r in results):.1f} s"
        return f"| {' | '.join(map(str, cells))} |"
    every = [r for results in found.values() for r in results]
    rows = [row(name.replace("_", " "), results) for name, results in found.items()] + [row("**all**", every)]
    return "\n".join(head + rows) + "\n"


def main():
    "Run the cases, print the table, and fail if one ended in a traceback, a hang or a crash."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="*", help="only these")
    parser.add_argument("--shown", type=int, default=0, help="messages of each outcome to print")
    parser.add_argument("--table", help="file to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root, found = Path(folder), {}
        kinds = make_kinds(root)
        for name, kind in kinds.items():
            if not options.kinds or name in options.kinds: found[name] = run_kind(name, kind, options.shown)
        if not options.kinds or "commands" in options.kinds: found["command line"] = run_commands(root, options.shown)
    text = table(found)
    print(text)
    if options.table: Path(options.table).write_text(text)
    return int(any(r[1] in ("traceback", "hang", "crash") for results in found.values() for r in results))


if __name__ == "__main__": sys.exit(main())
