"""A folder with toy scenes and RUNs for fault tests, and child processes in which commands run and break."""
import contextlib, functools, io, os, resource, shutil, signal, sys, time
from dataclasses import dataclass, field, replace
import torch
from safetensors import safe_open
import nerflame.runtime, nerflame.training.checkpoint, nerflame.training.train
from nerflame.command import run_command
from nerflame.core import InputError
from nerflame.fitting.outlines import OutlineConfig
from nerflame.fitting.track import TrackConfig
from nerflame.heads.files import save_head_arrays
from nerflame.published.methods import load_run
from nerflame.scenes.writing import FrameLabels, save_scene
from nerflame.testing import small_model, toy_head, toy_person, toy_scene
from nerflame.training.settings import FieldStageConfig, MeshStageConfig, TrainConfig
from nerflame.use.commands import train_parser, train_work

SETTINGS = TrainConfig(minutes=None, steps=16, model=small_model(),
    outline=OutlineConfig(steps=15, views=4, points=40, vertices=500),
    track=TrackConfig(steps=(1, 1, 2, 2), vertices=400),
    mesh=MeshStageConfig(steps=8, rays=256, margin=0.05),
    field=FieldStageConfig(rays=256, warm_up=6, timesteps=2, renew=3))
EVERY = 0.2   # seconds between two checkpoints, instead of a minute
STATES = {}, dict(jaw_pose=[0.3, 0., 0.])   # of the face that moves

@dataclass
class Row:
    "A line of the table."
    kind: str             # of the fault
    injected: int = 0
    failures: list = field(default_factory=list)
    lost: str = "nothing"

    @property
    def survived(self): return self.injected - len(self.failures)

    def note(self, where, problems):
        "Count a fault, and what went wrong after it."
        self.injected += 1
        if problems: self.failures.append(f"{self.kind}, {where}: {'; '.join(problems)}")
        if problems or self.injected % 10 == 0: self.tell()

    def tell(self):
        "Print how far a long series is, and its last failure."
        text = f"{self.kind}: {self.survived} of {self.injected} survived"
        print(text, *self.failures[-1:], file=sys.stderr, flush=True)

@dataclass
class Done:
    "What a child process left."
    code: int | None   # its exit code; None: it was still running when its time was over
    killed: int        # the signal that ended it; 0: none
    out: str
    err: str
    seconds: float

    @property
    def last(self): return (self.err.replace("\r", "\n").strip().splitlines() or [""])[-1]

def write_scene(folder, states):
    "Write a scene folder with pictures of the toy in some states."
    for split, n in dict(train=6, val=1).items():
        turns = torch.linspace(-1.9, 1.9, n)
        params = [toy_person().replace(**state) for state in states]
        scenes = [toy_scene(p, turns, 32) for p in params]
        cameras = scenes[0].cameras
        joined = {k: torch.cat([getattr(s.cameras, k) for s in scenes]) for k in ("c2w", "focal", "centre")}
        cameras = replace(cameras, **joined)
        rgba = torch.cat([torch.cat([s.rgb, s.mask[..., None]], -1) for s in scenes])
        numbers = [t for t in range(len(states)) for _ in range(n)]
        save_scene(folder, split, rgba, cameras, 3., 5.5, FrameLabels(None, numbers), scenes[0].flame_to_scene)

@contextlib.contextmanager
def frequent_checkpoints():
    "Save every `EVERY` seconds."
    train, kind = nerflame.training.train, nerflame.training.train.Checkpointer
    train.Checkpointer = functools.partial(kind, every=EVERY)
    try: yield
    finally: train.Checkpointer = kind

def train_command(*arguments, settings=SETTINGS):
    "Run `nerflame train` with small settings."
    parser = train_parser()
    def work(values): train_work(parser, values if values["run"] else values | dict(settings=settings))
    with frequent_checkpoints(): return run_command(parser, work, [str(a) for a in arguments])

