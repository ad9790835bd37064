"""Give every reader of nerflame bad files and values, and write what comes of it as a table.

    make test-inputs                             all cases, a few minutes; fails at a traceback, a hang or a lost file
    .venv/bin/python tools/bad_inputs.py --kinds camera_path film --shown 5    some kinds, with five messages of each
    .venv/bin/python tools/bad_inputs.py --table tools/trust/bad_inputs.md     also write the table

Each case runs in a process of its own with limits of time and memory. Faults are made from a good file: bytes that
are cut, changed or replaced, and each value within replaced by others that are wrong in kind, shape or range."""
import argparse, collections, contextlib, io, itertools, json, os, pickle, re, shutil, signal, sys, tempfile, time
import traceback, warnings
from dataclasses import dataclass
from pathlib import Path
from unittest import mock
os.environ.setdefault("OMP_NUM_THREADS", "1")
import imageio.v2 as imageio, numpy as np, torch, yaml
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from nerflame.core import InputError, read_yaml, write_text
from nerflame.files import repository
from nerflame.fitting.landmarks import load_landmarks_2d
from nerflame.heads.files import load_landmarks, save_head_arrays, save_params
from nerflame.heads.flame import cat_params, check_landmarks
from nerflame.heads.head import load_head, load_saved_head, load_saved_params, save_head
from nerflame.photos.footage import read_footage
from nerflame.published.files import published_files, read_hparams
from nerflame.published.methods import load_run
from nerflame.scenes.pictures import read_image, read_mask
from nerflame.scenes.reading import ReadOptions, load_scene
from nerflame.scenes.writing import FrameLabels, save_scene
from nerflame.testing import small_model, toy_head, toy_person, toy_scene
from nerflame.training.settings import TrainConfig
from nerflame.training.train import train
from nerflame.use.drive import camera_path
from nerflame.use.motion import load_motion, read_live_link
from nerflame.use import commands

SECONDS, MEMORY = 60, 6 << 30   # of one case
OUTCOMES = "refused", "accepted", "traceback", "hang", "crash"
BAD = "traceback", "hang", "crash"
HEAD, METHOD = toy_head(), "face_M1000N_flame_nerf"


@dataclass(frozen=True)
class Result:
    "What came of a case."
    fault: str
    outcome: str
    message: str
    memory: int      # the most that its process had, bytes
    seconds: float

    def last_line(self): return " ".join((self.message.strip().splitlines() or [""])[-1].split())


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


def tree_faults(content, path=(), most=6):
    "Return copies of nested containers in which one of the first values of each is wrong or missing, by name."
    found = {}
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in list(items)[:most]:
        name = ".".join(map(str, (*path, key)))
        def changed(new, key=key):
            copy = json.loads(json.dumps(content))
            if new is KeyError: del copy[key]
            else: copy[key] = new
            return copy
        found[f"{name} missing"] = changed(KeyError)
        for wrong in WRONG: found[f"{name} = {str(wrong)[:12]}"] = changed(wrong)
        for inner, inside in tree_faults(value, (*path, key), most).items(): found[inner] = changed(inside)
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

def text_cases(file, content, write, most=6):
    "Yield cases of a text file that holds nested containers."
    for name, wrong in tree_faults(content, most=most).items():
        yield name, lambda wrong=wrong: file.write_text(write(wrong))


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
    keys = [dict(time=t, azimuth=0.1*t, elevation=0.1, radius=4., target=[0., 0., 0.], fov=0.6) for t in (0., 1., 2.)]
    (root/"path").mkdir()
    (root/"path"/"path.json").write_text(json.dumps(dict(keyframes=keys)))
    (root/"yaml").mkdir()
    shutil.copy(published_files()[0], root/"yaml"/"job.yaml")
    (root/"csv").mkdir()
    header = "Timecode,BlendShapeCount,JawOpen,EyeBlinkLeft,HeadYaw,HeadPitch,HeadRoll"
    rows = [f"00:00:0{i}:00.0,61,0.{i},0.1,0.01,0.02,0.03" for i in range(8)]
    (root/"csv"/"face.csv").write_text("\n".join([header, *rows]) + "\n")
    (root/"film").mkdir()
    # moving noise, so that frames are sharp and differ
    wall = np.random.default_rng(0).integers(0, 255, (160, 320, 3), np.uint8).repeat(2, 0).repeat(2, 1)
    imageio.mimwrite(root/"film"/"film.mp4", [wall[3*i:3*i + 192, 5*i:5*i + 256] for i in range(40)], fps=20)
    config = TrainConfig(parameters="given", minutes=None, steps=2, model=small_model())
    def make_run(): train(load_scene(capture, "train", None, HEAD), HEAD, config, out=root/"run", callbacks=[])
    # a child of a process with threads may wait for ever, so this one trains nothing
    outcome, message, *_ = in_child(make_run)
    if outcome != "accepted": raise SystemExit(f"the toy was not trained: {outcome}, {message}")
    shutil.copytree(root/"run", root/"whole")
    (root/"run"/"sha256.json").unlink()   # a stranger notes the digests of what he wrote; so ours must not help
    return _kinds(root, scene)


