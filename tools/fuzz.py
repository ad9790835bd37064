"""Feed the readers of strangers' files with inputs that change at random, and list what they do not refuse in a line.

    make test-fuzz                                                a minute for each reader
    .venv/bin/python tools/fuzz.py --only yaml npz --seconds 600  some readers, longer
    .venv/bin/python tools/fuzz.py --replay                       only the inputs that are kept in tools/fuzz_corpus

Atheris looks for inputs that reach new code, where it is installed; elsewhere Hypothesis changes good ones at random.
What reached new code is kept in runs/fuzz, from where the next run goes on. An input that ends in anything but an
`InputError` (or an `OSError` that names its file), or that takes more than five seconds, is a fault: it is written to
tools/fuzz_corpus, which is replayed by the tests from then on."""
import argparse, contextlib, hashlib, io, json, os, resource, subprocess, sys, tempfile, time, traceback, warnings
from pathlib import Path
os.environ.setdefault("OMP_NUM_THREADS", "1")
try: import atheris
except ImportError: atheris = None
import numpy as np, torch
from hypothesis import HealthCheck, given, seed, settings, strategies as st
from notebooks import ROOT
# Atheris has to see the modules that it looks into while they are imported
guided = atheris is not None and "--one" in sys.argv
with atheris.instrument_imports(include=["nerflame"]) if guided else contextlib.nullcontext():
    from nerflame.core import InputError, write_text
    from nerflame.files import parse_pickle, read_npy, read_npz
    from nerflame.fitting.landmarks import load_landmarks_2d
    from nerflame.heads.head import load_saved_head, load_saved_params
    from nerflame.published.files import read_hparams
    from nerflame.scenes.pictures import read_image
    from nerflame.scenes.reading import load_scene
    from nerflame.training.run import read_run_config
    from nerflame.use.drive import camera_path
    from nerflame.use.motion import read_live_link
    from bad_inputs import METHOD, make_kinds

CORPUS, GROWN = ROOT/"tools"/"fuzz_corpus", ROOT/"runs"/"fuzz"
SLOW, MEMORY, LONGEST = 5, 8 << 30, 1 << 16   # seconds of an input, bytes of the process, bytes of an input

# what formats are made of; a change puts one of them into a file
WORDS = [w.encode() for w in (
    "{", "}", "[", "]", ":", ",", "null", "true", "NaN", "-Infinity", "1e999", "-0", "1e-320", "9"*400, "\"\\ud800\"",
    "&a ", "*a", "<<: *a", "!!python/object/apply:os.system", "!!binary ", "2001-02-30", "? ", "|\n", "---\n", "%TAG",
    "file_path", "transform_matrix", "frames", "\\N{NULL}", "../", "/", "\u202e", "\r\n", "\t", ";", "'", "\"")]
WORDS += [b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\x80\x02", b"cos\nsystem\n", b"R", b"b", b"q\x00", b"h\x00", b"2",
          b"\x8c\x05posix", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"(", b"l", b"e", b"t", b"K\xff",
          b"\x8a\x04\xff\xff\xff\x7f"]


class Reader:
    "A reader of strangers' files: where the file is, good contents, and what reads it."
    def __init__(self, file, read):
        self.file, self.read, self.seeds = Path(file), read, [Path(file).read_bytes()]

    def attempt(self, data):
        "Give the reader a content; return what is wrong with its answer, or None."
        self.file.write_bytes(data)
        began = time.monotonic()
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                self.read(self.file)
        except InputError: pass
        except OSError as e:
            if not e.filename: return named(e)
        except Exception as e: return named(e)
        seconds = time.monotonic() - began
        return f"{seconds:.0f} s" if seconds > SLOW else None


def named(error):
    "Return the kind of an error and the place in nerflame where it came from, the same for the same fault."
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "nerflame" in f.filename]
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    return f"{type(error).__name__} at {where}"


def make_readers(root):
    "Write good files and return their readers by name."
    kinds = make_kinds(root)
    scene = load_scene(root/"scene", "train")
    times = np.linspace(0, 2, 5)
    np.save(root/"a.npy", np.arange(6.).reshape(2, 3))
    def saved_head(file): load_saved_params(file, load_saved_head(file))
    read = dict(
        transforms=lambda file: load_scene(file.parent, "train"), picture=read_image, npy=read_npy,
        flame_param=read_npz, head_pickle=lambda file: parse_pickle(io.BytesIO(file.read_bytes()), file),
        saved_head=saved_head, published_yaml=lambda file: read_hparams(file, METHOD),
        run_config=lambda file: read_run_config(file.parent),
        recording=read_live_link, landmarks=lambda file: load_landmarks_2d(file, scene),
        camera_path=lambda file: camera_path(file, times))
    files = {name: kinds[name].file for name in read if name in kinds} | dict(npy=root/"a.npy")
    return {name: Reader(files[name], function) for name, function in read.items()}


# ---- two engines ----------------------------------------------------------------------------------------------------

@st.composite
def changed(draw, seeds):
    "Draw a good content with some changes."
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 6))):
        at, length = draw(st.integers(0, len(data))), draw(st.integers(0, 30))
        new = draw(st.one_of(st.sampled_from(WORDS), st.binary(max_size=8), st.just(data[at:at + length]*3)))
        data = data[:at] + new + data[at + length*draw(st.booleans()):]
    return data[:LONGEST]