class World:
    "Folders of toy scenes and of RUNs."
    def __init__(self, root, short, draws):
        self.root, self.short, self.draws = root, short, draws
        self.head = root/"toy.npz"
        save_head_arrays(toy_head().arrays, self.head)
        for name, states in dict(still=[{}], moving=STATES).items(): write_scene(root/name, states)
        os.chmod(root, 0o755)
        self.references = {}

    def arguments(self, scene): return [self.root/scene, "--head", self.head, "--device", "cpu", "--steps", "16"]

    def some(self, items, n):
        "All items, or n of them in a short test."
        items = list(items)
        if not self.short or len(items) <= n: return items
        return [items[i*len(items)//n] for i in range(n)]

    def reference(self, scene):
        "Train without a fault; return the RUN and the seconds that it takes."
        if scene not in self.references:
            out = self.root/f"reference_{scene}"
            train = lambda: train_command(*self.arguments(scene), "--out", out)
            with contextlib.redirect_stdout(io.StringIO()): assert train() == 0
            # the first one was in this process, so kernels and modules are loaded for all children from now on
            shutil.rmtree(out)
            done = child(train)
            assert done.code == 0, done.err
            self.references[scene] = out, done.seconds
        return self.references[scene]

# %% child processes

def child(work, before=lambda: None, kill_after=None, number=signal.SIGKILL, timeout=120):
    "Run `work` in a forked process; return its exit code and what it printed. `before` prepares the fault there."
    pipes = os.pipe(), os.pipe()   # a full disk does not hold up what is printed
    sys.stdout.flush()
    began, pid = time.monotonic(), os.fork()
    if not pid: _in_child(work, before, [write for _, write in pipes])
    for read, write in pipes:
        os.close(write)
        os.set_blocking(read, False)
    texts = [b"", b""]
    def hear(): texts[:] = [text + _read(read) for text, (read, _) in zip(texts, pipes)]
    code, killed = _wait(pid, began, kill_after, number, timeout, hear)
    hear()
    for read, _ in pipes: os.close(read)
    return Done(code, killed, *(text.decode(errors="replace") for text in texts), time.monotonic() - began)

def _read(pipe):
    "Return what has come through a pipe."
    try: return os.read(pipe, 1 << 20)
    except BlockingIOError: return b""

def _in_child(work, before, pipes):
    "Be the child process: run the work and leave."
    code = 70
    try:
        for number, pipe in zip((1, 2), pipes): os.dup2(pipe, number)
        sys.stdout, sys.stderr = (io.TextIOWrapper(os.fdopen(n, "wb", 0), write_through=True) for n in (1, 2))
        nerflame.runtime._threads.cache_clear()   # threads do not live on in a fork
        before()
        code = work()
    except SystemExit as e: code = e.code
    except BaseException:
        import traceback
        traceback.print_exc()
    finally: os._exit(code or 0)

def _wait(pid, began, kill_after, number, timeout, hear):
    "Wait for a child, and end it after some seconds; return its exit code and the signal that ended it."
    sent = False
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done: return os.waitstatus_to_exitcode(status), max(-os.waitstatus_to_exitcode(status), 0)
        hear()
        spent = time.monotonic() - began
        if kill_after is not None and spent >= kill_after and not sent:
            os.kill(pid, number)
            sent = True
        if spent > timeout:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return None, 0
        time.sleep(0.005)

# %% faults

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "os.link", "os.symlink"}

def changes_files(event, args, root):
    "Test whether an audit event changes a file or folder below root."
    if event not in CHANGES and event != "open": return False
    path = args[0]
    if not isinstance(path, (str, bytes, os.PathLike)): return False
    if not os.path.abspath(os.fsdecode(path)).startswith(root): return False
    if event != "open": return True
    mode, flags = args[1], args[2]
    return any(c in (mode or "") for c in "wax+") or bool((flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))

def at_operation(root, n, act):
    "Return a function that makes a process act before its n-th operation on files below root."
    count, root = [0], f"{root}{os.sep}"
    def hook(event, args):
        if count[0] < 0 or not changes_files(event, args, root): return
        count[0] += 1
        if count[0] == n:
            count[0] = -1   # what `act` does is no operation
            act()
    return lambda: sys.addaudithook(hook)

def kill_at(root, n): return at_operation(root, n, lambda: os.kill(os.getpid(), signal.SIGKILL))

def count_operations(work, root):
    "Run `work` in a child and count its operations on files below root."
    def counted():
        seen, place = [], f"{root}{os.sep}"
        sys.addaudithook(lambda event, args: changes_files(event, args, place) and seen.append(event))
        code = work()
        os.write(1, f"\noperations {len(seen)}\n".encode())
        return code
    done = child(counted)
    assert done.code == 0, done.err
    return int(done.out.rsplit("operations ", 1)[1])

def largest_file(size):
    "Return a function that forbids files of more than some bytes, as a full disk would."
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

# %% checks

def weights(run):
    "Return the content of the files of a model; safetensors writes its metadata in any order."
    found = {}
    for name in ("field.safetensors", "head.safetensors"):
        with safe_open(str(run/name), "np") as file:
            found[name, "metadata"] = file.metadata()
            found |= {(name, k): file.get_tensor(k).tobytes() for k in file.keys()}
    return found

def names(folder):
    "Return the names of all files in a folder; logs count as one."
    found = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return {"log/*" if "events.out" in n else n for n in found}

def opens(run):
    "Return the problem of a RUN that neither opens nor names its remedy."
    remedies = "--resume", "train anew", "an earlier RUN is in"
    try: load_run(run)
    except InputError as e:
        if not any(remedy in str(e) for remedy in remedies): return [f"does not open: {e}"]
    except Exception as e: return [f"does not open: {type(e).__name__}: {e}"]
    return []

def tidy(done):
    "Return the problems of a command that failed: a traceback, more than a line."
    problems = ["a traceback: " + done.last] if "Traceback" in done.err else []
    if done.code is None: problems.append("it did not end")
    return problems
