"""Store what the code computes now, and compare later what it computes then.

A renovation (moves, renames, splitting of classes, another language) must not change a number. `record` writes hashes
of toy trainings, renders, files and single functions to `gate.json`, and messages and help texts to
`gate_messages.txt`; `check` computes everything again and names what differs. On the CPU all of it repeats bit for bit.

    python tools/gate.py record [--only PART ...]   # write the record; with --only, these parts of it
    python tools/gate.py check [--only PART ...]    # compare: exit code 1 and the names where something differs
    python tools/gate.py list                       # the parts

`gate_names.py` is the only place that imports nerflame: after a rename, edit the import there. Names of hashes are
neutral. We hash dataclasses and modules by their values without the names of fields, so a renamed field changes no hash
(settings of toys, with their fields, stand in `gate_toys.py`). If you change a number or a message on purpose (a mended
bug, a new message), record it anew in the same commit, so that the diff shows it. Three more files belong to it:
`gate_toys.py` makes scenes and trainings, `gate_parts.py` computes, `gate_refusals.py` collects messages.
"""
import os
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"   # another number of threads adds in another order
os.environ.update(COLUMNS="120", MPLBACKEND="agg", CUDA_VISIBLE_DEVICES="", NERFLAME_REQUIRE_SHARED="")
import argparse, dataclasses, hashlib, json, math, platform, re, sys, time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]
import numpy as np, torch

HASHES, MESSAGES = HERE/"gate.json", HERE/"gate_messages.txt"
# the folders that `gate_toys.work_folder` makes, with their path on this machine
WORK_FOLDER = re.compile(r"(/[\w.+-]+)*/gate-\w+")

def without_folders(text):
    "Replace the folders of this machine in a text: work folders, the repository and the user's home."
    text = WORK_FOLDER.sub("DIR", text)
    return text.replace(str(HERE.parent), "REPOSITORY").replace(str(Path.home()), "HOME")

def digest(value):
    "Return a short hash: of tensors and arrays by type, shape and bytes, of dataclasses and modules without names."
    return hashlib.sha256(content(value)).hexdigest()[:16]

def content(value):
    "Return the bytes that stand for a value."
    if isinstance(value, torch.nn.Module): value = sorted(digest(t) for t in (*value.parameters(), *value.buffers()))
    if isinstance(value, torch.Tensor) and value.layout != torch.strided:
        sparse = value.to_sparse_coo().coalesce()   # dense it would need gigabytes
        value = [list(sparse.shape), sparse.indices(), sparse.values()]
    if isinstance(value, torch.Tensor): value = value.detach().cpu().numpy()
    if isinstance(value, np.generic): value = np.asarray(value)
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "OU": return content(value.tolist())
        return f"array {value.dtype.str} {value.shape}".encode() + np.ascontiguousarray(value).tobytes()
    if dataclasses.is_dataclass(value):
        values = (getattr(value, f.name) for f in dataclasses.fields(value))
        return content(sorted(digest(v) for v in values if v is not None))
    if isinstance(value, bytes): return b"bytes" + value
    if isinstance(value, dict): return content([[k, value[k]] for k in sorted(value)])
    if isinstance(value, (set, frozenset)): return content(sorted(value))
    if isinstance(value, (list, tuple)): return b"list" + b"".join(digest(v).encode() for v in value)
    if isinstance(value, float): return f"float {value.hex() if math.isfinite(value) else value}".encode()
    if value is None or isinstance(value, (bool, int, str)): return f"{type(value).__name__} {value}".encode()
    raise TypeError(f"no hash for {type(value).__name__}")

class Gate:
    "The hashes and messages of one part."
    def __init__(self, part):
        self.part, self.hashes, self.messages = part, {}, {}

    def store(self, name, value):
        "Note the hash of a value, or of each entry of a dictionary."
        if isinstance(value, dict):
            for key, entry in value.items(): self.store(f"{name}/{key}", entry)
            return
        name = f"{self.part}/{name}"
        assert name not in self.hashes, f"{name} is stored twice"
        self.hashes[name] = digest(value)

    def below(self, group):
        "Return a function that stores values under the name of a group."
        return lambda name, value: self.store(f"{group}/{name}", value)

    def tell(self, name, text):
        "Note a message, without the folders of this machine and without blanks at the ends of lines."
        name = f"{self.part}/{name}"
        assert name not in self.messages, f"{name} is told twice"
        self.messages[name] = "\n".join(line.rstrip() for line in without_folders(text).splitlines())


