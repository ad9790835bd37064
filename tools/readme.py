"""Write README.md and CONTRIBUTING.md from their notebooks, without Quarto.

We use the outputs that are saved in a notebook and run no code, so the same notebook gives the same file."""
import os, re
import nbformat
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import ExtractOutputPreprocessor
from notebooks import ROOT

DIRECTIVE = re.compile(r"^#\|\s*(.*?)\s*$", re.M)
LINK = re.compile(r'(\]\(|\bsrc="|\bhref=")([^)"\s#]+)')

def reveal(cell, hidden):
    """Take nbdev's directives out of a cell, apply them, and return their first words.
    Return None for a hidden cell: raw, or marked with one of `hidden`."""
    directives = DIRECTIVE.findall(cell.source) if cell.cell_type == "code" else []
    words = {d.split()[0] for d in directives if d}
    if cell.cell_type == "raw" or words & hidden: return None
    if cell.cell_type == "code":
        cell.source = DIRECTIVE.sub("", cell.source).strip()
        if "echo: false" in directives: cell.source = ""
        if "output: false" in directives: cell.outputs = []
    return words

def visible(nb):
    "Return the notebook without hidden cells and nbdev's directives, for a reader of the README."
    cells = []
    for cell in nb.cells:
        if reveal(cell, {"hide", "default_exp", "export", "exporti"}) is None: continue
        if cell.cell_type == "code":
            if not cell.source and not cell.outputs: continue
            # a table that a cell computes stands alone, without an empty block of code above it
            shown = ["".join(o.data["text/markdown"]) for o in cell.outputs if "text/markdown" in o.get("data", {})]
            if not cell.source and len(shown) == len(cell.outputs):
                cell = nbformat.v4.new_markdown_cell("\n\n".join(shown))
        cells.append(cell)
    nb.cells = cells
    return nb

def relink(text, root):
    "Turn links and pictures relative to nbs/ into those of one folder higher; code blocks stay as they are."
    def moved(m):
        path = os.path.normpath(f"nbs/{m[2]}").replace(os.sep, "/")
        return m[1] + (path if "://" not in m[2] and (root/path).exists() else m[2])
    parts = re.split(r"(^```.*?^```)", text, flags=re.M | re.S)
    return "".join(p if i % 2 else LINK.sub(moved, p) for i,p in enumerate(parts))

def source_of(root, pattern):
    "Return the one notebook that a page is made from."
    found = sorted((root/"nbs").glob(pattern))
    if len(found) != 1: raise SystemExit(f"readme: nbs: expected one notebook {pattern}, got {len(found)}")
    return found[0]

def write_page(
    notebook,   # path of the notebook
    page,       # name of the file in the repository's root
    prefix,     # that the names of its pictures in nbs/images begin with
    root=ROOT,
):
    "Write a page as Markdown, and the pictures of the notebook's outputs."
    nb = visible(nbformat.read(notebook, as_version=4))
    for cell in nb.cells:
        if cell.cell_type == "code": cell.execution_count = None
    names = f"images/{prefix}_{{cell_index}}_{{index}}{{extension}}"
    extract = ExtractOutputPreprocessor(output_filename_template=names)
    nb, resources = extract.preprocess(nb, {"outputs": {}})
    exporter = MarkdownExporter()
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    text, _ = exporter.from_notebook_node(nb, resources)
    for name, data in (resources.get("outputs") or {}).items():
        path = root/"nbs"/name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    text = relink(text, root)
    text = re.sub(r"\n{3,}", "\n\n", re.sub(r"^```python\n\s*```$", "", text, flags=re.M))
    text = "\n".join(line.rstrip() for line in text.splitlines()).strip() + "\n"
    head = f"<!-- Generated from nbs/{notebook.name} by `make readme`. Do not edit. -->\n\n"
    (root/page).write_text(head + text, encoding="utf-8")

def readme(root=ROOT):
    "Write both pages."
    write_page(source_of(root, "index.ipynb"), "README.md", "index", root)
    write_page(source_of(root, "*contributing.ipynb"), "CONTRIBUTING.md", "contributing", root)

if __name__ == "__main__": readme()
