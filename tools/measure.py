"""Run notebooks as tests so that coverage sees which lines of the modules they run.

A notebook runs its exported cells itself, in place of the module that they are written to. Here these cells count as
the lines of that module:

    .venv/bin/coverage run tools/measure.py nbs/300_field.density.ipynb"""
import ast, re, sys
import nbdev.test
from execnb.shell import CaptureShell
from notebooks import ROOT

def find_cells(root=ROOT):
    "Return for the id of each exported cell the module that it is written to, and the line of its comment."
    cells = {}
    for module in sorted((root/"nerflame").rglob("*.py")):
        for number, line in enumerate(module.read_text(encoding="utf-8").splitlines(), 1):
            if found := re.match(r"# %% \S+\.ipynb #(\w+)", line): cells[found[1]] = (str(module), number)
    return cells

class Shift:
    "A transformer of syntax trees that shifts line numbers to those of a module."
    def __init__(self, shell): self.shell = shell
    def visit(self, tree): return ast.increment_lineno(tree, self.shell.place[1]) if self.shell.place else tree

class MeasuredShell(CaptureShell):
    "A shell that runs exported cells under the name of their module."
    cells = find_cells()

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.place, usual = None, self.compile.cache
        # without an entry in Python's cache of lines, `inspect` reads the source of a function from the module
        self.compile.cache = lambda *code, **named: self.place[0] if self.place else usual(*code, **named)
        self.ast_transformers.append(Shift(self))

    def cell(self, cell, **named):
        self.place = self.cells.get(getattr(cell, "id", None))
        try: super().cell(cell, **named)
        finally: self.place = None

if __name__ == "__main__":
    nbdev.test.CaptureShell = MeasuredShell
    for path in sys.argv[1:]: nbdev.test.nbdev_test.__wrapped__(path, n_workers=0, do_print=True)
