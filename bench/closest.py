"""Compare searches for the closest point in the shell of the head: ours, libigl, Open3D, PyTorch3D, and a torch loop.

    .venv/bin/python bench/run.py --only closest

The torch loop tries all faces. All searches take turns in one process.
"""
from nerflame.closest import closest_reference
from common import Row, in_turn, ratios, row, timed, why_absent
from scenes import head_mesh, shell_points
from searches import EVERY_FACE, OTHERS, OWN, make_search, missing

def agreement(search, points, exact)->str:
    "Compare distances with the exact ones, as a text."
    found = search.run(search.take(points[:len(exact)]))
    off = (search.distance(found).double() - exact).abs()
    text = f"of {len(exact):,} points, the largest difference to the exact distance: {float(off.max()):.1g}"
    if not (off > 1e-4).any(): return text
    return f"{text} scene units, above 1e-4 at {float((off > 1e-4).double().mean()):.1%} of them (in folds)"

def closest_rows(quick):
    "Time of a point, and the ratio of each other search to ours."
    many, few, checked, rounds = (50_000, 500, 300, 3) if quick else (200_000, 2000, 2000, 9)
    mesh, absent = head_mesh(), missing()
    points = shell_points(mesh, many)
    exact = closest_reference(points[:checked].double(), mesh.verts, mesh.faces).distance
    names = [name for name in [*OWN, *OTHERS, *EVERY_FACE] if name not in absent]
    searches, build = {}, {}
    for name in names:
        def make(name=name): searches[name] = make_search(name, mesh.verts, mesh.faces)
        make()   # the first time compiles
        build[name] = timed(make)
    size = {name: few if name in EVERY_FACE else many for name in names}
    taken = {name: s.take(points[:size[name]]) for name, s in searches.items()}
    seconds = in_turn({name: lambda name=name: searches[name].run(taken[name]) for name in names}, rounds)
    def line(name):
        note = f"{size[name]:,} points, {len(mesh.faces):,} faces; built in {1000*build[name]:.3g} ms"
        note += f"; {agreement(searches[name], points, exact)}"
        return row("closest", f"{name}, a point", [1e6*s/size[name] for s in seconds[name]], "us", note=note)
    rows = [line(name) for name in names]
    rows += [Row("closest", f"{name}, a point", note=why_absent(reason)) for name, reason in absent.items()]
    return rows + _compared(seconds, size, names)

def _compared(seconds, size, names):
    "Rows that compare each of our searches with all others."
    a_point = {name: [s/size[name] for s in seconds[name]] for name in names}
    middle = lambda name: sorted(a_point[name])[len(a_point[name])//2]
    other = min((n for n in names if n in OTHERS), key=middle, default=None)
    targets = {"all faces (torch)": dict(reach=100.), other: dict(reach=1., aim=3., note="the fastest other tree")}
    rows = [row("closest", f"{ours} against {name}", ratios(a_point[name], a_point[ours]), "x", **targets.get(name, {}))
        for ours in OWN for name in names if name not in OWN]
    if other: return rows
    return [*rows, Row("closest", "ours against the fastest other tree", unit="x", reach=1., aim=3.,
        note="no other library imports")]
