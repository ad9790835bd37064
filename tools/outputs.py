"""Mark stored outputs with the source that made them: each code cell with an output keeps a hash of its source.

`make notebooks` calls this after it has run notebooks, and the tests of the architecture page compare the hashes.
nbdev_clean leaves them alone, because settings.ini allows it. Messages that name folders of this machine are dropped.

    python tools/outputs.py nbs/30_field.density.ipynb ..."""
import hashlib, sys, tempfile
from pathlib import Path
from notebooks import ROOT, read_notebook, write_notebook

# folders of this machine: warnings that name them say nothing to a reader
FOLDERS = tempfile.gettempdir(), str(Path.home()), str(ROOT), sys.prefix

def is_noise(output):
    "Return whether an output is a message on stderr that names folders of this machine."
    text = "".join(output.get("text", ""))
    return output.get("name") == "stderr" and any(folder in text for folder in FOLDERS)

def source_hash(cell):
    "Return a short hash of the source of a cell."
    return hashlib.sha256("".join(cell["source"]).encode()).hexdigest()[:12]

def mark(path):
    "Write the hashes of a notebook that has just been run, and leave out noise."
    notebook = read_notebook(path)
    for cell in notebook["cells"]:
        cell["metadata"].pop("source_hash", None)
        if "outputs" in cell: cell["outputs"] = [o for o in cell["outputs"] if not is_noise(o)]
        if cell.get("outputs"): cell["metadata"]["source_hash"] = source_hash(cell)
    write_notebook(path, notebook)

if __name__ == "__main__":
    for name in sys.argv[1:]: mark(Path(name))
