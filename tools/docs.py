"Write the documentation site into _docs/ (or the folder given): a page a notebook, an API page a module, a gallery, the benchmarks, how to cite. Needs no Quarto, runs nothing, loads nothing from outside. Fails for links to nowhere, formulas that browsers show wrongly, names without an entry, more parameters without a meaning than before, and a README that cites otherwise than CITATION.cff."
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
from readme import ROOT, reveal

SETTINGS = ConfigParser(delimiters=["="])
SETTINGS.read(ROOT/"settings.ini", encoding="utf-8")
REPOSITORY = SETTINGS["DEFAULT"]["git_url"]
GIT = f"{REPOSITORY}/blob/{SETTINGS['DEFAULT']['branch']}/"
# parameters, fields and attributes in the tables of the API that have no meaning beside them: `make docs` fails when there are more, and asks for a smaller number here when there are fewer
MOST_EMPTY = 296
# notebooks that teach, by their names
TUTORIAL = re.compile(r"9[0-4]_")
esc = lambda text: html.escape(str(text), quote=True)

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
CHILDREN = dict(mfrac=2, mroot=2, msup=2, msub=2, msubsup=3, munder=2, mover=2, munderover=3)   # MathML's elements with a fixed number of children
# what LaTeX sets as a function's name and latex2mathml does not know
FUNCTIONS = re.compile(r"\\(arg|cosec|injlim|projlim)(?![A-Za-z])")

def mathml(tex, display="inline"):
    r"""A formula as MathML. latex2mathml puts the parts of an environment side by side where one element is due, as in \begin{pmatrix}..\end{pmatrix}^{-1}: a group around it makes them one. Browsers do not know the sizes of \Big: its brackets grow with what is between them. Raises ValueError with the formula."""
    text = re.sub(r"\\end\{(\w+\*?)\}", r"\\end{\1}}", re.sub(r"\\begin\{(\w+\*?)\}", r"{\\begin{\1}", FUNCTIONS.sub(r"\\operatorname{\1}", tex)))
    text = re.sub(r"\\[bB]igg?r?\s*(\)|\]|\\\})", r"\\right\1", re.sub(r"\\[bB]igg?l?\s*(\(|\[|\\\{)", r"\\left\1", text))
    try: return convert(text, display=display)
    except Exception as e: raise ValueError(f"{tex}: latex2mathml: {type(e).__name__} {e}") from None

def math_faults(text):
    "What is wrong with a formula in MathML: no XML, elements with another number of children than they need, commands that were not understood."
    try: root = ET.fromstring(text)
    except ET.ParseError as e: return [f"no XML: {e}"]
    name = lambda e: e.tag.rpartition("}")[2]
    wrong = [f"{name(e)} has {len(e)} children, not {CHILDREN[name(e)]}" for e in root.iter() if len(e) != CHILDREN.get(name(e), len(e))]
    return wrong + [f"{e.text.strip()} was not understood" for e in root.iter() if name(e) != "mtext" and re.search(r"\\[A-Za-z]", e.text or "")]

INVERSE = r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}^{-1}"
# what the check is for, and what this version of latex2mathml makes of it
assert math_faults("<math><msup><mo>(</mo><mi>a</mi><mo>)</mo><mn>2</mn></msup></math>") == ["msup has 4 children, not 2"] and math_faults(r"<math><mi>\arg</mi></math>") and math_faults("<math><mi>a</math>")
assert not math_faults(mathml(INVERSE)) and not math_faults(mathml(rf"\arg\min_x \Big({INVERSE} x\Big)^2 / \begin{{cases}} 1 & x \\ 2 & y \end{{cases}}_i"))

# ---- notebooks ----
MATH = re.compile(r"(```.*?```|`[^`\n]*`)|\$\$(.+?)\$\$|(?<![\\$\w])\$(?! )([^$\n]+?)(?<! )\$(?![\w$])", re.S)

def with_mathml(text):
    "Markdown whose formulas are MathML, which browsers show without a script; code stays as it is."
    def turn(m):
        if m[1]: return m[1]
        return mathml((m[2] or m[3]).strip(), "block" if m[2] else "inline")
    return MATH.sub(turn, text)

