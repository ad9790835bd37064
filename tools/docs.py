"""Write the documentation site into _docs/ (or the folder given): notebooks, API, gallery, benchmarks, citation.

We need no Quarto, run no code and load no files from elsewhere. The script fails for dead links, formulas that browsers
show wrongly, names without an entry, more parameters without a meaning than before, and a README whose citation differs
from CITATION.cff."""
import ast, base64, functools, html, io, itertools, json, os, re, shutil, sys, tokenize
import xml.etree.ElementTree as ET
from configparser import ConfigParser
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote
import nbformat
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from nbconvert.preprocessors import ExtractOutputPreprocessor
from PIL import Image
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from citation import bibtex, references
from notebooks import ROOT, is_tutorial
from readme import reveal

SETTINGS = ConfigParser(delimiters=["="])
SETTINGS.read(ROOT/"settings.ini", encoding="utf-8")
REPOSITORY = SETTINGS["DEFAULT"]["git_url"]
GIT = f"{REPOSITORY}/blob/{SETTINGS['DEFAULT']['branch']}/"
# parameters, fields and attributes without a meaning in the tables of the API: `make docs` fails if there are more,
# and asks for a smaller number here if there are fewer
MOST_EMPTY = 0
TAG = re.compile(r"<[^>]+>")

def esc(text): return html.escape(str(text), quote=True)

def plain(text): return html.unescape(TAG.sub("", text))

def code_html(text): return highlight(text, PythonLexer(), HtmlFormatter())

def first_line(node): return (ast.get_docstring(node) or "").partition("\n")[0]

@dataclass
class Page:
    "A page of the site."
    file: str        # its name in the folder
    title: str
    sentence: str
    body: str
    module: str = ""                               # the module that a notebook exports
    pictures: list = field(default_factory=list)   # (file, nearest heading) of a notebook's outputs
    source: str = ""                               # the file in the repository that it is made from
    entries: list = field(default_factory=list)    # (name, sentence) of what a module exports

# ---- formulas ----
# MathML's elements with a fixed number of children
CHILDREN = dict(mfrac=2, mroot=2, msup=2, msub=2, msubsup=3, munder=2, mover=2, munderover=3)
# function names of LaTeX that latex2mathml does not know
FUNCTIONS = re.compile(r"\\(arg|cosec|injlim|projlim)(?![A-Za-z])")

def mathml(tex, display="inline"):
    r"""Return a formula as MathML. Raises ValueError with the formula.

    latex2mathml puts the parts of an environment side by side in place of one element, for example in
    \begin{pmatrix}..\end{pmatrix}^{-1}, so we put a group around it. Browsers do not know the sizes of \Big, so we let
    its brackets grow with their content."""
    text = FUNCTIONS.sub(r"\\operatorname{\1}", tex)
    text = re.sub(r"\\begin\{(\w+\*?)\}", r"{\\begin{\1}", text)
    text = re.sub(r"\\end\{(\w+\*?)\}", r"\\end{\1}}", text)
    text = re.sub(r"\\[bB]igg?l?\s*(\(|\[|\\\{)", r"\\left\1", text)
    text = re.sub(r"\\[bB]igg?r?\s*(\)|\]|\\\})", r"\\right\1", text)
    try: return convert(text, display=display)
    except Exception as e: raise ValueError(f"{tex}: latex2mathml: {type(e).__name__} {e}") from None

def math_faults(text):
    "Return the faults of a formula in MathML: no XML, a wrong number of children, unknown commands."
    try: root = ET.fromstring(text)
    except ET.ParseError as e: return [f"no XML: {e}"]
    wrong, unknown = [], []
    for e in root.iter():
        name = e.tag.rpartition("}")[2]
        expected = CHILDREN.get(name, len(e))
        if len(e) != expected: wrong.append(f"{name} has {len(e)} children, not {expected}")
        if name == "mtext" or not re.search(r"\\[A-Za-z]", e.text or ""): continue
        unknown.append(f"{e.text.strip()} was not understood")
    return wrong + unknown

# faults that the check must find, and formulas that this version of latex2mathml converts without any
SQUARE = "<math><msup><mo>(</mo><mi>a</mi><mo>)</mo><mn>2</mn></msup></math>"
INVERSE = r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}^{-1}"
CASES = r"\begin{cases} 1 & x \\ 2 & y \end{cases}_i"
assert math_faults(SQUARE) == ["msup has 4 children, not 2"]
assert math_faults(r"<math><mi>\arg</mi></math>") and math_faults("<math><mi>a</math>")
assert not math_faults(mathml(INVERSE))
assert not math_faults(mathml(rf"\arg\min_x \Big({INVERSE} x\Big)^2 / {CASES}"))

# ---- notebooks ----
MATH = re.compile(r"(```.*?```|`[^`\n]*`)|\$\$(.+?)\$\$|(?<![\\$\w])\$(?! )([^$\n]+?)(?<! )\$(?![\w$])", re.S)

