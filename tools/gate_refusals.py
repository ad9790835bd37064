"""Collect the messages about bad input. Every case makes its input in a temporary folder."""
import io, json, math, os, pickle, shutil, typing, warnings
from dataclasses import fields, replace
from pathlib import Path
import numpy as np, torch
from PIL import Image
from safetensors.torch import save_file
import gate_names as nf
import gate_toys as toys
from gate_toys import head, quiet, trained, work_folder

def tell(gate, name, act, /, *arguments, **options):
    "Call a function that should refuse its arguments, and tell its error and its warnings as a message."
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", nf.InputWarning)
        try: act(*arguments, **options)
        except nf.InputError as e: said = [f"refused: {e}"]
        except Exception as e: said = [f"{type(e).__name__}: {str(e)[:200]}"]
        else: said = ["accepted"]
    gate.tell(name, "\n".join(said + [f"note: {w.message}" for w in heard if issubclass(w.category, nf.InputWarning)]))

def teller(gate, group):
    "Return a function that tells one case of a group, (name, function, arguments)."
    def case(name, act, /, *arguments, **options): tell(gate, f"{group}/{name}", act, *arguments, **options)
    return case

def refusals(gate):
    "Bad settings, files and arguments."
    with work_folder() as folder:
        for cases in (bad_settings, bad_scenes, bad_lenses, bad_heads, bad_motions, bad_checkpoints, bad_runs,
                bad_pictures, bad_arguments):
            (folder/cases.__name__).mkdir()
            cases(teller(gate, cases.__name__.removeprefix("bad_")), folder/cases.__name__)

def bad_settings(case, folder):
    "A wrong type in every field, an unknown field, and values out of their range."
    for name, config in nf.CONFIGS.items():
        case(f"{name}/unknown", nf.from_dict, config, dict(nonsense=1))
        case(f"{name}/no mapping", nf.from_dict, config, [1])
        hints = typing.get_type_hints(config)
        for field in fields(config):
            value = [1] if "tuple" not in str(hints[field.name]) else 7.5
            case(f"{name}/{field.name}", nf.from_dict, config, {field.name: value}, "c.yaml")
    ranges = dict(rays=[dict(near=6.), dict(coarse=62), dict(central=111), dict(fine=-1), dict(near=-1.)],
        network=[dict(depth=5), dict(octaves=-1), dict(width=0), dict(view_octaves=-2)],
        field=[dict(spacings=()), dict(spacings=(0.1, 0.2)), dict(width=0), dict(residual=-1),
        dict(spacings=(0.1, -1.)), dict(features=0)],
        epsilon=[dict(start=0.), dict(end=-1.), dict(begin=5, finish=5), dict(begin=9, finish=1)],
        model=[dict(voxel=0.), dict(step=-1.), dict(cell_size=0), dict(mesh_epsilon=0.)],
        published_model=[dict(backend="x"), dict(backend="pytorch3d"), dict(mesh_epsilon=0.),
        dict(quirks=nf.Quirks(True))],
        train=[dict(minutes=None), dict(minutes=-1.), dict(steps=0, minutes=None), dict(parameters="x")],
        published=[dict(minutes=None), dict(minutes=-1.), dict(steps=0), dict(preset="nerf", steps=1),
        dict(preset="x", steps=1)],
        published_stage=[dict(freeze=50_000), dict(freeze=-1), dict(length=-5)])
    for name, values in ranges.items():
        for i, value in enumerate(values): case(f"{name}/range/{i}", nf.CONFIGS[name], **value)
    for i, value in enumerate((dict(steps=(1,)), dict(noise=0), dict(knee=-1.), dict(vertices=0), dict(renew=0),
            dict(blur=(1., 1., 1., -1.)), dict(damping=-1.))):
        case(f"track/range/{i}", lambda value=value: nf.check_track_config(nf.TrackConfig(**value)))
    case("preset", lambda: nf.preset("best"))
    for name, text in {"no yaml": "a: [", "list": "- 1", "empty": "", "wrong": "seed: x", "twice": "seed: 1\nseed: 2",
            "tag": "a: !!python/object:os.system {}", "deep": "["*3000}.items():
        (folder/"c.yaml").write_text(text)
        case(f"file/{name}", lambda: nf.load_config(nf.TrainConfig, folder/"c.yaml"))
    (folder/"c.yaml").write_bytes(b"\xe9: 1")
    case("file/encoding", lambda: nf.load_config(nf.TrainConfig, folder/"c.yaml"))
    case("file/nowhere", lambda: nf.load_config(nf.TrainConfig, folder/"nowhere.yaml"))
    case("file/folder", lambda: nf.load_config(nf.TrainConfig, folder))

def put(path, value):
    "Return a change of one entry of a scene file, such as `frames.3.file_path`; None removes it."
    def change(folder, content):
        *parents, last = path.split(".")
        for p in parents: content = content[int(p) if isinstance(content, list) else p]
        last = int(last) if isinstance(content, list) else last
        if value is None: content.pop(last)
        else: content[last] = value
    return change

def resave(name, edit):
    "Return a change of one picture."
    def change(folder, content): Image.fromarray(edit(np.asarray(Image.open(folder/name)))).save(folder/name)
    return change

