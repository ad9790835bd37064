"""Share between the scripts: the folder of the repository, its tutorials, copies of it, and the files of notebooks."""
import json, shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# notebooks that teach, by their names
TUTORIALS = "9[0-467]_*"
# names that no copy of the repository needs, because programs make them
PRODUCTS = (".*", "runs", "build", "dist", "_docs", "_proc", "*.egg-info", "__pycache__")

def copy_repository(folder):
    "Copy the sources of the repository, without products and without the user's FLAME files."
    products = shutil.ignore_patterns(*PRODUCTS)
    def ignored(here, names): return products(here, names) | ({"model"} if Path(here) == ROOT/"FLAME" else set())
    return Path(shutil.copytree(ROOT, folder, ignore=ignored))

def is_tutorial(path): return Path(path).match(TUTORIALS)

def read_notebook(path): return json.loads(path.read_text(encoding="utf-8"))

def write_notebook(path, notebook):
    "Write a notebook as nbdev does, if its text changes."
    text = json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    if text != path.read_text(encoding="utf-8"): path.write_text(text, encoding="utf-8")
