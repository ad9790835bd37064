"""Make the pages of the documentation site that are no notebooks: commands, API, benchmarks, gallery, Cite."""
import argparse, ast, base64, functools, inspect, io, json, re
from dataclasses import dataclass
from pathlib import Path
from PIL import Image
import nerflame
from nerflame.command import parser_of
from citation import bibtex, references
from docs_api import modules
from docs_notebooks import anchor, pictures, relinked
from notebooks import ROOT, is_tutorial

def read(path): return (ROOT/path).read_text(encoding="utf-8")

def table(heads, rows):
    "Return a table in Markdown."
    lines = [heads, ["---"]*len(heads), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines) + "\n"

def with_options(text): return re.sub(r"(?<![\w`-])(--[a-z][\w-]*)", r"`\1`", text)

def literal(text):
    "Return a text for Markdown, with its options as code and without other markup."
    return with_options(re.sub(r"([\\*<>|$\[\]])", r"\\\1", text))

# ---- commands ----
def option_row(option):
    "Return the cells of an option: its names with the value, and what it does."
    settings = option["settings"]
    choices = "{" + ",".join(settings["choices"]) + "}" if "choices" in settings else ""
    value = settings.get("metavar") or choices
    if not option["names"][0].startswith("-"): names = [value or option["names"][0]]
    else: names = [f"{name} {value}".strip() for name in option["names"]]
    shown = "<br>".join(f"`{name}`".replace("|", r"\|") for name in names)
    needed = " (required)" if settings.get("required") else ""
    return [shown, literal(settings.get("help", "").replace("%%", "%")) + needed]

def command(name, form):
    "Return the section of a command."
    parser = parser_of(f"nerflame {name}", form)
    parser.formatter_class = functools.partial(argparse.HelpFormatter, width=88)
    usage = parser.format_usage().removeprefix("usage: ").strip().replace("\n       ", "\n")
    parts = [f"## nerflame {name}\n", literal(form["description"]) + "\n", f"```text\n{usage}\n```\n"]
    for heading in dict.fromkeys(option["heading"] for option in form["options"]):
        rows = [option_row(option) for option in form["options"] if option["heading"] == heading]
        if heading: parts.append(f"{heading[:1].upper()}{heading[1:]}:\n")
        parts.append("{.options}\n" + table(["option", "meaning"], rows))
    if form["epilog"]: parts.append(f"Example:\n\n```sh\n{form['epilog'].removeprefix('example: ')}\n```\n")
    return "\n".join(parts)

def commands():
    "Return the page of all commands, from the forms of their parsers."
    forms = json.loads(read("nerflame/forms.json"))
    rows = [[f"[`nerflame {name}`](#nerflame-{name})", literal(form["description"].split(". ")[0].rstrip("."))]
        for name, form in forms.items()]
    head = "# Commands\n\n> Every command with its options, from the parsers that read them.\n"
    listing = "{.options}\n" + table(["command", "purpose"], rows)
    return "\n".join([head, listing, *(command(*item) for item in forms.items())])

# ---- API ----
FRAMES = (
    "You find shapes in the types. The frame of a head is in metres with y up, that of a scene in units of 1/8 m with "
    "z up (:doc:`Cameras <070_cameras>`).")
# the modules of `nerflame/__init__.py` in the order in which a user needs them
TASKS = {
    "Scenes": "use.scene scenes.reading scenes.scene scenes.capture cameras",
    "Heads": "heads.head heads.flame",
    "Training": "use.train training.train training.settings training.run published.methods field.model",
    "Look and measure": "widget.preview evaluation.states evaluation.render evaluation.scores evaluation.runs",
    "Drive": "use.motion use.drive",
    "Export": "use.export",
    "The whole chain, and errors": "use.demo core",
    "The published code": "use.published"}

def titled(text, line="="): return f"{text}\n{line*len(text)}\n"

def code_names(text): return re.sub(r"`([^`]+)`", r"``\1``", text)

def names_of(module):
    "Return the names of a module that users need, functions first."
    return sorted(nerflame._NAMES.get(module, "").split(), key=lambda name: inspect.isclass(getattr(nerflame, name)))

def needed(name, module):
    "Return the entry of a name that users need; methods stand at its module."
    if not inspect.isclass(getattr(nerflame, name)): return f".. autofunction:: nerflame.{name}\n"
    methods = any(not key.startswith("_") and callable(value) for key, value in vars(getattr(nerflame, name)).items())
    more = f"\n   Its methods: :py:class:`nerflame.{module}.{name}`\n" if methods else ""
    return f".. autoclass:: nerflame.{name}\n   :no-members:\n{more}"

def needed_names():
    "Return the page of the names that users need, by task."
    left = {m for m in nerflame._NAMES} - set(" ".join(TASKS.values()).split())
    tasks = TASKS | ({"More": " ".join(sorted(left))} if left else {})
    parts = [titled("The names you need"), f"``from nerflame import`` these {len(nerflame._PLACES)}. {FRAMES} "
        "Everything else is in :doc:`all modules <api>`.\n", ".. py:module:: nerflame\n"]
    for task, places in tasks.items():
        parts.append(titled(task, "-"))
        parts += [needed(name, module) for module in places.split() for name in names_of(module)]
    return "\n".join(parts)

