"""An extension of Sphinx: what stands in comments behind parameters becomes their meaning in the API.

A parameter without a meaning is a warning, and `make docs` fails for warnings."""
import ast, importlib, inspect, io, pkgutil, re, tokenize
from dataclasses import is_dataclass
from sphinx.util import logging
import nerflame

# meanings of these names unless a comment gives another
COMMON = dict(
    generator="where random numbers come from; None: torch's own generator",
    device="where tensors are, such as `cpu` or `cuda`",
    dtype="of floating-point tensors, such as `torch.float32`",
    callbacks="list of `Callback`, told what happens",
    verts="vertices of the mesh",
    faces="corners of each triangle, as places among the vertices",
    bary="barycentric coordinates: weights of the three corners of a face",
    n_rays="number of rays",
    arguments="list of texts, as on the command line; None: those of the process",
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

def modules():
    "Import all modules, so that each class has the methods that other modules add to it, and return them by name."
    names = [m.name for m in pkgutil.walk_packages(nerflame.__path__, "nerflame.") if not m.ispkg]
    return {name: importlib.import_module(name) for name in names if not name.endswith("._modidx")}

def meaning(name, note, annotation):
    "Return the comment beside a parameter, else the general meaning of its name, or the first sentence of its class."
    if note or name in COMMON: return note or COMMON[name]
    annotation = getattr(annotation, "cls", annotation)   # the class behind a struct of Warp
    if not isinstance(annotation, type) or not annotation.__module__.startswith("nerflame."): return ""
    sentence = re.split(r"(?<=[.;:])\s", (annotation.__doc__ or "").strip())[0].rstrip(";:.")
    # a small first letter, except for abbreviations
    return sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() else sentence

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

def parameters(node):
    "Yield name and last line of each parameter of a function."
    a = node.args
    plain = [*a.posonlyargs, *a.args]
    defaults = [None]*(len(plain) - len(a.defaults)) + a.defaults + a.kw_defaults
    for p, default in zip([*plain, *a.kwonlyargs], defaults): yield p.arg, (default or p).end_lineno
    if a.vararg: yield a.vararg.arg, a.vararg.end_lineno

def meanings(obj):
    "Return what the comments say about each parameter of a function, or each field of a class, and about the result."
    source = "if True:\n" + inspect.getsource(obj)
    try: tree = ast.parse(source)
    except SyntaxError: source, tree = source[9:], ast.parse(source[9:])
    node, notes = tree.body[0].body[0] if tree.body[0].__class__ is ast.If else tree.body[0], comments(source)
    if isinstance(node, ast.ClassDef):
        own = [n for n in node.body if getattr(n, "name", "") == "__init__"]
        if not own:
            fields = [n for n in node.body if isinstance(n, ast.AnnAssign)] if is_dataclass(obj) else []
            return {n.target.id: notes.get(n.end_lineno, "") for n in fields}
        node = own[0]
    if not isinstance(node, ast.FunctionDef): return {}   # a lambda
    lines = {name: line for name, line in parameters(node) if name not in ("self", "cls")}
    above = range(node.body[0].lineno - 1, node.lineno - 1, -1)
    said = next((notes[i] for i in above if i in notes and i not in lines.values()), "")
    return {name: notes.get(line, "") for name, line in lines.items()} | ({"return": said} if said else {})

def marked(text):
    "Return a text for Sphinx, with stars and bars as they are, and letters after names in backticks."
    text = re.sub(r"(?<!\\)([*|])", r"\\\1", text) if "`" not in text else text
    return re.sub(r"(`[^`\n]+`)(?=\w)", r"\1\\ ", text)

def describe(app, what, name, obj, options, lines):
    "Add the meanings of parameters and of the result to a docstring."
    obj = inspect.unwrap(getattr(obj, "__func__", obj))
    if what not in ("function", "method", "class") or not (inspect.isfunction(obj) or inspect.isclass(obj)): return
    lines[:] = [*map(marked, lines), ""]
    types = getattr(obj, "__annotations__", {}) | getattr(vars(obj).get("__init__"), "__annotations__", {})
    for parameter, note in meanings(obj).items():
        text = marked(meaning(parameter, note, types.get(parameter)))
        if parameter == "return": lines.append(f":returns: {text}")
        else: lines.append(f":param {parameter}: {text}")
        if not text: logging.getLogger(__name__).warning(f"{name}: {parameter} has no meaning: no comment behind it")

def plain_types(obj):
    "Forget the type of `self`, which says to which class `@patch` adds a method, and the options of commands."
    types = getattr(obj, "__annotations__", {})
    types.pop("self", None)
    types.update({name: kind.__origin__ for name, kind in types.items() if hasattr(kind, "__metadata__")})

def foreign(app, what, name, obj, skip, options):
    "Leave out members that other packages add to our classes."
    return None if (getattr(obj, "__module__", None) or "nerflame").startswith("nerflame") else True

def setup(app):
    "Connect to Sphinx."
    for module in modules().values():
        for found in filter(inspect.isclass, vars(module).values()): plain_types(found)
    app.connect("autodoc-skip-member", foreign)
    app.connect("autodoc-process-docstring", describe)
    app.connect("autodoc-before-process-signature", lambda app, obj, bound: plain_types(obj))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