def _kinds(root, scene):
    "Return the kinds of inputs by name, of the files in a folder."
    content = json.loads((root/"scene"/"transforms_train.json").read_text())
    read_scene = lambda: load_scene(root/"scene", "train", None, HEAD, ReadOptions(strict=True))
    config = read_yaml(root/"run"/"config.yaml")
    path, job, points = root/"path"/"path.json", root/"yaml"/"job.yaml", root/"points"/"points.json"
    saved = root/"saved"/"head.safetensors"
    run, field, own_head = (root/"run"/name for name in ("config.yaml", "field.safetensors", "head.safetensors"))
    read_run = lambda: load_run(root/"run").model.render(scene.cameras[0])
    film = root/"film"/"film.mp4"
    def read_film():
        shutil.rmtree(root/"work", ignore_errors=True)
        read_footage(film, root/"work", count=8)
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
        landmark_embedding=npz_kind("marks/landmark_embedding.npz",
            lambda file: check_landmarks(load_landmarks(file), len(HEAD.faces), file)),
        landmarks=Kind(root/"points", points, lambda: load_landmarks_2d(points, scene),
                       list(text_cases(points, json.loads(points.read_text()), json.dumps))),
        camera_path=Kind(root/"path", path, lambda: camera_path(path, times),
                         list(text_cases(path, json.loads(path.read_text()), json.dumps))),
        published_yaml=Kind(root/"yaml", job, lambda: read_hparams(job, METHOD),
                            list(text_cases(job, {METHOD: read_yaml(job)[METHOD]}, yaml.safe_dump, most=60))),
        film=Kind(film.parent, film, read_film),
        recording=Kind(root/"csv", face, lambda: read_live_link(face), list(csv_cases())),
        run_config=Kind(root/"run", run, read_run, list(text_cases(run, config, yaml.safe_dump))),
        run_metrics=Kind(root/"run", root/"run"/"metrics.json", read_run),
        run_field=Kind(root/"run", field, read_run, list(tensor_cases(field))),
        run_head=Kind(root/"run", own_head, read_run, list(tensor_cases(own_head))),
        run_digests=Kind(root/"whole", root/"whole"/"sha256.json", lambda: load_run(root/"whole")),
    )


# ---- the command line -----------------------------------------------------------------------------------------------

TEXTS = ("", "-1", "0", "nan", "inf", "1e30", "1000000000000", "99999999999999999999999", "text", "a=1,a=2",
         "jawOpen=1e30", "1,2", "1e5,0,0", "\udcff", "x"*5000, "/proc/none/x", "/dev/null/x", "a\x00b")


def good_commands(root):
    "Return a command line of toys for each command, which works, without the option `--out`."
    run, size = str(root/"run"), ["--size", "16"]
    head = ["--head", str(root/"saved"/"head.safetensors"), "--parameters", "given", "--resolution", "16"]
    short, scene = ["--steps", "2", "--rays", "32"], str(root/"scene")
    seen = [run, "--data", scene]
    record = repository()/"nbs"/"published"
    checkpoint, = record.glob("*.tar")
    return dict(train=[scene, *head, *short], eval=[*seen, "--split", "val"], lacks=seen, expressions=[run],
        render=[run, *size], drive=[run, *size, "--params", str(root/"motion"/"motion.npz"), "--formats", "gif"],
        export=[run, *size, "--pictures", "pictures", "--count", "2"], demo=[],
        scene=[str(root/"film"/"film.mp4"), *head[:2]],
        align=["foreign", *head[:2], "--resolution", "32", "--front", "r_0"],
        **{"import": [str(checkpoint), "--flame", str(record/"FLAME"), "--data", scene, "--resolution", "16"]})

