"""Train on photographs with our own cameras and mattes, and with the true ones: compare PSNR on held-out photographs.

    .venv/bin/python bench/photos_psnr.py                     # room, lps, actor_neutral of ../shared/data
    .venv/bin/python bench/photos_psnr.py room --steps 500    # one of them

Both scenes hold the same photographs, hold out the same ones, and are trained with the same settings. True cameras are
brought to ours by the similarity that most of them agree with, because the head model stands where our cameras are. Of
`lps` and `actor_neutral` we forget the cameras only, so both of their scenes have our mattes.
"""
import os
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import argparse, json, tempfile, time
from dataclasses import replace
from pathlib import Path
import torch
from PIL import Image
from photos import renders, room_matrices, room_matte, true_focal, with_matrices
from nerflame.core import write_text
from nerflame.evaluation.runs import evaluate_run
from nerflame.files import shared
from nerflame.heads.head import load_head
from nerflame.photos.footage import read_footage
from nerflame.photos.scene import SceneConfig, write_scene
from nerflame.photos.studio import brought_to_truth
from nerflame.use.scene import make_scene
from nerflame.use.train import PhotoOptions, SettingChanges, train_folder

SETS = ("room", "lps", "actor_neutral")

def pictures_of(name, root, folder):
    "Return a folder of photographs, true matrices (metres) and mattes by name, and the focal length of the pictures."
    if name == "room":
        matrices, focal = room_matrices(root), json.loads((root/"truth/truth.json").read_text())["fl_x"]
        return root/"photographs", matrices, {key: room_matte(root, key) for key in matrices}, focal
    portraits, matrices = renders(name, root)
    folder.mkdir()
    for p in portraits: Image.fromarray(p.pixels).save(folder/f"{p.name}.png")
    return folder, matrices, None, true_focal(root)

def with_true_cameras(placement, names, matrices, focal):
    "Replace the cameras of a placement by the true ones, in the frame of the found ones."
    found = placement.cameras
    true = with_matrices(found, [matrices[names[i]] for i in placement.placed])
    cameras = replace(brought_to_truth(true, found), distortion=None, focal=torch.full_like(found.focal, focal),
        centre=found.picture_sizes/2)
    return replace(placement, cameras=cameras)

def same_split(folder, other):
    "Hold out the same photographs as another scene does."
    read = lambda root, split: json.loads((root/f"transforms_{split}.json").read_text())
    own = {split: read(folder, split) for split in ("train", "val")}
    entries = {e["file_path"]: e for content in own.values() for e in content["frames"]}
    for split, content in own.items():
        names = [e["file_path"] for e in read(other, split)["frames"]]
        write_text(folder/f"transforms_{split}.json", json.dumps({**content, "frames": [entries[n] for n in names]}))

def write_scenes(name, root, folder, head):
    "Write both scenes of a set: our cameras and mattes, and the true ones."
    pictures, matrices, mattes, focal = pictures_of(name, root, folder/"pictures")
    findings = make_scene(pictures, folder/"own", head="anny").findings
    footage = list(read_footage(pictures))
    names = [p.name for p in footage]
    true = with_true_cameras(findings.placement, names, matrices, focal)
    mattes = [mattes[n] for n in names] if mattes else findings.mattes
    write_scene(folder/"true", footage, mattes, true, head, SceneConfig(), findings.ignored)
    same_split(folder/"true", folder/"own")

def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sets", nargs="*", default=SETS, help=f"some of {', '.join(SETS)}")
    parser.add_argument("--steps", type=int, default=500, help="of the training")
    parser.add_argument("--resolution", type=int, default=200, help="longer side of the pictures, pixels")
    parser.add_argument("--out", default="bench/results/photos_psnr.json", help="table to write")
    args, head, rows = parser.parse_args(), load_head("anny"), {}
    for name in args.sets:
        root, rows[name] = shared(f"data/{name}"), {}
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write_scenes(name, root, folder, head)
            for kind in "own", "true":
                begin = time.monotonic()
                run = train_folder(folder/kind, folder/f"run_{kind}", SettingChanges(steps=args.steps),
                    PhotoOptions(resolution=args.resolution), head="anny")
                seconds = time.monotonic() - begin
                report = evaluate_run(run, ["val"], folder/f"eval_{kind}").reports["val"]
                rows[name][kind] = {k: v for k, v in report.items() if isinstance(v, float)} | dict(seconds=seconds)
        print(name, json.dumps(rows[name]), flush=True)
    write_text(args.out, json.dumps(rows, indent=1))

if __name__ == "__main__": main()