def fold(source, tutorial):
    "The beginning of a cell that few readers want to see at once, imports and in tutorials long helpers: what stands in its place, and its number of lines, 0 for none."
    try: body = ast.parse(source).body
    except SyntaxError: return "", 0   # magics and shell lines
    if body and all(isinstance(n, (ast.Import, ast.ImportFrom)) for n in body): return "Imports", source.count("\n") + 1 if source.count("\n") else 0
    helpers = list(itertools.takewhile(lambda n: isinstance(n, (ast.FunctionDef, ast.ClassDef)), body))
    lines = helpers[-1].end_lineno if helpers else 0
    if not tutorial or lines < 6: return "", 0
    return "Helper: " + "; ".join(f"{n.name} - {doc}" if (doc := (ast.get_docstring(n) or "").partition("\n")[0]) else n.name for n in helpers), lines

def visible(nb, tutorial):
    "The notebook as it is read, and the code that is folded: hidden cells and nbdev's directives are gone, exported code stays."
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
                folded.append(f"<details class=fold><summary>{esc(title)}</summary>{highlight(chr(10).join(lines[:n]), PythonLexer(), HtmlFormatter())}</details>")
                cell.source = "\n".join(lines[n:]).strip("\n")
            if not cell.source: cell.metadata["transient"] = {"remove_source": True}   # no empty box of code above what it shows
        if cell.cell_type == "markdown" or not cell.metadata.get("transient") or cell.outputs: cells.append(cell)
    nb.cells = cells
    return nb, folded

def headings(nb):
    "The nearest heading above each cell."
    last = ""
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            for line in re.findall(r"^#+ (.+)$", cell.source, re.M): last = line
        yield last

def films(nb, stem):
    "GIFs among the outputs, by file name, bytes; nbconvert knows none, so that each becomes an image of its page."
    found = {}
    for i, cell in enumerate(nb.cells):
        for j, output in enumerate(cell.get("outputs", [])):
            if "image/gif" not in output.get("data", {}): continue
            name = f"files/{stem}_{i}_{j}.gif"
            found[name] = base64.b64decode(output["data"]["image/gif"])
            output["data"] = {"text/html": f'<img src="{name}" alt="a film">'}
    return found

def notebook_page(path, out):
    "A notebook as a page; pictures of its outputs become files."
    nb = nbformat.read(path, as_version=4)
    module = next((m[1] for c in nb.cells if c.cell_type == "code" and (m := re.search(r"^#\|\s*default_exp\s+([\w.]+)", c.source, re.M))), "")
    nb, folded = visible(nb, TUTORIAL.match(path.stem))
    lines = [line for line in nb.cells[0].source.splitlines() if line.strip()]
    near = list(headings(nb))
    extract = ExtractOutputPreprocessor(output_filename_template="files/" + path.stem + "_{cell_index}_{index}{extension}", extract_output_types={"image/png", "image/jpeg"})
    nb, resources = extract.preprocess(nb, {"outputs": {}, "unique_key": path.stem})
    resources["outputs"] |= films(nb, path.stem)
    for name, data in resources["outputs"].items():
        (out/name).parent.mkdir(exist_ok=True)
        (out/name).write_bytes(data)
    exporter = HTMLExporter(template_name="basic", embed_images=False)
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    body, _ = exporter.from_notebook_node(nb, {"outputs": {}})
    for name in resources["outputs"]: body = body.replace(f'src="{name}"', f'id="{Path(name).stem}" src="{name}"')   # for the gallery
    body = re.sub(r"<p>folded code (\d+)</p>", lambda m: folded[int(m[1])], body)
    pictures = [(name, near[int(name.rsplit("_", 2)[1])]) for name in resources["outputs"]]
    file = "index.html" if path.stem == "index" else f"{path.stem}.html"
    return Page(file, lines[0].removeprefix("# "), lines[1].removeprefix("> ") if len(lines) > 1 else "", body, module, pictures, f"nbs/{path.name}")

def markdown(text): return markdown2html_mistune(with_mathml(text))

# ---- what is done to all pages ----
def hanging(body):
    "Code whose long lines go on further in than they began, so that nothing is cut and every beginning of a line can be told."
    def line(text):
        plain = html.unescape(re.sub(r"<[^>]+>", "", text))
        return f'<span class=line style="--in:{len(plain) - len(plain.lstrip(" ")) + 4}ch">{text}\n</span>'
    return re.sub(r'(<div class="highlight[^"]*"><pre>)(.*?)(</pre>)', lambda m: m[1] + "".join(map(line, m[2].removesuffix("\n").split("\n"))) + m[3], body, flags=re.S)

