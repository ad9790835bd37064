"""What all sections of the benchmark share: a row of a table, taking turns, the machine, and the files of results. Run `bench/run.py`, not this file."""
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
TITLES = dict(quality="Quality after minutes of training", closest="Closest point on the mesh", growth="Closest point on finer meshes", paper="A training step of the published method", frames="Pictures of a moving face",
              profile="Where a training step goes", memory="Memory and step time against pictures", moments="Memory and step time against moments", card="A CUDA device")

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
        "Whether the targets are met."
        if self.value is None or self.reach is None: return ""
        sign = -1 if self.less or (self.aim is not None and self.aim < self.reach) else 1
        if self.aim is not None and sign*self.value >= sign*self.aim: return "aim met"
        return "met" if sign*self.value >= sign*self.reach else "missed"

def row(section, name, values, unit, **rest):
    "A row from repeated measurements."
    return Row(section, name, statistics.median(values), unit, min(values), max(values), len(values), **rest)

def why_absent(reason:str)->str:
    "Why a library was not measured, from the message of its import."
    return "not installed on this machine" if reason.startswith("ModuleNotFoundError") else f"did not import: {reason[:160]}"

def ratios(slow, fast, scale=1.0):
    "How many times as fast, round by round: what ran side by side is compared. `scale` is work of `fast` by work of `slow`."
    return [scale*a/b for a, b in zip(slow, fast)]

def timed(work)->float:
    "Seconds of one call."
    if torch.cuda.is_available(): torch.cuda.synchronize()
    begin = time.perf_counter()
    work()
    if torch.cuda.is_available(): torch.cuda.synchronize()
    return time.perf_counter() - begin

def in_turn(works:dict, rounds:int, repeat=None, warm=True)->dict:
    "Seconds of each work, {name: one median a round}; every second round goes backwards, so that a drift of the machine hits all alike."
    if warm: [work() for work in works.values()]
    seconds, names = {name: [] for name in works}, list(works)
    for k in range(rounds):
        for name in names if k % 2 == 0 else names[::-1]:
            seconds[name].append(statistics.median([timed(works[name]) for _ in range((repeat or {}).get(name, 1))]))
    return seconds

# a process inherits the memory high-water mark of the one that started it, so a small one stands in between
_STARTER = "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"

def command(name, *arguments):
    "Run a console command of nerflame, such as `train`, in a process of its own: (seconds, peak resident bytes, output). Raises RuntimeError when it fails."
    call = f"import sys; from nerflame.use.commands import {name}_command; sys.argv[0] = 'nerflame_{name}'; sys.exit({name}_command())"
    root = str(Path(__file__).resolve().parent.parent)   # the package beside this folder, wherever another one is installed
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])]))
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", _STARTER, sys.executable, "-c", call, *map(str, arguments)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    if done.returncode: raise RuntimeError(f"nerflame_{name} {' '.join(map(str, arguments))}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    output, _, peak = done.stdout.rpartition("peak ")
    return time.perf_counter() - begin, int(peak)*(1 if sys.platform == "darwin" else 1024), output.strip()

def _read(path, key):
    "The first value of a line `key: value` or `key value` in a file of /proc; empty where there is none."
    try: lines = Path(path).read_text().splitlines()
    except OSError: return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")

def machine()->dict:
    "Where the results come from."
    memory = _read("/proc/meminfo", "MemTotal").removesuffix("kB")
    return dict(cpu=_read("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(), threads=cpu_threads(), cores=os.cpu_count(), memory_gb=round(int(memory)/1e6, 1) if memory else None,
                gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None, system=platform.platform(), load=round(os.getloadavg()[0], 2))

def all_versions()->dict:
    "Versions of everything that was measured."
    found = dict(python=platform.python_version()) | versions() | {"torch": torch.__version__}
    for name in ("libigl", "open3d", "easypytorch3d"):
        try: found[name] = version(name)
        except PackageNotFoundError: pass
    return {k: v for k, v in found.items() if v}

def commit()->str:
    "The commit that is checked out, with + where files differ from it."
    git = lambda *words: subprocess.run(["git", *words], cwd=RESULTS.parent, text=True, capture_output=True).stdout.strip()
    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no", "--", "..", ":!results") else "")

def record(rows, seconds)->dict:
    "A section as it is stored: its rows, and when, where and with what they were measured."
    return dict(date=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), commit=commit(), seconds=round(seconds, 1), machine=machine(), versions=all_versions(), rows=[asdict(r) for r in rows])

def renew(before, fresh)->dict:
    "A section of which only some rows were measured again: the others say from when they are."
    if before is None: return fresh
    names = [r["name"] for r in fresh["rows"]]
    old = [r if "measured on" in r["note"] else r | dict(note=f"{r['note']}; measured on {before['date']}, commit {before['commit']}") for r in before["rows"] if r["name"] not in names]
    order = [r["name"] for r in before["rows"]]
    return fresh | dict(rows=sorted(old + fresh["rows"], key=lambda r: order.index(r["name"]) if r["name"] in order else len(order)))

def read_results(stem)->dict:
    "Sections of an earlier run."
    path = RESULTS/f"{stem}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

def _number(value, unit):
    "Three digits, without an exponent."
    if value is None: return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}" if unit == "dB" else f"{value:.3g}"

def _line(r:Row):
    "A row in Markdown."
    number = lambda v: _number(v, r.unit)
    unit = "" if r.unit == "" else "x" if r.unit == "x" else f" {r.unit}"
    spread = f" ({number(r.low)} to {number(r.high)}, n={r.n})" if r.n > 1 else ""
    measured = "not measured" if r.value is None else f"{number(r.value)}{unit}{spread}"
    target = "" if r.reach is None else number(r.reach) + unit + ("" if r.aim is None else f" / {number(r.aim)}{unit}")
    return f"| {r.name} | {measured} | {target} | {r.verdict} | {r.note} |"

def markdown(sections, title)->str:
    "All sections as tables."
    lines = [f"# {title}", "", "Medians, with the smallest and the largest of the runs. A ratio (x) is the median of ratios taken round by round, where both ran one after the other in one process.",
             "Targets: a number that has to be reached, and one to aim at. The last column has sizes, and how far a fast way agrees with the slow and plain one."]
    for name in sorted(sections, key=lambda n: [*TITLES, n].index(n)):
        s = sections[name]
        m = s["machine"]
        lines += ["", f"## {TITLES.get(name, name)}", "", f"Section `{name}`: {s['date']}, commit {s['commit']}, {s['seconds']:.0f} s; {m['cpu']}, {m['threads']} threads of {m['cores']} cores, {m['memory_gb']} GB, GPU: {m['gpu'] or 'none'}, load {m['load']}; "
                  + ", ".join(f"{k} {v}" for k, v in s["versions"].items()) + ".", "", "| what | measured | target: reach / aim | target met? | sizes and agreement |", "| --- | ---: | ---: | --- | --- |"]
        lines += [_line(Row(**r)) for r in s["rows"]]
    return "\n".join(lines) + "\n"

def write_results(stem, sections, title):
    "JSON and Markdown."
    write_text(RESULTS/f"{stem}.json", json.dumps(sections, indent=1) + "\n")
    write_text(RESULTS/f"{stem}.md", markdown(sections, title))