# the first slow step of a command that has no small work; when it begins, all options have been accepted
SLOW = dict(scene="nerflame.use.scene.find_portraits", demo="nerflame.use.demo.demo_capture")
# commands that write nothing, into DATA, or by other options
WITHOUT_OUT = "lacks", "export", "expressions", "align"


def write_foreign(root):
    "Write a scene as a reconstruction has it: it says nothing about a head."
    shutil.copytree(root/"scene", root/"foreign")
    for file in (root/"foreign").glob("transforms_*.json"):
        content = {k: v for k, v in json.loads(file.read_text()).items() if k != "flame_to_scene"}
        known = "flame_param_path", "timestep_index"
        content["frames"] = [{k: v for k, v in f.items() if k not in known} for f in content["frames"]]
        file.write_text(json.dumps(content))


def begin():
    "Take the place of a slow step."
    raise SystemExit(0)


def command_cases(root):
    "Yield command lines in which one value is wrong, for every option that takes a value, and every place."
    for command, good in good_commands(root).items():
        out = [] if command in WITHOUT_OUT else ["--out", "new"]
        yield f"{command} as it should be", command, [*good, *out]
        for action in getattr(commands, f"{command}_parser")()._actions:
            if action.nargs == 0: continue
            option = action.option_strings[-1] if action.option_strings else ""
            rest = [a for a in good if a not in ("--steps", "2")] if option == "--minutes" else good   # one of the two
            for text in TEXTS[::4] if action.choices else TEXTS:
                line = [*rest, *out, f"{option}={text}"] if option else [text, *good[1:], *out]
                yield f"{command} {option or action.dest} {text[:20]!r}", command, line


# ---- running --------------------------------------------------------------------------------------------------------

def in_child(work):
    "Do something in a process of its own; return the outcome, its message, the most memory and the seconds."
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
            told = io.StringIO()
            with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told): outcome = attempt(work)
            if outcome[1].startswith("code"): outcome[1] += f": {told.getvalue()[-1000:]}"
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
    except SystemExit as e: code = e.code
    except BaseException: return ["traceback", traceback.format_exc()[-1500:]]
    if type(code) is not int or code == 0: return ["accepted", ""]
    # the command line says with code 2 what is wrong with its input, and with 1 what the machine refuses
    return ["refused" if code in (1, 2) else "traceback", f"code {code}"]


def gathered(child, reads, began):
    "Wait for a child; return what it wrote and the most memory that it used, bytes."
    data = b""
    os.set_blocking(reads, False)
    while True:
        with contextlib.suppress(BlockingIOError): data += os.read(reads, 1 << 16)
        done, status, used = os.wait4(child, os.WNOHANG)
        if done: break
        if time.monotonic() - began > SECONDS:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(reads)
            return "hang", f"more than {SECONDS} s", 0
        time.sleep(0.002)
    with contextlib.suppress(BlockingIOError): data += os.read(reads, 1 << 16)
    os.close(reads)
    outcome = json.loads(data) if data else ("crash", f"status {status}")
    return (*outcome, used.ru_maxrss*1024)   # kilobytes on Linux


def listing(folder): return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def run_kind(name, kind, shown, every):
    "Run each `every`-th case of a kind."
    results, kept = [], kind.folder.with_name(f"{name}_good")
    outcome, message, *cost = in_child(kind.read)
    # otherwise no case would mean anything
    if outcome != "accepted": results.append(Result("none", "crash", f"a good input is {outcome}: {message}", *cost))
    shutil.copytree(kind.folder, kept)
    for fault, make in list(kind.cases())[::every]:
        make()
        before = listing(kind.folder)
        outcome, message, *cost = in_child(kind.read)
        if listing(kind.folder) != before: outcome, message = "crash", "files were left behind"
        results.append(Result(fault, outcome, message, *cost))
        if kind.file.exists() and not kind.file.is_symlink() and kind.file.is_file(): kind.file.chmod(0o644)
        shutil.rmtree(kind.folder)
        shutil.copytree(kept, kind.folder)
    report(name, results, shown)
    return results


