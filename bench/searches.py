"""Wrap searches for the closest points of a mesh in one interface, so that sections can compare them.

Run `bench/run.py --only closest growth`, not this file. A search takes points in its own format (`take`, not timed),
finds their closest points (`run`, timed, with the whole answer of the library: distance, face and place on it) and
returns the distances (`distance`, not timed). To compare one more search of ours, add it to `OWN`: a function of verts
and faces that returns an object with `.closest(points)`, whose result has `.distance`.
"""
import ctypes, functools, importlib, importlib.util
from pathlib import Path
import torch
from nerflame.closest import Closest, FaceNeighbours, MeshBVH, closest_on_triangle
from nerflame.published.distance import PyTorch3DMesh, pytorch3d_missing
from nerflame.field.shell import build_shell

class AllFaces:
    "A search that tries every face for every point in single precision, in pieces that stay in the cache."
    def __init__(self, verts, faces):
        self.faces = faces
        self.refit(verts)

    def refit(self, verts):
        self.verts = verts
        a, b, c = verts.detach()[self.faces].unbind(1)
        self.normal = torch.linalg.cross(b - a, c - a)
        self.square = (self.normal**2).sum(1).clamp(min=1e-30)
        self.edges = [self._edge(p, q) for p, q in ((a, b), (b, c), (c, a))]

    def _edge(self, start, end):
        "Return one edge of each face: start, direction, squared length, outward normal in the plane of the face."
        edge = end - start
        return start, edge, (edge**2).sum(1).clamp(min=1e-30), torch.linalg.cross(edge, self.normal)

    def _squares(self, p):
        """Return squared distances of points (N, 3) to all faces, (N, F).
        Where the foot is inside a face, that is the distance to its plane, else to its nearest edge."""
        best, inside = None, None
        for start, edge, length, outward in self.edges:
            along = ((p @ edge.T - (start*edge).sum(1))/length).clamp_(0, 1)
            # |p - start - t edge|^2, written out so that only matrices (N, F) are made
            d = (p*p).sum(1, keepdim=True) - 2*(p @ start.T) + (start*start).sum(1)
            d = d + along*(along*length - 2*(p @ edge.T - (start*edge).sum(1)))
            here = p @ outward.T <= (start*outward).sum(1)
            best, inside = (d, here) if best is None else (torch.minimum(best, d), inside & here)
        plane = (p @ self.normal.T - (self.edges[0][0]*self.normal).sum(1))**2/self.square
        return torch.where(inside, plane, best)

    def closest(self, points, max_distance=float("inf")):
        with torch.no_grad(): face_idx = torch.cat([self._squares(p).argmin(1) for p in points.detach().split(256)])
        corners = self.verts[self.faces[face_idx]]
        bary = closest_on_triangle(points.detach(), corners.detach())
        on_face = (bary[..., None]*corners).sum(1)
        return Closest((points - on_face).norm(dim=1), face_idx, bary, on_face)

class Torch:
    "A search of torch tensors: an object with `.closest(points)`."
    def __init__(self, make, verts, faces): self._search = make(verts, faces)
    def take(self, points): return points
    def run(self, points): return self._search.closest(points)
    def distance(self, found): return found.distance

class Igl:
    "libigl's tree of boxes, built beforehand; in double precision, on all threads."
    def __init__(self, verts, faces):
        self._verts, self._faces = verts.double().numpy(), faces.numpy()
        self._tree = importlib.import_module("igl").AABB()
        self._tree.init(self._verts, self._faces)
    def take(self, points): return points.double().numpy()
    def run(self, points): return self._tree.squared_distance(self._verts, self._faces, points)
    def distance(self, found): return torch.from_numpy(found[0]).sqrt()

@functools.cache
def _open3d():
    "Import Open3D, with the libusb of the wheel libusb-package if it is installed. Raises the errors of the import."
    spec = importlib.util.find_spec("libusb_package")
    libraries = Path(spec.origin).parent.glob("libusb-1.0*.so*") if spec else ()
    for file in libraries: ctypes.CDLL(str(file), ctypes.RTLD_GLOBAL)
    return importlib.import_module("open3d")

class Open3D:
    "Open3D's scene for rays (Embree), built beforehand; on all threads."
    def __init__(self, verts, faces):
        o3d = _open3d()
        self._tensor, self._scene = o3d.core.Tensor, o3d.t.geometry.RaycastingScene()
        self._points = None
        self._scene.add_triangles(self._tensor(verts.numpy()), self._tensor(faces.numpy().astype("uint32")))
        self.run(self._tensor(verts[:1].numpy()))   # it builds its tree at the first question
    def take(self, points):
        self._points = points
        return self._tensor(points.numpy())
    def run(self, points): return self._scene.compute_closest_points(points)
    def distance(self, found):
        on_mesh = torch.from_numpy(found["points"].numpy())
        return (self._points - on_mesh).norm(dim=1)

def _reason(load):
    "Return the reason why a library does not import, in one line; empty where it does."
    try: load()
    except (ImportError, OSError, AttributeError, RuntimeError) as e: text = f"{type(e).__name__}: {e}"
    else: text = ""
    return " ".join(text.split())

class ShellWalk:
    """A search for points in the shell of a mesh, as training and rendering use it: a walk from the face that the
    voxel stores, downhill to the closest one."""
    def __init__(self, verts, faces, epsilon=0.05, voxel=0.0125):
        self.verts, self.neighbours = verts, FaceNeighbours(faces, len(verts))
        self.shell = build_shell(MeshBVH(verts, faces), epsilon, voxel)
    def closest(self, points): return self.neighbours.closest(points, self.verts, self.shell.near_face(points))

# ours; the first one is exact everywhere and is the one that others are compared with
OWN = {"MeshBVH": MeshBVH, "voxel and walk": ShellWalk}

# the others that are trees, and the two that try every face
OTHERS = {"libigl": Igl, "Open3D": Open3D}
EVERY_FACE = {"all faces (torch)": AllFaces, "PyTorch3D": PyTorch3DMesh}
LOADS = {"libigl": lambda: importlib.import_module("igl").AABB, "Open3D": _open3d}

def missing()->dict:
    "Return the libraries that cannot be compared here: {name: reason}."
    reasons = {name: _reason(load) for name, load in LOADS.items()} | {"PyTorch3D": pytorch3d_missing()}
    return {name: reason for name, reason in reasons.items() if reason}

def make_search(name, verts, faces):
    "Make a search by its name."
    return OTHERS[name](verts, faces) if name in OTHERS else Torch((OWN | EVERY_FACE)[name], verts, faces)