def stacking(body):
    "Tables of which every cell knows the heading of its column: on a narrow screen rows of three and more cells become blocks."
    def one(m):
        heads = [re.sub(r"<[^>]+>", "", h).strip() for h in re.findall(r"<th[^>]*>(.*?)</th>", m[2], re.S)]
        if len(heads) < 3: return f"<div class=wide>{m[0]}</div>"
        def row(r):
            names = iter(heads)
            return re.sub(r"<td", lambda _: f'<td data-head="{html.escape(html.unescape(next(names, "")), quote=True)}"', r[0])
        kind = "stack api" if "api" in m[1] else "stack"
        return f'<div class=wide><table class="{kind}">{re.sub(r"<tr.*?</tr>", row, m[2], flags=re.S)}</table></div>'
    return re.sub(r"<table([^>]*)>(.*?)</table>", one, body, flags=re.S)

def chapters(body):
    "The headings of second rank of a page: (anchor, text)."
    found = re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', body, re.S)
    return [(html.unescape(i), html.unescape(re.sub(r"<a class=\"anchor-link\".*?</a>|<[^>]+>", "", t)).strip()) for i, t in found]

def named_pages(body, pages):
    "The name of a page in italics leads to that page."
    known = {esc(p.title): p.file for p in pages}
    return re.sub(r"(?<!\">)<em>([^<]+)</em>", lambda m: f'<a href="{known[m[1]]}"><em>{m[1]}</em></a>' if m[1] in known else m[0], body)

# ---- the interface of modules ----
def comments(source):
    "The comment on each line of a piece of source."
    return {t.start[0]: t.string.lstrip("# ") for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type == tokenize.COMMENT}

def exported(tree):
    "What a module exports, as (name, node): functions, classes, constants, and what `@patch` adds to classes."
    listed = next((ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "__all__"), [])
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            patched = any("patch" in ast.unparse(d) for d in node.decorator_list) and not node.name.startswith("_")
            if patched: yield f"{ast.unparse(node.args.args[0].annotation)}.{node.name}", node
            elif node.name in listed: yield node.name, node
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                for one in target.elts if isinstance(target, ast.Tuple) else [target]:
                    if getattr(one, "id", "") in listed and one.id != "__all__": yield one.id, node

# what these names mean wherever nothing else is said beside them
COMMON = dict(generator="where random numbers come from; `None`: torch's own generator", device="where tensors are, such as `cpu` or `cuda`", dtype="of floating-point tensors, such as `torch.float32`",
              callbacks="list of `Callback`, told what happens", faces="corners of each triangle, as places among the vertices")

@functools.cache
def classes():
    "The classes of all modules: name, where they are explained, and their first sentence."
    found = {}
    for path in sorted((ROOT/"nerflame").rglob("[!_]*.py")):
        module = ".".join(path.relative_to(ROOT/"nerflame").with_suffix("").parts)
        for name, node in exported(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef): found[name] = f"api_{module}.html#{name}", re.split(r"(?<=[.;:])\s", (ast.get_docstring(node) or "").strip())[0].rstrip(";:.")
    return found

def meaning(name, note, annotation):
    "What is said beside a parameter or field; else what its name, or the class that it must be of, means everywhere."
    known = classes().get(annotation)
    return note or COMMON.get(name, "") or (f"{known[1][0].lower() if known[1][1:2].islower() else known[1][0]}{known[1][1:]}" if known and known[1] else "")

def parameters(node, notes):
    "Name, type, default and meaning of what a function takes."
    a = node.args
    plain = [*a.posonlyargs, *a.args]
    defaults = [None]*(len(plain) - len(a.defaults)) + list(a.defaults)
    rows = [(p, d, "") for p, d in zip(plain, defaults)] + ([(a.vararg, None, "*")] if a.vararg else []) + list(zip(a.kwonlyargs, a.kw_defaults, [""]*len(a.kwonlyargs)))
    for p, default, star in rows:
        if p.arg == "self": continue
        line = max(p.end_lineno, default.end_lineno if default is not None else 0)
        annotation = kind(p.annotation)
        yield star + p.arg, annotation, ast.unparse(default) if default is not None else "", meaning(p.arg, notes.get(line, ""), annotation)

def made_by(default):
    "The default of a field without the words that dataclasses need for it."
    found = re.fullmatch(r"field\(default_factory=(?:lambda: )?(.+)\)", default)
    return default if not found else f"{found[1]}()" if found[1].isidentifier() else found[1]

NO_MEANING = "class=unsaid></td>"   # of a cell in a finished page

