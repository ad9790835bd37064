"""Write a stub (`.pyi`) beside each module that adds methods with `@patch`, so that editors find these methods.

A stub holds the same text as its module, with the patched methods inside of their classes and without the bodies of
functions. The bodies stay where they say which attributes an object has."""
import ast, re
from dataclasses import dataclass
from notebooks import ROOT

HEAD = "# Written by tools/stubs.py from the module of the same name (`make export`). Do not edit.\n"
DECORATORS = {"patch": None, "patch(as_prop=True)": "@property", "patch(cls_method=True)": "@classmethod"}

@dataclass
class Line:
    "A line of a rewritten module."
    text: str
    number: int   # of the line in the module that it comes from, from 1

def is_patch(node):
    "Test whether a statement is a function that fastcore's `@patch` makes a method."
    return isinstance(node, ast.FunctionDef) and any(ast.unparse(d) in DECORATORS for d in node.decorator_list)

def patched_classes(node):
    "Return the names of the classes that a patched method belongs to: `self:A`, `self:A|B` or `self:(A,B)`."
    def names(annotation):
        if isinstance(annotation, ast.BinOp): return names(annotation.left) + names(annotation.right)
        if isinstance(annotation, ast.Tuple): return [name for part in annotation.elts for name in names(part)]
        return [ast.unparse(annotation)]
    return names(node.args.args[0].annotation)

def first_line(node): return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])

def as_method(node, lines):
    "Turn a patched function into the lines of a method: other decorators, `self` without annotation, indented."
    found = []
    for d in node.decorator_list:
        decorator = DECORATORS.get(ast.unparse(d), f"@{ast.unparse(d)}")
        if decorator: found.append(Line(f"    {decorator}", d.lineno))
    owner = node.args.args[0]
    for number in range(node.lineno, node.end_lineno + 1):
        text = lines[number - 1]
        if number == owner.lineno:   # ast counts bytes
            raw, start = text.encode(), owner.col_offset + len(owner.arg.encode())
            text = (raw[:start] + raw[owner.annotation.end_col_offset:]).decode()
        found.append(Line(f"    {text}" if text.strip() else text, number))
    return found

def opened(node, lines):
    "Return the lines of a class, with its body on lines of its own."
    body = node.body[0]
    found = [Line(lines[n - 1], n) for n in range(first_line(node), node.end_lineno + 1)]
    if body.lineno != node.lineno: return found
    raw = lines[node.lineno - 1].encode()
    head, rest = raw[:body.col_offset].decode().rstrip(), raw[body.col_offset:].decode()
    at = node.lineno - first_line(node)
    return [*found[:at], Line(head, node.lineno), Line(f"    {rest}", node.lineno), *found[at + 1:]]

def buffers(nodes):
    "Return declarations of the attributes that `self.register_buffer(name, ...)` gives to a module of torch."
    calls = [n for node in nodes for n in ast.walk(node) if isinstance(n, ast.Call)]
    calls = [c for c in calls if ast.unparse(c.func) == "self.register_buffer"]
    names = {c.args[0].value: c.lineno for c in calls if c.args and isinstance(c.args[0], ast.Constant)}
    stated = {ast.unparse(n.target) for n in nodes if isinstance(n, ast.AnnAssign)}
    return [Line(f"    {name}: Tensor", number) for name, number in names.items() if name not in stated]