def bad_scenes(case, folder):
    "Scene files and folders."
    rgba = toys.photograph(toys.truth(), toys.views(7))
    nf.save_scene(folder/"good", "train", rgba, toys.views(7), 3., 5., timestep=[0, 0, 0, 1, 1, 1, 1],
        camera_index=range(7))
    m = toys.views(7).c2w[2].tolist()
    changes = dict(no_pictures=lambda f, c: shutil.rmtree(f/"train"), brace=lambda f, c: "{", list=lambda f, c: "[]",
        no_frames=put("frames", None), empty=put("frames", []),
        number=put("frames", [1]), no_path=put("frames.2.file_path", None),
        absolute=put("frames.2.file_path", "/etc/passwd"), outside=put("frames.2.file_path", "../x.png"),
        twice=put("frames.2.file_path", "train/r_1.png"), null=put("frames.2.file_path", 3),
        stretched=put("frames.2.transform_matrix", [[2*v for v in row] for row in m[:3]] + [[0, 0, 0, 1]]),
        nan=put("frames.2.transform_matrix", [[math.nan, *m[0][1:]], *m[1:]]),
        short=put("frames.2.transform_matrix", m[:2]), no_matrix=put("frames.2.transform_matrix", None),
        mirrored=put("frames.2.transform_matrix", [[-v for v in m[0]], *m[1:]]), width=put("frames.0.w", 81),
        focal=put("frames.3.fl_x", -5), words=put("frames.3.fl_x", "wide"),
        huge=put("frames.3.fl_x", 10**400), k5=put("k5", 0.1), k1=put("frames.2.k1", "much"),
        model=put("frames.2.camera_model", "FOV"), ftheta=put("frames.2.ftheta_p0", 0.1),
        shutter=put("frames.2.rolling_shutter", [0, 0, 1]), near=put("near", 7.), near_text=put("near", "x"),
        timestep=put("frames.2.timestep_index", None), timestep_text=put("frames.2.timestep_index", "a"),
        similarity=put("flame_to_scene", [[1, 0, 0, 0]]), similarity_text=put("flame_to_scene", "x"),
        cut=resave("train/r_4.png", lambda a: a[:20]), no_alpha=resave("train/r_4.png", lambda a: a[..., :3]),
        no_picture=lambda f, c: [(f/"train"/f"r_{i}.png").write_bytes(b"no image") for i in (5, 6)],
        one_lost=lambda f, c: (f/"train/r_3.png").unlink(),
        black=lambda f, c: [resave(f"train/r_{i}.png", lambda a: a*np.uint8([1, 1, 1, 0]))(f, c)
        for i in range(7)],
        inverted=lambda f, c: [resave(f"train/r_{i}.png",
        lambda a: np.dstack([a[..., :3], 255 - a[..., 3]]))(f, c) for i in range(7)],
        dark=lambda f, c: [resave(f"train/r_{i}.png", lambda a: np.dstack([a[..., :3]//32, a[..., 3]]))(f, c)
        for i in range(7)],
        one_dark=resave("train/r_2.png", lambda a: np.dstack([a[..., :3]//64, a[..., 3]])),
        params=put("frames.0.flame_param_path", "p.npz"), latlong=put("frames.0.latlong", True),
        expression=put("frames.1.expression", [0, 1]), time=put("frames.1.time", 0.5),
        unknown=put("smell", "sweet"), principal=put("cx", 0.5), far_principal=put("cx", 31.), lengths=put("fl_y", 9.),
        mask=put("frames.1.mask_path", "m.png"))
    for name, change in changes.items():
        place = folder/name
        shutil.copytree(folder/"good", place)
        content = json.loads((place/"transforms_train.json").read_text())
        text = change(place, content)
        (place/"transforms_train.json").write_text(text if isinstance(text, str) else json.dumps(content))
        case(name, nf.load_scene, place)
        shutil.rmtree(place)
    good = folder/"good"
    for name, options in dict(split=dict(split="val"), split_path=dict(split="../train"),
            resolution=dict(resolution=100), resolution0=dict(resolution=0), both=dict(resolution=8, half_res=True),
            testskip=dict(testskip=0), background=dict(background="green"),
            background2=dict(background=(2., 0., 0.)), labels=dict(mask_labels=("skin",)),
            head=dict(head=head())).items():
        case(f"options/{name}", nf.load_scene, good, **options)
    case("nowhere", lambda: nf.load_scene(folder/"nowhere"))
    case("file", lambda: nf.load_scene(good/"transforms_train.json"))
    some = json.dumps(dict(frames=[dict(file_path="a.png", transform_matrix=0)]))
    for name, files in dict(empty_val={"transforms_train.json": some, "transforms_val.json": '{"frames": []}'},
            colmap={"transforms.json": some, "transforms_colmap.json": some},
            nothing={}, deep={"transforms.json": "["*100000},
            encoding={"transforms.json": b"\xe4"}).items():
        place = folder/name
        place.mkdir()
        for file, text in files.items(): (place/file).write_bytes(text if isinstance(text, bytes) else text.encode())
        for split in "train", "val": case(f"folder/{name}/{split}", nf.read_transforms, place, split)
    for name, lists in dict(unknown=dict(train_filenames=["images/7.png"]),
            text=dict(train_filenames="images")).items():
        frames = [dict(file_path=f"images/{i}.png") for i in range(5)]
        case(f"lists/{name}", nf.split_frames, dict(frames=frames, **lists), "t.json")
    case("names", lambda: nf.frame_names([Path("s/a.png"), Path("s/b.png"), Path("s/a.png")], "t.json"))
    for i, matrix in enumerate(([[1, 0, 0, 0]]*4, "x", np.eye(4)*math.nan, np.diag([1., 2, 1, 1]),
            np.diag([-1., 1, 1, 1]), np.zeros((4, 4)))):
        case(f"similarity/{i}", nf.check_similarity, matrix, "t.json")
    named = toys.still_scene(4)
    for name, content in dict(other=dict(z=1), shape=dict(r_0=[[1, 2]]), far=dict(r_0=[[900, 20], [20, 40]]*34),
            sure=dict(r_0=[[9, 9, 7]]*68), size=dict(r_0=[[1, 2]]*68, size=[100, 50]), list=[1],
            shares=dict(r_0=[[i/70, i/80] for i in range(68)]),
            few=dict(r_0=[[i/3, i/4] for i in range(68)])).items():
        (folder/"marks.json").write_text(json.dumps(content))
        case(f"landmarks/{name}", lambda: nf.load_landmarks_2d(folder/"marks.json", named))
    (folder/"marks.json").write_text("{")
    case("landmarks/brace", lambda: nf.load_landmarks_2d(folder/"marks.json", named))
    case("landmarks/nowhere", lambda: nf.load_landmarks_2d(folder/"marks.txt", named))
    case("landmarks/match", lambda: nf.match_frames(("r_0", "r_1"), ["x/r_0", "y/r_0"], "f"))

def bad_lenses(case, folder):
    "Cameras, in the scene file and in a frame of it."
    for name, (frame, top) in dict(negative=({}, dict(fl_x=-5)), text=(dict(fl_x="wide"), {}),
            infinite=({}, dict(fl_x=math.inf)), nothing=({}, dict(cx=3)), degrees=({}, dict(camera_angle_x=90)),
            both=({}, dict(camera_angle_x=1., fl_x=50)),
            fov=({}, dict(x_fov=200)), width=(dict(w=81), dict(fl_x=50)),
            size=(dict(fl_x=50), dict(w=160, h=120)), k1=({}, dict(fl_x=50, k1="much")),
            sx1=({}, dict(fl_x=50, is_fisheye=True, sx1=0.1)),
            k2=({}, dict(fl_x=50, camera_model="SIMPLE_RADIAL_FISHEYE", k2=0.1)),
            model=({}, dict(fl_x=50, camera_model="FOV")), fisheye=(dict(is_fisheye=True, camera_model="OPENCV"),
            dict(fl_x=50)),
            angle=({}, dict(is_fisheye=True, camera_angle_x=1.)),
            intrinsics=({}, dict(intrinsics=[1, 2, 3])), intrinsics2=({}, dict(intrinsics=[0, 1, .5, .5])),
            intrinsics3=({}, dict(camera_angle_x=0.3, intrinsics=[-150.88, 150.88, 0.38, 0.5]))).items():
        case(name, nf.frame_intrinsics, frame, top, 80, 60, "t.json", "frames[3].")
    for name, matrix in dict(shape=[[1, 0]], scale=np.eye(4)*2, nan=np.eye(4)*math.nan, text="x").items():
        case(f"rigid/{name}", nf.check_rigid, matrix, "t.json", "m")

class Harm:
    "An object whose pickle calls a function, which no reader may do."
    def __reduce__(self): return print, ("harm was done",)

def bad_heads(case, folder):
    "Heads, parameters, pickles and archives."
    write = lambda name, data: (folder/name).write_bytes(data) and folder/name
    files = dict(text=b"no head", empty=b"", harm=pickle.dumps(Harm(), 2), other=pickle.dumps(dict(a=1), 2),
        list=pickle.dumps([1], 2), eval=pickle.dumps(eval, 2), cut=pickle.dumps(dict(a=np.ones(9)), 2)[:-20])
    for suffix in ".pkl", ".npz", ".safetensors", ".npy", ".zip":
        for name, data in files.items():
            if data or suffix == ".pkl":
                case(f"head/{name}{suffix}", nf.load_flame, write(f"{name}{suffix}", data or b" "))
    for name, data in files.items():
        path = write(f"r_{name}", data) if data else folder/"nowhere"
        case(f"pickle/{name}", nf.read_pickle, path)
        case(f"npy/{name}", nf.read_npy, path)
        case(f"npz/{name}", nf.read_npz, path)
    mangled = pickle.dumps(dict(a=np.arange(9.)), 2).replace(b"\n", b"\r\n")
    case("pickle/crlf", nf.read_pickle, io.BytesIO(mangled), "f.pkl")
    np.savez(folder/"objects.npz", a=np.array([Harm()], object))
    case("npz/objects", lambda: nf.read_npz(folder/"objects.npz"))
    case("load/nowhere", lambda: nf.load_head("no_such_model.pkl"))
    case("load/folder", lambda: nf.load_head(folder))
    case("saved/nowhere", lambda: nf.load_saved_head(folder/"h.safetensors"))
    save_file(dict(x=torch.zeros(1)), folder/"s.safetensors")
    case("saved/format", lambda: nf.load_saved_head(folder/"s.safetensors"))
    arrays = head().arrays
    for name, change in dict(faces=dict(faces=arrays.faces + 10_000), nan=dict(v_template=arrays.v_template*np.nan),
            shape=dict(shapedirs=arrays.shapedirs[:5]), weights=dict(lbs_weights=arrays.lbs_weights*2),
            parents=dict(parents=np.array([0, 1, 2, 3, 4])),
            regressor=dict(J_regressor=arrays.J_regressor[:3]), names=dict(expression_names=("a",)),
            double=dict(v_template=arrays.v_template[:, :2]),
            uv=dict(uv=np.zeros((3, 2), np.float32)), kinds=dict(part_names=("a",)),
            landmarks=dict(landmarks=nf.Landmarks(np.arange(5), np.ones((5, 3))))).items():
        case(f"arrays/{name}", replace, arrays, **change)
    rest = head().neutral(2)
    for name, change in dict(unknown=dict(jaw=1.), short=dict(jaw_pose=[1., 2.]), rows=dict(jaw_pose=torch.zeros(3, 3)),
            offset=dict(dynamic_offset=torch.ones(3, 3, 3)), static=dict(static_offset=torch.ones(3, 2))).items():
        case(f"params/{name}", rest.replace, **change)
    case("params/heads", lambda: nf.cat_params([rest, rest.replace(head="abc")]))
    case("params/other", lambda: head()(rest.replace(betas=torch.zeros(2, 9))))
    case("params/identity", lambda: nf.Head(arrays).load_params(folder/"nowhere.npz"))
    for name, entries in dict(nothing={}, other=dict(a=1), short=dict(expr=np.zeros((1, 3))),
            text=dict(expr=np.array(["a"])), rows=dict(expr=np.zeros((2, 3), np.float32),
            jaw_pose=np.zeros((5, 3), np.float32)), nan=dict(expr=np.full((1, 3), np.nan, np.float32),
            shape=np.zeros(4, np.float32))).items():
        np.savez(folder/"p.npz", **entries)
        case(f"params file/{name}", head().load_params, folder/"p.npz")
    nf.save_params(rest.replace(head="someone else"), folder/"p.npz")
    case("params file/head", lambda: head().load_params(folder/"p.npz"))
    for name, value in dict(list=[1, 2], none=None).items():
        np.save(folder/f"{name}.npy", np.array(value, object), allow_pickle=True)
        case(f"landmarks/{name}", nf.load_landmarks, folder/f"{name}.npy")
    case("landmarks/head", lambda: head().landmarks(rest))
    case("landmarks/corners", lambda: nf.landmark_corners(head(), rest[0]))
    case("expression", lambda: head().expression_weights(dict(grin=1.)))
    case("person", lambda: nf.make_person(head()))
    for name, text in dict(empty="", words="v 1 2\n", face="v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", number="v 0 0 x\n",
            faces="v 0 0 0\n").items():
        (folder/"m.obj").write_text(text)
        case(f"obj/{name}", nf.load_obj, folder/"m.obj")
    case("obj/nowhere", lambda: nf.load_obj(folder/"no.obj"))

def bad_motions(case, folder):
    "Recordings of faces, sequences of parameters, paths of cameras."
    table = (nf.repository()/"nerflame"/"samples"/"live_link_face.csv").read_text().splitlines()
    row = table[3].split(",")
    changes = dict(empty=[], header=table[:1], word=[*table[:3], table[3].replace(row[2], "much", 1), *table[4:]],
        short=[*table[:3], ",".join(row[:9]), *table[4:]], code=[*table[:3], table[3].replace(row[0], "12", 1),
        *table[4:]],
        columns=[",".join(t.split(",")[:20]) for t in table], twice=[table[0] + ",JawOpen",
        *(t + ",0" for t in table[1:])], gap=[*table[:31], *(t[:t.index(",")] + ",0" for t in table[31:41]),
        *table[41:]], large=[*table[:3], table[3].replace(row[5], "1e9", 1), *table[4:]],
        back=[table[0], *table[:0:-1]], other=["a,b,c", "1,2,3"])
    for name, lines in changes.items():
        (folder/"r.csv").write_text("\n".join(lines))
        case(f"csv/{name}", nf.read_live_link, folder/"r.csv")
    (folder/"r.csv").write_bytes(b"\xe9,1")
    case("csv/encoding", lambda: nf.read_live_link(folder/"r.csv"))
    case("csv/nowhere", lambda: nf.read_live_link("nowhere.csv"))
    case("csv/rate", lambda: nf.read_live_link("sample", rate=25))
    case("csv/folder", lambda: nf.read_live_link(folder))
    take, someone = nf.read_live_link("sample"), head().neutral(3)
    case("take/joint", lambda: nf.take_params(head(), take, "hips"))
    numbered = nf.repository()/"nbs"/"published"/"FLAME"/"model"/"generic_model.pkl"
    case("take/names", lambda: nf.arkit_mapping(nf.load_head(numbered)))
    for name, rows in dict(twice=("3", "03"), several=("a_0", "b_0"), hole=("0", "5")).items():
        for stem in rows: nf.save_params(someone[0], folder/name/f"{stem}.npz")
        case(f"sequence/{name}", nf.load_motion, folder/name, head(), 10.)
    nf.save_params(someone, folder/"two"/"0.npz")
    case("sequence/rows", lambda: nf.load_motion(folder/"two", head(), 10.))
    case("sequence/nowhere", lambda: nf.load_motion(folder/"none.npz", head()))
    case("sequence/empty", lambda: nf.load_motion(folder, head()))
    case("times", lambda: nf.film_times(3., 1e12))
    case("times/zero", lambda: nf.film_times(3., 0.))
    motion = nf.load_motion(folder/"hole", head(), 10.)
    case("smooth", lambda: nf.resample(motion, np.array([0., 0.3]), 1e9))
    keys = [dict(time=0, azimuth=0.), dict(time=1, azimuth=0.3)]
    for name, content in dict(list=[1], nothing={}, empty=dict(keyframes=[]), number=dict(keyframes=[1]),
            time=dict(keyframes=[dict(azimuth=0.)]), order=dict(keyframes=keys[::-1]),
            degrees=dict(keyframes=[dict(time=0, azimuth=90)]), unknown=dict(keyframes=[dict(time=0, roll=1)]),
            text=dict(keyframes=[dict(time="x")]), radius=dict(keyframes=[dict(time=0, radius=-1)]),
            fov=dict(keyframes=[dict(time=0, fov=4)]), target=dict(keyframes=[dict(time=0, target=[1])])).items():
        (folder/"path.json").write_text(json.dumps(content))
        case(f"path/{name}", lambda: nf.camera_path(folder/"path.json", np.array([0., 0.5])))
    (folder/"path.json").write_text("{")
    case("path/brace", lambda: nf.camera_path(folder/"path.json", np.array([0.])))
    case("path/nowhere", lambda: nf.camera_path(folder/"no.json", np.array([0.])))

def bad_checkpoints(case, folder):
    "Checkpoints and settings of the published code, weights of LPIPS."
    record = nf.repository()/"nbs"/"published"
    content, tiny = torch.load(next(record.glob("*.tar")),
        weights_only=True), nf.load_head(record/"FLAME"/"model"/"generic_model.pkl")
    def opened(changes, leave=()):
        torch.save({k: v for k, v in (content | changes).items() if k not in leave}, folder/"c.tar")
        return nf.read_checkpoint(folder/"c.tar")
    net = "network_fn_state_dict"
    changed = lambda key, value: {net: content[net] | {key: value}}
    for name, act in dict(no_pose=lambda: opened({}, ["f_pose"]), pose=lambda: opened(dict(f_pose=torch.zeros(1, 3))),
            nan=lambda: opened(dict(f_exp=content["f_exp"].detach()*torch.nan)), no_network=lambda: opened({}, [net]),
            output=lambda: opened(changed("output_linear.weight", torch.zeros(3, 24))),
            layer=lambda: opened(changed("pts_linears.2.weight", torch.zeros(24, 25))),
            octaves=lambda: opened(changed("pts_linears.0.weight", torch.zeros(24, 60))),
            text=lambda: opened(changed("pts_linears.3.bias", "text")),
            extra=lambda: opened(changed("extra", torch.zeros(1))), step=lambda: opened(dict(global_step="later")),
            nowhere=lambda: nf.read_checkpoint("nowhere.tar"),
            fine=lambda: opened(dict(network_fine_state_dict={k: v[:12] for k,
            v in content["network_fine_state_dict"].items()})), zip=lambda: nf.read_checkpoint(record/"renders.npz"),
            harm=lambda: opened(dict(extra=Harm())),
            components=lambda: nf.import_checkpoint(opened(dict(f_shape=torch.ones(1, 100))), tiny),
            epsilon=lambda: nf.import_checkpoint(opened({}), tiny, epsilon=0.),
            head=lambda: nf.import_checkpoint(opened({}), head())).items(): case(name, act)
    (folder/"t.tar").write_bytes(b"not a checkpoint")
    case("bytes", lambda: nf.read_checkpoint(folder/"t.tar"))
    (folder/"p.tar").write_bytes(pickle.dumps(Harm(), 2))
    case("pickle", lambda: nf.read_checkpoint(folder/"p.tar"))
    own = "\n".join(("head: &head", "  flame_model_path: './mine.pkl'", "my_face:",
        '  module: "flame_nerf.trainer_frozen_mesh.FrozenFlameTrainer"', "  kwargs:", "    N_samples: 64",
        "    N_rand: 256", "    datadir: scenes/me", "    n_the_farthest_samples: 30",
        "    near: 2", "    flame_config:", '      module: "FLAME.FlameConfig"', "      kwargs:",
        "        <<: *head", ""))
    for name, (text, model) in dict(model=(own, "my_fase"), part=(own, "head"), key=(own.replace("datadir", "datdir"),
            "my_face"), earlier=(own.replace("N_rand: 256", "use_pretrained_nerf: true"), "my_face"),
            type=(own.replace("N_rand: 256", "N_rand: many"), "my_face"),
            lacking=(own.replace("datadir: scenes/me", ""), "my_face"),
            near=(own.replace("near: 2", "near: 7"), "my_face"), module=(own.replace("FrozenFlameTrainer", "Trainer"),
            "my_face"), flame=(own.replace("flame_model_path", "flame_path"), "my_face"),
            farthest=(own.replace("n_the_farthest_samples: 30", "n_the_farthest_samples: 64"),
            "my_face"), llff=(own.replace("scenes/me", "scenes/me\n    dataset_type: llff"), "my_face"),
            yaml=("my_face: [", "my_face"), list=("- 1", "a"), scalar=("a: 1", "my_face"),
            escape=(own.replace("scenes/me", r'"data\scenes\me"'), "my_face"),
            noise=(own.replace("near: 2", "raw_noise_std: 1.0"), "my_face"),
            width=(own.replace("near: 2", "netwidth_fine: 128"), "my_face"),
            start=(own.replace("near: 2", "ft_path: old.tar"), "my_face")).items():
        (folder/"h.yaml").write_text(text)
        case(f"settings/{name}", nf.read_hparams, folder/"h.yaml", model)
    case("settings/nowhere", lambda: nf.read_hparams("nowhere.yaml", "a"))
    for name, value in dict(empty={}, list=[1], short={"features.0.weight": torch.zeros(3)}, harm=Harm()).items():
        torch.save(value, folder/"v.pth")
        case(f"lpips/{name}", nf.read_vgg, folder/"v.pth")
    case("lpips/nowhere", lambda: nf.read_vgg("nowhere.pth"))

def bad_runs(case, folder):
    "RUN folders and trainings that cannot begin."
    given = replace(toys.TOY, parameters="given", steps=2)
    with quiet(): nf.train(toys.still_scene(given=True), head(), given, None, folder/"run", [])
    for name in "config.yaml", "field.safetensors", "head.safetensors", "metrics.json":
        place = folder/f"without {name}"
        shutil.copytree(folder/"run", place)
        (place/name).unlink()
        case(f"without/{name}", nf.load_run, place)
        (place/name).write_bytes(b"\xe9nothing")
        case(f"nonsense/{name}", nf.load_run, place)
        if name.endswith("safetensors"):
            save_file(dict(x=torch.zeros(1)), place/name)
            case(f"other/{name}", nf.load_run, place)
    place, text = folder/"old", (folder/"run"/"config.yaml").read_text()
    shutil.copytree(folder/"run", place)
    for name, (old, new) in dict(format=("format: nerflame-run", "format: someone-else"), field=("seed: 0", "sead: 0"),
            value=("seed: 0", "seed: x")).items():
        (place/"config.yaml").write_text(text.replace(old, new))
        case(f"config/{name}", nf.load_run, place)
    case("nowhere", lambda: nf.load_run(folder/"nowhere"))
    case("model/nowhere", lambda: nf.load_model(folder/"nowhere"))
    scene = toys.still_scene()
    fit = lambda scene, head, config, out=None, **k: quietly(nf.train, scene, head, config, None, out, [], **k)
    by = lambda s, k: replace(s, cameras=replace(s.cameras,
        c2w=torch.cat([torch.cat([s.cameras.c2w[:, :3, :3], k*s.cameras.c2w[:, :3, 3:]], 2), s.cameras.c2w[:, 3:]], 1)))
    short = replace(toys.TOY, steps=1, mesh=replace(toys.TOY.mesh, steps=1))
    for name, act in dict(params=lambda: fit(scene, head(), given), far=lambda: fit(by(scene, 2.), head(), toys.TOY),
            farther=lambda: fit(by(scene, 1.5), head(), short),
            few=lambda: fit(toys.still_scene(3, given=True), head(), given),
            masks=lambda: fit(replace(scene, coverage=None), head(), toys.TOY),
            near=lambda: fit(replace(scene, near=0.), head(), toys.paper(steps=2)),
            resume=lambda: fit(scene, head(), toys.TOY, out=folder/"none", resume=True),
            moving=lambda: fit(toys.moving_scene(given=True), head(),
            replace(toys.paper(steps=1), parameters="given")),
            away=lambda: fit(replace(scene, cameras=replace(scene.cameras, c2w=torch.linalg.inv(scene.cameras.c2w))),
            head(), replace(given, parameters="neutral")),
            lying=lambda: fit(replace(scene, cameras=replace(scene.cameras,
            c2w=torch.tensor([[1., 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]]) @ scene.cameras.c2w)), head(),
            short)).items(): case(f"train/{name}", act)
    with quiet():
        toys.train_toy("still/given", folder/"half", stop=9)
    case("resume/other", lambda: fit(toys.still_scene(10, given=True), head(), given, out=folder/"half", resume=True))
    case("resume/half", lambda: nf.load_run(folder/"half"))
    unfinished = next(iter((folder/"half").glob("*unfinished*")), None)
    if unfinished:
        data = unfinished.read_bytes()
        unfinished.write_bytes(data[:-9])
        case("unfinished/cut", nf.read_unfinished, folder/"half")
        save_file(dict(x=torch.zeros(1)), unfinished)
        case("unfinished/format", lambda: nf.read_unfinished(folder/"half"))
        unfinished.unlink()
        case("unfinished/nowhere", lambda: nf.read_unfinished(folder/"half"))
    def slip():
        class Wrong(nf.Callback):
            def before_stages(self, stage, steps): pass
    case("callback", slip)

def quietly(act, *arguments, **options):
    "Call a function without its bars; its warnings are heard."
    import contextlib
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        return act(*arguments, **options)

def bad_pictures(case, folder):
    "Pictures and masks."
    rgba = (np.random.default_rng(0).random((4, 5, 4))*255).astype(np.uint8)
    Image.fromarray(rgba).save(folder/"rgba.png")
    (folder/"cut.png").write_bytes((folder/"rgba.png").read_bytes()[:50])
    (folder/"program.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    (folder/"film.png").write_bytes(b"GIF89a")
    Image.fromarray(np.ones((2, 2), np.float32)).save(folder/"float.tif")
    for name in "cut.png", "program.png", "film.png", "nothing.png", "float.tif":
        case(f"read/{name}", nf.read_image, folder/name)
        case(f"size/{name}", nf.picture_size, folder/name)
    parsing = np.zeros((40, 40), np.uint8)
    parsing[10:30, 8:32] = 1
    parsing[5:10, 8:32] = 17
    Image.fromarray(parsing).save(folder/"grey.png")
    Image.fromarray(parsing*15).save(folder/"wide.png")
    Image.fromarray(np.dstack([parsing*15, parsing*9, parsing])).save(folder/"colours.png")
    Image.fromarray((parsing > 0).astype(np.uint8)).save(folder/"ones.png")
    for name in "grey", "wide", "colours", "ones": case(f"mask/{name}", nf.read_mask, folder/f"{name}.png")
    case("mask/number", lambda: nf.read_mask(folder/"colours.png", (1,)))
    for i, labels in enumerate(("skin", "-1", "#ff80", "1,,2", [1.5], "70000")):
        case(f"labels/{i}", nf.parse_labels, labels)
    for i, behind in enumerate(("green", (1., 2.), (2., 0., 0.), "1,2", 7)):
        case(f"background/{i}", nf.parse_background, behind)

def bad_arguments(case, folder):
    "Arguments of functions."
    model, toy, ones = nf.trained_model(trained("still/given")[0]), head(), torch.ones
    rest, view = nf.captured(model), nf.orbit_camera(0.2, 0.1, width=8)
    plain = nf.trained_model(trained("plain")[0])
    scene = toys.still_scene()
    cases = dict(
        mesh_faces=lambda: nf.MeshBVH(ones(3, 3), torch.tensor([[0, 1, 5]])),
        mesh_nan=lambda: nf.MeshBVH(ones(3, 3)*math.nan, torch.tensor([[0, 1, 2]])),
        mesh_empty=lambda: nf.MeshBVH(ones(3, 3), torch.zeros(0, 3, dtype=torch.long)),
        backend=lambda: nf.mesh_search(toy.flame.v_template, toy.faces, "x"),
        nearest=lambda: nf.keep_nearest(ones(2, 5), ones(2, 5), 6), around=lambda: nf.around_nearest(ones(2, 5),
        ones(2, 5), 6, 1, ones(2)), importance=lambda: nf.importance_depths(ones(1, 2), ones(1, 2), 5),
        orbit=lambda: nf.orbit_camera(30., 0.), orbit_radius=lambda: nf.orbit_camera(0., 0., radius=-1.),
        composite=lambda: nf.composite(ones(2), ones(3, 3), ones(3), torch.zeros(3).long(), 1, ones(3)),
        other_head=lambda: nf.render(model, view, rest.replace(head="0"*16)),
        nan_pose=lambda: nf.render(model, view, rest.replace(jaw_pose=[math.nan, 0., 0.])),
        posed_plain=lambda: nf.render(plain, view, rest),
        ssim=lambda: nf.ssim(ones(1, 5, 5, 3), ones(1, 5, 5, 3)),
        frames=lambda: nf.render_frames(model, nf.orbit_camera(torch.tensor([0., 1., 2.]), 0.1, width=8), rest[[0, 0]]),
        names=lambda: nf.save_frames([ones(4, 4, 3)], ["../a"], folder),
        names_twice=lambda: nf.save_frames([ones(4, 4, 3)]*2, ["a", "a"], folder),
        video=lambda: nf.write_video(ones(2, 8, 8, 3), folder/"a.avi"),
        sheet=lambda: nf.contact_sheet({"a": [ones(4, 4, 3)], "b": []}),
        avatar_size=lambda: nf.gltf.make_avatar(model, 4), avatar_plain=lambda: nf.gltf.make_avatar(plain, 32),
        avatar_uv=lambda: nf.gltf.make_avatar(model, 32, True),
        place=lambda: nf.gltf.check_place(folder/"a.gltf", ".glb"), place_file=lambda: nf.gltf.check_place(folder,
        ".obj"), start=lambda: nf.track(toys.moving_scene(), toy, toy.neutral(2)),
        marks=lambda: nf.track(toys.moving_scene(), toy, toy.neutral(), landmarks=torch.zeros(2, 68, 3)),
        align_front=lambda: nf.find_alignment(scene, toy, front="nobody"),
        align_masks=lambda: nf.find_alignment(replace(scene, coverage=None, without_alpha="a.png"), toy),
        align_inverted=lambda: nf.find_alignment(replace(scene, coverage=255 - scene.coverage), toy),
        align_least=lambda: nf.find_alignment(scene, toy, config=replace(toys.TOY.outline, steps=1),
        generator=toys.draws(), min_iou=0.999), bake=lambda: nf.bake(model.field, torch.zeros(3), 9),
        film=lambda: nf.render_film(model, nf.swing_cameras(2, 0.1, width=8), rest[[0, 0]], folder, formats=("avi",)),
        drive=lambda: nf.drive_params(model, rest.replace(head="other")), drive_plain=lambda: nf.drive_params(plain,
        rest), capture=lambda: nf.built_in_capture(nf.CaptureConfig(moments=("yodel",))),
        capture_size=lambda: nf.built_in_capture(nf.CaptureConfig(resolution=0)),
        capture_read=lambda: nf.read_capture(folder), sweep=lambda: nf.control_report(model, None, rest, view,
        nf.SWEEPS[6:7]), hidden=lambda: nf.unseen_mouth(toy, rest, []),
        preview=lambda: nf.preview_module.preview("nowhere"), preview_size=lambda: nf.preview_module.preview(model,
        size=100, draft=200),
        points=lambda: nf.similarity_between(ones(2, 3), ones(2, 3)), face=lambda: nf.texture.choose_layout(toy,
        toy(rest)[0].detach().numpy(), 256, True), device=lambda: nf.pick_device("abacus"))
    for name, act in cases.items(): case(name, act)

def run_commands(gate, root):
    "Commands that succeed: their output and their files."
    def done(key, name, *arguments): gate.tell(f"{name}/{key}", toys.command(gate, name, *arguments))
    scene, toy = root/"scene", ["--head", root/"toy.npz"]
    with quiet():
        nf.train(nf.load_scene(scene, "train", head=head()), head(), replace(toys.TOY, parameters="given"),
            nf.load_scene(scene, "val", head=head()), root/"run", [],
            run=nf.RunConfig(str(scene), head=head().name, device="cpu", train=replace(toys.TOY, parameters="given")))
    store = lambda key, folder: toys.store_folder(gate, f"written/{key}", folder)
    with quiet_home(root):
        done("paper", "train", scene, "--out", root/"paper", *toy, "--preset", "paper", "--parameters", "given",
            "--steps", "2", "--rays", "32")
        done("nerf", "train", scene, "--out", root/"nerf", "--preset", "nerf", "--steps", "2", "--rays", "32",
            "--resolution", "16")
        store("nerf", root/"nerf")
        done("run", "eval", root/"run", "--out", root/"scores", "--device", "cpu")
        store("eval", root/"scores")
        done("train", "eval", root/"run", "--split", "train", "--out", root/"scores1")
        store("eval train", root/"scores1")
        done("captured", "render", root/"run", "--out", root/"a", "--size", "24")
        store("render", root/"a")
        done("posed", "render", root/"run", "--out", root/"b", "--size", "24", "--jaw_pose=0.3,0,0",
            f"--expression={head().expression_names[0]}=1", "--camera=0.4,0.1,4")
        store("render posed", root/"b")
        done("film", "render", root/"run", "--out", root/"c", "--size", "16", "--params", root/"jaw.npz")
        store("render film", root/"c")
        done("table", "render", root/"run", "--out", root/"d", "--size", "16", "--turntable", "2")
        done("split", "render", root/"run", "--out", root/"e", "--split", "test")
        store("render split", root/"e")
        done("arkit", "drive", root/"run", "--arkit", "sample", "--out", root/"f", "--fps", "2", "--size", "16",
            "--orbit", "0.3", "--pictures")
        store("drive", root/"f")
        done("params", "drive", root/"run", "--params", root/"jaw.npz", "--out", root/"g", "--size", "16", "--formats",
            "gif", "--relative")
        store("drive params", root/"g")
        done("all", "export", root/"run", "--glb", root/"x"/"a.glb", "--obj", root/"x"/"a b.obj", "--ply",
            root/"x"/"a.ply", "--pictures", root/"x"/"turn", "--texture", "32", "--count", "2", "--size", "16")
        store("export", root/"x")
        record = nf.repository()/"nbs"/"published"
        done("published", "import", next(record.glob("*.tar")), "--flame", record/"FLAME", "--data", scene, "--out",
            root/"imported")
        store("import", root/"imported")
        done("imported", "render", root/"imported", "--out", root/"h", "--size", "12", "--jaw_pose=0.2,0,0")
        store("render imported", root/"h")

def quiet_home(root):
    "Look for weights of LPIPS in this folder only."
    from unittest.mock import patch
    return patch.dict(os.environ, TORCH_HOME=str(root/"hub"))

def refused_commands(gate, root):
    "Mistakes on the command line."
    count = {}
    def refused(name, *arguments):
        count[name] = count.get(name, 0) + 1
        gate.tell(f"{name}/refused/{count[name]:02}",
            " ".join(["nerflame", name, *map(str, arguments)]) + "\n" + toys.command(gate, name, *arguments))
    toy, record = ["--head", root/"toy.npz"], nf.repository()/"nbs"/"published"
    scene, run, new = root/"scene", root/"run", root/"new"
    (root/"file").write_text("x")
    (root/"not.tar").write_bytes(b"no checkpoint")
    (root/"half").mkdir()
    (root/"others").mkdir()
    (root/"others"/"thesis.tex").write_text("x")
    nf.save_params(head().neutral().replace(head="someone else"), root/"other.npz")
    at = ["--out", new]
    for more in ((root/"nowhere", *at, *toy), (scene,), (), (scene, *at, "--render_only"),
            (scene, *at, "--backend", "pytorch3d"), (scene, *at, "--preset", "slow"), (scene, *at, "--minutes", "0"),
            (scene, *at, "--minutes", "1", "--steps", "9"), (scene, *at, *toy, "--steps", "0"),
            (scene, *at, "--head", root/"no.pkl", "--steps", "2"), (scene, "--out", scene, *toy, "--parameters",
            "given", "--steps", "2"), (scene, *at, "--mask-labels", "skin"), (scene, "--out", root/"others", *toy,
            "--steps", "2"), (scene, "--out", root/"file", *toy, "--steps", "2"),
            (scene, *at, "--nonsense"), ("--resume", root/"nowhere"), ("--resume", run),
            ("--resume", run, "--minutes", "3"), ("--resume", scene), (scene, *at, "--device", "abacus", *toy,
            "--steps", "2"), (scene, *at, "--preset", "paper", *toy, "--landmarks", root/"no.npz", "--steps", "2"),
            (scene/"transforms_train.json", *at), ("--hparams_path", root/"no.yaml", "--model", "a"),
            ("--hparams_path", root/"file"), (scene, *at, *toy, "--resolution", "9999", "--steps", "2"),
            (scene, *at, "--rays", "0"), (scene, *at, "--seed", "x"),
            (scene, *at, "--parameters", "guess"), (scene, *at, *toy, "--landmarks", root/"no.npz", "--steps",
            "2")): refused("train", *more)
    for more in ((scene, *toy), (root/"nowhere", *toy), (), (scene, "--head", root/"no.pkl"),
            (scene, *toy, "--front", "x"), (root/"file",)):
        refused("align", *more)
    for more in ((), (run, "--split", "holiday"), (run, "--control"), (scene,), (root/"half",), (run/"config.yaml",),
            (run, "--data", scene/"transforms_test.json"), (run, "--data", root/"nowhere"), (run, "--out", scene),
            (run, "--out", scene/"test"), (run, "--out", root/"file"),
            (run, "--lpips-weights", root/"file"), (run, "--lpips-weights", root/"no.pth"),
            (run, "--lpips_weights", root/"no.pth", "--lpips-download"), (root/"nowhere",)): refused("eval", *more)
    for more in ((run,), (run, *at, "--jaw_pose=1,2"), (run, *at, "--expression=grin=1"),
            (run, *at, "--expression=grin"), (run, *at, "--camera=30,0,4"), (run, *at, "--params", root/"no.npz"),
            (run, *at, "--turntable", "3", "--params", root/"jaw.npz"), (run, *at, "--params", root/"other.npz"),
            (run, *at, "--jaw_pose", "-0.3,0,0"), (run, "--out", root/"other.npz"),
            (root/"nerf", *at, "--jaw_pose=0.3,0,0"), (run, *at, "--size", "0"), (run, *at, "--split", "x"),
            (run, *at, "--turntable", "0"), (run, *at, "--split", "test", "--turntable", "2")): refused("render", *more)
    for more in ((run, *at), (run, *at, "--arkit", "sample", "--params", root/"jaw.npz"),
            (run, *at, "--arkit", root/"no.csv"), (run, *at, "--arkit", "sample", "--source_fps", "30",
            "--timecode_fps", "30"), (run, *at, "--params", root/"jaw.npz", "--joint", "root"),
            (run, *at, "--params", root/"x"),
            (run, *at, "--params", root/"other.npz"), (run, *at, "--arkit", "sample", "--flip", "tilt"),
            (run, *at, "--arkit", "sample", "--formats", "avi"), (run, *at, "--arkit", "sample", "--background",
            "2,0,0"), (run, *at, "--arkit", "sample", "--camera", "90,0,4"),
            (root/"nerf", *at, "--arkit", "sample"), (root/"imported", *at, "--arkit", "sample"),
            (run, "--out", root/"other.npz", "--arkit", "sample"), (run, *at, "--arkit", root/"file"),
            (run, *at, "--arkit", "sample", "--neutral", root/"no.npz"), (run, *at, "--arkit", "sample", "--smooth",
            "-1"),
            (run, *at, "--arkit", "sample", "--camera_path", root/"no.json")): refused("drive", *more)
    for more in ((run,), (run, "--glb", new/"a.gltf"), (run, "--obj", root/"file"/"a.obj"),
            (run, "--obj", new/"a.obj", "--dense-morphs"), (run, "--pictures", root/"file"),
            (run, "--glb", new/"a.glb", "--texture", "9000"), (run, "--glb", new/"a.glb", "--uv", "own"),
            (root/"nowhere", "--ply", new/"a.ply"),
            (root/"nerf", "--glb", new/"a.glb"), (run, "--glb", new/"a.glb", "--texture", "x"),
            (run, "--pictures", scene/"test")): refused("export", *more)
    tar, into = next(record.glob("*.tar")), ["--data", scene, *at]
    for more in ((), (root/"not.tar", "--flame", record/"FLAME", *into), (tar, "--flame", scene, *into),
            (tar, "--flame", record/"FLAME", "--near", "6", *into), (tar, "--flame", record/"FLAME", "--data",
            root/"nothing", *at), (tar, "--flame", root/"toy.npz", *into), (root/"no.tar", "--flame", record/"FLAME",
            *into)):
        refused("import", *more)
    for more in (("--minutes", "soon"), ("--out", root/"file"), ("--out", root/"others"), ("--device", "abacus"),
            ("--hair", "curly")):
        refused("demo", *more)
