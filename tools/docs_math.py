"""An extension of Sphinx for formulas: the site has KaTeX with its fonts, so that browsers need no network."""
import base64, hashlib, io, os, re, sys, tarfile, urllib.request
from html import escape
from pathlib import Path
from docutils import nodes

KATEX = "katex-0.19.1"
SHA512 = "jG8uKntjSEcm2EpQOh0XturpPuuC9r3Sq5HLHdsFdWZT27E672SF19QEi+of0/YeOy15lDgRhKvr5614uRrEfA=="
FILES = re.compile(r"package/(?:dist/)?(LICENSE|katex\.min\.css|katex\.min\.js|fonts/.*\.woff2)")
RENDER = """addEventListener("DOMContentLoaded", () => document.querySelectorAll(".math").forEach(place =>
  katex.render(place.textContent, place, {displayMode: place.tagName === "DIV", throwOnError: false})))"""

def archive():
    "Return the archive of KaTeX from the npm registry, which is kept in the environment. Exits if it is another one."
    kept = Path(sys.prefix)/f"{KATEX}.tgz"
    if not kept.is_file():
        registry = os.environ.get("npm_config_registry", "https://registry.npmjs.org").rstrip("/")
        with urllib.request.urlopen(f"{registry}/katex/-/{KATEX}.tgz", timeout=60) as answer: data = answer.read()
        kept.write_bytes(data)
    data = kept.read_bytes()
    if base64.b64encode(hashlib.sha512(data).digest()).decode() == SHA512: return data
    kept.unlink()
    raise SystemExit(f"docs: {KATEX}.tgz: its sha512 is not the one in tools/docs_math.py")

def write_katex(app, problem):
    "Write the files that browsers load."
    with tarfile.open(fileobj=io.BytesIO(archive())) as files:
        for member in files.getmembers():
            name = FILES.fullmatch(member.name)
            if not name: continue
            path = Path(app.outdir)/"_static"/"katex"/name[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files.extractfile(member).read())

def visit(tag):
    "Return what writes a formula as TeX, for KaTeX to find."
    def write(translator, node):
        translator.body.append(f'<{tag} class="math">{escape(node.astext())}</{tag}>')
        raise nodes.SkipNode
    return write

def load_katex(app, page, template, context, doctree):
    "Let pages with formulas load KaTeX."
    def is_formula(node): return isinstance(node, (nodes.math, nodes.math_block))
    if doctree is None or not any(map(is_formula, doctree.findall())): return
    app.add_css_file("katex/katex.min.css")
    app.add_js_file("katex/katex.min.js", loading_method="defer")
    app.add_js_file(None, body=RENDER)

def setup(app):
    "Connect to Sphinx."
    app.add_html_math_renderer("katex", (visit("span"), None), (visit("div"), None))
    app.connect("html-page-context", load_katex)
    app.connect("build-finished", write_katex)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
