"""Find cameras of photographs whose true cameras are known: how many are right, how far off, and how long it takes.

    .venv/bin/python bench/photos.py                  # room, lps, actor_neutral, ten_photographs of ../shared/data
    .venv/bin/python bench/photos.py room lps         # some of them
    .venv/bin/python bench/photos.py drawn            # 60 drawn photographs of 12 megapixels: time and memory

A camera is right within 20 mm and 2 degrees of the truth, after the similarity that most cameras agree with. `room` are
raw photographs; of `lps` and `actor_neutral` we forget the cameras and fill the background with grey, as a turning
chair before a plain wall would give. `ten_photographs` has no truth, so it only tells how many were placed.
"""
import os
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import argparse, json, resource, tempfile, time
from dataclasses import replace
from pathlib import Path
import numpy as np, torch
from PIL import Image
from nerflame.cameras import focal_from_fov, project
from nerflame.core import write_text
from nerflame.files import shared
from nerflame.heads.head import flame_to_scene, load_head, transform_points
from nerflame.photos.cameras import Portrait, place_photographs
from nerflame.photos.faces import FaceLandmarker
from nerflame.photos.footage import blurred_photographs, camera_numbers, read_footage
from nerflame.photos.mattes import PersonSegmenter, matte_iou
from nerflame.photos.points import face_points
from nerflame.photos.studio import UNITS, RoomConfig, camera_errors, photograph_in_room
from nerflame.use.scene import make_scene

SETS = ("room", "lps", "actor_neutral", "ten_photographs")
MARKS = [30, 36, 39, 42, 45]   # of 68: tip of the nose, corners of the eyes

def room_matrices(root):
    "Return the true camera-to-world matrices of `room` in metres by name."
    entries = json.loads((root/"truth/truth.json").read_text())["photographs"]
    return {Path(e["file"]).stem: np.array(e["transform_matrix"]) for e in entries}

def room_matte(root, name):
    "Return the true matte of the head in a photograph of `room`."
    return np.asarray(Image.open(root/"truth/masks"/f"{name}.png"))[..., 0]/np.float32(255)

def photographs(name, root):
    "Return photographs with faces and mattes, and true camera-to-world matrices in metres by name."
    landmarker, segmenter = FaceLandmarker(), PersonSegmenter()
    footage = read_footage(root/"photographs" if name == "room" else root)
    blurred, lenses = blurred_photographs(footage), camera_numbers(footage)
    print(f"{len(footage)} photographs, {sum(blurred)} blurred, {len(set(lenses))} lens")
    portraits = []
    for photograph, lens in zip(footage, lenses):
        image = photograph.image(1000)
        focal = photograph.focal and photograph.focal*image.shape[1]/photograph.width
        matte = segmenter(image)
        portraits.append(Portrait(photograph.name, image, matte, landmarker(image), focal, int(lens)))
    return portraits, room_matrices(root) if name == "room" else {}

def renders(name, root, n=60):
    "Return renders on grey with faces and mattes, and true camera-to-world matrices in metres by name."
    entries = json.loads((root/"transforms_train.json").read_text())["frames"]
    landmarker, portraits, truth = FaceLandmarker(), [], {}
    for i in np.linspace(0, len(entries) - 1, min(n, len(entries))).round().astype(int):
        path = root/entries[i]["file_path"]
        rgba = np.asarray(Image.open(path if path.suffix else path.with_suffix(".png")).convert("RGBA"))/255
        image = (255*(rgba[..., :3]*rgba[..., 3:] + 0.5*(1 - rgba[..., 3:]))).round().astype(np.uint8)
        portraits.append(Portrait(f"{i:05d}", image, rgba[..., 3], landmarker(image)))
        matrix = np.array(entries[i]["transform_matrix"])
        matrix[:3, 3] /= UNITS
        truth[f"{i:05d}"] = matrix
    return portraits, truth

def with_matrices(cameras, matrices):
    "Return cameras at other places: camera-to-world matrices in metres."
    c2w = torch.tensor(np.stack(matrices), dtype=torch.float32)
    c2w[:, :3, 3] *= UNITS
    return replace(cameras, c2w=c2w)

