"""Time pictures of a new expression from a new camera, posing included, and drafts.

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
    "Draw n random expressions of a person: a few components, jaw, neck and eyes."
    generator, one = torch.Generator().manual_seed(seed), params.to("cpu")
    draw = lambda *size: torch.rand(*size, generator=generator)
    def state():
        expression = one.expression + 0.6*draw(*one.expression.shape)*(draw(*one.expression.shape) < 0.1)
        turn = lambda pose, size: pose + size*(2*draw(*pose.shape) - 1)
        jaw = one.jaw_pose + torch.stack([0.3*draw(1), torch.zeros(1), torch.zeros(1)], 1)
        neck, eyes = turn(one.neck_pose, 0.15), turn(one.eye_pose, 0.2)
        return one.replace(expression=expression, jaw_pose=jaw, neck_pose=neck, eye_pose=eyes)
    return cat_params([state() for _ in range(n)]).to(params.betas.device)

def random_cameras(n, size, seed=0):
    "Draw n cameras around the front."
    generator = torch.Generator().manual_seed(seed)
    azimuth, elevation = 2*torch.rand(n, generator=generator) - 1, torch.rand(n, generator=generator)*0.8 - 0.3
    return orbit_camera(azimuth, elevation, width=size)

def exact_picture(model, camera, params, size=4096):
    """Render the slow and plain way: all samples of the shell count, even empty and hidden ones, and each of them gets
    its own search for the closest face."""
    posed, rays, rows = model.pose_for_training(params), image_rays(camera).to(model.device), []
    bvh, white = MeshBVH(posed.verts, model.head.faces), torch.ones(3, device=model.device)
    for part in (rays[slice(i, i + size)] for i in range(0, len(rays), size)):
        samples = march(part, posed.shell, model.config.step)
        directions = part.directions[samples.ray_idx]
        points = part.origins[samples.ray_idx] + samples.t[:, None]*directions
        canonical = posed.canonical_map(points, directions, bvh.closest(points).face_idx)
        pixels, *_ = shade(model.field, model.density, samples, canonical, white, model.config.weight_threshold)
        rows.append(pixels.rgb)
    return torch.cat(rows).reshape(camera.height, camera.width, 3)

def picture_psnr(a, b):
    "Return the PSNR between two pictures, dB."
    return float(psnr(a[None].clamp(0, 1), b[None].clamp(0, 1))[0])

def one_frame(model, camera, params):
    "Pose and render: (seconds of pose, seconds of render, picture)."
    made = {}
    def pose(): made["posed"] = model.pose(params)
    def render(): made["rgb"] = model.render(camera, made["posed"]).rgb
    return timed(pose), timed(render), made["rgb"]

def frame_rows(model, size, n, targets):
    "Rows of one size: all, pose, render."
    states, cameras = random_states(model.params, n + 1), random_cameras(n + 1, size).to(model.device)
    frames = [one_frame(model, cameras[i], states[i]) for i in range(n + 1)]
    pose, render = zip(*((p, r) for p, r, _ in frames[1:]))   # the first one compiles
    same = picture_psnr(frames[-1][2], exact_picture(model, cameras[n], states[n]))
    line = lambda name, values, **rest: row("frames", f"{size} x {size}, {name}", list(values), "s", **rest)
    note = f"{n} random expressions and cameras; {same:.1f} dB to the picture with exact closest faces and all samples"
    both = map(sum, zip(pose, render))
    return [line("a new expression and camera, all included", both, reach=targets[0], aim=targets[1], note=note),
            line("of this model.pose", pose), line("of this model.render", render)]

def timed_picture(model, camera, params, draft):
    "Pose and render in one: (seconds, picture)."
    made = []
    def frame(): made.append(model.render(camera, model.pose(params, draft), draft=draft).rgb)
    return timed(frame), made[0]

def draft_rows(model, n, size=128):
    "Drafts, as the preview shows them while a hand drags, in turn with full pictures of the same size."
    states, cameras = random_states(model.params, n + 1), random_cameras(n + 1, size).to(model.device)
    drafts, full, same = [], [], []
    for i in range(n + 1):
        (quick, draft), (slow, picture) = (timed_picture(model, cameras[i], states[i], d) for d in (True, False))
        drafts.append(quick)
        full.append(slow)
        same.append(picture_psnr(draft, picture))
    drafts, full, same = drafts[1:], full[1:], same[1:]   # the first ones compile and bake
    note = f"{n} of them; {sum(same)/n:.1f} dB on average to the full picture"
    name = f"{size} x {size}, a draft"
    return [row("frames", f"{name} of a new expression and camera, all included", drafts, "s", note=note),
            row("frames", f"{name} against the full picture", ratios(full, drafts), "x")]

@torch.no_grad()
def frames_rows(quick, run=None):
    "Pictures of a trained face, on the device that its RUN is loaded to."
    folder = Path(run) if run else settled_run(quick)
    model, n = load_run(folder).model, 2 if quick else 10
    rows = [r for size, targets in TARGETS.items() for r in frame_rows(model, size, n, targets)]
    return rows + draft_rows(model, n)
