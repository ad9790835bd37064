"Write the documentation site into _docs/ (or the folder given): a page a notebook, an API page a module, a gallery, the benchmarks, how to cite. Needs no Quarto, runs nothing, links to nothing outside that it needs."
import ast, html, io, os, re, shutil, sys, tokenize
from configparser import ConfigParser
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote
import nbformat, yaml
from latex2mathml.converter import convert as mathml
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from nbconvert.preprocessors import ExtractOutputPreprocessor
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from readme import ROOT, reveal

SETTINGS = ConfigParser(delimiters=["="])
SETTINGS.read(ROOT/"settings.ini", encoding="utf-8")
GIT = f"{SETTINGS['DEFAULT']['git_url']}/blob/{SETTINGS['DEFAULT']['branch']}/"
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

# ---- notebooks ----
MATH = re.compile(r"(```.*?```|`[^`\n]*`)|\$\$(.+?)\$\$|(?<![\\$\w])\$(?! )([^$\n]+?)(?<! )\$(?![\w$])", re.S)

def with_mathml(text):
    "Markdown whose formulas are MathML, which browsers show without a script; code stays as it is."
    def turn(m):
        if m[1]: return m[1]
        return mathml((m[2] or m[3]).strip(), display="block" if m[2] else "inline")
    return MATH.sub(turn, text)

def visible(nb):
    "The notebook as it is read: hidden cells and nbdev's directives are gone, exported code stays."
    cells = []
    for cell in nb.cells:
        words = reveal(cell, {"hide", "default_exp"})
        if words is None: continue
        if cell.cell_type == "markdown": cell.source = with_mathml(cell.source)
        else: cell.execution_count, cell.metadata["tags"] = None, ["exported"] if words & {"export", "exporti"} else []
        if cell.cell_type == "markdown" or cell.source or cell.outputs: cells.append(cell)
    nb.cells = cells
    return nb

def headings(nb):
    "The nearest heading above each cell."
    last = ""
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            for line in re.findall(r"^#+ (.+)$", cell.source, re.M): last = line
        yield last

def notebook_page(path, out):
    "A notebook as a page; pictures of its outputs become files."
    nb = nbformat.read(path, as_version=4)
    module = next((m[1] for c in nb.cells if c.cell_type == "code" and (m := re.search(r"^#\|\s*default_exp\s+(\w+)", c.source, re.M))), "")
    nb = visible(nb)
    lines = [l for l in nb.cells[0].source.splitlines() if l.strip()]
    near = list(headings(nb))
    extract = ExtractOutputPreprocessor(output_filename_template="files/" + path.stem + "_{cell_index}_{index}{extension}", extract_output_types={"image/png", "image/jpeg", "image/gif"})
    nb, resources = extract.preprocess(nb, {"outputs": {}, "unique_key": path.stem})
    for name, data in resources["outputs"].items():
        (out/name).parent.mkdir(exist_ok=True)
        (out/name).write_bytes(data)
    exporter = HTMLExporter(template_name="basic", embed_images=False)
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    body, _ = exporter.from_notebook_node(nb, {"outputs": {}})
    for name in resources["outputs"]: body = body.replace(f'src="{name}"', f'id="{Path(name).stem}" src="{name}"')   # for the gallery
    pictures = [(name, near[int(name.rsplit("_", 2)[1])]) for name in resources["outputs"]]
    file = "index.html" if path.stem == "index" else f"{path.stem}.html"
    return Page(file, lines[0].removeprefix("# "), lines[1].removeprefix("> ") if len(lines) > 1 else "", body, module, pictures)

def markdown_page(file, title, sentence, text): return Page(file, title, sentence, markdown2html_mistune(with_mathml(text)))

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
                if getattr(target, "id", "") in listed and target.id != "__all__": yield target.id, node

