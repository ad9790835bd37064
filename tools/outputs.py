"""Mark stored outputs with the source that made them: each code cell with an output keeps a hash of its source.

`make notebooks` calls this after it has run notebooks, and the tests of the architecture page compare the hashes.
nbdev_clean leaves them alone, because settings.ini allows it. Names of folders of this machine are
left out.

    python tools/outputs.py nbs/300_field.density.ipynb ..."""
import hashlib, re, sys, tempfile
from pathlib import Path
from notebooks import ROOT, read_notebook, write_notebook

# folders of this machine: warnings that name them say nothing to a reader
FOLDERS = tempfile.gettempdir(), str(Path.home()), str(ROOT), sys.prefix

def is_noise(output):
    "Return whether an output is a message on stderr that names folders of this machine."
    text = "".join(output.get("text", ""))
    return output.get("name") == "stderr" and any(folder in text for folder in FOLDERS)

def is_widget(output):
    "Return whether an output is a widget, which shows nothing without its kernel."
    return "application/vnd.jupyter.widget-view+json" in output.get("data", {})

def without_folders(output):
    "Return an output in which files in temporary folders and in this repository have short names."
    if "text" not in output: return output
    text = re.sub(rf"{re.escape(tempfile.gettempdir())}/tmp\w+/", "", "".join(output["text"])).replace(f"{ROOT}/", "")
    return output | dict(text=text.splitlines(keepends=True))

def source_hash(cell):
    "Return a short hash of the source of a cell."
    return hashlib.sha256("".join(cell["source"]).encode()).hexdigest()[:12]

def mark(path):
    "Write the hashes of a notebook that has just been run, and leave out noise."
    notebook = read_notebook(path)
    for cell in notebook["cells"]:
        cell["metadata"].pop("source_hash", None)
        if "outputs" in cell:
            cell["outputs"] = [without_folders(o) for o in cell["outputs"] if not is_noise(o) and not is_widget(o)]
        if cell.get("outputs"): cell["metadata"]["source_hash"] = source_hash(cell)
    write_notebook(path, notebook)

if __name__ == "__main__":
    for name in sys.argv[1:]: mark(Path(name))
