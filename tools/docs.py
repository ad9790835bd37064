"""Write the documentation site into _docs/ (or the folder given) with Sphinx, MyST-NB and Furo.

We write the sources into a temporary folder: the notebooks as a reader sees them, and pages that are made from code
and measurements. Nothing runs, and the site loads nothing from other hosts. The script fails for warnings of Sphinx
(dead links, parameters without a meaning) and for exported names that are missing."""
import fnmatch, re, shutil, sys, tempfile
from pathlib import Path
import nbformat
from sphinx.cmd.build import main as sphinx
from sphinx.util.inventory import InventoryFile
from docs_api import modules
from docs_notebooks import prepare, read_pages, relinked
from docs_pages import api, benchmarks, citation, commands, gallery, measuring, needed_names, read, table
from notebooks import ROOT

SITE = ROOT/"tools"/"site"
# the parts of the site in the order in which one reads them: title, what it is about, its notebooks
PARTS = [
    ("The field", "From a mesh to a picture: distances, density, the shell, the map that moves it, and networks.",
        "060_* 300_* 320_* 340_* 360_* 370_* 310_* 330_* 350_* 380_* 390_*"),
    ("Training", "From a scene to a trained face, in stages.", "5??_*"),
    ("Heads", "Meshes that parameters move.", "1??_heads.*"),
    ("Scenes", "Photographs, masks and cameras, and a person of our own to photograph.", "2??_*"),
    ("Fitting", "The head model is found in the photographs.", "4??_fitting.*"),
    ("Photographs", "From a phone to a scene.", "???_photos.*"),
    ("Evaluation", "Pictures of a trained face, and how good they are.", "7??_evaluation.*"),
    ("Preview", "Sliders and a picture in a notebook.", "7??_widget.*"),
    ("Use", "Whole tasks in one call each: what the commands do.", "8??_*"),
    ("The published method", "NeRFlame as it was published, its files and its baseline.", "6??_published.*"),
    ("Plumbing", "What all modules share, the command line, and the rules of the project.", "*")]
TUTORIALS = "900_* 910_* 920_* 970_* 960_* 940_*"
REFERENCE = ["commands", "names", "api", "benchmarks", "measuring", "gallery", "citation", "changelog"]

# ---- sources ----
def tree(entries, caption=""):
    "Return a list of pages for the navigation."
    head = f":caption: {caption}\n" if caption else ""
    return f"```{{toctree}}\n:hidden:\n:titlesonly:\n{head}\n" + "\n".join(entries) + "\n```\n"

def matching(pages, patterns):
    "Return the pages whose names match one of the patterns, in the order of the patterns."
    return [p for pattern in patterns.split() for p in pages if fnmatch.fnmatch(p.name, pattern)]

def part_page(title, about, pages):
    "Return the page of a part: its notebooks with their sentences."
    rows = [[f"[{p.title}]({p.path.name})", p.sentence] for p in pages]
    return f"# {title}\n\n> {about}\n\n{table(['notebook', 'what it does'], rows)}\n{tree(p.name for p in pages)}"

def parts(pages):
    "Return the pages of the parts by file; each notebook is in the first that names it."
    taken, files = [*matching(pages, f"index 930_* 980_* results from_published {TUTORIALS}")], {}
    for title, about, patterns in PARTS:
        mine = [p for p in matching(pages, patterns) if p not in taken]
        taken += mine
        files[f"part_{title.lower().replace(' ', '_')}.md"] = part_page(title, about, mine)
    return files

def navigation(pages, files):
    "Return the navigation, which the front page holds."
    names = lambda patterns: [p.name for p in matching(pages, patterns)]
    inside = [*names("930_* from_published"), *(Path(file).stem for file in files)]
    return "\n".join([tree(["Overview <self>", *names(TUTORIALS)], "The idea"), tree(inside, "How it works"),
        tree([*names("results"), *REFERENCE, *names("980_*")], "Reference")])

def write_sources(folder, git):
    "Write all pages for Sphinx."
    shutil.copytree(ROOT/"nbs"/"images", folder/"images")
    for picture in (ROOT/"bench"/"results").glob("*.png"): shutil.copy(picture, folder/"images")
    pages = read_pages()
    for page in pages: prepare(page, pages, git)
    files = parts(pages)
    index = next(p for p in pages if p.name == "index")
    index.nb.cells.append(nbformat.v4.new_markdown_cell(navigation(pages, files)))
    files |= api(pages) | {"names.rst": needed_names(), "commands.md": commands(), "benchmarks.md": benchmarks(),
        "measuring.md": measuring(git), "gallery.md": gallery(pages, folder), "citation.md": citation(git),
        "changelog.md": relinked(read("CHANGELOG.md"), git, ".")}
    for page in pages: nbformat.write(page.nb, folder/page.path.name)
    for name, text in files.items(): (folder/name).write_text(text, encoding="utf-8")

# ---- checks ----
LOADS = re.compile(r"""<(?:script|img|iframe|source|link)\b[^>]*(?:src|href)=["']?(?:https?:)?//[^>]*>""")

def problems(out):
    "Yield the faults of the site that Sphinx does not find."
    for path in sorted(out.rglob("*.html")):
        for found in LOADS.findall(path.read_text(encoding="utf-8")):
            if 'rel="canonical"' not in found: yield f"{path.name}: loads {found[:100]}"
    for path in sorted(out.rglob("*.css")):
        found = re.search(r"(@import|url\()\s*['\"]?(https?:)?//.*", path.read_text(encoding="utf-8"))
        if found: yield f"{path.name}: loads {found[0][:100]}"
    with open(out/"objects.inv", "rb") as file: inventory = InventoryFile.load(file, "", lambda base, end: end)
    listed = {name for kind, names in inventory.items() if kind.startswith("py:") for name in names}
    for name, module in modules().items():
        yield from (f"API: no entry for {name}.{one}" for one in module.__all__ if f"{name}.{one}" not in listed)

def docs(out):
    "Write the site, and return its faults and its number of pages."
    with tempfile.TemporaryDirectory() as name:
        source, built = Path(name)/"source", Path(name)/"build"/"html"
        source.mkdir()
        sys.path.insert(0, str(SITE))
        from conf import facts
        git = f"{facts['git_url']}/blob/{facts['branch']}/"
        write_sources(source, git)
        options = ["-q", "-W", "--keep-going", "-j", "2", "-d", f"{name}/doctrees", "-c", str(SITE)]
        code = sphinx([*options, str(source), str(built)])
        if out.exists(): shutil.rmtree(out)
        shutil.move(built, out)
    (out/".nojekyll").touch()   # GitHub serves the files as they are
    return ["Sphinx: warnings, see above"]*bool(code) + list(problems(out)), len(list(out.glob("*.html")))

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT/"_docs"
    wrong, count = docs(folder)
    print("\n".join(wrong) or f"{folder.name}: {count} pages; all links lead somewhere, every exported name is there")
    sys.exit(bool(wrong))