def by_hypothesis(reader, seconds, number, note):
    "Try changed contents for some seconds, in rounds with seeds of their own."
    end, tried = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        def one(data):
            nonlocal tried
            if time.monotonic() > end: return
            tried += 1
            note(data, reader.attempt(data))
        checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
        run = given(changed(reader.seeds))(one)
        run = settings(max_examples=500, deadline=None, database=None, suppress_health_check=checks)(run)
        seed(number)(run)()
        number += 1
    return tried


def by_atheris(reader, seconds, number, note, grown):
    "Let libFuzzer change contents for some seconds; it ends the process."
    counts = grown.with_suffix(".json")
    counts.write_text("0")   # of this run, even if it stops at once
    tried, end = 0, time.monotonic() + seconds
    def one(data):
        nonlocal tried
        tried += 1
        note(data, reader.attempt(data))
        if tried % 100 == 0 or time.monotonic() > end - 1: counts.write_text(json.dumps(tried))
    words = grown.with_suffix(".dict")
    words.write_text("".join('"' + "".join(f"\\x{b:02x}" for b in word) + '"\n' for word in WORDS))
    seeds = grown.with_name(f"{grown.name}_seeds")
    seeds.mkdir(exist_ok=True)
    for i, content in enumerate(reader.seeds): (seeds/str(i)).write_bytes(content)
    options = [f"-max_total_time={seconds}", f"-timeout={4*SLOW}", "-rss_limit_mb=0", f"-max_len={LONGEST}",
        f"-seed={number + 1}", f"-dict={words}", "-verbosity=0", f"-artifact_prefix={CORPUS}/{grown.name}/stopped-"]
    atheris.Setup([sys.argv[0], *options, str(grown), str(seeds)], one)
    atheris.Fuzz()


# ---- running --------------------------------------------------------------------------------------------------------

class Notes:
    "Faults of a reader: each kind once, with its input."
    def __init__(self, name): self.folder, self.found = CORPUS/name, {}

    def __call__(self, data, wrong):
        if not wrong or wrong in self.found: return
        self.found[wrong] = len(data)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder/hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
        print(f"FAULT {wrong}", flush=True)


def fuzz_one(name, seconds, number):
    "Fuzz a reader in this process."
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory() as folder:
        reader, notes, grown = make_readers(Path(folder))[name], Notes(name), GROWN/name
        reader.seeds += [f.read_bytes() for f in sorted((CORPUS/name).glob("*"))]
        grown.mkdir(parents=True, exist_ok=True)
        notes.folder.mkdir(parents=True, exist_ok=True)
        if guided: by_atheris(reader, seconds, number, notes, grown)
        else: print("TRIED", by_hypothesis(reader, seconds, number, notes))


def replay():
    "Give all kept inputs to their readers; return lines about faults, and the number of inputs."
    wrong, count = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for name, reader in make_readers(Path(folder)).items():
            for file in sorted((CORPUS/name).glob("*")):
                count += 1
                answer = reader.attempt(file.read_bytes())
                if answer: wrong.append(f"{name}/{file.name}: {answer}")
    return wrong, count


def run(name, options):
    "Fuzz a reader in a process of its own; return how many inputs were tried, its faults, and a row of the table."
    command = [sys.executable, __file__, "--one", name, "--seconds", str(options.seconds), "--seed", str(options.seed)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    lines = (done.stdout + done.stderr).splitlines()
    faults = [line.removeprefix("FAULT ") for line in lines if line.startswith("FAULT ")]
    stopped = [line for line in lines if "ERROR: libFuzzer" in line]
    if done.returncode and not stopped: stopped = [f"code {done.returncode}: {' '.join(lines[-3:])[-300:]}"]
    tried = next((int(line.split()[1]) for line in lines if line.startswith("TRIED")), 0)
    if atheris and (GROWN/f"{name}.json").exists(): tried = json.loads((GROWN/f"{name}.json").read_text())
    kept = len(list((GROWN/name).glob("*")))
    row = f"| {name.replace('_', ' ')} | {tried:,} | {kept} | {len(faults) + len(stopped)} |"
    print(row, *(f"  FAULT {line}" for line in (*faults, *stopped)), sep="\n", flush=True)
    for folder in (CORPUS/name, CORPUS):
        with contextlib.suppress(OSError): folder.rmdir()   # if nothing was found
    return tried, faults + stopped, row


def main():
    "Fuzz the readers one after the other, and fail if there was a fault."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[], help="these readers")
    parser.add_argument("--seconds", type=int, default=60, help="for each reader")
    parser.add_argument("--seed", type=int, default=0, help="of the changes")
    parser.add_argument("--replay", action="store_true", help="only give the kept inputs to their readers")
    parser.add_argument("--table", help="file to write")
    parser.add_argument("--one", help=argparse.SUPPRESS)   # in this process
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.one: return fuzz_one(options.one, options.seconds, options.seed)
    wrong, count = replay()
    print(f"{count} kept inputs, {len(wrong)} faults", *wrong, sep="\n  ")
    if options.replay: return int(bool(wrong))
    engine = "atheris" if atheris else "hypothesis"
    head = [f"| reader, {options.seconds} s of {engine} | inputs | kept as new | faults |", "|---|---:|---:|---:|"]
    print(*head, sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as folder: names = list(make_readers(Path(folder)))
    found = [run(name, options) for name in names if not options.only or name in options.only]
    faults = sum(len(f) for _, f, _ in found)
    last = f"| **all** | {sum(t for t, *_ in found):,} | | {faults} |"
    print(last)
    if options.table: write_text(options.table, "\n".join([*head, *(row for *_, row in found), last]) + "\n")
    return int(bool(wrong) or faults > 0)


if __name__ == "__main__": sys.exit(main())
