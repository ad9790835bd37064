"""Time searches in the shell against the number of faces: the built-in head, and the same with 4 and 16 times as many.

    .venv/bin/python bench/run.py --only growth
"""
from common import in_turn, ratios, row
from scenes import head_mesh, quarter, shell_points
from searches import OTHERS, OWN, make_search, missing

def growth_rows(quick):
    "Time for the same points on each mesh, and its ratio to that on the built-in head."
    n, rounds = (30_000, 3) if quick else (200_000, 9)
    meshes = [head_mesh()]
    for _ in range(2): meshes.append(quarter(meshes[-1]))
    points, absent = shell_points(meshes[0], n), missing()
    return [r for name in [*OWN, *OTHERS] if name not in absent for r in _one_search(name, meshes, points, rounds)]

def _one_search(name, meshes, points, rounds):
    "Rows of one search."
    searches = [make_search(name, m.verts, m.faces) for m in meshes]
    taken = [s.take(points) for s in searches]
    seconds = in_turn({i: lambda i=i: searches[i].run(taken[i]) for i in range(len(meshes))}, rounds)
    distance = [s.distance(s.run(t)) for s, t in zip(searches, taken)]
    line = lambda what, values, unit, **rest: row("growth", f"{name}, {what}", values, unit, **rest)
    rows = []
    for i, m in enumerate(meshes):
        milliseconds = [1000*s for s in seconds[i]]
        rows.append(line(f"{len(m.faces):,} faces", milliseconds, "ms", note=f"{len(points):,} points"))
    for i in range(1, len(meshes)):
        times = len(meshes[i].faces)//len(meshes[0].faces)
        targets = dict(reach=2., aim=1.5) if i == len(meshes) - 1 and name in OWN else {}
        off = float((distance[i] - distance[0]).abs().max())
        note = f"the same surface: distances differ by {off:.1g} at most"
        longer = ratios(seconds[i], seconds[0])
        rows.append(line(f"time with {times} times the faces", longer, "times", **targets, note=note))
    return rows
