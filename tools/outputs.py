"""Mark stored outputs with the source that made them: each code cell with an output keeps a hash of its source.

`make notebooks` calls this after it has run notebooks; the tests of the architecture page compare. nbdev_clean leaves the
hash alone, because settings.ini allows it.

    python tools/outputs.py nbs/30_field.density.ipynb ..."""
import hashlib, json, sys
from pathlib import Path

def source_hash(cell):
    "Return a short hash of the source of a cell."
    return hashlib.sha256("".join(cell["source"]).encode()).hexdigest()[:12]

def mark(path):
    "Write the hashes of a notebook that has just been run."
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["metadata"].pop("source_hash", None)
        if cell.get("outputs"): cell["metadata"]["source_hash"] = source_hash(cell)
    text = json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")

if __name__ == "__main__":
    for name in sys.argv[1:]: mark(Path(name))