def segments(source):
    "Return the source of each assignment of a module, with the comment at its end, by the names that it assigns."
    found, lines = {}, source.splitlines()
    for node in ast.parse(source).body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        for target in ast.walk(ast.Tuple([t for t in targets if t is not None])):
            if isinstance(target, ast.Name): found[target.id] = lines[node.lineno - 1:node.end_lineno]
    return found

def entry(module, name, sources):
    "Return the entry of an exported name: a class, a function, or the source of a constant."
    found = inspect.unwrap(getattr(module, name))
    if inspect.isclass(found):
        return f".. autoclass:: {name}\n" + "   :special-members: __call__\n"*("__call__" in vars(found))
    if inspect.isfunction(found): return f".. autofunction:: {name}\n"
    shown = "\n".join(f"      {line}" for line in sources.get(name, []))
    code = f"\n   .. code-block:: python\n\n{shown}\n" if shown else ""
    return f".. py:data:: {name}\n{code}"

def module_page(name, module, page):
    "Return the page of a module."
    sources = segments(Path(module.__file__).read_text(encoding="utf-8"))
    head = f"{code_names(page.sentence)} Explained, shown and tested in :doc:`{page.title} <{page.name}>`.\n"
    listing = " ".join(f":py:obj:`{one} <{name}.{one}>`" for one in module.__all__)
    parts = [titled(name), head, f".. py:module:: {name}\n", listing + "\n"]
    return "\n".join(parts + [entry(module, one, sources) for one in module.__all__])

def api(pages):
    "Return the pages of all modules and the list of them, by file."
    notebooks, found = {p.module: p for p in pages}, modules()
    rows, entries, files = [], [], {}
    for name, module in found.items():
        if name not in notebooks: continue
        file = f"api_{name.removeprefix('nerflame.')}"
        files[f"{file}.rst"] = module_page(name, module, notebooks[name])
        short = name.removeprefix("nerflame.")
        entries.append(f"   {short} <{file}>")
        rows.append(f"   * - :doc:`{short} <{file}>`\n     - {code_names(notebooks[name].sentence)}")
    listing = ".. list-table::\n   :widths: auto\n\n" + "\n".join(rows) + "\n"
    tree = ".. toctree::\n   :hidden:\n   :titlesonly:\n\n" + "\n".join(entries)
    files["api.rst"] = "\n".join([titled("All modules"), FRAMES + "\n", listing, tree])
    return files

# ---- benchmarks ----
SCAN = (
    '"Infinite, 3D Head Scan by Lee Perry-Smith is licensed under a '
    '[Creative Commons Attribution 3.0 Unported License](https://creativecommons.org/licenses/by/3.0/). '
    'Based on a work at www.triplegangers.com." We cut off the shoulders, scaled and moved the head, and rendered it.')
ACTOR = (
    'The synthetic actor: [ICT-FaceKit](https://arxiv.org/abs/2004.03458), MIT licence, '
    "© 2020 USC Institute for Creative Technologies.")
CREDIT = f"{{.credit}}\nThe head scan: {SCAN} {ACTOR}\n"
SUBJECTS = dict(lps="head scan", actor_neutral="synthetic actor, one neutral face",
    actor="synthetic actor, 30 timesteps", builtin="built-in person")
VIEWS = (
    "We show some views of each: the render, the truth, which for these three subjects is a rendered picture too, even "
    'if a sheet says "photograph", and the absolute difference, black for none, yellow for 0.2 and more. Numbers are '
    "the PSNR of the view.")
ONE_VIEW = "One view after eight minutes of each; what the sheet calls photograph is the rendered truth."
STEPS = (
    "We ran these once, with another build of torch (the CUDA build, on the CPU), because PyTorch3D needs it. "
    "PyTorch3D uses its CPU path here, and we did not measure on CUDA. Speed-ups of the whole of "
    "[the section on steps](#A-training-step-of-the-published-method), which ran in turn and several times, are the "
    "ones to quote.")

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
    for r in json.loads(read("bench/results/bench.json")).get("quality", {}).get("rows", []):
        found = re.search(r"\bbench_(\w+)\.png", r["note"])
        if not found or r["value"] is None: continue
        name, _, measured = r["name"].partition(": ")
        subject, size, minutes = re.fullmatch(r"(\w+?)_(\d+)_(\d+)min", name).groups()
        words = SUBJECTS.get(subject.removesuffix("_fit"), subject)
        if subject.endswith("_fit"): words += ", parameters found"
        words += f", {size} x {size} pixels, {minutes} minutes, {measured.removeprefix('PSNR on ')} views"
        details = r["note"].replace(found[0], "").replace("; ;", ";").strip("; ")
        yield Sheet(r["name"], words[0].upper() + words[1:], r["value"], details, found[0])

