"""Prepare the notebooks for the documentation site: hidden cells go, imports and long helpers are folded, and links
lead to pages of the site or to files of the repository."""
import ast, itertools, re
from dataclasses import dataclass
from pathlib import Path
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell
from notebooks import ROOT, is_tutorial
from outputs import is_widget
from readme import reveal

@dataclass
class Page:
    "A notebook."
    path: Path
    nb: object       # of nbformat
    title: str
    sentence: str
    module: str      # that it exports, with the name of the package, or empty

    @property
    def name(self): return self.path.stem

def read_page(path):
    "Read a notebook, its title and first sentence."
    nb = nbformat.read(path, as_version=4)
    lines = [line for line in nb.cells[0].source.splitlines() if line.strip()]
    codes = "\n".join(c.source for c in nb.cells if c.cell_type == "code")
    module = re.search(r"^#\|\s*default_exp\s+([\w.]+)", codes, re.M)
    title, sentence = lines[0].removeprefix("# "), lines[1].removeprefix("> ")
    return Page(path, nb, title, sentence, f"nerflame.{module[1]}" if module else "")

def read_pages(): return [read_page(path) for path in sorted((ROOT/"nbs").glob("[!_]*.ipynb"))]

# ---- links ----
def anchor(heading):
    "Return the anchor that Jupyter gives to a heading."
    return re.sub(r"[`*]", "", heading).strip().replace(" ", "-")

CODE = re.compile(r"(^```.*?^```|`[^`\n]+`)", re.M | re.S)
# files of the repository that are pages of the site
MOVED = {"../bench/results/bench.md": "benchmarks.md", "../bench/README.md": "measuring.md",
    "../CHANGELOG.md": "changelog.md", "results/bench.md": "benchmarks.md"}

def relinked(text, git, base="nbs"):
    "Return Markdown whose links to files of the repository, relative to a folder, work on the site."
    def link(m):
        if m[2] in MOVED: return f"]({MOVED[m[2]]}"
        if m[2].startswith("../bench/results/"): return m[0].replace("../bench/results/", "images/")
        if m[2].startswith("nbs/"): return f"]({m[2].removeprefix('nbs/')}"
        path = (ROOT/base/m[2]).resolve()
        if path.is_relative_to(ROOT/"nbs") or not path.is_file(): return m[0]
        return f"]({git}{path.relative_to(ROOT).as_posix()}"
    return outside_code(text, lambda part: re.sub(r"\]\((?=([^)\s#]+))\1", lambda m: link([m[0], "", m[1]]), part))

def outside_code(text, change):
    "Change the parts of Markdown that are no code."
    return "".join(part if i % 2 else change(part) for i, part in enumerate(CODE.split(text)))

def named_pages(text, pages):
    "Turn titles of pages in italics into links."
    known = {p.title: p.path.name for p in pages}
    def link(m): return f"[{m[0]}]({known[m[1]]})" if m[1] in known else m[0]
    return outside_code(text, lambda part: re.sub(r"(?<![*\w\[])\*([A-Z][^*\n]*)\*(?![*\w\]])", link, part))

# ---- cells ----
def first_line(node): return (ast.get_docstring(node) or "").partition("\n")[0]

def fold(source, tutorial):
    "Return a title and the number of lines to fold at the beginning of a cell: imports, and long helpers in tutorials."
    try: body = ast.parse(source).body
    except SyntaxError: return "", 0   # magics and shell lines
    if body and all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in body):
        n_lines = source.count("\n") + 1
        return "Imports", n_lines if n_lines > 1 else 0
    helpers = list(itertools.takewhile(lambda n: isinstance(n, (ast.FunctionDef, ast.ClassDef)), body))
    lines = helpers[-1].end_lineno if helpers else 0
    if not tutorial or lines < 6: return "", 0
    titles = (" - ".join(filter(None, [n.name, first_line(n)])) for n in helpers)
    return "Helper: " + "; ".join(titles), lines

def folded(source, title):
    "Return a cell of code below a title that opens it."
    prompts = dict(code_prompt_show=title, code_prompt_hide=title)
    return new_code_cell(source, metadata=dict(tags=["hide-input"], mystnb=prompts))

def shown_outputs(cell):
    "Return the outputs of a cell without widgets, and its Markdown as a cell of text."
    outputs = [o for o in cell.outputs if not is_widget(o)]
    written = [o.data["text/markdown"] for o in outputs if "text/markdown" in o.get("data", {})]
    left = [o for o in outputs if "text/markdown" not in o.get("data", {})]
    return left, [new_markdown_cell("\n\n".join(written))] if written else []

def code_cells(cell, words, tutorial):
    "Yield what the site shows of a cell of code: its folded beginning, the rest with outputs, and Markdown."
    cell.execution_count = None
    cell.outputs, written = shown_outputs(cell)
    title, n = fold(cell.source, tutorial)
    lines = cell.source.splitlines()
    if n: yield folded("\n".join(lines[:n]), title)
    rest = "\n".join(lines[n:]).strip("\n")
    cell.metadata["tags"] = ["exported"]*bool(words & {"export", "exporti"}) + ["remove-input"]*(not rest)
    cell.source = rest or "# only the outputs"   # MyST-NB drops outputs of a cell without source
    if rest or cell.outputs: yield cell
    yield from written

def visible(page):
    "Yield the cells of a notebook that the site shows."
    for cell in page.nb.cells:
        words = reveal(cell, {"hide", "default_exp"})
        if words is None: continue
        if cell.cell_type == "markdown": yield cell
        else: yield from code_cells(cell, words, is_tutorial(page.name))

def prepare(page, pages, git):
    "Change a notebook into what the site shows."
    cells = list(visible(page))
    for cell in cells:
        if cell.cell_type == "markdown": cell.source = named_pages(relinked(cell.source, git), pages)
    api = f" · API: [`{page.module}`](api_{page.module.removeprefix('nerflame.')}.rst)" if page.module else ""
    source = f"Notebook: [`nbs/{page.path.name}`]({git}nbs/{page.path.name}){api}"
    cells.insert(1, new_markdown_cell(f"{{.source}}\n{source}"))
    page.nb.cells = cells

# ---- pictures ----
SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif"}

def pictures(page):
    "Yield the pictures of a notebook's outputs with the heading above each: (data in base64, suffix, heading)."
    heading = ""
    for cell in page.nb.cells:
        if cell.cell_type == "markdown":
            for line in re.findall(r"^#+ (.+)$", cell.source, re.M): heading = line
        for output in cell.get("outputs", []):
            found = next((k for k in SUFFIXES if k in output.get("data", {})), None)
            if found: yield output.data[found], SUFFIXES[found], heading
