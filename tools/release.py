"""Build the archives of a release and try them as a user would: in an empty environment, outside of the checkout.

We build the source archive and a wheel from a copy of the repository, and compare this wheel with the one that the
archive gives. We install it without extras, import every module, read the package's data, and run `nerflame demo`."""
import os, re, shutil, subprocess, sys, tempfile, zipfile
from pathlib import Path
from notebooks import ROOT, copy_repository

SMALLEST = ["--minutes", "0.05", "--device", "cpu"]   # stages take their fewest steps

# runs in the empty environment
TRY = """
import importlib, pkgutil, sys
from pathlib import Path
import nerflame
folder = Path(nerflame.__file__).parent
assert "site-packages" in folder.parts, folder
modules = [m.name for m in pkgutil.walk_packages([str(folder)], "nerflame.")]
for name in modules: importlib.import_module(name)
data = [p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc", ".pyi")]
assert folder/"py.typed" in data and all(p.stat().st_size for p in data if p.name != "py.typed")
load_head = next(vars(sys.modules[m])["load_head"] for m in modules if "load_head" in vars(sys.modules[m]))
vertices, stubs = load_head("anny").faces.max() + 1, list(folder.rglob("*.pyi"))
print(f"release: {len(modules)} modules, {len(data)} files of data, {len(stubs)} stubs, a head of {vertices} vertices")
"""

def say(text): print(f"release: {text}", flush=True)

def call(*command, **more):
    "Run a command; leave with its exit code where it fails."
    done = subprocess.run([str(c) for c in command], **more)
    shown = " ".join([Path(command[0]).name, *map(str, command[1:4])])
    if done.returncode: sys.exit(f"release: {shown} ...: exit code {done.returncode}")

def build(source, out, *options):
    "Build an archive with the tools of this environment, and return its path."
    before = set(out.iterdir())
    quiet = dict(stdout=subprocess.DEVNULL)
    call(sys.executable, "-m", "build", *options, "--outdir", out, source, **quiet)
    return (set(out.iterdir()) - before).pop()

def members(wheel):
    "Return the names and sizes of the files in a wheel, without its own records."
    return {i.filename: i.file_size for i in zipfile.ZipFile(wheel).infolist() if not i.filename.endswith("/RECORD")}

def expected(folder):
    "Return the files of the package that a wheel must hold."
    kinds = {".py", ".pyi", ".yaml", ".csv"}
    found = [p for p in (folder/"nerflame").rglob("*") if p.suffix in kinds or p.name == "py.typed"]
    return {p.relative_to(folder).as_posix() for p in found if "__pycache__" not in p.parts}

def make_environment(folder, wheel):
    "Make an empty environment with the wheel in it, and with the tested versions of its requirements."
    call(sys.executable, "-m", "venv", folder)
    pip, constraints = [folder/"bin/pip", "install", "-q"], ["-c", ROOT/"constraints.txt"]
    torch = re.search(r"^torch==[\d.]+", (ROOT/"constraints.txt").read_text(encoding="utf-8"), re.M)[0]
    # the build of torch that this environment has: the CPU build saves 3 GB, where it is within reach
    import torch as here
    if "+cpu" in here.__version__:
        index = ["--timeout", "15", "--retries", "1", "--index-url", "https://download.pytorch.org/whl/cpu"]
        for options in ([], index):
            command = [*map(str, pip), "--no-deps", *options, f"{torch}+cpu"]
            if not subprocess.run(command, stderr=subprocess.DEVNULL).returncode: break
    call(*pip, *constraints, wheel)

def main():
    "Build, install, try; exit code 1 at the first thing that fails."
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy, out, again, away = (folder/n for n in ("checkout", "dist", "again", "elsewhere"))
        for f in (out, again, away): f.mkdir()
        copy_repository(copy)
        archive = build(copy, out, "--sdist")
        wheel = build(copy, out, "--wheel")
        shutil.unpack_archive(archive, folder/"unpacked")
        second = build(next((folder/"unpacked").iterdir()), again, "--wheel")
        missing = expected(copy) - set(members(wheel))
        if missing: sys.exit(f"release: the wheel lacks {', '.join(sorted(missing))}")
        if members(wheel) != members(second): sys.exit("release: the source archive gives another wheel")
        for file in (archive, wheel): say(f"{file.name}, {file.stat().st_size//1000} kB")
        make_environment(folder/"environment", wheel)
        say("installed into an empty environment")
        clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
        clean["PATH"] = f"{folder/'environment/bin'}{os.pathsep}{clean['PATH']}"
        call(folder/"environment/bin/python", "-c", TRY, cwd=away, env=clean)
        demo = [folder/"environment/bin/nerflame", "demo", "--out", away/"demo", *SMALLEST]
        call(*demo, cwd=away, env=clean, stdout=subprocess.DEVNULL)
        written = sorted(p.name for p in (away/"demo").iterdir())
        if "metrics.json" not in written: sys.exit(f"release: nerflame demo wrote {written}, no metrics.json")
        say(f"nerflame demo wrote {', '.join(written)}")

if __name__ == "__main__": main()
