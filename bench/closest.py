"""The closest points of points in the shell around the head: our searches, libigl, Open3D, PyTorch3D and a torch loop over all faces, in turn.

    .venv/bin/python bench/run.py --only closest
"""
import torch
from nerflame.mesh import closest_reference
from common import Row, in_turn, ratios, row, timed
from scenes import head_mesh, shell_points
from searches import EVERY_FACE, OTHERS, OWN, make_search, missing

def agreement(search, points, exact)->float:
    "The largest difference to exact distances."
    return float((search.distance(search.run(search.take(points[:len(exact)]))).double() - exact).abs().max())

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
    def line(name): return row("closest", f"{name}, a point", [1e6*s/size[name] for s in seconds[name]], "us", note=f"{size[name]:,} points, {len(mesh.faces):,} faces; built in {1000*build[name]:.3g} ms; largest difference to the "
                               f"exact distance, of {len(exact):,} points: {agreement(searches[name], points, exact):.1g}")
    return [line(name) for name in names] + [Row("closest", f"{name}, a point", note=f"did not import: {reason[:160]}") for name, reason in absent.items()] + _compared(seconds, size, names)

def _compared(seconds, size, names):
    "Our fastest against all others."
    a_point = {name: [s/size[name] for s in seconds[name]] for name in names}
    fastest = lambda group: min((n for n in names if n in group), key=lambda n: sorted(a_point[n])[len(a_point[n])//2], default=None)
    ours, other = fastest(OWN), fastest(OTHERS)
    rows = [row("closest", f"{ours} against {name}", ratios(a_point[name], a_point[ours]), "x", **(dict(reach=100.) if name == "all faces (torch)" else {})) for name in names if name not in OWN and name != other]
    if other is None: return rows + [Row("closest", f"{ours} against the fastest other tree", unit="x", reach=1., aim=3., note="no other library imports")]
    return rows + [row("closest", f"{ours} against {other}, the fastest other tree", ratios(a_point[other], a_point[ours]), "x", reach=1., aim=3.)]
