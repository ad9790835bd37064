"""How the time of a search in the shell grows with the number of faces: the built-in head, and the same surface with 4 and 16 times as many faces, in turn.

    .venv/bin/python bench/run.py --only growth
"""
from common import in_turn, ratios, row
from scenes import head_mesh, quarter, shell_points
from searches import OTHERS, OWN, make_search, missing

def growth_rows(quick):
    "Seconds for the same points, and how many times as long as on the built-in head."
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
    rows = [row("growth", f"{name}, {len(m.faces):,} faces", [1000*s for s in seconds[i]], "ms", note=f"{len(points):,} points") for i, m in enumerate(meshes)]
    for i in range(1, len(meshes)):
        last = dict(reach=2., aim=1.5) if i == len(meshes) - 1 and name in OWN else {}
        rows.append(row("growth", f"{name}, time with {len(meshes[i].faces)//len(meshes[0].faces)} times the faces", ratios(seconds[i], seconds[0]), "times", **last,
                        note=f"the same surface: distances differ by {float((distance[i] - distance[0]).abs().max()):.1g} at most"))
    return rows
