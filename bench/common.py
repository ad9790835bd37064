"""Share between all sections: the row of a table, taking turns, the machine, and the files of results.

Run `bench/run.py`, not this file."""
import json, os, platform, statistics, subprocess, sys, time
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
import torch
from nerflame.core import write_text
from nerflame.runtime import cpu_threads
from nerflame.training.run import versions

RESULTS = Path(__file__).resolve().parent/"results"
# sections in the order of the tables, with their headings
TITLES = dict(quality="Quality after minutes of training", closest="Closest point on the mesh",
    growth="Closest point on finer meshes", paper="A training step of the published method",
    frames="Pictures of a moving face", profile="Parts of a training step",
    memory="Memory and step time against pictures", timesteps="Memory and step time against timesteps",
    card="A CUDA device")

@dataclass
class Row:
    "One line of a table."
    section: str
    name: str                     # what was measured
    value: float | None = None    # median; None: not measured, `note` says why
    unit: str = ""                # "s", "ms", "dB", "GB", "x" (times as fast), ...
    low: float | None = None      # smallest and largest of the runs
    high: float | None = None
    n: int = 1                    # runs
    reach: float | None = None    # target: what has to be reached; more is better unless `aim` is smaller than `reach`
    aim: float | None = None      # target: what is aimed at
    less: bool = False            # whether less is better where there is no `aim` to tell
    note: str = ""                # sizes, and how far the result agrees with the slow and plain way

    @property
    def verdict(self)->str:
        "Compare the value with the targets: aim met, met, missed, or empty without a target."
        if self.value is None or self.reach is None: return ""
        sign = -1 if self.less or (self.aim is not None and self.aim < self.reach) else 1
        if self.aim is not None and sign*self.value >= sign*self.aim: return "aim met"
        return "met" if sign*self.value >= sign*self.reach else "missed"

def row(section, name, values, unit, **rest):
    "Make a row from repeated measurements."
    return Row(section, name, statistics.median(values), unit, min(values), max(values), len(values), **rest)

def why_absent(reason:str)->str:
    "Return the reason why a library was not measured, from the message of its import."
    if reason.startswith("ModuleNotFoundError"): return "not installed on this machine"
    return f"did not import: {reason[:160]}"

def ratios(slow, fast, scale=1.0):
    "Divide times round by round, because the machine drifts. `scale` is the work of `fast` by that of `slow`."
    return [scale*a/b for a, b in zip(slow, fast)]

def timed(work)->float:
    "Return the seconds of one call."
    if torch.cuda.is_available(): torch.cuda.synchronize()
    begin = time.perf_counter()
    work()
    if torch.cuda.is_available(): torch.cuda.synchronize()
    return time.perf_counter() - begin

def in_turn(works:dict, rounds:int, repeat=None, warm=True)->dict:
    """Time each work, {name: one median a round}.
    Every second round goes backwards, so that a drift of the machine hits all alike."""
    if warm: [work() for work in works.values()]
    seconds, names = {name: [] for name in works}, list(works)
    for k in range(rounds):
        for name in names if k % 2 == 0 else names[::-1]:
            seconds[name].append(statistics.median([timed(works[name]) for _ in range((repeat or {}).get(name, 1))]))
    return seconds

