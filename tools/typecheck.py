"""Check the types of the exported modules with pyright, and that it finds every patched method through the stubs.

Pyright does not know fastcore's `@patch`. We therefore check copies of the modules in which patched methods stand in
their classes, and report each finding with its line in the module and its cell in the notebook.

`python tools/typecheck.py --all` prints every finding."""
import ast, collections, json, re, subprocess, sys, tempfile
from pathlib import Path
from stubs import ROOT, merge, stub

# Findings of each rule, most of them values that may be None, and attributes that the `RadianceModel` of a RUN may not
# have (plain NeRF has no head). The check fails when there
# are more, and asks for a smaller number here when there are fewer.
KNOWN = dict(
    reportArgumentType=131, reportAssignmentType=9, reportAttributeAccessIssue=131,
    reportCallIssue=14, reportGeneralTypeIssues=10, reportIndexIssue=1, reportOperatorIssue=12,
    reportOptionalIterable=3, reportOptionalMemberAccess=60, reportOptionalOperand=12,
    reportOptionalSubscript=40, reportReturnType=15,
)

CELL = re.compile(r"# %% (?:\.\./)*(\S+\.ipynb) #(\w+)")

def cell_of(lines, number):
    "Return the notebook and the cell that a line of a module comes from."
    for at in range(min(number, len(lines)) - 1, -1, -1):
        if found := CELL.match(lines[at]): return f"{found[1]} cell {found[2]} line {number - 1 - at}"
    return "no notebook"

def without_kernels(text):
    """Replace Warp's kernels, functions and structs by names of any type; the number of lines stays.
    They are not Python to a type checker, and Warp checks them itself."""
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)): continue
        if not any(re.match(r"wp\.(kernel|func|struct)\b", ast.unparse(d)) for d in node.decorator_list): continue
        first = min(d.lineno for d in node.decorator_list)
        name = f"{' '*node.col_offset}{node.name}: Any = None"
        lines[first - 1:node.end_lineno] = [name, *[""]*(node.end_lineno - first)]
    return "\n".join(lines)

def write_merged(folder):
    "Write the package with patched methods in their classes; return each file's module and its line numbers there."
    numbers = {}
    for module in sorted((ROOT/"nerflame").rglob("*.py")):
        lines, _ = merge(module.read_text(encoding="utf-8"))
        text = without_kernels("\n".join(line.text for line in lines) + "\n")
        body = ast.parse(text).body
        at = body[0].end_lineno if body and isinstance(body[0], ast.Expr) else 0   # behind the docstring
        rows, kept = text.split("\n"), [line.number for line in lines]
        file = folder/module.relative_to(ROOT)
        file.parent.mkdir(parents=True, exist_ok=True)
        # annotations of methods that have moved up name classes that come later
        rows[at:at] = ["from __future__ import annotations", "from typing import Any"]
        file.write_text("\n".join(rows), encoding="utf-8")
        numbers[file.resolve()] = (module, [*kept[:at], 0, 0, *kept[at:]])
    return numbers

def write_uses(folder):
    "Write the package with its stubs, and a file that names every patched method; return the number of methods."
    uses, count = ["import nerflame"], 0
    for module in sorted((ROOT/"nerflame").rglob("*.py")):
        text = module.read_text(encoding="utf-8")
        name, methods = ".".join(module.relative_to(ROOT).with_suffix("").parts), merge(text)[1]
        file = folder/module.relative_to(ROOT)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        if methods:
            file.with_suffix(".pyi").write_text(stub(text), encoding="utf-8")
            uses += [f"import {name}", *(f"print({name}.{method})" for method in methods)]
        count += len(methods)
    (folder/"uses.py").write_text("\n".join(uses) + "\n", encoding="utf-8")
    return count

def pyright(folder, settings):
    "Run pyright in a folder and return its findings."
    (folder/"pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    try: return json.loads(done.stdout)["generalDiagnostics"]
    except (ValueError, KeyError): sys.exit(f"types: pyright did not run: {done.stderr or done.stdout}")

def describe(finding, numbers):
    "Format a finding of pyright in one line, with its place."
    module, kept = numbers[Path(finding["file"]).resolve()]
    number = kept[finding["range"]["start"]["line"]]
    where = cell_of(module.read_text(encoding="utf-8").splitlines(), number)
    text = " ".join(finding["message"].split())
    return f"{module.relative_to(ROOT)}:{number}: {text} ({finding.get('rule', 'error')}; {where})"

def main():
    "Print the findings of rules that have more of them than before; exit code 1 if there are any."
    settings = json.loads((ROOT/"pyrightconfig.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as name:
        merged, used = Path(name)/"merged", Path(name)/"used"
        numbers, count = write_merged(merged), write_uses(used)
        found = pyright(merged, settings)
        unseen = [d for d in pyright(used, {**settings, "include": ["uses.py"]}) if d["severity"] == "error"]
    counts = collections.Counter(d.get("rule", "error") for d in found)
    wrong = [rule for rule in {*counts, *KNOWN} if counts[rule] != KNOWN.get(rule, 0)]
    more = [rule for rule in wrong if counts[rule] > KNOWN.get(rule, 0)]
    for d in found:
        if d.get("rule", "error") in more or "--all" in sys.argv: print(describe(d, numbers))
    for d in unseen: print(f"a stub hides a method: {d['message']}")
    for rule in sorted(wrong): print(f"{rule}: {counts[rule]} findings, {KNOWN.get(rule, 0)} in tools/typecheck.py")
    if more or unseen: sys.exit("types: more findings than before")
    if wrong: sys.exit("types: fewer findings than before: write the smaller numbers into KNOWN")
    print(f"types: pyright finds all of {count} patched methods, and {sum(counts.values())} known findings")

if __name__ == "__main__": main()