def table(rows, head):
    "A table of parameters, fields or attributes."
    if not rows: return ""
    typed, filled = (any(row[i] for row in rows) for i in (1, 2))   # columns without entries are left out
    cells = lambda n, t, d, c: [f"<code>{esc(n)}</code>", inline(c)] + [code(t)]*typed + [code(d)]*filled
    body = "".join("<tr>" + "".join(f"<td{'' if c else ' class=unsaid' if i == 1 else ''}>{c}</td>" for i, c in enumerate(cells(*row))) + "</tr>" for row in rows)
    return f"<table class=api><tr><th>{head}</th><th>meaning, unit, frame</th>{'<th>type and shape</th>'*typed}{'<th>default</th>'*filled}</tr>{body}</table>"

def code(text): return f"<code>{linked(esc(text))}</code>" if text else ""

def linked(text): return re.sub(r"\b[A-Z]\w+", lambda m: f'<a href="{classes()[m[0]][0]}">{m[0]}</a>' if m[0] in classes() else m[0], text)

def inline(text): return re.sub(r"`([^`]+)`", r"<code>\1</code>", esc(text))

def kind(annotation):
    "A type as it is read; names in quotes lose them."
    return "" if annotation is None else annotation.value if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str) else ast.unparse(annotation)

def is_property(node): return any(ast.unparse(d) == "property" or "as_prop=True" in ast.unparse(d) for d in node.decorator_list)

def function_entry(node, name, notes):
    "A function, method or property: signature, sentence, parameters, result."
    rows = list(parameters(node, notes))
    signature = name if is_property(node) else f"{name}({', '.join(n + ('=' + d if d else '') for n, _, d, _ in rows)})"
    end = next((i for i in range(node.body[0].lineno - 1, node.lineno - 1, -1) if i in notes and i not in {p.end_lineno for p in ast.walk(node.args) if hasattr(p, "end_lineno")}), None)
    result = f"<p class=result>returns {code(kind(node.returns))} {inline(notes[end]) if end else ''}</p>" if node.returns else ""
    label = "<span class=kind>property</span>" if is_property(node) else ""
    return f"<div class=signature>{label}{highlight(signature, PythonLexer(), HtmlFormatter())}</div>{sentences(node)}" + table(rows, "parameter") + result

def sentences(node):
    "The docstring; its paragraphs and lists stay."
    return markdown(text) if "\n" in (text := ast.get_docstring(node) or "") else f"<p>{inline(text)}</p>" if text else ""

def class_entry(node, name, notes):
    "A class: sentence, fields, methods that have something to say."
    fields = [(n.target.id, ast.unparse(n.annotation), made_by(ast.unparse(n.value)) if n.value else "", meaning(n.target.id, notes.get(n.end_lineno, ""), ast.unparse(n.annotation))) for n in node.body if isinstance(n, ast.AnnAssign)]
    bases = f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""
    text = f"<div class=signature>{highlight(f'class {name}{bases}', PythonLexer(), HtmlFormatter())}</div>{sentences(node)}" + table(fields, "field")
    # the hooks of callbacks are explained once, at `Callback`
    hooks = any(ast.unparse(b) == "Callback" for b in node.bases)
    shown = [n for n in node.body if isinstance(n, ast.FunctionDef) and (n.name in ("__init__", "__call__", "forward") or not n.name.startswith("_")) and (ast.get_docstring(n) or list(parameters(n, notes)))
             and not (hooks and n.name != "__init__" and not ast.get_docstring(n))]
    return text + "".join(f"<div class=method>{function_entry(n, name if n.name == '__init__' else f'{name}.{n.name}', notes)}</div>" for n in shown)

def module_file(module):
    "The file of a module of the package, such as `field.model`."
    return ROOT/"nerflame"/f"{module.replace('.', '/')}.py"

def api_page(module, notebook):
    "The page of a module."
    source = module_file(module).read_text(encoding="utf-8")
    tree, notes, parts, names, entries = ast.parse(source), comments(source), [], [], []
    for name, node in exported(tree):
        names.append(name)
        entries.append((name, (ast.get_docstring(node) or "").partition("\n")[0] if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else ""))
        if isinstance(node, ast.FunctionDef): entry = function_entry(node, name, notes)
        elif isinstance(node, ast.ClassDef): entry = class_entry(node, name, notes)
        else: entry = highlight(ast.get_source_segment(source, node), PythonLexer(), HtmlFormatter())
        parts.append(f'<section id="{esc(name)}"><h2><a href="#{esc(name)}">{esc(name)}</a></h2>{entry}</section>')
    listing = " ".join(f'<a href="#{esc(n)}"><code>{esc(n)}</code></a>' for n in names)
    head = f'<h1>nerflame.{module}</h1><blockquote><p>{inline(notebook.sentence)}</p></blockquote><p>Explained, shown and tested in <a href="{notebook.file}">{esc(notebook.title)}</a>.</p><p class=listing>{listing}</p>'
    return Page(f"api_{module}.html", f"nerflame.{module}", notebook.sentence, head + "".join(parts), source=module_file(module).relative_to(ROOT).as_posix(), entries=entries)