def parameters(node, notes):
    "Name, type, default and meaning of what a function takes."
    a = node.args
    plain = [*a.posonlyargs, *a.args]
    defaults = [None]*(len(plain) - len(a.defaults)) + list(a.defaults)
    rows = [(p, d, "") for p, d in zip(plain, defaults)] + ([(a.vararg, None, "*")] if a.vararg else []) + list(zip(a.kwonlyargs, a.kw_defaults, [""]*len(a.kwonlyargs)))
    for p, default, star in rows:
        if p.arg == "self": continue
        line = max(p.end_lineno, default.end_lineno if default is not None else 0)
        yield star + p.arg, ast.unparse(p.annotation) if p.annotation else "", ast.unparse(default) if default is not None else "", notes.get(line, "")

def table(rows, head):
    "A table of parameters, fields or attributes."
    if not rows: return ""
    body = "".join(f"<tr><td><code>{esc(n)}</code></td><td>{code(t)}</td><td>{code(d)}</td><td>{inline(c)}</td></tr>" for n, t, d, c in rows)
    return f"<div class=wide><table><tr><th>{head}</th><th>type and shape</th><th>default</th><th>meaning, unit, frame</th></tr>{body}</table></div>"

def code(text): return f"<code>{esc(text)}</code>" if text else ""

def inline(text): return re.sub(r"`([^`]+)`", r"<code>\1</code>", esc(text))

def function_entry(node, name, notes):
    "A function or method: signature, sentence, parameters, result."
    rows = list(parameters(node, notes))
    signature = f"{name}({', '.join(n + ('=' + d if d else '') for n, _, d, _ in rows)})"
    end = next((i for i in range(node.body[0].lineno - 1, node.lineno - 1, -1) if i in notes and i not in {p.end_lineno for p in ast.walk(node.args) if hasattr(p, "end_lineno")}), None)
    result = f"<p class=result>returns <code>{esc(ast.unparse(node.returns))}</code> {inline(notes[end]) if end else ''}</p>" if node.returns else ""
    return highlight(signature, PythonLexer(), HtmlFormatter()) + f"<p>{inline(ast.get_docstring(node) or '')}</p>" + table(rows, "parameter") + result

def class_entry(node, name, notes):
    "A class: sentence, fields, methods that have something to say."
    fields = [(n.target.id, ast.unparse(n.annotation), ast.unparse(n.value) if n.value else "", notes.get(n.end_lineno, "")) for n in node.body if isinstance(n, ast.AnnAssign)]
    bases = f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""
    text = highlight(f"class {name}{bases}", PythonLexer(), HtmlFormatter()) + f"<p>{inline(ast.get_docstring(node) or '')}</p>" + table(fields, "field")
    shown = [n for n in node.body if isinstance(n, ast.FunctionDef) and (n.name in ("__init__", "__call__", "forward") or not n.name.startswith("_")) and (ast.get_docstring(n) or list(parameters(n, notes)))]
    return text + "".join(f"<div class=method>{function_entry(n, name if n.name == '__init__' else f'{name}.{n.name}', notes)}</div>" for n in shown)

def api_page(module, notebook):
    "The page of a module."
    source = (ROOT/"nerflame"/f"{module}.py").read_text(encoding="utf-8")
    tree, notes, parts, names = ast.parse(source), comments(source), [], []
    for name, node in exported(tree):
        names.append(name)
        if isinstance(node, ast.FunctionDef): entry = function_entry(node, name, notes)
        elif isinstance(node, ast.ClassDef): entry = class_entry(node, name, notes)
        else: entry = highlight(ast.get_source_segment(source, node), PythonLexer(), HtmlFormatter())
        parts.append(f'<section id="{esc(name)}"><h2><a href="#{esc(name)}">{esc(name)}</a></h2>{entry}</section>')
    listing = " ".join(f'<a href="#{esc(n)}"><code>{esc(n)}</code></a>' for n in names)
    head = f'<h1>nerflame.{module}</h1><blockquote><p>{inline(notebook.sentence)}</p></blockquote><p>Explained, shown and tested in <a href="{notebook.file}">{esc(notebook.title)}</a>.</p><p class=listing>{listing}</p>'
    return Page(f"api_{module}.html", f"nerflame.{module}", notebook.sentence, head + "".join(parts))

