"""The kinds of faults: each injects them into toy trainings and commands, and returns lines of the table."""
import contextlib, functools, itertools, json, math, os, shutil, signal, threading, time
from PIL import Image
from safetensors import SafetensorError
import nerflame.training.checkpoint, nerflame.training.stages
from nerflame.training.checkpoint import UNFINISHED
from nerflame.use.commands import drive_command, eval_command, export_command, render_command
from faults_world import (EVERY, Row, child, count_operations, kill_at, largest_file, names, opens, tidy, train_command,
                          weights)

SCENES = "moving", "still"   # outlines, tracking, relief and field; outlines, tracking, mesh and field

def new_case(world, scene):
    "Return a folder with an earlier RUN, that of the other scene, which a training of this scene replaces."
    case = world.root/"case"
    shutil.rmtree(case, ignore_errors=True)
    case.mkdir()
    shutil.copytree(world.reference(next(s for s in SCENES if s != scene))[0], case/"me")
    return case

def begin(world, scene, run, **how):
    "Train into a RUN, in a child process with a fault."
    return child(lambda: train_command(*world.arguments(scene), "--out", run), **how)

def go_on(world, scene, run):
    "Resume what was cut short, or train anew where nothing was kept."
    again = ["--resume", run] if (run/UNFINISHED).is_file() else [*world.arguments(scene), "--out", run]
    return child(lambda: train_command(*again))

def problems_after(world, scene, case):
    "Return what is wrong after a fault: folders that do not open, an earlier RUN that is lost."
    run = case/"me"
    found, ours = opens(run), weights(world.reference(scene)[0])
    earlier = weights(world.reference(next(s for s in SCENES if s != scene))[0])
    def same(folder, files):
        try: return weights(folder) == files and (folder/"config.yaml").is_file()
        except (OSError, SafetensorError): return False
    kept = any(same(p, earlier) for p in case.iterdir()) or same(run, ours)
    return found + ([] if kept else ["the earlier RUN is lost"])

def problems_at_end(world, scene, case, done):
    "Return what is wrong after a training has gone on: other weights, files that were left behind."
    run, reference = case/"me", world.reference(scene)[0]
    if done.code != 0: return [f"it did not go on (exit code {done.code}): {done.last}"]
    found = [] if weights(run) == weights(reference) else ["other weights"]
    more, left = names(run) ^ names(reference), sorted(p.name for p in case.iterdir() if p != run)
    if more or left: found.append(f"left behind or lost: {sorted(more) + left}")
    return found

def lost_seconds(run, done):
    "Return the seconds between the last checkpoint and the end of a process, or all that it took."
    file = run/UNFINISHED
    return min(time.time() - file.stat().st_mtime, done.seconds) if file.is_file() else done.seconds

def cut_short(world, scene, row, where, **how):
    "Cut a training short, look at what is left, go on, and compare; return the seconds of work that were lost."
    case = new_case(world, scene)
    done = begin(world, scene, case/"me", **how)
    lost = lost_seconds(case/"me", done) if done.code != 0 else 0.
    problems = tidy(done) + problems_after(world, scene, case)
    row.note(where, problems + problems_at_end(world, scene, case, go_on(world, scene, case/"me")))
    return done, lost

def kills(world):
    "Kill a training before operations on files, and at random moments."
    return [kill(world, scene) for kill in (_kills_at_operations, _kills_at_random) for scene in world.some(SCENES, 1)]

def _kills_at_operations(world, scene):
    "Kill a training before each change of a file."
    case = new_case(world, scene)
    n = count_operations(lambda: train_command(*world.arguments(scene), "--out", case/"me"), case)
    row = Row(f"kill -9 before a change of a file ({scene}, {n} of them)")
    for k in world.some(range(1, n + 1), 2):
        cut_short(world, scene, row, f"operation {k}", before=kill_at(case, k))
    return row