# ---- other pages ----
def api_index(pages):
    "All modules and all names."
    rows = "".join(f'<tr><td><a href="{p.file}"><code>{p.title}</code></a></td><td>{inline(p.sentence)}</td><td>{len(p.entries)}</td></tr>' for p in pages)
    return Page("api.html", "API", "", f"<h1>API</h1><p>Shapes are in the types; metres and y up in the frame of a head, units of 1/8 m and z up in a scene (<a href=\"07_cameras.html\">Cameras</a>).</p><table><tr><th>module</th><th>what it is for</th><th>names</th></tr>{rows}</table>")

SCAN = '"Infinite, 3D Head Scan by Lee Perry-Smith is licensed under a <a href="https://creativecommons.org/licenses/by/3.0/">Creative Commons Attribution 3.0 Unported License</a>. Based on a work at www.triplegangers.com." The shoulders were cut off, the head was scaled and moved, and it was rendered.'
ACTOR = 'The synthetic actor: <a href="https://arxiv.org/abs/2004.03458">ICT-FaceKit</a>, MIT licence, © 2020 USC Institute for Creative Technologies.'
SUBJECTS = dict(lps="head scan", actor_neutral="synthetic actor, one neutral face", actor="synthetic actor, 30 moments", builtin="built-in person")

@dataclass
class Sheet:
    "A sheet of pictures that a benchmark has drawn."
    name: str        # the row of the table
    what: str        # that row in words
    value: float     # PSNR, dB
    details: str
    picture: str     # the file

def sheets():
    "The sheets of the quality benchmarks, as the rows of their table name them."
    sections = json.loads((ROOT/"bench"/"results"/"bench.json").read_text(encoding="utf-8"))
    for r in sections.get("quality", {}).get("rows", []):
        found = re.search(r"\bbench_(\w+)\.png", r["note"])
        if not found or r["value"] is None: continue
        name, _, measured = r["name"].partition(": ")
        subject, size, minutes = re.fullmatch(r"(\w+?)_(\d+)_(\d+)min", name).groups()
        words = SUBJECTS.get(subject.removesuffix("_fit"), subject) + (", parameters found" if subject.endswith("_fit") else "")
        yield Sheet(r["name"], f"{words[0].upper()}{words[1:]}, {size} x {size} pixels, {minutes} minutes, {measured.removeprefix('PSNR on ')} views", r["value"], r["note"].replace(found[0], "").replace("; ;", ";"), found[0])

# hand-picked: sheets of benchmarks and pictures of pages, with what is to be seen
FACES = {"images/bench_lps_400_15min.png": "A head scan at 400 x 400 pixels, 15 minutes of training: rendered, the truth, and the difference", "images/bench_actor_200_10min_test.png": "A synthetic actor in moments that training has not seen: rendered, the truth, and the difference",
         "images/glb_threejs.jpg": "The exported face (glTF) in three.js beside the field"}

def figure(name, link, text, kind=""): return f'<figure{kind}><a href="{link}"><img loading=lazy src="{name}" alt="{esc(text)}"></a><figcaption>{esc(text.replace("`", ""))}</figcaption></figure>'

def gallery(pages, out):
    "All pictures, each with the page that made it: first faces, of the front page, of benchmarks and of tutorials, then the figures as the notebooks go."
    faces, figures, seen = [], [], set()
    def add(to, name, link, text):
        if name not in seen:
            with Image.open(out/name) as image: broad = to is faces and image.width > 2.2*image.height
            to.append(figure(name, link, text, " class=broad" if broad else ""))
        seen.add(name)
    rank = lambda page: 0 if page.file == "index.html" else 1 if TUTORIAL.match(page.file) else 2
    for page in sorted(pages, key=rank):
        for tag in re.findall(r"<img[^>]*images/[^>]*>", page.body):
            name, text = (re.search(pattern, tag) for pattern in (r'src="(images/[^"]+)"', r'alt="([^"]*)"'))
            if not name[1].startswith(("images/docs_", "images/colab")): add(faces if rank(page) == 0 else figures, name[1], page.file, FACES.get(name[1]) or (html.unescape(text[1]) if text else page.title))
        if rank(page) == 0:
            for name, text in FACES.items(): add(faces, name, "benchmarks.html#" + Path(name).stem if "bench_" in name else "83_use.gltf.html", text)
        for name, heading in page.pictures: add(faces if rank(page) == 1 and name.endswith(".jpg") else figures, name, f"{page.file}#{Path(name).stem}", f"{page.title}: {heading}")
    return Page("gallery.html", "Gallery", "Faces first, then every figure of the notebooks.", f'<h1>Gallery</h1><blockquote><p>Faces first, then every figure of the notebooks. A click leads to where it was made.</p></blockquote>'
                f'<h2 id="faces">Faces</h2><div class="gallery faces">{"".join(faces)}</div><p class=credit>The head scan: {SCAN}<br>{ACTOR}</p>'
                f'<h2 id="figures-of-the-notebooks">Figures of the notebooks</h2><div class=gallery>{"".join(figures)}</div>')