def judge(placement, portraits, truth):
    "Return how many cameras are right and wrong, and the median errors of the right ones."
    true = with_matrices(placement.cameras, [truth[portraits[i].name] for i in placement.placed])
    off, turned = camera_errors(placement.cameras, true)
    right = (off < 20) & (turned < 2)
    return dict(right=int(right.sum()), wrong=int((~right).sum()), mm=float(off[right].median()),
        degrees=float(turned[right].median()))

def mark_error(placement, portraits, truth, root, head):
    "Return the median error of nose and eye corners of the aligned head in photographs of the face, pixels."
    entries, model = json.loads((root/"truth/truth.json").read_text()), load_head(root.parents[1]/"heads/ict_flame.npz")
    marks = model.landmarks(model.load_params(root/"truth/flame_param/00000.npz"))[0][MARKS]
    marks = transform_points(torch.tensor(entries["head_to_world"]).float(), marks).double().numpy()
    own = transform_points(flame_to_scene(), head.landmarks(placement.params)[0][MARKS])
    seen, errors = project(placement.cameras, own)[0].numpy(), []
    for k, i in enumerate(placement.placed):
        matrix = truth[portraits[i].name]
        if abs(np.degrees(np.arctan2(matrix[0, 3], -matrix[1, 3]))) > 60: continue
        x, y, z = ((marks - matrix[:3, 3]) @ matrix[:3, :3]).T
        true = np.stack([entries["cx"] - entries["fl_x"]*x/z, entries["cy"] + entries["fl_y"]*y/z], 1)
        errors.append(np.linalg.norm(seen[k] - true, axis=1))
    return float(np.median(errors))

def whole_way(root):
    "Return the seconds from the folder to the scene, and how well the mattes of the head agree with the truth."
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder: found = make_scene(root/"photographs", Path(folder)/"scene").findings
    seconds, ious = time.monotonic() - begin, []
    for i in found.placement.placed:
        true, counted = room_matte(root, found.portraits[i].name), ~found.ignored[i]
        ious.append(matte_iou(found.mattes[i]*counted, true*counted))
    return dict(scene_seconds=seconds, iou=float(np.mean(ious)), least_iou=float(min(ious)))

def drawn(count=60):
    "Return how long 12-megapixel photographs of the built-in person take: enlarged drawings, in one process."
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder)/"small", Path(folder)/"large"
        photograph_in_room(small, RoomConfig(count=count, width=480, height=640))
        large.mkdir()
        for path in sorted(small.glob("*.jpg")):
            image = Image.open(path)
            enlarged = image.resize((3000, 4000), Image.Resampling.BICUBIC)
            enlarged.save(large/path.name, quality=90, exif=image.info["exif"])
        begin = time.monotonic()
        found = make_scene(large, Path(folder)/"scene", head="anny").findings
        return dict(photographs=count, placed=len(found.placed), scene_seconds=time.monotonic() - begin)

def measure(name, head):
    "Return a row of the table for one set, or None where it is missing."
    if name == "drawn": return drawn()
    root = shared(f"data/{name}")
    if root is None: return None
    begin = time.monotonic()
    raw = name in ("room", "ten_photographs")
    portraits, truth = (photographs if raw else renders)(name, root)
    placement = place_photographs(portraits, head, face_points(head), progress=lambda *step: print(*step, flush=True))
    row = dict(photographs=len(portraits), placed=len(placement.placed), road=placement.road,
        seconds=time.monotonic() - begin)
    if truth: row |= judge(placement, portraits, truth)
    if name == "room": row |= dict(px=mark_error(placement, portraits, truth, root, head)) | whole_way(root)
    if not raw: row |= dict(focal=float(placement.cameras.focal[0, 0]), true_focal=true_focal(root))
    return row | dict(left_out={portraits[i].name: reason for i, reason in placement.why.items()})

def true_focal(root):
    "Return the focal length of renders of 400 pixels."
    content = json.loads((root/"transforms_train.json").read_text())
    return focal_from_fov(content.get("camera_angle_x") or content["frames"][0]["camera_angle_x"], 400)

def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sets", nargs="*", default=SETS, help=f"some of {', '.join(SETS)}")
    parser.add_argument("--out", default="bench/results/photos.json", help="table to write")
    args, head, rows = parser.parse_args(), load_head("anny"), {}
    for name in args.sets:
        row = measure(name, head)
        if row is None: continue
        row["peak_memory_GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/2**20
        rows[name] = row
        print(name, json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}), flush=True)
    write_text(args.out, json.dumps(rows, indent=1))

if __name__ == "__main__": main()