def _kills_at_random(world, scene):
    "Kill a training at random moments."
    row, most, seconds = Row(f"kill -9 at a random moment ({scene})"), 0., world.reference(scene)[1]
    for _ in range(1 if world.short else 13):
        moment = world.draws.uniform(0, seconds)
        most = max(most, cut_short(world, scene, row, f"{moment:.2f} s", kill_after=moment)[1])
    row.lost = f"{most:.1f} s (saves every {EVERY} s)"
    return row

def signals(world):
    "Send SIGINT, SIGTERM and SIGHUP at random moments; a second one right after the first."
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
    row, scene = Row("SIGINT, SIGTERM, SIGHUP at a random moment", lost="no step"), "moving"
    for number in world.some(codes, 1):
        for _ in range(1 if world.short else 4):
            moment = world.draws.uniform(0.05, world.reference(scene)[1])
            case = new_case(world, scene)
            before = sorted(case.rglob("*"))
            done = begin(world, scene, case/"me", kill_after=moment, number=number)
            problems = tidy(done) + problems_after(world, scene, case)
            # on a busy machine it can come before the command listens, and then nothing has begun
            early = done.killed == number and sorted(case.rglob("*")) == before
            if done.code not in (0, codes[number]) and not early: problems.append(f"exit code {done.code}: {done.last}")
            problems += problems_at_end(world, scene, case, go_on(world, scene, case/"me"))
            row.note(f"{number.name} after {moment:.2f} s", problems)
    twice, scene = Row("a second signal during the save", lost="since the last checkpoint"), "still"
    for number in world.some(codes, 1):
        case = new_case(world, scene)
        done = begin(world, scene, case/"me", before=lambda number=number: _press_twice(number))
        problems = tidy(done) + problems_after(world, scene, case)
        if done.killed != number: problems.append(f"exit code {done.code}: {done.last}")
        twice.note(number.name, problems + problems_at_end(world, scene, case, go_on(world, scene, case/"me")))
    return [row, twice]

def _press_twice(number):
    "Send a signal in the first batch of `mesh`, and another one while the answer to it is written."
    checkpoint, stages, calls = nerflame.training.checkpoint, nerflame.training.stages, []
    save, loss = checkpoint.save_file, stages.batch_loss
    def slow(*args):
        if calls: os.kill(os.getpid(), number)
        save(*args)
    def press(*args):
        if not calls: os.kill(os.getpid(), number)
        calls.append(1)
        return loss(*args)
    checkpoint.save_file, stages.batch_loss = slow, press

def two(world):
    "Start a second training into a RUN while the first one runs."
    row, scene = Row("two trainings into one RUN"), "still"
    for moment in world.some([0.3, 0.6, 0.9, 1.2], 1):
        case = new_case(world, scene)
        def second(run=case/"me", moment=moment):
            if os.fork(): return
            time.sleep(moment)   # this process is the second one
            os._exit(train_command(*world.arguments(scene), "--out", run))
        done = begin(world, scene, case/"me", before=second)
        problems = tidy(done) + problems_at_end(world, scene, case, done)
        if "one that process" not in done.err: problems.append(f"the second was not refused: {done.last}")
        row.note(f"{moment} s apart", problems)
    return [row]

# %% disk

def commands(world, out):
    "Return commands by name, and what they are called with: those that write into a folder `out`."
    run, small = world.reference("still")[0], ["--size", "24"]
    film = ["--arkit", "sample", "--fps", "1", "--pictures", *small]
    return {
        "train": (train_command, [*world.arguments("still"), "--out", out/"me"]),
        "eval": (eval_command, [run, "--split", "val", "--out", out/"scores", "--data", world.root/"still"]),
        "render": (render_command, [run, "--out", out/"pictures", "--turntable", "3", *small]),
        "drive": (drive_command, [run, "--out", out/"film", *film]),
        **{f"export {kind}": (export_command, [run, f"--{kind}", out/f"toy.{kind}", "--texture", "32"])
           for kind in ("glb", "obj", "ply")},
        "export pictures": (export_command, [run, "--pictures", out/"frames", "--count", "2", *small])}