def benchmarks(out):
    "The tables that the benchmarks wrote, and their pictures under the names of their rows."
    read = lambda name: (ROOT/"bench"/"results"/f"{name}.md").read_text(encoding="utf-8")
    for picture in (ROOT/"bench"/"results").glob("*.png"): shutil.copy(picture, out/"images"/picture.name)
    body = markdown(read("bench"))
    # when, where and with what: small, below the heading of each section
    body = re.sub(r"<p>(Section <code>.*?)</p>", r"<p class=credit>\1</p>", body, flags=re.S)
    shown = list(sheets())
    for s in shown: body = body.replace(f"{s.picture}", f'<a href="#{Path(s.picture).stem}">sheet</a>')
    figures = "".join(f'<figure class=sheet id="{Path(s.picture).stem}"><h3>{esc(s.what)}: {s.value:.2f} dB</h3><img loading=lazy src="images/{s.picture}" alt="rendered, rendered truth, difference"><figcaption><code>{esc(s.name)}</code>; {esc(s.details.strip("; "))}</figcaption></figure>' for s in shown)
    pictures = (f'<h2 id="pictures">Pictures of the quality rows</h2><p>Some views of each: what was rendered; the truth, which for these three subjects is a rendered picture, too, even where a sheet says "photograph"; and the absolute difference, '
                f'black for none, yellow for 0.2 and more. Numbers are the PSNR of the view.</p>{figures}<p class=credit>The head scan: {SCAN}<br>{ACTOR}</p>')
    at = [m.start() for m in re.finditer(r"<h2", body)]
    presets = (f'<h2 id="presets">The presets for the same time</h2>{markdown(read("presets"))}<figure class=sheet><img loading=lazy src="images/presets.png" alt="PSNR on val against minutes"></figure>'
               f'<figure class=sheet><img loading=lazy src="images/presets_picture.png" alt="a view of each preset and the rendered truth"><figcaption>One view after eight minutes of each; what the sheet calls photograph is the rendered truth.</figcaption></figure>')
    steps = (f'<h2 id="single-steps">One training step of each method, single runs</h2><p>Run once, with another build of torch (the CUDA build, on the CPU), so that PyTorch3D imports; PyTorch3D is its CPU path here, and on CUDA nothing was measured. '
             f'Speed-ups of the whole of <a href="#{anchor_of(body, "training step")}">the section on steps</a>, which ran in turn and several times, are the ones to quote.</p>{markdown(read("paper_step"))}')
    return Page("benchmarks.html", "Benchmarks", "Quality, speed and memory as `make bench` measured them, each with its machine, versions and spread.", body[:at[1]] + pictures + body[at[1]:] + presets + steps, source="bench/README.md")

def anchor_of(body, words):
    "The anchor of the heading of second rank that has these words in it."
    return next(i for i, text in chapters(body) if words in text.lower())

def citation():
    "How to cite, from CITATION.cff."
    rows = "".join(f'<tr><td>{esc(r.when)}</td><td>{esc(r.title)}</td><td><code>{r.key}</code></td></tr>' for r in references())
    return Page("citation.html", "Cite", "", f'<h1>Cite</h1><blockquote><p>Always the method, and the head model that you used.</p></blockquote><table><tr><th>when</th><th>what</th><th>key</th></tr>{rows}</table>'
                f"<h2 id=bibtex>BibTeX</h2><pre class=copy>{esc(bibtex())}</pre><p>The same in the <a href=\"https://citation-file-format.github.io\">Citation File Format</a>: <a href=\"{GIT}CITATION.cff\">CITATION.cff</a>.</p>", source="CITATION.cff")