# a process inherits the memory high-water mark of the one that started it, so a small one stands in between
_STARTER = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)"""

_CALL = """
import sys
from nerflame.use.commands import {name}_command as command
sys.argv[0] = "nerflame {name}"
sys.exit(command())"""

def command(name, *arguments):
    """Run a console command of nerflame, such as `train`, in a process of its own.
    Return its seconds, its peak of resident bytes and its output. Raises RuntimeError when it fails."""
    words = [str(a) for a in arguments]
    root = str(Path(__file__).resolve().parent.parent)   # the package beside this folder, wherever another is installed
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])]))
    child = [sys.executable, "-c", _CALL.format(name=name), *words]
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", _STARTER, *child], text=True, capture_output=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"nerflame {name} {' '.join(words)}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    output, _, peak = done.stdout.rpartition("peak ")
    return time.perf_counter() - begin, int(peak)*(1 if sys.platform == "darwin" else 1024), output.strip()

def _read(path, key):
    "Return the first value of a line `key: value` in a file of /proc, or an empty text."
    try: lines = Path(path).read_text().splitlines()
    except OSError: return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")

def machine()->dict:
    "Describe this machine."
    memory = _read("/proc/meminfo", "MemTotal").removesuffix("kB")
    cpu = _read("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return dict(cpu=cpu, threads=cpu_threads(), cores=os.cpu_count(),
        memory_gb=round(int(memory)/1e6, 1) if memory else None, gpu=gpu,
        system=platform.platform(), load=round(os.getloadavg()[0], 2))

def all_versions()->dict:
    "Return the versions of the measured libraries."
    found = dict(python=platform.python_version()) | versions() | {"torch": torch.__version__}
    for name in ("libigl", "open3d", "easypytorch3d"):
        try: found[name] = version(name)
        except PackageNotFoundError: pass
    return {k: v for k, v in found.items() if v}

def commit()->str:
    "Return the commit that is checked out, with + where files differ from it."
    def git(*words):
        done = subprocess.run(["git", *words], cwd=RESULTS.parent, text=True, capture_output=True)
        return done.stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "..", ":!results")
    return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")

def record(rows, seconds)->dict:
    "Return a section as it is stored: its rows with date, commit, machine and versions."
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return dict(date=date, commit=commit(), seconds=round(seconds, 1), machine=machine(), versions=all_versions(),
        rows=[asdict(r) for r in rows])

def renew(before, fresh)->dict:
    "Merge a section of which only some rows were measured again; the notes of the others give their date and commit."
    if before is None: return fresh
    names, order = [r["name"] for r in fresh["rows"]], [r["name"] for r in before["rows"]]
    origin = f"measured on {before['date']}, commit {before['commit']}"
    dated = lambda r: r if "measured on" in r["note"] else r | dict(note=f"{r['note']}; {origin}")
    old = [dated(r) for r in before["rows"] if r["name"] not in names]
    rank = lambda r: order.index(r["name"]) if r["name"] in order else len(order)
    return fresh | dict(rows=sorted(old + fresh["rows"], key=rank))

def read_results(stem)->dict:
    "Read the sections of an earlier run."
    path = RESULTS/f"{stem}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

def _number(value, unit):
    "Format a number with three digits and without an exponent."
    if value is None: return ""
    if abs(value) >= 1000: return f"{value:,.0f}"
    return f"{value:.2f}" if unit == "dB" else f"{value:.3g}"

def _line(r:Row):
    "Format a row in Markdown."
    number = lambda v: _number(v, r.unit)
    unit = r.unit if r.unit in ("", "x") else f" {r.unit}"
    spread = f" ({number(r.low)} to {number(r.high)}, n={r.n})" if r.n > 1 else ""
    measured = "not measured" if r.value is None else f"{number(r.value)}{unit}{spread}"
    target = " / ".join(f"{number(v)}{unit}" for v in (r.reach, r.aim) if v is not None and r.reach is not None)
    return f"| {r.name} | {measured} | {target} | {r.verdict} | {r.note} |"

def markdown(sections, title)->str:
    "Format all sections as tables."
    lines = [f"# {title}", "", *ABOUT]
    for name in sorted(sections, key=lambda n: [*TITLES, n].index(n)):
        s = sections[name]
        lines += ["", f"## {TITLES.get(name, name)}", "", _origin(name, s), "",
            "| what | measured | target: reach / aim | target met? | sizes and agreement |",
            "| --- | ---: | ---: | --- | --- |"]
        lines += [_line(Row(**r)) for r in s["rows"]]
    return "\n".join(lines) + "\n"

ABOUT = ("Medians, with the smallest and the largest of the runs. A ratio (x) is the median of ratios taken round by "
    "round, where both ran one after the other in one process.",
    "Targets: a number that has to be reached, and one to aim at. The last column has sizes, and how far a fast way "
    "agrees with the slow and plain one.")

def _origin(name, s):
    "Format date, machine and versions of a section."
    m = s["machine"]
    machine = f"{m['cpu']}, {m['threads']} threads of {m['cores']} cores, {m['memory_gb']} GB"
    machine += f", GPU: {m['gpu'] or 'none'}, load {m['load']}"
    versions = ", ".join(f"{k} {v}" for k, v in s["versions"].items())
    return f"Section `{name}`: {s['date']}, commit {s['commit']}, {s['seconds']:.0f} s; {machine}; {versions}."

def write_results(stem, sections, title):
    "Write the results as JSON and as Markdown."
    write_text(RESULTS/f"{stem}.json", json.dumps(sections, indent=1) + "\n")
    write_text(RESULTS/f"{stem}.md", markdown(sections, title))