# ---- other pages ----
def api_index(pages):
    "All modules and all names."
    rows = "".join(f'<tr><td><a href="{p.file}"><code>{p.title}</code></a></td><td>{inline(p.sentence)}</td><td>{p.body.count("<section id=")}</td></tr>' for p in pages)
    return Page("api.html", "API", "", f"<h1>API</h1><p>Shapes are in the types; metres and y up in the frame of a head, units of 1/8 m and z up in a scene (<a href=\"05_cameras.html\">Cameras</a>).</p><table><tr><th>module</th><th>what it is for</th><th>names</th></tr>{rows}</table>")

def gallery(pages):
    "All pictures, each with the notebook that made it: of the front page, the tutorials, then as the notebooks go."
    rank = lambda page: 0 if page.file == "index.html" else 1 if page.file.startswith("3") else 2
    shown, seen = [], set()
    for page in sorted(pages, key=rank):
        for tag in re.findall(r"<img[^>]*images/[^>]*>", page.body):
            name, text = (re.search(pattern, tag) for pattern in (r'src="(images/[^"]+)"', r'alt="([^"]*)"'))
            if name[1] not in seen: shown.append((name[1], page.file, html.unescape(text[1]) if text else page.title))
            seen.add(name[1])
        shown += [(name, f"{page.file}#{Path(name).stem}", f"{page.title}: {heading}") for name, heading in page.pictures]
    figures = "".join(f'<figure><a href="{link}"><img loading=lazy src="{name}" alt="{esc(text)}"></a><figcaption>{esc(text.replace("`", ""))}</figcaption></figure>' for name, link, text in shown)
    return Page("gallery.html", "Gallery", "", f"<h1>Gallery</h1><p>The pictures of all notebooks. A click leads to the cell that made it.</p><div class=gallery>{figures}</div>")

def benchmarks(out):
    "The tables that the benchmarks wrote, and their pictures."
    text = "\n\n".join((ROOT/"bench"/"results"/f"{name}.md").read_text(encoding="utf-8") for name in ("bench", "presets", "paper_step") if (ROOT/"bench"/"results"/f"{name}.md").is_file())
    for picture in sorted((ROOT/"bench"/"results").glob("*.png")):
        shutil.copy(picture, out/"images"/picture.name)
        text += f"\n\n![{picture.stem.replace('_', ' ')}](images/{picture.name})"
    return markdown_page("benchmarks.html", "Benchmarks", "", text)

def citation():
    "How to cite, from CITATION.cff."
    cff = yaml.safe_load((ROOT/"CITATION.cff").read_text(encoding="utf-8"))
    people = lambda authors: " and ".join(f"{a['family-names']}, {a['given-names']}" if "given-names" in a else f"{{{a['name']}}}" for a in authors)
    def entry(c, key):
        where = c.get("url") or c.get("repository-code") or (f"https://doi.org/{c['doi']}" if "doi" in c else "")
        lines = dict(title=f"{{{c['title']}}}", author=people(c["authors"]), year=c.get("year"), version=c.get("version"), journal=c.get("journal"), volume=c.get("volume"), url=where)
        return f"@{'article' if 'journal' in c else 'misc'}{{{key},\n" + "".join(f"  {k} = {{{v}}},\n" for k, v in lines.items() if v) + "}"
    keys = ["nerflame"] + [f"{r['authors'][0].get('family-names', 'ref').lower()}{r.get('year', '')}" for r in cff.get("references", [])]
    entries = "\n\n".join(entry(c, k) for c, k in zip([cff, *cff.get("references", [])], keys))
    return Page("citation.html", "Cite", "", f"<h1>Cite</h1><p>{esc(cff['message'])}</p><pre>{esc(entries)}</pre>")