# ---- the site ----
def navigation(notebooks, api, here):
    "The list of pages, with this one marked and its headings below it."
    inside = "".join(f'<li><a href="#{esc(i)}">{esc(t)}</a></li>' for i, t in chapters(here.body)) if not here.entries else ""
    link = lambda p, text=None: (f'<li class=here><a href="{p.file}" aria-current=page>{esc(text or p.title)}</a>{f"<ul>{inside}</ul>" if inside else ""}</li>' if p.file == here.file else f'<li><a href="{p.file}">{esc(text or p.title)}</a></li>')
    number = lambda p: int(re.match(r"\d+", p.file)[0]) if re.match(r"\d+", p.file) else -1
    groups = {"": [link(p, "Overview") for p in notebooks if p.file == "index.html"] + [link(Page(f, t, "", "")) for f, t in (("gallery.html", "Gallery"), ("benchmarks.html", "Benchmarks"), ("citation.html", "Cite"))],
              "Tutorials": [link(p) for p in notebooks if TUTORIAL.match(p.file)], "How it works": [link(p) for p in notebooks if number(p) >= 0 and not TUTORIAL.match(p.file)],
              "API": [link(Page("api.html", "All modules", "", ""))] + [link(p, p.title.removeprefix("nerflame.")) for p in api]}
    folded = f'<details{" open" if here.file.startswith("api") else ""}><summary>API</summary><ul>{"".join(groups.pop("API"))}</ul></details>'
    return "".join((f"<h2>{title}</h2>" if title else "") + f"<ul>{''.join(items)}</ul>" for title, items in groups.items() if items) + folded + f'<p><a href="{REPOSITORY}">Repository</a></p>'

def search_index(pages):
    "What the search looks through: pages, their headings, what modules export; (what, where, sentence)."
    for p in pages:
        yield p.title, p.file, p.sentence.replace("`", "")
        if p.entries: yield from ((n, f"{p.file}#{n}", s.replace("`", "")) for n, s in p.entries)
        else: yield from ((t, f"{p.file}#{i}", p.title) for i, t in chapters(p.body))

def moved_link(m, known):
    "A link of a notebook on the site: to a page, to a file that was copied, or to the repository."
    target, _, anchor = html.unescape(m[2]).partition("#")
    if not target or "://" in target or target.startswith(("mailto:", "data:")): return m[0]
    path, anchor = os.path.normpath(target).replace(os.sep, "/"), f"#{anchor}" if anchor else ""
    if path.endswith(".ipynb") and "/" not in path: path = "index.html" if path == "index.ipynb" else path[:-6] + ".html"
    elif path == "../bench/results/bench.md": path = "benchmarks.html"
    elif path.startswith("../bench/results/") and path.endswith(".png"): path = "images/" + path.rsplit("/", 1)[1]
    elif path.startswith("../") and (ROOT/"nbs"/path).exists(): path = GIT + path[3:]
    return f'{m[1]}{esc(path + anchor)}"'

def write_page(page, navigate, out, before=None, after=None):
    "One file of the site."
    body = re.sub(r'((?:href|src)=")([^"]+)"', lambda m: moved_link(m, out), page.body)
    steps = "".join(f'<a class={rel} rel={rel} href="{p.file}">{esc(p.title)}</a>' for rel, p in (("prev", before), ("next", after)) if p)
    api = f'<p class=api><a href="api_{page.module}.html">API of <code>nerflame.{page.module}</code></a></p>' if page.module else ""
    source = f'<p class=source>{"Notebook" if page.source.endswith(".ipynb") else "Source"}: <a href="{GIT}{page.source}"><code>{page.source}</code></a></p>' if page.source else ""
    here = chapters(body) if not page.entries else []
    contents = f'<details class=contents><summary>On this page</summary><ul>{"".join(f"""<li><a href="#{esc(i)}">{esc(t)}</a></li>""" for i, t in here)}</ul></details>' if len(here) > 1 else ""
    body = re.sub(r"(</h1>(?:\s*<blockquote>.*?</blockquote>)?)", lambda m: m[1] + source + contents, body, count=1, flags=re.S)
    title = page.title if page.title == "nerflame" else f"{page.title} - nerflame"
    (out/page.file).write_text(f"""<!doctype html>
<html lang=en><head><meta charset=utf-8><meta name=viewport content="width=device-width, initial-scale=1"><title>{esc(title)}</title>
<meta name=description content="{esc(page.sentence)}"><link rel=stylesheet href=site.css><script src=site.js defer></script></head>
<body><input type=checkbox id=menu><label for=menu>Pages, search</label><nav><a class=name href="index.html">nerflame</a><input type=search id=search placeholder="Search" aria-label="Search titles, headings and names"><ul id=found hidden></ul><div id=pages>{navigate(page)}</div></nav>
<main>{hanging(stacking(body))}{api}<p class=steps>{steps}</p></main></body></html>
""", encoding="utf-8")