def with_mathml(text):
    "Turn the formulas of Markdown into MathML, which browsers show without a script, and leave code alone."
    def turn(m):
        if m[1]: return m[1]
        return mathml((m[2] or m[3]).strip(), "block" if m[2] else "inline")
    return MATH.sub(turn, text)

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

def visible(nb, tutorial):
    "Return the notebook without hidden cells and nbdev's directives, and the code that is folded."
    cells, folded = [], []
    for cell in nb.cells:
        words = reveal(cell, {"hide", "default_exp"})
        if words is None: continue
        if cell.cell_type == "markdown": cell.source = with_mathml(cell.source)
        else:
            cell.execution_count, cell.metadata["tags"] = None, ["exported"] if words & {"export", "exporti"} else []
            title, n = fold(cell.source, tutorial)
            if n:
                lines = cell.source.splitlines()
                cells.append(nbformat.v4.new_markdown_cell(f"folded code {len(folded)}"))
                hidden = code_html("\n".join(lines[:n]))
                folded.append(f"<details class=fold><summary>{esc(title)}</summary>{hidden}</details>")
                cell.source = "\n".join(lines[n:]).strip("\n")
            # no empty box of code above the output
            if not cell.source: cell.metadata["transient"] = {"remove_source": True}
        if cell.cell_type == "markdown" or not cell.metadata.get("transient") or cell.outputs: cells.append(cell)
    nb.cells = cells
    return nb, folded

def headings(nb):
    "Yield the nearest heading above each cell."
    last = ""
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            for line in re.findall(r"^#+ (.+)$", cell.source, re.M): last = line
        yield last

def films(nb, stem):
    "Take GIFs out of the outputs, as bytes by file name, because nbconvert does not know them."
    found = {}
    for i, cell in enumerate(nb.cells):
        for j, output in enumerate(cell.get("outputs", [])):
            if "image/gif" not in output.get("data", {}): continue
            name = f"files/{stem}_{i}_{j}.gif"
            found[name] = base64.b64decode(output["data"]["image/gif"])
            output["data"] = {"text/html": f'<img src="{name}" alt="a film">'}
    return found

def notebook_page(path, out):
    "Make the page of a notebook, with the pictures of its outputs as files."
    nb = nbformat.read(path, as_version=4)
    codes = "\n".join(c.source for c in nb.cells if c.cell_type == "code")
    module = found[1] if (found := re.search(r"^#\|\s*default_exp\s+([\w.]+)", codes, re.M)) else ""
    nb, folded = visible(nb, is_tutorial(path.stem))
    lines = [line for line in nb.cells[0].source.splitlines() if line.strip()]
    near = list(headings(nb))
    names = f"files/{path.stem}_{{cell_index}}_{{index}}{{extension}}"
    kinds = {"image/png", "image/jpeg"}
    extract = ExtractOutputPreprocessor(output_filename_template=names, extract_output_types=kinds)
    nb, resources = extract.preprocess(nb, {"outputs": {}, "unique_key": path.stem})
    resources["outputs"] |= films(nb, path.stem)
    for name, data in resources["outputs"].items():
        (out/name).parent.mkdir(exist_ok=True)
        (out/name).write_bytes(data)
    exporter = HTMLExporter(template_name="basic", embed_images=False)
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    body, _ = exporter.from_notebook_node(nb, {"outputs": {}})
    # anchors for the gallery
    for name in resources["outputs"]: body = body.replace(f'src="{name}"', f'id="{Path(name).stem}" src="{name}"')
    body = re.sub(r"<p>folded code (\d+)</p>", lambda m: folded[int(m[1])], body)
    pictures = [(name, near[int(name.rsplit("_", 2)[1])]) for name in resources["outputs"]]
    file = "index.html" if path.stem == "index" else f"{path.stem}.html"
    title, sentence, *_ = [*lines, "", ""]
    title, sentence = title.removeprefix("# "), sentence.removeprefix("> ")
    return Page(file, title, sentence, body, module, pictures, f"nbs/{path.name}")

def markdown(text): return markdown2html_mistune(with_mathml(text))

# ---- all pages ----
def hanging(body):
    "Indent the rest of long lines of code, so that they wrap instead of being cut."
    def line(text):
        indent = len(plain(text)) - len(plain(text).lstrip(" "))
        return f'<span class=line style="--in:{indent + 4}ch">{text}\n</span>'
    def block(m): return m[1] + "".join(map(line, m[2].removesuffix("\n").split("\n"))) + m[3]
    return re.sub(r'(<div class="highlight[^"]*"><pre>)(.*?)(</pre>)', block, body, flags=re.S)

def stacking(body):
    "Give every cell of a table the heading of its column, because rows become blocks on a narrow screen."
    def one(m):
        heads = [TAG.sub("", h).strip() for h in re.findall(r"<th[^>]*>(.*?)</th>", m[2], re.S)]
        if len(heads) < 3: return f"<div class=wide>{m[0]}</div>"
        def row(r):
            names = iter(heads)
            return re.sub(r"<td", lambda _: f'<td data-head="{esc(html.unescape(next(names, "")))}"', r[0])
        kind = "stack api" if "api" in m[1] else "stack"
        return f'<div class=wide><table class="{kind}">{re.sub(r"<tr.*?</tr>", row, m[2], flags=re.S)}</table></div>'
    return re.sub(r"<table([^>]*)>(.*?)</table>", one, body, flags=re.S)

