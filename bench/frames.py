"""Time of a picture of a new expression from a new camera, posing the head included; and of drafts.

    .venv/bin/python bench/run.py --only frames                    # trains a face for a minute first
    .venv/bin/python bench/run.py --only frames --run RUN          # takes this one
"""
from pathlib import Path
import torch
from nerflame.cameras import image_rays, orbit_camera
from nerflame.heads.flame import cat_params
from nerflame.closest import MeshBVH
from nerflame.field.march import march
from nerflame.field.model import shade
from nerflame.metrics import psnr
from nerflame.published.methods import load_run
from common import ratios, row, timed
from scenes import settled_run

TARGETS = {256: (0.35, 0.1), 400: (0.8, 0.25)}   # seconds on a CPU

def random_states(params, n, seed=0):
    "The person with n random expressions: a few components, jaw, neck and eyes."
    generator, one = torch.Generator().manual_seed(seed), params.to("cpu")
    draw = lambda *size: torch.rand(*size, generator=generator)
    def state():
        expression = one.expression + 0.6*draw(*one.expression.shape)*(draw(*one.expression.shape) < 0.1)
        turn = lambda pose, size: pose + size*(2*draw(*pose.shape) - 1)
        jaw = one.jaw_pose + torch.stack([0.3*draw(1), torch.zeros(1), torch.zeros(1)], 1)
        return one.replace(expression=expression, jaw_pose=jaw, neck_pose=turn(one.neck_pose, 0.15), eye_pose=turn(one.eye_pose, 0.2))
    return cat_params([state() for _ in range(n)]).to(params.betas.device)

def random_cameras(n, size, seed=0):
    "n cameras around the front."
    generator = torch.Generator().manual_seed(seed)
    azimuth, elevation = 2*torch.rand(n, generator=generator) - 1, torch.rand(n, generator=generator)*0.8 - 0.3
    return orbit_camera(azimuth, elevation, width=size)

def exact_picture(model, camera, params, size=4096):
    "The slow and plain way: no sample of the shell is left out as empty or hidden, and the closest face of each is searched for it alone."
    posed, rays, rows = model.pose_for_training(params), image_rays(camera).to(model.device), []
    bvh = MeshBVH(posed.verts, model.head.faces)
    for part in (rays[slice(i, i + size)] for i in range(0, len(rays), size)):
        samples = march(part, posed.shell, model.config.step)
        directions = part.directions[samples.ray_idx]
        points = part.origins[samples.ray_idx] + samples.t[:, None]*directions
        there = posed.canonical_map(points, directions, bvh.closest(points).face_idx)
        rows.append(shade(model.field, model.density, samples, there, torch.ones(3, device=model.device), model.config.weight_threshold)[0].rgb)
    return torch.cat(rows).reshape(camera.height, camera.width, 3)

def one_frame(model, camera, params):
    "Seconds of posing and of rendering, and what was made."
    made = {}
    def pose(): made["posed"] = model.pose(params)
    def render(): made["rgb"] = model.render(camera, made["posed"]).rgb
    return timed(pose), timed(render), made

def frame_rows(model, size, n, targets):
    "Rows of one size: all, pose, render."
    states, cameras = random_states(model.params, n + 1), random_cameras(n + 1, size).to(model.device)
    frames = [one_frame(model, cameras[i], states[i]) for i in range(n + 1)]
    pose, render = zip(*((p, r) for p, r, _ in frames[1:]))   # the first one compiles
    made = frames[-1][2]
    same = float(psnr(made["rgb"][None].clamp(0, 1), exact_picture(model, cameras[n], states[n])[None].clamp(0, 1))[0])
    line = lambda name, values, **rest: row("frames", f"{size} x {size}, {name}", list(values), "s", **rest)
    note = f"{n} random expressions and cameras; {same:.1f} dB to the picture with exact closest faces and all samples"
    return [line("a new expression and camera, all included", map(sum, zip(pose, render)), reach=targets[0], aim=targets[1], note=note), line("of this model.pose", pose), line("of this model.render", render)]

def draft_rows(model, n, size=128):
    "Drafts, as the preview shows them while a hand drags, in turn with full pictures of the same size."
    states, cameras, seconds, same = random_states(model.params, n + 1), random_cameras(n + 1, size).to(model.device), {True: [], False: []}, []
    for i in range(n + 1):
        made = {}
        for draft in (True, False):
            def frame(): made[draft] = model.render(cameras[i], model.pose(states[i], draft), draft=draft).rgb
            seconds[draft].append(timed(frame))
        same.append(float(psnr(made[True][None].clamp(0, 1), made[False][None].clamp(0, 1))[0]))
    drafts, full = seconds[True][1:], seconds[False][1:]   # the first ones compile and bake
    return [row("frames", f"{size} x {size}, a draft of a new expression and camera, all included", drafts, "s", note=f"{n} of them; {sum(same[1:])/n:.1f} dB on average to the full picture"),
            row("frames", f"{size} x {size}, a draft against the full picture", ratios(full, drafts), "x")]

@torch.no_grad()
def frames_rows(quick, run=None):
    "Pictures of a trained face; those of the CPU on the CPU, whatever else there is."
    folder = Path(run) if run else settled_run(quick)
    model, n = load_run(folder).model, 2 if quick else 10
    return [r for size, targets in TARGETS.items() for r in frame_rows(model, size, n, targets)] + draft_rows(model, n)
