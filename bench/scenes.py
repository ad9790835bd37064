"""Make what sections measure on: the built-in head, points in its shell, the built-in capture, a trained face.

Run `bench/run.py`, not this file."""
import functools
from pathlib import Path
import torch
from nerflame.scenes.capture import CaptureConfig, write_capture
from nerflame.files import repository
from nerflame.heads.head import flame_to_scene, load_head, transform_points
from nerflame.mesh import Mesh
from nerflame.closest import MeshBVH
from nerflame.field.shell import build_shell
from common import command

RUNS = repository()/"runs"/"bench"   # captures and RUNs, which git ignores

@functools.cache
def head(): return load_head("anny")

@torch.no_grad()
def head_mesh()->Mesh:
    "Return the built-in head, neutral, in scene units."
    verts = transform_points(flame_to_scene(), head()(head().neutral()))[0]
    return Mesh(verts.contiguous(), head().faces)

def shell_points(mesh, n, seed=0, thickness=0.05):
    "Draw points within `thickness` of a mesh, evenly in space."
    generator, bvh = torch.Generator().manual_seed(seed), MeshBVH(mesh.verts, mesh.faces)
    shell = build_shell(bvh, thickness, 0.0125)
    voxels, found = shell.voxels, []
    while sum(map(len, found)) < n:
        index = voxels[torch.randint(len(voxels), (n,), generator=generator)]
        points = shell.low + (index + torch.rand(n, 3, generator=generator))*shell.voxel
        found.append(points[bvh.closest(points, thickness).face_idx >= 0])
    return torch.cat(found)[:n].contiguous()

def quarter(mesh)->Mesh:
    "Split each face into four by the middles of its edges; the surface stays the same."
    sides = mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).sort(dim=1).values
    edges, which = torch.unique(sides, dim=0, return_inverse=True)
    verts = torch.cat([mesh.verts, mesh.verts[edges].mean(1)])
    a, b, c = mesh.faces.unbind(1)
    ab, bc, ca = (which.reshape(-1, 3) + len(mesh.verts)).unbind(1)
    faces = torch.stack([a, ab, ca, b, bc, ab, c, ca, bc, ab, bc, ca], 1)
    return Mesh(verts, faces.reshape(-1, 3))

@functools.cache
def capture(size=200)->Path:
    "Write the built-in capture at a size, once; a small one has fewer views and less careful light."
    folder = RUNS/f"capture_{size}"
    if (folder/"transforms_train.json").is_file(): return folder
    small = dict(n_train=32, n_val=3, n_test=4, moments=(), samples=2, sky_rays=16, texture_height=768)
    return write_capture(folder, CaptureConfig(resolution=size, **(small if size < 200 else {})), head())

@functools.cache
def train_run(data, name, *options):
    """Train with `nerflame train` in a process of its own, once for the same settings.
    Return the RUN, its peak memory (bytes), and the seconds of the command."""
    seconds, peak, _ = command("train", data, "--out", RUNS/name, *options)
    return RUNS/name, peak, seconds

def settled_run(quick)->Path:
    "Train a face on the built-in capture for 1 minute; quick: for 200 steps (the run of section quality)."
    if quick: return train_run(capture(64), "builtin_64_quick", *QUICK_OPTIONS)[0]
    return train_run(capture(200), "builtin_200_1min", "--head", "anny", "--minutes", 1)[0]

# about half a minute; by the clock it would take longer, as a run never does fewer than 40 + 300 steps
QUICK_OPTIONS = ("--head", "anny", "--steps", 200, "--rays", 1024)