def merge(text):
    """Return the lines of a module with its patched methods inside of their classes, and the names of these methods.
    Buffers of torch's modules are declared as attributes."""
    tree, lines = ast.parse(text), text.splitlines()
    classes = {n.name for n in tree.body if isinstance(n, ast.ClassDef)}
    methods = {name: [] for name in classes}
    moved = [n for n in tree.body if is_patch(n) and set(patched_classes(n)) <= classes]
    for node in moved:
        for name in patched_classes(node): methods[name].append(node)
    out, number = [], 1
    for node in tree.body:
        out += [Line(lines[n - 1], n) for n in range(number, first_line(node))]
        number = node.end_lineno + 1
        if isinstance(node, ast.ClassDef):
            out += opened(node, lines)
            found = buffers([*node.body, *methods[node.name]])
            if found: out += [Line("", found[0].number), *found]
            for method in methods[node.name]: out += [Line("", method.lineno), *as_method(method, lines)]
        elif node not in moved: out += [Line(lines[n - 1], n) for n in range(first_line(node), node.end_lineno + 1)]
    out += [Line(lines[n - 1], n) for n in range(number, len(lines) + 1)]
    return out, [f"{name}.{m.name}" for name, found in methods.items() for m in found]

def sets_attributes(function):
    "Test whether a method assigns attributes of its object."
    if not function.args.args: return False
    owner = function.args.args[0].arg
    stored = [n for n in ast.walk(function) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)]
    return any(isinstance(n.value, ast.Name) and n.value.id == owner for n in stored)

def returns_value(function):
    "Test whether a function returns or yields something; functions inside of it do not count."
    todo = list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef)): continue
        if isinstance(node, (ast.Yield, ast.YieldFrom)) or (isinstance(node, ast.Return) and node.value): return True
        todo += ast.iter_child_nodes(node)
    return False

def cut_bodies(text):
    "Replace the bodies of functions by `...`; those of methods that assign attributes stay, as all docstrings."
    functions = []
    def collect(body, inside):
        for node in body:
            if isinstance(node, ast.ClassDef): collect(node.body, True)
            if isinstance(node, ast.FunctionDef) and not (inside and sets_attributes(node)): functions.append(node)
    collect(ast.parse(text).body, False)
    raw = text.encode().split(b"\n")
    for node in reversed(functions):
        documented = ast.get_docstring(node) is not None
        begin, end = node.body[0], node.body[-1]
        row, column = (begin.end_lineno, begin.end_col_offset) if documented else (begin.lineno, begin.col_offset)
        indent = b" "*(node.col_offset + 4)
        head = raw[row - 1][:column]
        if documented: rest = [head, indent + b"..."]
        else: rest = [head.rstrip() + b" ..." if head.strip() else indent + b"..."]
        raw[row - 1:end.end_lineno] = rest
        if node.returns is None and not returns_value(node): returns_none(node, raw)
    return b"\n".join(raw).decode()

def returns_none(node, raw):
    "Write `-> None` behind the parameters of a function that returns nothing."
    first, begin = node.lineno - 1, node.body[0]
    # the colon that ends the signature: the last one before the body that no comment holds
    for row in range(min(begin.lineno, len(raw)) - 1, first - 1, -1):
        code = raw[row][:begin.col_offset] if row == begin.lineno - 1 else raw[row]
        code = code.split(b"#")[0].rstrip()
        if code.endswith(b"):"):
            raw[row] = code[:-1] + b"->None:" + raw[row][len(code):]
            return

def stub(text):
    "Return the stub of a module, or None for a module without patched methods that have their class in it."
    lines, methods = merge(text)
    if not methods: return None
    found = cut_bodies("\n".join(line.text for line in lines) + "\n")
    found = re.sub(r"(# %%.*\n\s*)+(?=# %%)", "", found)     # cells from which nothing is left
    found = re.sub(r"\n{3,}", "\n\n", found).strip() + "\n"
    ast.parse(found)
    return HEAD + found

def write_stubs(root=ROOT):
    "Write the stubs of all modules, and remove the empty ones; `__init__.pyi` are not ours."
    for module in sorted((root/"nerflame").rglob("*.py")):
        if module.stem == "__init__": continue
        text, file = stub(module.read_text(encoding="utf-8")), module.with_suffix(".pyi")
        if text is None: file.unlink(missing_ok=True)
        else: file.write_text(text, encoding="utf-8")
    for file in (root/"nerflame").rglob("*.pyi"):
        if not file.with_suffix(".py").exists(): file.unlink()

if __name__ == "__main__": write_stubs()