# ---- the site ----
def navigation(notebooks, api, here):
    "The list of pages, with this one marked."
    link = lambda p, text=None: f'<li{" class=here" if p.file == here else ""}><a href="{p.file}">{esc(text or p.title)}</a></li>'
    number = lambda p: int(re.match(r"\d+", p.file)[0]) if re.match(r"\d+", p.file) else -1
    groups = {"": [link(p, "Overview") for p in notebooks if p.file == "index.html"] + [link(Page(f, t, "", "")) for f, t in (("gallery.html", "Gallery"), ("benchmarks.html", "Benchmarks"), ("citation.html", "Cite"))],
              "Tutorials": [link(p) for p in notebooks if 30 <= number(p) < 99], "How it works": [link(p) for p in notebooks if 0 <= number(p) < 30 or number(p) == 99],
              "API": [link(Page("api.html", "All modules", "", ""))] + [link(p, p.title.removeprefix("nerflame.")) for p in api]}
    return "".join((f"<h2>{title}</h2>" if title else "") + f"<ul>{''.join(items)}</ul>" for title, items in groups.items() if items)

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
    title = page.title if page.title == "nerflame" else f"{page.title} - nerflame"
    (out/page.file).write_text(f"""<!doctype html>
<html lang=en><head><meta charset=utf-8><meta name=viewport content="width=device-width, initial-scale=1"><title>{esc(title)}</title>
<meta name=description content="{esc(page.sentence)}"><link rel=stylesheet href=site.css></head>
<body><input type=checkbox id=menu><label for=menu>Pages</label><nav><a class=name href="index.html">nerflame</a>{navigate(page.file)}</nav>
<main>{body}{api}<p class=steps>{steps}</p></main></body></html>
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
    "What is wrong with the site: links to nowhere, requests to other places, names without an entry."
    read = {p.name: Links(p.read_text(encoding="utf-8")) for p in out.glob("*.html")}
    for name, page in read.items():
        for tag, link in page.links:
            if "://" in link or link.startswith(("mailto:", "data:")):
                if tag != "a" and not link.startswith("data:"): yield f"{name}: loads {link[:80]}"
                continue
            file, _, anchor = unquote(link).partition("#")
            if not (out/(file or name)).is_file(): yield f"{name}: no file for {link}"
            elif anchor and anchor not in read[file or name].anchors: yield f"{name}: no anchor for {link}"
    for module in api:
        listed = next((ast.literal_eval(n.value) for n in ast.parse((ROOT/"nerflame"/f"{module}.py").read_text(encoding="utf-8")).body if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "__all__"), [])
        yield from (f"api_{module}.html: no entry for {name}" for name in listed if name not in read[f"api_{module}.html"].anchors)

def docs(out):
    "Write the site and return what is wrong with it."
    if out.exists(): shutil.rmtree(out)
    shutil.copytree(ROOT/"nbs"/"images", out/"images")
    notebooks = [notebook_page(p, out) for p in sorted((ROOT/"nbs").glob("[!_]*.ipynb"))]
    api = [api_page(p.module, p) for p in notebooks if p.module]
    extra = [gallery(notebooks), benchmarks(out), citation(), api_index(api)]
    navigate = lambda here: navigation(notebooks, api, here)
    order = sorted(notebooks, key=lambda p: (p.file != "index.html", not p.file.startswith("3"), p.file))
    for i, page in enumerate(order): write_page(page, navigate, out, order[i - 1] if i else None, order[i + 1] if i + 1 < len(order) else None)
    for page in api + extra: write_page(page, navigate, out)
    (out/"site.css").write_text((ROOT/"tools"/"site.css").read_text(encoding="utf-8") + HtmlFormatter(style="default").get_style_defs(".highlight"), encoding="utf-8")
    (out/".nojekyll").touch()   # GitHub serves the files as they are
    return list(problems(out, [p.module for p in notebooks if p.module])), len(list(out.glob("*.html")))

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT/"_docs"
    wrong, pages = docs(folder)
    print("\n".join(wrong) or f"{folder.name}: {pages} pages; all links lead somewhere, every exported name has an entry")
    sys.exit(bool(wrong))