def report(name, results, shown):
    "Print what came of the cases of a kind."
    counts = collections.Counter(r.outcome for r in results)
    print(f"{name}: {len(results)} cases, {dict(counts)}, slowest {max(r.seconds for r in results):.1f} s", flush=True)
    for outcome in "traceback", "hang", "crash", "accepted", "refused":
        some = [r for r in results if r.outcome == outcome]
        limit = len(some) if outcome in BAD else shown
        for r in some[:limit]: print(f"  {outcome}: {r.fault}: {r.last_line()[:220]}", flush=True)


def run_commands(root, shown, every):
    "Run each `every`-th command line with a wrong value. Those that are refused must leave nothing behind."
    results = []
    cases = list(command_cases(root))
    good = [case for case in cases if case[0].endswith("as it should be")]
    write_foreign(root)
    wrong = [case for case in cases if case not in good]
    for name, command, arguments in [*(good if every == 1 else []), *wrong[::every]]:
        with tempfile.TemporaryDirectory() as folder:
            if command == "align": shutil.copytree(root/"foreign", Path(folder)/"foreign")
            before = listing(Path(folder))
            def work(command=command, arguments=arguments, folder=folder):
                os.chdir(folder)
                slow = mock.patch(SLOW[command], lambda *_: begin()) if command in SLOW else contextlib.nullcontext()
                with slow: return getattr(commands, f"{command}_command")(arguments)
            outcome, message, *cost = in_child(work)
            works = name.endswith("as it should be")
            if works and outcome != "accepted": outcome = "crash"   # or no case with it would mean anything
            left = sorted(set(listing(Path(folder))) - set(before))
            if outcome == "refused" and left: outcome, message = "crash", f"left behind: {left[:3]}"
        if not works or outcome != "accepted": results.append(Result(name, outcome, message, *cost))
    report("command line", results, shown)
    return results


def table(found):
    "Return the results as tables in Markdown: counts, and some messages."
    columns = (*OUTCOMES, "slowest", "most memory")
    head = ["| input | cases | " + " | ".join(columns) + " |", "|---|" + "---:|"*(len(columns) + 1)]
    def row(name, results):
        counts = collections.Counter(r.outcome for r in results)
        cost = f"{max(r.seconds for r in results):.1f} s", f"{max(r.memory for r in results)/1e9:.1f} GB"
        return f"| {' | '.join(map(str, (name, len(results), *(counts[o] for o in OUTCOMES), *cost)))} |"
    every = [r for results in found.values() for r in results]
    rows = [row(name.replace("_", " "), results) for name, results in found.items()] + [row("**all**", every)]
    return "\n".join(head + rows + ["", "| input | fault | message |", "|---|---|---|"] + _messages(found)) + "\n"


def _messages(found):
    "Return rows of a table with some messages of each kind."
    rows = []
    for name, results in found.items():
        refused = [r for r in results if r.outcome == "refused"]
        for r in refused[::max(len(refused)//3, 1)][:3]:
            message = re.sub(r"/\S*/tmp\w+/", "", r.last_line())[:160]
            cells = (text.replace("|", "/").replace("`", "'") for text in (r.fault, message))
            rows.append("| " + " | ".join((name.replace("_", " "), *(f"`{text}`" for text in cells))) + " |")
    return rows


def main():
    "Run the cases, print the table, and fail if one ended in a traceback, a hang or a crash."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="*", help="only these")
    parser.add_argument("--every", type=int, default=1, help="only one case in so many")
    parser.add_argument("--shown", type=int, default=0, help="messages of each outcome to print")
    parser.add_argument("--table", help="file to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root, found = Path(folder), {}
        kinds = make_kinds(root)
        chosen = options.kinds or [*kinds, "commands"]
        for name in (name for name in kinds if name in chosen):
            found[name] = run_kind(name, kinds[name], options.shown, options.every)
        if "commands" in chosen: found["command line"] = run_commands(root, options.shown, options.every)
    text = table(found)
    print(text)
    if options.table: write_text(options.table, text)
    return int(any(r.outcome in BAD for results in found.values() for r in results))


if __name__ == "__main__": sys.exit(main())