def call(command, arguments):
    "Return the call of a command."
    return lambda: train_command(*arguments) if command is train_command else command([str(a) for a in arguments])

def readable(path):
    "Return the problem of a file that cannot be read."
    try:
        if path.suffix == ".json": json.loads(path.read_text())
        if path.suffix == ".png": Image.open(path).load()
        if path.suffix in (".mp4", ".gif"):
            import imageio.v2 as imageio
            with imageio.get_reader(path) as film: assert sum(1 for _ in film) > 0
    except Exception as e: return [f"{path.name}: {type(e).__name__}: {e}"]
    return []

def problems_of_files(out, before):
    "Return what is wrong with files after a command that failed: broken ones, parts, earlier ones that are gone."
    files = [p for p in out.rglob("*") if p.is_file()]
    parts = [p.name for p in files if p.name.startswith(".") and p.name not in (".nerflame", ".unfinished")]
    scores = "metrics.json", "evaluation.json"   # go before new pictures come, as they would belong to others
    gone = [n for n in before if not (out/n).is_file() and not any(out.glob("me.earlier*")) and not n.endswith(scores)]
    broken = [t for p in files for t in readable(p)]
    return broken + [f"a part is left: {parts}"]*bool(parts) + [f"gone: {gone}"]*bool(gone)

def disk(world):
    "Let the disk be full at each kind of write, without and over an earlier result."
    rows, full = [], world.root/"full"
    shutil.rmtree(full, ignore_errors=True)
    full.mkdir()
    for name, (command, arguments) in commands(world, full).items():
        if world.short and name != "drive": continue
        done = child(call(command, arguments))
        assert done.code == 0, (name, done.err)
        sizes = sorted({p.stat().st_size for p in full.rglob("*") if p.is_file()})
        row = Row(f"disk full: {name}")
        for size in world.some(sizes, 2):
            before = {p.relative_to(full).as_posix() for p in full.rglob("*") if p.is_file()}
            done = child(call(command, arguments), before=largest_file(max(size - 1, 1)))
            problems = tidy(done) + problems_of_files(full, before)
            if done.code not in (0, 1, 2): problems.append(f"exit code {done.code}")
            if done.code and not done.last.startswith("nerflame "): problems.append(f"no line: {done.last}")
            row.note(f"files of less than {size} bytes", problems)
        rows.append(row)
        shutil.rmtree(full)
        full.mkdir()
    return rows

def killed_commands(world):
    "Kill commands that write files before each change of a file, and call them again."
    return [_killed_command(world, *item) for item in commands(world, world.root/"cut").items() if item[0] != "train"
            and (not world.short or item[0] == "render")]

def _killed_command(world, name, how):
    "Kill one command before each change of a file, call it again, and compare the files that are there."
    cut, run = world.root/"cut", call(*how)
    def anew():
        shutil.rmtree(cut, ignore_errors=True)
        cut.mkdir()
    anew()
    n = count_operations(run, cut)
    row, wanted = Row(f"kill -9 before a change of a file: {name} ({n} of them)"), names(cut)
    for k in world.some(range(1, n + 1, math.ceil(n/15)), 2):   # many are alike: picture after picture
        anew()
        child(run, before=kill_at(cut, k))
        again = child(run)
        problems = tidy(again) + ([] if again.code == 0 else [f"exit code {again.code}: {again.last}"])
        left = names(cut) ^ wanted
        row.note(f"operation {k}", problems + [f"left behind or lost: {sorted(left)}"]*bool(left))
    return row

def _renamed(run): os.rename(run, run.with_name("away"))

def _replaced(run):
    _renamed(run)
    run.write_text("")

VANISH = {   # what: takes the RUN and the photographs
    "photographs removed": lambda run, data: shutil.rmtree(data),
    "log removed": lambda run, data: shutil.rmtree(run/"log"),
    "RUN removed": lambda run, data: shutil.rmtree(run),
    "RUN renamed": lambda run, data: _renamed(run),
    "RUN replaced by a file": lambda run, data: _replaced(run)}