def signature():
    "Return the machine and the libraries whose arithmetic the hashes depend on."
    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), cpu)
    libraries = {name: version(package) for name, package in dict(torch="torch", numpy="numpy", warp="warp-lang",
        scipy="scipy").items()}
    return dict(cpu=cpu, machine=platform.machine(), python=".".join(platform.python_version_tuple()[:2]), **libraries)

def compute(parts):
    "Return the hashes and messages of some parts."
    import gate_parts
    hashes, messages = {}, {}
    for part in parts:
        gate, began, used = Gate(part), time.perf_counter(), time.process_time()
        torch.set_num_threads(1)
        torch.manual_seed(0)
        gate_parts.PARTS[part](gate)
        hashes |= gate.hashes
        messages |= gate.messages
        wall, cpu = time.perf_counter() - began, time.process_time() - used
        counts = f"{len(gate.hashes):5} hashes {len(gate.messages):5} messages"
        print(f"{part:10} {counts} {wall:6.1f} s ({cpu:.1f} s of processor time)", flush=True)
    return hashes, messages

def write_record(hashes, messages):
    "Write both files."
    HASHES.write_text(json.dumps(dict(signature=signature(), hashes=dict(sorted(hashes.items()))), indent=1) + "\n")
    lines = (f"{name}: {line}\n" for name, text in sorted(messages.items()) for line in text.split("\n"))
    MESSAGES.write_text("".join(lines), encoding="utf-8")

def read_record():
    "Return the signature, hashes and messages of the record."
    if not HASHES.exists(): return {}, {}, {}
    record, messages = json.loads(HASHES.read_text()), {}
    for line in MESSAGES.read_text(encoding="utf-8").split("\n")[:-1]:
        name, _, text = line.partition(": ")
        messages[name] = f"{messages[name]}\n{text}" if name in messages else text
    return record["signature"], record["hashes"], messages

def differences(then, now, parts):
    "Return lines that name the differences between two dictionaries in some parts."
    then = {k: v for k, v in then.items() if k.split("/")[0] in parts}
    lines = [f"missing  {name}" for name in sorted(then.keys() - now.keys())]
    lines += [f"new      {name}" for name in sorted(now.keys() - then.keys())]
    for name in sorted(then.keys() & now.keys()):
        if then[name] == now[name]: continue
        lines.append(f"differs  {name}")
        for old, new in zip(then[name].split("\n"), now[name].split("\n")):
            if "/" in name and old != new and not re.fullmatch("[0-9a-f]{16}", old):
                lines += [f"    - {old}", f"    + {new}"]
    return lines

def check(parts):
    "Compare with the record, and return the exit code."
    machine, hashes, messages = read_record()
    if not hashes: raise SystemExit("gate: there is no record; begin with: python tools/gate.py record")
    same = machine == signature()
    if not same:
        changed = [f"{k}: {machine.get(k)} then, {v} now" for k, v in signature().items() if machine.get(k) != v]
        print("gate: another machine or other libraries, so bits may differ:", "; ".join(changed))
    found, told = compute(parts)
    parts = set(parts) - skipped(parts, found, told)
    lines = differences(hashes, found, parts) + differences(messages, told, parts)
    print(*lines, sep="\n", end="\n" if lines else "")
    if not lines: print(f"OK: {len(found)} hashes, {len(told)} messages")
    else:
        advice = "" if same else "; recorded on another machine: record anew, here, at the commit to compare with"
        print(f"FAILED: {sum(not line.startswith(' ') for line in lines)} names{advice}")
    return int(bool(lines))

def skipped(parts, found, told):
    "Return the parts without hashes or messages, because they need files that are not here."
    return {p for p in parts if not any(k.split("/")[0] == p for k in (*found, *told))}

def record(parts):
    "Write the record. If only some parts are computed, keep the recorded values of the others."
    _, hashes, messages = read_record()
    found, told = compute(parts)
    gone = set(parts) - skipped(parts, found, told)
    keep = lambda d: {k: v for k, v in d.items() if k.split("/")[0] not in gone}
    write_record(keep(hashes) | found, keep(messages) | told)
    print(f"recorded: {len(found)} hashes, {len(told)} messages")

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("record", "check", "list"))
    parser.add_argument("--only", nargs="+", metavar="PART", help="these parts; left out: all")
    options = parser.parse_args()
    import gate_parts
    parts = options.only or list(gate_parts.PARTS)
    unknown = set(parts) - set(gate_parts.PARTS)
    if unknown: parser.error(f"expected parts among {', '.join(gate_parts.PARTS)}, got {', '.join(sorted(unknown))}")
    if options.action == "list": print(*gate_parts.PARTS, sep="\n")
    if options.action == "record": record(parts)
    return check(parts) if options.action == "check" else 0

if __name__ == "__main__": sys.exit(main())
