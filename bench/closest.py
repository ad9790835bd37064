"""The closest points of points in the shell around the head: our searches, libigl, Open3D, PyTorch3D and a torch loop over all faces, in turn.

    .venv/bin/python bench/run.py --only closest
"""
import torch
from nerflame.closest import closest_reference
from common import Row, in_turn, ratios, row, timed, why_absent
from scenes import head_mesh, shell_points
from searches import EVERY_FACE, OTHERS, OWN, make_search, missing

def agreement(search, points, exact)->str:
    "How far distances are from the exact ones."
    off = (search.distance(search.run(search.take(points[:len(exact)]))).double() - exact).abs()
    return f"of {len(exact):,} points, the largest difference to the exact distance: {float(off.max()):.1g}" + (f" scene units, above 1e-4 at {float((off > 1e-4).double().mean()):.1%} of them (in folds)" if (off > 1e-4).any() else "")

def closest_rows(quick):
    "Time a point, and how often ours is as fast as each other one."
    many, few, checked, rounds = (50_000, 500, 300, 3) if quick else (200_000, 2000, 2000, 9)
    mesh, absent = head_mesh(), missing()
    points = shell_points(mesh, many)
    exact = closest_reference(points[:checked].double(), mesh.verts, mesh.faces).distance
    names = [name for name in [*OWN, *OTHERS, *EVERY_FACE] if name not in absent]
    searches, build = {}, {}
    for name in names:
        def make(name=name): searches[name] = make_search(name, mesh.verts, mesh.faces)
        make(); build[name] = timed(make)
    size = {name: few if name in EVERY_FACE else many for name in names}
    taken = {name: s.take(points[:size[name]]) for name, s in searches.items()}
    seconds = in_turn({name: lambda name=name: searches[name].run(taken[name]) for name in names}, rounds)
    def line(name): return row("closest", f"{name}, a point", [1e6*s/size[name] for s in seconds[name]], "us", note=f"{size[name]:,} points, {len(mesh.faces):,} faces; built in {1000*build[name]:.3g} ms; {agreement(searches[name], points, exact)}")
    return [line(name) for name in names] + [Row("closest", f"{name}, a point", note=why_absent(reason)) for name, reason in absent.items()] + _compared(seconds, size, names)

def _compared(seconds, size, names):
    "Each of ours against all others."
    a_point = {name: [s/size[name] for s in seconds[name]] for name in names}
    other = min((n for n in names if n in OTHERS), key=lambda n: sorted(a_point[n])[len(a_point[n])//2], default=None)
    rows = []
    for ours in OWN:
        targets = {"all faces (torch)": dict(reach=100.), other: dict(reach=1., aim=3., note="the fastest other tree")}
        rows += [row("closest", f"{ours} against {name}", ratios(a_point[name], a_point[ours]), "x", **targets.get(name, {})) for name in names if name not in OWN]
    return rows + ([] if other else [Row("closest", "ours against the fastest other tree", unit="x", reach=1., aim=3., note="no other library imports")])