def chapters(body):
    "Return the headings of second rank of a page: (anchor, text)."
    found = re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', body, re.S)
    without_link = lambda text: re.sub(r"<a class=\"anchor-link\".*?</a>", "", text)
    return [(html.unescape(anchor), plain(without_link(text)).strip()) for anchor, text in found]

def named_pages(body, pages):
    "Turn names of pages in italics into links."
    known = {esc(p.title): p.file for p in pages}
    def link(m): return f'<a href="{known[m[1]]}">{m[0]}</a>' if m[1] in known else m[0]
    return re.sub(r"(?<!\">)<em>([^<]+)</em>", link, body)

# ---- the interface of modules ----
def comments(source):
    "Return the comment of each line of a piece of source: at its end, else alone on the lines directly above it."
    tokens, lines = tokenize.generate_tokens(io.StringIO(source).readline), source.splitlines()
    found = {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}
    alone, above = {i for i in found if lines[i - 1].lstrip().startswith("#")}, []
    for i, line in enumerate(lines, 1):
        if i in alone: above.append(found.pop(i))
        # a comment above a whole function belongs to none of its parameters
        else:
            if above and line.strip() and not re.match(r"\s*(async |def |class |@)", line):
                found.setdefault(i, " ".join(above))
            above = []
    return found

def listed_names(tree):
    "Return the names in `__all__` of a module."
    for n in tree.body:
        if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "__all__": return ast.literal_eval(n.value)
    return []

def exported(tree):
    "Yield the exports of a module as (name, node): functions, classes, constants, and patched methods."
    listed = listed_names(tree)
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            patched = any("patch" in ast.unparse(d) for d in node.decorator_list) and not node.name.startswith("_")
            owner = ast.unparse(node.args.args[0].annotation) if patched else ""
            if owner and not owner.startswith("_"): yield f"{owner}.{node.name}", node
            elif node.name in listed: yield node.name, node
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                for one in target.elts if isinstance(target, ast.Tuple) else [target]:
                    if getattr(one, "id", "") in listed and one.id != "__all__": yield one.id, node

# meanings of these names unless a comment gives another
COMMON = dict(
    generator="where random numbers come from; `None`: torch's own generator",
    device="where tensors are, such as `cpu` or `cuda`",
    dtype="of floating-point tensors, such as `torch.float32`",
    callbacks="list of `Callback`, told what happens",
    verts="vertices of the mesh",
    faces="corners of each triangle, as places among the vertices",
    bary="barycentric coordinates: weights of the three corners of a face",
    n_rays="number of rays",
    arguments="list of texts, as on the command line; `None`: those of the process",
    # the arrays and parameters of a head model
    v_template="vertices of the mean head, metres",
    shapedirs="offset of each vertex for 1 of each identity component, metres",
    exprdirs="offset of each vertex for 1 of each expression component, metres",
    posedirs="pose correctives, metres, by 9 entries of R - I of the 4 last joints",
    lbs_weights="how much each vertex follows each joint; rows sum to 1",
    betas="weights of the identity components",
    expression="weights of the expression components",
    neck_pose="rotation about the neck joint, axis-angle, radians",
    jaw_pose="rotation about the jaw hinge, axis-angle, radians")

@functools.cache
def classes():
    "Return the classes of all modules: name, link and first sentence."
    found = {}
    for path in sorted((ROOT/"nerflame").rglob("[!_]*.py")):
        module = ".".join(path.relative_to(ROOT/"nerflame").with_suffix("").parts)
        for name, node in exported(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ClassDef): continue
            sentence = re.split(r"(?<=[.;:])\s", (ast.get_docstring(node) or "").strip())[0].rstrip(";:.")
            found[name] = f"api_{module}.html#{name}", sentence
    return found

def meaning(name, note, annotation):
    "Return the comment beside a parameter or field, else the general meaning of its name or class."
    if note or name in COMMON: return note or COMMON[name]
    _, sentence = classes().get(annotation, ("", ""))
    # a small first letter, except for abbreviations
    return sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() else sentence

def parameters(node, notes):
    "Yield name, type, default and meaning of the parameters of a function."
    a = node.args
    args = [*a.posonlyargs, *a.args]
    defaults = [None]*(len(args) - len(a.defaults)) + list(a.defaults)
    rows = [(p, d, "") for p, d in zip(args, defaults)]
    if a.vararg: rows.append((a.vararg, None, "*"))
    rows += [(p, d, "") for p, d in zip(a.kwonlyargs, a.kw_defaults)]
    for p, default, star in rows:
        if p.arg in ("self", "cls"): continue
        line = max(p.end_lineno, default.end_lineno if default is not None else 0)
        annotation = kind(p.annotation)
        shown = ast.unparse(default) if default is not None else ""
        yield star + p.arg, annotation, shown, meaning(p.arg, notes.get(line, ""), annotation)

