"""Build the archives of a release and try them as a user would: in an empty environment, outside of the checkout.

We build the source archive and a wheel from a copy of the repository, and compare this wheel with the one that the
archive gives. We install it without extras, import every module, read the package's data, and run the demo. Then we add
the extra `all` and import every module again. `--keep DIR` keeps the archives, which the release workflow publishes."""
import argparse, os, re, shutil, subprocess, sys, tempfile, zipfile
from pathlib import Path
from notebooks import ROOT, copy_repository

SMALLEST = ["--minutes", "0.05", "--device", "cpu"]   # stages take their fewest steps

# runs in the empty environment
TRY = """
import importlib, pkgutil, sys
from pathlib import Path
import nerflame
from nerflame.core import MissingPackage
folder = Path(nerflame.__file__).parent
assert "site-packages" in folder.parts, folder
modules = [m.name for m in pkgutil.walk_packages([str(folder)], "nerflame.")]
lacking = {}
for name in modules:
    try: importlib.import_module(name)
    except MissingPackage as e: lacking[name] = str(e)
core = {"nerflame.widget.parts", "nerflame.widget.preview"}   # they need the extra `preview`
assert set(lacking) == (core if sys.argv[1] == "core" else set()), lacking
assert all('pip install "nerflame[preview]"' in message for message in lacking.values()), lacking
data = [p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc", ".pyi")]
assert folder/"py.typed" in data and all(p.stat().st_size for p in data if p.name != "py.typed")
load_head = next(vars(sys.modules[m])["load_head"] for m in modules if "load_head" in vars(sys.modules[m]))
vertices, stubs = load_head("anny").faces.max() + 1, list(folder.rglob("*.pyi"))
found = f"{len(modules) - len(lacking)} of {len(modules)} modules, {len(data)} files of data, {len(stubs)} stubs"
print(f"release: {sys.argv[1]}: {found}, a head of {vertices} vertices")
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

def megabytes(folder):
    "Return the size of an environment."
    files = (p.lstat() for p in folder.rglob("*") if not p.is_symlink())
    return sum(f.st_blocks for f in files)*512//1_000_000

def try_wheel(wheel, environment, away):
    "Install a wheel, import it and run the demo away from the checkout, first without extras, then with all."
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    clean["PATH"] = f"{environment/'bin'}{os.pathsep}{clean['PATH']}"
    here = dict(cwd=away, env=clean)
    make_environment(environment, wheel)
    say(f"installed into an empty environment, {megabytes(environment)} MB")
    call(environment/"bin/python", "-c", TRY, "core", **here)
    call(environment/"bin/nerflame", "demo", "--out", away/"demo", *SMALLEST, **here, stdout=subprocess.DEVNULL)
    written = sorted(p.name for p in (away/"demo").iterdir())
    # films are gifs alone, without the extra `film`
    if not {"metrics.json", "yawn.gif"} <= set(written): sys.exit(f"release: the demo wrote {', '.join(written)}")
    say(f"the demo wrote {', '.join(written)}")
    call(environment/"bin/pip", "install", "-q", "-c", ROOT/"constraints.txt", f"{wheel}[all]")
    say(f"with the extra all, {megabytes(environment)} MB")
    call(environment/"bin/python", "-c", TRY, "all", **here)

def main():
    "Build, install, try; exit code 1 at the first thing that fails."
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="folder for the archives; left out: they are removed")
    keep = parser.parse_args().keep
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
        try_wheel(wheel, folder/"environment", away)
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            for file in (archive, wheel): shutil.copy(file, keep)

if __name__ == "__main__": main()