def _later(moment, act, *places):
    "Do something after some seconds, beside the work of this process."
    def wait():
        time.sleep(moment)
        with contextlib.suppress(OSError): act(*places)   # it may not be there yet
    threading.Thread(target=wait, daemon=True).start()

def vanish(world):
    "Remove photographs, the log or the RUN while a training runs."
    rows, scene = [], "still"
    for what, act in world.some(VANISH.items(), 1):
        row = Row(what, lost="since the last checkpoint" if "RUN" not in what else "what was removed")
        for moment in world.some([0.4, 0.8, 1.2], 1):
            case = new_case(world, scene)
            shutil.copytree(world.root/scene, case/"data")
            train = call(train_command, [case/"data", *world.arguments(scene)[1:], "--out", case/"me"])
            places = case/"me", case/"data"
            done = child(train, before=functools.partial(_later, moment, act, *places))
            problems = tidy(done)
            if done.code and not done.last.startswith(("nerflame ", "note:")): problems.append(f"no line: {done.last}")
            row.note(f"after {moment} s", problems)
        rows.append(row)
    return rows

# %% numbers, places, clocks

def _poison(stage, step, value, weight):
    "Return a function that puts a value into the loss of a step, or into a weight that the loss does not see."
    def before():
        module, calls, name = nerflame.training.stages, [], "batch_loss" if stage == "mesh" else "field_loss"
        good = getattr(module, name)
        def bad(model, *args):
            calls.append(1)
            found = good(model, *args)
            if len(calls) != step: return found
            if weight: next(model.field.parameters()).data.flatten()[-1] = value
            elif stage == "mesh": found = found[0]*value, found[1]
            else: found = found._replace(objective=found.objective*value)
            return found
        setattr(module, name, bad)
    return before

def nan(world):
    "Put NaN or infinity into the loss or a weight."
    row, scene = Row("NaN or infinity in loss or weights", lost="since the last checkpoint"), "still"
    stages, values = ("mesh", "field"), (math.nan, math.inf)
    for stage, step, value, weight in world.some(itertools.product(stages, (1, 7), values, (False, True)), 1):
        case = new_case(world, scene)
        done = begin(world, scene, case/"me", before=_poison(stage, step, value, weight))
        problems = tidy(done) + problems_after(world, scene, case)
        if done.code != 1 or f"{stage}, step " not in done.last: problems.append(f"exit code {done.code}: {done.last}")
        problems += problems_at_end(world, scene, case, go_on(world, scene, case/"me"))
        row.note(f"{stage}, step {step}, {value}, {'weight' if weight else 'loss'}", problems)
    return [row]

def readonly(world):
    "Name places that cannot be written."
    row = Row("places that cannot be written")
    closed = world.root/"closed"
    shutil.rmtree(closed, ignore_errors=True)
    closed.mkdir()
    closed.chmod(0o555)
    def nobody():
        if not os.getuid(): os.setuid(65534)   # for root every place is writable
    for place in world.some((closed, closed/"new", world.head, world.head/"below", closed/("n"*300)), 2):
        for name, (command, arguments) in world.some(commands(world, place).items(), 2):
            done = child(call(command, arguments), before=nobody)
            problems = tidy(done) + ([] if done.code in (1, 2) else [f"exit code {done.code}"])
            problems += [f"written: {sorted(names(closed))}"] if names(closed) else []
            row.note(f"{name} into {place.name[:20]}", problems)
    return [row]

def clock(world):
    "Let the clock of the system go backwards while a training runs."
    row, scene = Row("a clock that goes backwards"), "moving"
    def backwards():
        now = [time.time()]
        def step():
            now[0] -= 3600
            return now[0]
        time.time = step
    case = new_case(world, scene)
    done = begin(world, scene, case/"me", before=backwards)
    row.note("an hour each time", tidy(done) + problems_at_end(world, scene, case, done))
    return [row]

KINDS = dict(kills=kills, commands=killed_commands, signals=signals, two=two, disk=disk, vanish=vanish, nan=nan,
    readonly=readonly, clock=clock)