def made_by(default):
    "Return the default of a field without the words that dataclasses need for it."
    found = re.fullmatch(r"field\(default_factory=(?:lambda: )?(.+)\)", default)
    return default if not found else f"{found[1]}()" if found[1].isidentifier() else found[1]

NO_MEANING = "class=unsaid></td>"   # of a cell in a finished page

def table(rows, head):
    "Return a table of parameters, fields or attributes, without columns that have no entries."
    if not rows: return ""
    typed, filled = (any(row[i] for row in rows) for i in (1, 2))
    def line(name, annotation, default, meant):
        cells = [f"<td><code>{esc(name)}</code></td>"]
        cells.append(f"<td>{inline(meant)}</td>" if meant else f"<td {NO_MEANING}")
        if typed: cells.append(f"<td>{code(annotation)}</td>")
        if filled: cells.append(f"<td>{code(default)}</td>")
        return f"<tr>{''.join(cells)}</tr>"
    heads = [head, "meaning, unit, frame", *["type and shape"]*typed, *["default"]*filled]
    titles = "".join(f"<th>{h}</th>" for h in heads)
    return f"<table class=api><tr>{titles}</tr>{''.join(line(*row) for row in rows)}</table>"

def code(text): return f"<code>{linked(esc(text))}</code>" if text else ""

def linked(text):
    "Turn the names of classes into links."
    def link(m): return f'<a href="{classes()[m[0]][0]}">{m[0]}</a>' if m[0] in classes() else m[0]
    return re.sub(r"\b[A-Z]\w+", link, text)

def inline(text): return re.sub(r"`([^`]+)`", r"<code>\1</code>", esc(text))

def kind(annotation):
    "Return a type as text, names without quotes."
    if annotation is None: return ""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str): return annotation.value
    return ast.unparse(annotation)

def is_property(node):
    "Test whether a function is a property, in a class or by `@patch`."
    decorators = [ast.unparse(d) for d in node.decorator_list]
    return any(d == "property" or "as_prop=True" in d for d in decorators)

def result_note(node, notes):
    "Return the comment beside the type of a result: the last one above the body that belongs to no parameter."
    lines = {p.end_lineno for p in ast.walk(node.args) if hasattr(p, "end_lineno")}
    above = range(node.body[0].lineno - 1, node.lineno - 1, -1)
    return next((notes[i] for i in above if i in notes and i not in lines), "")

def function_entry(node, name, notes):
    "Make the entry of a function, method or property: signature, sentence, parameters, result."
    rows, label, result = list(parameters(node, notes)), "", ""
    given = ", ".join(f"{n}={d}" if d else n for n, _, d, _ in rows)
    signature = f"{name}({given})"
    if is_property(node): signature, label = name, "<span class=kind>property</span>"
    if node.returns:
        result = f"<p class=result>returns {code(kind(node.returns))} {inline(result_note(node, notes))}</p>"
    head = f"<div class=signature>{label}{code_html(signature)}</div>"
    return head + sentences(node) + table(rows, "parameter") + result

def sentences(node):
    "Return the docstring as HTML, with its paragraphs and lists."
    text = ast.get_docstring(node) or ""
    if "\n" in text: return markdown(text)
    return f"<p>{inline(text)}</p>" if text else ""

def field_row(node, notes):
    "Return name, type, default and meaning of a field of a class."
    name, annotation = node.target.id, ast.unparse(node.annotation)
    default = made_by(ast.unparse(node.value)) if node.value else ""
    return name, annotation, default, meaning(name, notes.get(node.end_lineno, ""), annotation)

def is_shown(node, notes, hooks):
    "Test whether the API shows a method: public or special, with a docstring or parameters."
    if not isinstance(node, ast.FunctionDef): return False
    if node.name.startswith("_") and node.name not in ("__init__", "__call__"): return False
    # we explain the hooks of callbacks once, at `Callback`
    if hooks and node.name != "__init__" and not ast.get_docstring(node): return False
    return bool(ast.get_docstring(node) or list(parameters(node, notes)))

def class_entry(node, name, notes):
    "Make the entry of a class: sentence, fields, and methods with a docstring or parameters."
    bases = [ast.unparse(b) for b in node.bases]
    signature = f"class {name}({', '.join(bases)})" if bases else f"class {name}"
    rows = [field_row(n, notes) for n in node.body if isinstance(n, ast.AnnAssign)]
    parts = [f"<div class=signature>{code_html(signature)}</div>", sentences(node), table(rows, "field")]
    for n in node.body:
        if not is_shown(n, notes, "Callback" in bases): continue
        method = name if n.name == "__init__" else f"{name}.{n.name}"
        parts.append(f"<div class=method>{function_entry(n, method, notes)}</div>")
    return "".join(parts)

def module_file(module):
    "Return the file of a module of the package, such as `field.model`."
    return ROOT/"nerflame"/f"{module.replace('.', '/')}.py"