def sheet_section(s):
    "Return a sheet below a heading."
    head = f"({Path(s.picture).stem})=\n### {s.what}: {s.value:.2f} dB\n"
    image = f"![rendered, rendered truth, difference](images/{s.picture})\n"
    return f"{head}\n{image}\n{{.credit}}\n`{s.name}`; {with_options(s.details)}\n"

def benchmarks():
    "Return the page of benchmarks: their tables, and their pictures under the names of their rows."
    body, shown = with_options(read("bench/results/bench.md")), list(sheets())
    # date, machine and versions, small, below the heading of each section
    body = re.sub(r"^(?=Section `)", "{.credit}\n", body, flags=re.M)
    for s in shown: body = body.replace(s.picture, f"[sheet](#{Path(s.picture).stem})")
    first, second, *rest = re.split(r"^(?=## )", body, flags=re.M)
    views = "\n".join(["## Pictures of the quality rows\n", VIEWS + "\n", *map(sheet_section, shown), CREDIT])
    presets = "\n".join(["## The presets for the same time\n", read("bench/results/presets.md"),
        "![PSNR on val against minutes](images/presets.png)\n",
        f"![a view of each preset and the rendered truth](images/presets_picture.png)\n\n{{.credit}}\n{ONE_VIEW}\n"])
    steps = "\n".join(["## One training step of each method, single runs\n", STEPS + "\n",
        read("bench/results/paper_step.md")])
    more = "\nReasons for the speed, and ideas that we dropped: [How we measure](measuring.md).\n\n"
    return "\n".join([first + more + second, views, *rest, presets, steps])

def measuring(git):
    "Return the page about the benchmarks."
    text = read("bench/README.md").replace("# Benchmarks", "# How we measure", 1)
    return relinked(text.replace("](results/long.png)", "](images/long.png)"), git, "bench")

# ---- gallery ----
# hand-picked sheets of benchmarks and pictures of pages, with captions and places
FACES = {
    "bench_lps_400_15min.png": ("benchmarks.md#bench_lps_400_15min",
        "A head scan at 400 x 400 pixels, 15 minutes of training: rendered, the truth, and the difference"),
    "bench_actor_200_10min_test.png": ("benchmarks.md#bench_actor_200_10min_test",
        "A synthetic actor in timesteps that training has not seen: rendered, the truth, and the difference"),
    "glb_threejs.jpg": ("830_use.gltf.ipynb", "The exported face (glTF) in three.js beside the field")}

def tile(file, link, text):
    "Return a picture of the gallery, with a link to its place."
    text = text.replace("`", "").replace("[", "(").replace("]", ")")
    return f":::{{container}} tile\n[![{text}]({file})]({link})\n\n{text}\n:::\n"

def small(data, suffix, path, longest=720):
    "Write a picture for the gallery; films stay as they are."
    if suffix == "gif": return path.write_bytes(data)
    with Image.open(io.BytesIO(data)) as image:
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        image.save(path)

def output_tiles(page, folder):
    "Yield the tiles of a notebook's outputs, and whether each is a face."
    for i, (data, suffix, heading) in enumerate(pictures(page)):
        path = folder/"gallery"/f"{page.name}_{i}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        small(base64.b64decode(data), suffix, path)
        link = f"{page.path.name}#{anchor(heading)}"
        yield tile(f"gallery/{path.name}", link, f"{page.title}: {heading}"), suffix == "jpg" and is_tutorial(page.name)

def gallery(pages, folder):
    "Return the gallery: faces of the front page, of benchmarks and of tutorials, then the figures of all notebooks."
    faces, figures, seen = [], [], set(FACES)
    for page in sorted(pages, key=lambda p: (p.name != "index", not is_tutorial(p.name), p.name)):
        text = "\n".join(c.source for c in page.nb.cells if c.cell_type == "markdown")
        for alt, name in re.findall(r"!\[([^\]]*)\]\(images/([^)]+)\)", text):
            if name in seen or name.startswith("colab"): continue
            seen.add(name)
            (faces if page.name == "index" else figures).append(tile(f"images/{name}", page.path.name, alt))
        if page.name == "index": faces += [tile(f"images/{n}", link, words) for n, (link, words) in FACES.items()]
        for one, is_face in output_tiles(page, folder): (faces if is_face else figures).append(one)
    def wall(tiles): return "::::{container} gallery\n" + "\n".join(tiles) + "::::\n"
    head = "# Gallery\n\n> Faces first, then every figure of the notebooks. A click leads to where it was made.\n"
    return "\n".join([head, "## Faces\n", wall(faces), CREDIT, "## Figures of the notebooks\n", wall(figures)])

# ---- cite ----
def citation(git):
    "Return the page that explains how to cite, from CITATION.cff."
    rows = [[literal(r.when), literal(r.title), f"`{r.key}`"] for r in references()]
    more = f"[Citation File Format](https://citation-file-format.github.io): [CITATION.cff]({git}CITATION.cff)"
    return "\n".join(["# Cite\n", "> Please cite the method, and the head model that you used.\n",
        table(["when", "what", "key"], rows), "## BibTeX\n", f"```bibtex\n{bibtex()}\n```\n",
        f"You can also use the {more}.\n"])