class Links(HTMLParser):
    "Collects the links and the anchors of a page."
    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(text)
    def handle_starttag(self, tag, attrs):
        for key, value in attrs:
            if key in ("href", "src") and value: self.links.append((tag, value))
            if key in ("id", "name") and value: self.anchors.add(value)

def problems(out, api):
    "What is wrong with the site: links to nowhere, requests to other places, formulas that browsers show wrongly, names without an entry."
    texts = {p.name: p.read_text(encoding="utf-8") for p in sorted(out.glob("*.html"))}
    read = {name: Links(text) for name, text in texts.items()}
    for name, text in texts.items():
        yield from (f"{name}: formula {html.unescape(re.sub('<[^>]+>', '', formula))[:60]}: {fault}" for formula in re.findall(r"<math.*?</math>", text, re.S) for fault in math_faults(formula))
    for name, page in read.items():
        for tag, link in page.links:
            if "://" in link or link.startswith(("mailto:", "data:")):
                if tag != "a" and not link.startswith("data:"): yield f"{name}: loads {link[:80]}"
                continue
            file, _, anchor = unquote(link).partition("#")
            if not (out/(file or name)).is_file(): yield f"{name}: no file for {link}"
            elif anchor and anchor not in read[file or name].anchors: yield f"{name}: no anchor for {link}"
    if bibtex() not in (ROOT/"README.md").read_text(encoding="utf-8"): yield "README.md: its BibTeX is not what CITATION.cff gives (`.venv/bin/python tools/citation.py` prints it, for nbs/index.ipynb)"
    empty = sum(p.read_text(encoding="utf-8").count(NO_MEANING) for p in out.glob("api_*.html"))
    if empty > MOST_EMPTY: yield f"API: {empty} parameters and fields have no meaning, there were {MOST_EMPTY}: write it into the comment beside each new one"
    if empty < MOST_EMPTY: yield f"API: only {empty} parameters and fields have no meaning: let MOST_EMPTY in tools/docs.py say so"
    for module in api:
        listed = next((ast.literal_eval(n.value) for n in ast.parse(module_file(module).read_text(encoding="utf-8")).body if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "__all__"), [])
        yield from (f"api_{module}.html: no entry for {name}" for name in listed if name not in read[f"api_{module}.html"].anchors)

def docs(out):
    "Write the site and return what is wrong with it."
    if out.exists(): shutil.rmtree(out)
    shutil.copytree(ROOT/"nbs"/"images", out/"images")
    notebooks = [notebook_page(p, out) for p in sorted((ROOT/"nbs").glob("[!_]*.ipynb"))]
    api = [api_page(p.module, p) for p in notebooks if p.module]
    measured = benchmarks(out)   # copies pictures that the gallery shows
    extra = [gallery(notebooks, out), measured, citation(), api_index(api)]
    for page in notebooks: page.body = named_pages(page.body, notebooks)
    navigate = lambda here: navigation(notebooks, api, here)
    order = sorted(notebooks, key=lambda p: (p.file != "index.html", not p.file.startswith("3"), p.file))
    for i, page in enumerate(order): write_page(page, navigate, out, order[i - 1] if i else None, order[i + 1] if i + 1 < len(order) else None)
    for page in api + extra: write_page(page, navigate, out)
    (out/"site.css").write_text((ROOT/"tools"/"site.css").read_text(encoding="utf-8") + HtmlFormatter(style="default").get_style_defs(".highlight"), encoding="utf-8")
    shutil.copy(ROOT/"tools"/"site.js", out)
    (out/"search.js").write_text(f"window.INDEX = {json.dumps(list(search_index(order + extra + api)), ensure_ascii=False)}\n", encoding="utf-8")
    (out/".nojekyll").touch()   # GitHub serves the files as they are
    return list(problems(out, [p.module for p in notebooks if p.module])), len(list(out.glob("*.html")))

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT/"_docs"
    wrong, pages = docs(folder)
    print("\n".join(wrong) or f"{folder.name}: {pages} pages; all links lead somewhere, every exported name has an entry")
    sys.exit(bool(wrong))