def api_page(module, notebook):
    "Make the page of a module."
    source = module_file(module).read_text(encoding="utf-8")
    notes, parts, entries = comments(source), [], []
    for name, node in exported(ast.parse(source)):
        if isinstance(node, ast.FunctionDef): entry = function_entry(node, name, notes)
        elif isinstance(node, ast.ClassDef): entry = class_entry(node, name, notes)
        else: entry = code_html(ast.get_source_segment(source, node))
        entries.append((name, first_line(node) if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else ""))
        parts.append(f'<section id="{esc(name)}"><h2><a href="#{esc(name)}">{esc(name)}</a></h2>{entry}</section>')
    listing = " ".join(f'<a href="#{esc(n)}"><code>{esc(n)}</code></a>' for n, _ in entries)
    title = f"nerflame.{module}"
    head = f"<h1>{title}</h1><blockquote><p>{inline(notebook.sentence)}</p></blockquote>"
    head += f'<p>Explained, shown and tested in <a href="{notebook.file}">{esc(notebook.title)}</a>.</p>'
    body = f"{head}<p class=listing>{listing}</p>{''.join(parts)}"
    file = module_file(module).relative_to(ROOT).as_posix()
    return Page(f"api_{module}.html", title, notebook.sentence, body, source=file, entries=entries)

# ---- other pages ----
def api_index(pages):
    "Make the page of all modules."
    rows = []
    for p in pages:
        link = f'<a href="{p.file}"><code>{p.title}</code></a>'
        rows.append(f"<tr><td>{link}</td><td>{inline(p.sentence)}</td><td>{len(p.entries)}</td></tr>")
    table = f"<table><tr><th>module</th><th>purpose</th><th>names</th></tr>{''.join(rows)}</table>"
    return Page("api.html", "API", "", f"<h1>API</h1><p>{FRAMES}</p>{table}")

FRAMES = (
    "You find shapes in the types. The frame of a head is in metres with y up, that of a scene in units of 1/8 m with "
    'z up (<a href="07_cameras.html">Cameras</a>).')
SCAN = (
    '"Infinite, 3D Head Scan by Lee Perry-Smith is licensed under a '
    '<a href="https://creativecommons.org/licenses/by/3.0/">Creative Commons Attribution 3.0 Unported License</a>. '
    'Based on a work at www.triplegangers.com." We cut off the shoulders, scaled and moved the head, and rendered it.')
ACTOR = (
    'The synthetic actor: <a href="https://arxiv.org/abs/2004.03458">ICT-FaceKit</a>, MIT licence, '
    "© 2020 USC Institute for Creative Technologies.")
CREDIT = f"<p class=credit>The head scan: {SCAN}<br>{ACTOR}</p>"
SUBJECTS = dict(lps="head scan", actor_neutral="synthetic actor, one neutral face",
    actor="synthetic actor, 30 timesteps", builtin="built-in person")

@dataclass
class Sheet:
    "A sheet of pictures that a benchmark has drawn."
    name: str        # the row of the table
    what: str        # that row in words
    value: float     # PSNR, dB
    details: str
    picture: str     # the file

def sheets():
    "Yield the sheets of the quality benchmarks, by the rows of their table."
    sections = json.loads((ROOT/"bench"/"results"/"bench.json").read_text(encoding="utf-8"))
    for r in sections.get("quality", {}).get("rows", []):
        found = re.search(r"\bbench_(\w+)\.png", r["note"])
        if not found or r["value"] is None: continue
        name, _, measured = r["name"].partition(": ")
        subject, size, minutes = re.fullmatch(r"(\w+?)_(\d+)_(\d+)min", name).groups()
        words = SUBJECTS.get(subject.removesuffix("_fit"), subject)
        if subject.endswith("_fit"): words += ", parameters found"
        words += f", {size} x {size} pixels, {minutes} minutes, {measured.removeprefix('PSNR on ')} views"
        details = r["note"].replace(found[0], "").replace("; ;", ";")
        yield Sheet(r["name"], words[0].upper() + words[1:], r["value"], details, found[0])

# hand-picked sheets of benchmarks and pictures of pages, with captions
FACES = {
    "images/bench_lps_400_15min.png":
        "A head scan at 400 x 400 pixels, 15 minutes of training: rendered, the truth, and the difference",
    "images/bench_actor_200_10min_test.png":
        "A synthetic actor in timesteps that training has not seen: rendered, the truth, and the difference",
    "images/glb_threejs.jpg": "The exported face (glTF) in three.js beside the field",
}

def figure(name, link, text, kind=""):
    "Return a picture of the gallery, with a link to its place."
    picture = f'<a href="{link}"><img loading=lazy src="{name}" alt="{esc(text)}"></a>'
    caption = f"<figcaption>{esc(text.replace('`', ''))}</figcaption>"
    return f"<figure{kind}>{picture}{caption}</figure>"

def shown_pictures(page):
    "Yield the pictures that a page of a notebook shows from nbs/images, as (file, text)."
    for tag in re.findall(r"<img[^>]*images/[^>]*>", page.body):
        name, text = (re.search(pattern, tag) for pattern in (r'src="(images/[^"]+)"', r'alt="([^"]*)"'))
        if name[1].startswith(("images/docs_", "images/colab")): continue
        yield name[1], FACES.get(name[1]) or (html.unescape(text[1]) if text else page.title)

