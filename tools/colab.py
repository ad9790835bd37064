"""Give each tutorial a badge that opens it in Colab, and a first cell that installs the package where it is not there.

Both are made from settings.ini and from the name of the notebook, so run this after a notebook was renamed."""
import uuid
from configparser import ConfigParser
from notebooks import ROOT, TUTORIALS, read_notebook, write_notebook

HOST = "https://colab.research.google.com/github/"
# a file of our own, because the site loads nothing from other hosts
IMAGE = "images/colab.svg"
BEGIN = "#| hide\ntry: import nerflame\n"

def badge(settings, path):
    "Return the Markdown of the badge of a notebook."
    repository = settings["git_url"].removeprefix("https://github.com/")
    return f"[![Open in Colab]({IMAGE})]({HOST}{repository}/blob/{settings['branch']}/{path})"

def install(settings):
    "Return the source of the cell that installs the package; it does nothing where the package is there."
    source = f"{settings['lib_name']}[all] @ git+{settings['git_url']}@{settings['branch']}"
    return BEGIN + f"""except ImportError:
    get_ipython().run_line_magic("pip", "install -q '{source}'")
    if "google.colab" in str(get_ipython()):
        from google.colab import output
        output.enable_custom_widget_manager()   # for the sliders of the preview"""

def cell(kind, source):
    "Make a cell; its id depends on its kind only, so that the same notebook is written each time."
    made = dict(cell_type=kind, id=uuid.uuid5(uuid.NAMESPACE_URL, f"nerflame/{kind}").hex[:8], metadata={})
    if kind == "code": made |= dict(execution_count=None, outputs=[])
    return {**made, "source": source.splitlines(keepends=True)}

def is_ours(c):
    "Test whether a cell was written by this program."
    source = "".join(c["source"])
    return source.startswith(BEGIN) or (c["cell_type"] == "markdown" and HOST in source and len(c["source"]) == 1)

def folded(cell):
    """Return a cell whose metadata say how Jupyter shows it: cells that are hidden on the site, because they set up
    tests or are tests, are folded."""
    source, metadata = "".join(cell["source"]), {k: v for k, v in cell["metadata"].items() if k != "jupyter"}
    if source.startswith("#| hide"): metadata["jupyter"] = dict(source_hidden=True)
    return {**cell, "metadata": metadata}

def update(root=ROOT):
    "Write both cells behind the title of each tutorial, and fold cells that a reader need not see."
    parser = ConfigParser(delimiters=["="])
    parser.read(root/"settings.ini", encoding="utf-8")
    settings = parser["DEFAULT"]
    for file in sorted(root.glob(f"nbs/{TUTORIALS}.ipynb")):
        nb = read_notebook(file)
        cells = [c for c in nb["cells"] if not is_ours(c)]
        path = file.relative_to(root).as_posix()
        nb["cells"] = [cells[0], cell("markdown", badge(settings, path)), cell("code", install(settings)), *cells[1:]]
        nb["cells"] = [folded(c) for c in nb["cells"]]
        write_notebook(file, nb)

if __name__ == "__main__": update()