def gallery(pages, out):
    "Make the gallery: faces of the front page, of benchmarks and of tutorials, then the figures of all notebooks."
    faces, figures, seen = [], [], set()
    def add(to, name, link, text):
        if name not in seen:
            with Image.open(out/name) as image: broad = to is faces and image.width > 2.2*image.height
            to.append(figure(name, link, text, " class=broad" if broad else ""))
        seen.add(name)
    for page in sorted(pages, key=rank):
        front, teaches = rank(page) == 0, rank(page) == 1
        for name, text in shown_pictures(page): add(faces if front else figures, name, page.file, text)
        for name, text in FACES.items() if front else ():
            add(faces, name, f"benchmarks.html#{Path(name).stem}" if "bench_" in name else "83_use.gltf.html", text)
        for name, heading in page.pictures:
            to = faces if teaches and name.endswith(".jpg") else figures
            add(to, name, f"{page.file}#{Path(name).stem}", f"{page.title}: {heading}")
    sentence = "Faces first, then every figure of the notebooks."
    body = f"<h1>Gallery</h1><blockquote><p>{sentence} A click leads to where it was made.</p></blockquote>"
    body += f'<h2 id="faces">Faces</h2><div class="gallery faces">{"".join(faces)}</div>{CREDIT}'
    body += f'<h2 id="figures-of-the-notebooks">{FIGURES}</h2><div class=gallery>{"".join(figures)}</div>'
    return Page("gallery.html", "Gallery", sentence, body)

FIGURES = "Figures of the notebooks"

def rank(page):
    "Return the place of a page among the notebooks: the front page, tutorials, the rest."
    if page.file == "index.html": return 0
    return 1 if is_tutorial(page.file) else 2

SAME_TIME = "The presets for the same time"
ONE_VIEW = "One view after eight minutes of each; what the sheet calls photograph is the rendered truth."
VIEWS = (
    "We show some views of each: the render, the truth, which for these three subjects is a rendered picture too, even "
    'if a sheet says "photograph", and the absolute difference, black for none, yellow for 0.2 and more. Numbers are '
    "the PSNR of the view.")
# `%s` is the anchor of the section
STEPS = (
    "We ran these once, with another build of torch (the CUDA build, on the CPU), because PyTorch3D needs it. "
    "PyTorch3D uses its CPU path here, and we did not measure on CUDA. Speed-ups of the whole of "
    '<a href="#%s">the section on steps</a>, which ran in turn and several times, are the ones to quote.')

def sheet_figure(s):
    "Return the figure of a sheet, below a heading."
    anchor, details = Path(s.picture).stem, esc(s.details.strip("; "))
    image = f'<img loading=lazy src="images/{s.picture}" alt="rendered, rendered truth, difference">'
    caption = f"<figcaption><code>{esc(s.name)}</code>; {details}</figcaption>"
    return f'<figure class=sheet id="{anchor}"><h3>{esc(s.what)}: {s.value:.2f} dB</h3>{image}{caption}</figure>'

def picture(name, text, caption=""):
    "Return a figure of the benchmarks."
    caption = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f'<figure class=sheet><img loading=lazy src="images/{name}" alt="{text}">{caption}</figure>'

def benchmarks(out):
    "Make the page of benchmarks: their tables, and their pictures under the names of their rows."
    read = lambda name: (ROOT/"bench"/"results"/f"{name}.md").read_text(encoding="utf-8")
    for file in (ROOT/"bench"/"results").glob("*.png"): shutil.copy(file, out/"images"/file.name)
    body = markdown(read("bench"))
    # date, machine and versions, small, below the heading of each section
    body = re.sub(r"<p>(Section <code>.*?)</p>", r"<p class=credit>\1</p>", body, flags=re.S)
    shown = list(sheets())
    for s in shown: body = body.replace(f"{s.picture}", f'<a href="#{Path(s.picture).stem}">sheet</a>')
    figures = "".join(map(sheet_figure, shown))
    pictures = f'<h2 id="pictures">Pictures of the quality rows</h2><p>{VIEWS}</p>{figures}{CREDIT}'
    _, second, *_ = [m.start() for m in re.finditer(r"<h2", body)]
    presets = f'<h2 id="presets">{SAME_TIME}</h2>{markdown(read("presets"))}'
    presets += picture("presets.png", "PSNR on val against minutes")
    presets += picture("presets_picture.png", "a view of each preset and the rendered truth", ONE_VIEW)
    steps = '<h2 id="single-steps">One training step of each method, single runs</h2>'
    steps += f"<p>{STEPS % anchor_of(body, 'training step')}</p>{markdown(read('paper_step'))}"
    sentence = "Quality, speed and memory as `make bench` measured them, each with its machine, versions and spread."
    body = body[:second] + pictures + body[second:] + presets + steps
    return Page("benchmarks.html", "Benchmarks", sentence, body, source="bench/README.md")

def anchor_of(body, words):
    "Return the anchor of the heading of second rank that contains these words."
    return next(i for i, text in chapters(body) if words in text.lower())

def citation():
    "Make the page that explains how to cite, from CITATION.cff."
    cells = [(esc(r.when), esc(r.title), f"<code>{r.key}</code>") for r in references()]
    rows = "".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in cells)
    body = "<h1>Cite</h1><blockquote><p>Please cite the method, and the head model that you used.</p></blockquote>"
    body += f"<table><tr><th>when</th><th>what</th><th>key</th></tr>{rows}</table>"
    body += f"<h2 id=bibtex>BibTeX</h2><pre class=copy>{esc(bibtex())}</pre>"
    body += '<p>You can also use the <a href="https://citation-file-format.github.io">Citation File Format</a>: '
    body += f'<a href="{GIT}CITATION.cff">CITATION.cff</a>.</p>'
    return Page("citation.html", "Cite", "", body, source="CITATION.cff")

# ---- the site ----
def navigation(notebooks, api, here):
    "Return the list of pages, with this one marked and its headings below it."
    inside = "" if here.entries else heading_links(chapters(here.body))
    def link(p, text=None):
        text = esc(text or p.title)
        if p.file != here.file: return f'<li><a href="{p.file}">{text}</a></li>'
        below = f"<ul>{inside}</ul>" if inside else ""
        return f'<li class=here><a href="{p.file}" aria-current=page>{text}</a>{below}</li>'
    front = [link(p, "Overview") for p in notebooks if p.file == "index.html"]
    front += [link(Page(file, title, "", "")) for file, title in EXTRA.items()]
    rooms = [p for p in notebooks if p.file[0].isdigit() and not is_tutorial(p.file)]
    modules = [link(Page("api.html", "All modules", "", ""))]
    modules += [link(p, p.title.removeprefix("nerflame.")) for p in api]
    parts = [f"<ul>{''.join(front)}</ul>"]
    for title, pages in (("Tutorials", [p for p in notebooks if is_tutorial(p.file)]), ("How it works", rooms)):
        if pages: parts.append(f"<h2>{title}</h2><ul>{''.join(map(link, pages))}</ul>")
    opened = " open" if here.file.startswith("api") else ""
    parts.append(f"<details{opened}><summary>API</summary><ul>{''.join(modules)}</ul></details>")
    return "".join(parts) + f'<p><a href="{REPOSITORY}">Repository</a></p>'

EXTRA = {"gallery.html": "Gallery", "benchmarks.html": "Benchmarks", "citation.html": "Cite"}

def heading_links(found):
    "Return list entries for headings of a page, (anchor, text)."
    return "".join(f'<li><a href="#{esc(anchor)}">{esc(text)}</a></li>' for anchor, text in found)

def search_index(pages):
    "Yield the entries of the search, pages, headings and exported names, as (text, link, sentence)."
    for p in pages:
        yield p.title, p.file, p.sentence.replace("`", "")
        if p.entries: yield from ((n, f"{p.file}#{n}", s.replace("`", "")) for n, s in p.entries)
        else: yield from ((t, f"{p.file}#{i}", p.title) for i, t in chapters(p.body))

def moved_link(m):
    "Turn a link of a notebook into one of the site: to a page, to a copied file, or to the repository."
    target, _, anchor = html.unescape(m[2]).partition("#")
    if not target or "://" in target or target.startswith(("mailto:", "data:")): return m[0]
    path, anchor = os.path.normpath(target).replace(os.sep, "/"), f"#{anchor}" if anchor else ""
    if path.endswith(".ipynb") and "/" not in path: path = path.removesuffix(".ipynb") + ".html"
    elif path == "../bench/results/bench.md": path = "benchmarks.html"
    elif path.startswith("../bench/results/") and path.endswith(".png"): path = "images/" + path.rsplit("/", 1)[1]
    elif path.startswith("../") and (ROOT/"nbs"/path).exists(): path = GIT + path[3:]
    return f'{m[1]}{esc(path + anchor)}"'

def write_page(page, navigate, out, before=None, after=None):
    "Write one file of the site."
    body = re.sub(r'((?:href|src)=")([^"]+)"', moved_link, page.body)
    neighbours = (("prev", before), ("next", after))
    steps = "".join(f'<a class={rel} rel={rel} href="{p.file}">{esc(p.title)}</a>' for rel, p in neighbours if p)
    api = contents = source = ""
    if page.module:
        name = f"<code>nerflame.{page.module}</code>"
        api = f'<p class=api><a href="api_{page.module}.html">API of {name}</a></p>'
    if page.source:
        kind_of = "Notebook" if page.source.endswith(".ipynb") else "Source"
        link = f'<a href="{GIT}{page.source}"><code>{page.source}</code></a>'
        source = f"<p class=source>{kind_of}: {link}</p>"
    here = chapters(body) if not page.entries else []
    if len(here) > 1:
        links = f"<ul>{heading_links(here)}</ul>"
        contents = f"<details class=contents><summary>On this page</summary>{links}</details>"
    title_block = r"(</h1>(?:\s*<blockquote>.*?</blockquote>)?)"
    body = re.sub(title_block, lambda m: m[1] + source + contents, body, count=1, flags=re.S)
    title = page.title if page.title == "nerflame" else f"{page.title} - nerflame"
    main = f"{hanging(stacking(body))}{api}<p class=steps>{steps}</p>"
    text = PAGE.format(title=esc(title), sentence=esc(page.sentence), pages=navigate(page), main=main)
    (out/page.file).write_text(text, encoding="utf-8")

PAGE = (
    "<!doctype html>\n"
    '<html lang=en><head><meta charset=utf-8><meta name=viewport content="width=device-width, initial-scale=1">'
    "<title>{title}</title>\n"
    '<meta name=description content="{sentence}"><link rel=stylesheet href=site.css><script src=site.js defer></script>'
    "</head>\n"
    '<body><input type=checkbox id=menu><label for=menu>Pages, search</label><nav><a class=name href="index.html">'
    'nerflame</a><input type=search id=search placeholder="Search" aria-label="Search titles, headings and names">'
    "<ul id=found hidden></ul><div id=pages>{pages}</div></nav>\n"
    "<main>{main}</main></body></html>\n")

class Links(HTMLParser):
    "Links and anchors of a page."
    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(text)
    def handle_starttag(self, tag, attrs):
        for key, value in attrs:
            if key in ("href", "src") and value: self.links.append((tag, value))
            if key in ("id", "name") and value: self.anchors.add(value)

def problems(out, api):
    "Yield the faults of the site: dead links, requests to other places, wrong formulas, names without an entry."
    texts = {p.name: p.read_text(encoding="utf-8") for p in sorted(out.glob("*.html"))}
    read = {name: Links(text) for name, text in texts.items()}
    for name, text in texts.items():
        for formula in re.findall(r"<math.*?</math>", text, re.S):
            yield from (f"{name}: formula {plain(formula)[:60]}: {fault}" for fault in math_faults(formula))
    for name, page in read.items():
        for tag, link in page.links:
            if "://" in link or link.startswith(("mailto:", "data:")):
                if tag != "a" and not link.startswith("data:"): yield f"{name}: loads {link[:80]}"
                continue
            file, _, anchor = unquote(link).partition("#")
            if not (out/(file or name)).is_file(): yield f"{name}: no file for {link}"
            elif anchor and anchor not in read[file or name].anchors: yield f"{name}: no anchor for {link}"
    if bibtex() not in (ROOT/"README.md").read_text(encoding="utf-8"):
        yield ("README.md: its BibTeX differs from CITATION.cff (`.venv/bin/python tools/citation.py` prints it, for "
            "nbs/index.ipynb)")
    empty = sum(p.read_text(encoding="utf-8").count(NO_MEANING) for p in out.glob("api_*.html"))
    missing = f"{empty} parameters and fields have no meaning"
    if empty > MOST_EMPTY:
        yield f"API: {missing}, there were {MOST_EMPTY}: write it into the comment beside each new one"
    if empty < MOST_EMPTY: yield f"API: only {missing}: write this number into MOST_EMPTY in tools/docs.py"
    for module in api:
        listed = listed_names(ast.parse(module_file(module).read_text(encoding="utf-8")))
        anchors = read[f"api_{module}.html"].anchors
        yield from (f"api_{module}.html: no entry for {name}" for name in listed if name not in anchors)

def docs(out):
    "Write the site, and return its faults and its number of pages."
    if out.exists(): shutil.rmtree(out)
    shutil.copytree(ROOT/"nbs"/"images", out/"images")
    notebooks = [notebook_page(p, out) for p in sorted((ROOT/"nbs").glob("[!_]*.ipynb"))]
    api = [api_page(p.module, p) for p in notebooks if p.module]
    measured = benchmarks(out)   # copies pictures that the gallery shows
    extra = [gallery(notebooks, out), measured, citation(), api_index(api)]
    for page in notebooks: page.body = named_pages(page.body, notebooks)
    navigate = lambda here: navigation(notebooks, api, here)
    order = sorted(notebooks, key=lambda p: (rank(p), p.file))
    for before, page, after in zip([None, *order], order, [*order[1:], None]):
        write_page(page, navigate, out, before, after)
    for page in api + extra: write_page(page, navigate, out)
    style = (ROOT/"tools"/"site.css").read_text(encoding="utf-8")
    style += HtmlFormatter(style="default").get_style_defs(".highlight")
    (out/"site.css").write_text(style, encoding="utf-8")
    shutil.copy(ROOT/"tools"/"site.js", out)
    index = json.dumps(list(search_index(order + extra + api)), ensure_ascii=False)
    (out/"search.js").write_text(f"window.INDEX = {index}\n", encoding="utf-8")
    (out/".nojekyll").touch()   # GitHub serves the files as they are
    return list(problems(out, [p.module for p in notebooks if p.module])), len(list(out.glob("*.html")))

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT/"_docs"
    wrong, pages = docs(folder)
    well = f"{folder.name}: {pages} pages; all links lead somewhere, every exported name has an entry"
    print("\n".join(wrong) or well)
    sys.exit(bool(wrong))
