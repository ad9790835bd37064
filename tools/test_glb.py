"""Test the glTF files of nerflame with Khronos' validator, and with three.js, which loads, poses and draws them.

We try both ways to write morph targets, sparse accessors and all rows, and a file with an animation, which three.js
plays to a moment. The script writes pictures side by side:
photograph (of a RUN that nerflame demo wrote), field, our drawing of the mesh, three.js. It needs Node with npm, a
registry or a filled cache for it, and Chromium or Chrome. Where one of them is missing, it prints a note and does the
rest. It works in build/glb."""
import argparse, base64, http.server, json, os, shutil, signal, subprocess, sys, tempfile, threading
from dataclasses import dataclass, field, replace
from io import BytesIO
import numpy as np, torch
from PIL import Image
from scipy.spatial.transform import Rotation, Slerp
from nerflame.cameras import orbit_camera
from nerflame.scenes.light import Lighting
from nerflame.scenes.capture import captured_person
from nerflame.evaluation.runs import control_capture
from nerflame.evaluation.control import person_truth
from nerflame.core import InputError
from nerflame.use.motion import ARKIT_WEIGHTS, Motion, read_live_link
from nerflame.use.drive import arkit_mapping, take_params
from nerflame.testing import capped_model
from nerflame.use.gltf import draw_avatar, make_avatar, motion_clip, posed_avatar, posed_hair, rest_params
from nerflame.use.gltf import save_glb, split_seams, target_normals
from nerflame.heads.flame import rodrigues
from nerflame.heads.head import load_head
from nerflame.metrics import psnr
from nerflame.plot import show_images
from nerflame.published.methods import load_run
from nerflame.training.run import data_folder
from notebooks import ROOT
from page import THREE, npm_install

WORK = ROOT/"build"/"glb"
PACKAGES = ["gltf-validator@2.0.0-dev.3.10", f"three@{THREE}"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SECONDS = 120   # that the browser may take
MOMENT = 1.23   # of the animation, seconds

VALIDATE = """
const v = require("gltf-validator"), fs = require("fs");
const bytes = new Uint8Array(fs.readFileSync(process.argv[1]));
v.validateBytes(bytes, {maxIssues: 0}).then(report => console.log(JSON.stringify(report)));
"""

# poses: [{weights: {name: w}, turns: {joint: quaternion}, camera: column-major matrix, metres}]
PAGE = """<!doctype html><meta charset="utf-8"><body>
<script type="importmap">{"imports": {
  "three": "/node_modules/three/build/three.module.js",
  "three/addons/": "/node_modules/three/examples/jsm/"}}</script>
<script type="module">
import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
const send = x => fetch("/result", {method: "POST", body: JSON.stringify(x)});
try {
  const task = await (await fetch("/task.json")).json(), out = [];
  const gltf = await new GLTFLoader().loadAsync("/" + task.file);
  const mesh = gltf.scene.getObjectByName("face");
  const renderer = new THREE.WebGLRenderer({antialias: true, preserveDrawingBuffer: true});
  renderer.setPixelRatio(1);
  renderer.setSize(task.size, task.size);
  renderer.setClearColor(0xffffff);
  renderer.toneMapping = THREE.NoToneMapping;
  document.body.append(renderer.domElement);
  const scene = new THREE.Scene();
  scene.add(gltf.scene);
  for (const pose of task.poses) {
    mesh.morphTargetInfluences.fill(0);
    for (const [n, w] of Object.entries(pose.weights)) mesh.morphTargetInfluences[mesh.morphTargetDictionary[n]] = w;
    for (const bone of mesh.skeleton.bones) {
      const turn = pose.turns[bone.name] ?? [0, 0, 0, 1];
      gltf.scene.getObjectByName(bone.name).quaternion.set(...turn);
    }
    const camera = new THREE.PerspectiveCamera(task.fov, 1, 0.01, 10);
    camera.matrixAutoUpdate = false;
    camera.matrix.fromArray(pose.camera);
    scene.updateMatrixWorld(true);
    camera.updateMatrixWorld(true);
    mesh.skeleton.update();
    renderer.render(scene, camera);
    const verts = [], p = new THREE.Vector3();
    for (let i = 0; i < mesh.geometry.attributes.position.count; i++) {
      mesh.getVertexPosition(i, p).applyMatrix4(mesh.matrixWorld);
      verts.push(p.x, p.y, p.z);
    }
    const hair = [];
    gltf.scene.getObjectByName("hair")?.traverse(part => {
      if (!part.isSkinnedMesh || hair.length) return;
      for (let i = 0; i < part.geometry.attributes.position.count; i++) {
        part.getVertexPosition(i, p).applyMatrix4(part.matrixWorld);
        hair.push(p.x, p.y, p.z);
      }
    });
    out.push({verts, hair, png: renderer.domElement.toDataURL("image/png")});
  }
  let moment = null;
  if (gltf.animations.length) {
    for (const bone of mesh.skeleton.bones) gltf.scene.getObjectByName(bone.name).quaternion.identity();
    const mixer = new THREE.AnimationMixer(gltf.scene);
    mixer.clipAction(gltf.animations[0]).play();
    mixer.setTime(task.seconds);
    moment = {weights: [...mesh.morphTargetInfluences],
      turns: mesh.skeleton.bones.map(b => gltf.scene.getObjectByName(b.name).quaternion.toArray())};
  }
  const bytes = a => {
    let s = "";
    for (const b of new Uint8Array(a.buffer, a.byteOffset, a.byteLength)) s += String.fromCharCode(b);
    return btoa(s);
  };
  const morphs = kind => (mesh.geometry.morphAttributes[kind] ?? []).map(a => bytes(a.array));
  await send({
    moment, targets: {position: morphs("position"), normal: morphs("normal")}, poses: out,
    names: Object.keys(mesh.morphTargetDictionary), bones: mesh.skeleton.bones.map(b => b.name),
    unlit: mesh.material.isMeshBasicMaterial === true});
} catch (e) { await send({error: String(e.stack ?? e)}); }
</script>"""

def tools():
    """Return the paths of node, npm and a browser; None for a missing browser, and None at all without node or npm.
    Print a note about those that are missing."""
    browser = next((p for b in BROWSERS if (p := shutil.which(b))), None)
    found = [shutil.which("node"), shutil.which("npm"), browser]
    missing = [n for n,p in zip(("node", "npm", "chromium or chrome"), found) if not p]
    if missing: print(f"skipped: {', '.join(missing)} not found")
    return found if all(found[:2]) else None

def install(npm):
    "Install the packages into build/glb; return False and print a note where that does not work."
    WORK.mkdir(parents=True, exist_ok=True)
    done = npm_install(npm, WORK, PACKAGES)
    if not done.returncode: return True
    *_, last = ["no message", *done.stderr.strip().splitlines()]
    print(f"skipped: npm cannot install {', '.join(PACKAGES)}: {last}")
    return False

def validate(node, glb):
    "Print the findings of Khronos' validator, and return the number of its errors."
    command = [node, "-e", VALIDATE, str(glb)]
    done = subprocess.run(command, cwd=WORK, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    found = report["issues"]
    kinds = ("Errors", "Warnings", "Infos", "Hints")
    counts = ", ".join(f"{found[f'num{kind}']} {kind.lower()}" for kind in kinds)
    print(f"Khronos' validator {report['validatorVersion']}: {counts}")
    for m in found["messages"][:20]: print(f"  {m['code']} {m['pointer'] if 'pointer' in m else ''}: {m['message']}")
    return found["numErrors"]

class Handler(http.server.SimpleHTTPRequestHandler):
    "The page, its files, and a place to send the result to."
    def log_message(self, *_): pass
    def do_POST(self):
        self.server.result = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.server.done.set()

# WebGL without a graphics card
SOFTWARE_GL = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
CHROMIUM = ["--headless=new", *SOFTWARE_GL, "--no-first-run", "--disable-extensions"]

def in_browser(browser, task):
    "Let three.js load a file in build/glb and draw the poses of a task; return its answer. Raises RuntimeError."
    (WORK/"task.json").write_text(json.dumps(task))
    (WORK/"page.html").write_text(PAGE)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Handler(*a, directory=str(WORK)))
    server.done, server.result = threading.Event(), None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = f"http://127.0.0.1:{server.server_address[1]}/page.html"
    with tempfile.TemporaryDirectory() as profile:
        command, silent = [browser, *CHROMIUM, f"--user-data-dir={profile}", page], subprocess.DEVNULL
        child = subprocess.Popen(command, stdout=silent, stderr=silent, start_new_session=True)
        arrived = server.done.wait(SECONDS)
        os.killpg(child.pid, signal.SIGTERM)
        child.wait()
    server.shutdown()
    if not arrived: raise RuntimeError(f"the browser sent nothing within {SECONDS} s")
    if "error" in server.result: raise RuntimeError(server.result["error"])
    return server.result

def quaternion(turn):
    "Turn an axis-angle into a quaternion x, y, z, w."
    angle = float(np.linalg.norm(turn))
    return [*(np.asarray(turn)/max(angle, 1e-9)*np.sin(angle/2)).tolist(), float(np.cos(angle/2))]

def scene_camera(camera, to_scene):
    "Return the pose of a scene's camera in the head frame, metres."
    m = (torch.linalg.inv(to_scene.cpu().double()) @ camera.c2w[0].double()).numpy()
    m[:3, :3] /= np.linalg.norm(m[:3, :3], axis=0)
    return m

def standing(model, avatar):
    """Return the similarity from the frame of the head to the scene for a head in its captured place.
    Its parameters turn it at the root joint, move it and scale it."""
    p, move = model.params, torch.eye(4, dtype=torch.float64)
    turn, joint = rodrigues(p.global_orient[0].cpu().double()), torch.from_numpy(avatar.joints[0]).double()
    move[:3, :3], move[:3, 3] = turn, joint - turn @ joint + p.transl[0].cpu().double()
    move[:3] *= p.scale.item()
    return (model.to_scene.cpu().double() @ move).float()

@dataclass(frozen=True)
class State:
    "A state of the head, and where its camera stands."
    name: str
    azimuth: float                               # radians
    weights: dict = field(default_factory=dict)  # name of a target: weight
    turns: dict = field(default_factory=dict)    # name of a joint: axis-angle, radians
    elevation: float = 0.05                      # radians

    def camera(self, size):
        "Return the camera for a picture of `size` pixels."
        return orbit_camera(self.azimuth, self.elevation, width=size)

def held(model, state):
    "Add the captured rotation of the neck to a state, for a head in its captured place."
    neck = np.add(state.turns.get("neck", [0., 0., 0.]), model.params.neck_pose[0].tolist()).tolist()
    return replace(state, turns=state.turns | dict(neck=neck))

def states_of(avatar):
    "Return states of an avatar: at rest, then moved by joints, by targets, and by both."
    names = list(avatar.targets)
    smile = {n: 0.9 for n in ("mouthSmileLeft", "mouthSmileRight") if n in names} or {names[0]: 1.}
    wink = {n: 1. for n in ("eyeBlinkRight",) if n in names}
    gaze = dict(neck=[0.1, 0.4, 0.], left_eye=[0., -0.35, 0.], right_eye=[0., -0.35, 0.])
    return [
        State("at rest", 0.3), State("jaw turned", -0.3, turns=dict(jaw=[0.25, 0., 0.])), State("smile", 0., smile),
        State("neck and eyes turned", 0.4, turns=gaze), State("wink", 0.7, wink, dict(jaw=[0.1, 0.05, 0.])),
    ]

def params_of(head, rest, state):
    "Turn a state into parameters of the head."
    turn = lambda joint: state.turns.get(joint, [0., 0., 0.])
    weight = lambda name: state.weights.get(name[0].lower() + name[1:], 0.)
    try: expression = np.array([weight(n) for n in ARKIT_WEIGHTS]) @ arkit_mapping(head)
    except InputError: expression = head.expression_weights(state.weights)
    return rest.replace(expression=expression, neck_pose=turn("neck"), jaw_pose=turn("jaw"),
        eye_pose=[*turn("left_eye"), *turn("right_eye")])

def photographer(run):
    "Return a function (state, camera) -> photograph of the person of a RUN; None where the person is not known."
    if run is None: return None
    try: capture = control_capture(run, data_folder(run))
    except InputError: return None
    person = captured_person(capture, load_head("anny"))
    truth = person_truth(person, capture.samples, Lighting(sky_rays=capture.sky_rays))
    return lambda state, camera: truth(params_of(person.head, person.params(), state), camera)[0]

def parse():
    "Parse the options."
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", metavar="RUN",
        help="folder that nerflame train wrote; left out: the toy of the tests, with a cap")
    parser.add_argument("--texture", type=int, default=1024, metavar="PX", help="of the texture; default %(default)s")
    parser.add_argument("--size", type=int, default=400, metavar="PX", help="of the pictures; default %(default)s")
    parser.add_argument("--picture", metavar="FILE",
        help="also write the first four rows of pictures with titles, e.g. to glb.jpg")
    return parser.parse_args()

def main():
    "Validate, load, pose and draw; exit code 1 when a result disagrees."
    options = parse()
    found = tools()
    if not found or not install(found[1]): return
    node, _, browser = found
    run = load_run(options.run) if options.run else None
    model = run.model if run else capped_model()
    avatar = make_avatar(model, options.texture, progress=True)
    take = read_live_link("sample")
    clip = motion_clip(model.head, Motion(take_params(model.head, take), take.times))
    kinds = dict(avatar=(False, None), avatar_dense=(True, None), avatar_moving=(False, clip))
    files = [save_glb(WORK/f"{name}.glb", avatar, dense, motion) for name, (dense, motion) in kinds.items()]
    errors = 0
    for glb in files:
        print(f"{glb.relative_to(ROOT)}: {glb.stat().st_size/1e6:.2f} MB")
        errors += validate(node, glb)
    if not browser: sys.exit("test_glb: failed" if errors else None)
    states = states_of(avatar)
    cameras = [s.camera(options.size) for s in states]
    fov = float(np.degrees(2*np.arctan(options.size/2/float(cameras[0].focal[0, 1]))))
    poses = [pose_task(model, avatar, s, c) for s,c in zip(states, cameras)]
    task = dict(size=options.size, fov=fov, poses=poses, seconds=MOMENT)
    seen = [in_browser(browser, task | dict(file=glb.name)) for glb in files]
    agree = all([same_parts(avatar, s) for s in seen]) and seen[0]["targets"] == seen[1]["targets"]
    agree &= same_moment(clip, seen[2]["moment"])
    photograph = photographer(run)
    rows = [look(avatar, model, s, c, answer, photograph) for s,c,answer in zip(states, cameras, seen[0]["poses"])]
    agree &= all(r["agree"] for r in rows)
    save_sheet(WORK/"three.png", rows)
    if options.picture: save_sheet(options.picture, rows[:4])
    if errors or not agree: sys.exit("test_glb: failed")

def pose_task(model, avatar, state, camera):
    "Return weights, quaternions and the camera of a state for three.js."
    own = held(model, state)
    turns = {joint: quaternion(turn) for joint, turn in own.turns.items()}
    matrix = scene_camera(camera, standing(model, avatar))
    return dict(weights=own.weights, turns=turns, camera=matrix.T.ravel().tolist())

def same_parts(avatar, seen):
    "Test whether three.js has our names, and our displacements in each target."
    rows = split_seams(avatar.faces, avatar.layout.faces)[0][:, 0]
    word = lambda same: "agree" if same else "DISAGREE"
    agree = seen["names"] == list(avatar.targets) and seen["bones"] == list(avatar.joint_names) and seen["unlit"]
    print(f"three.js: {len(seen['names'])} morph targets, joints {', '.join(seen['bones'])}"
        f", {'unlit' if seen['unlit'] else 'lit'}; names {word(agree)}")
    same, targets = {}, avatar.targets.values()
    for kind, expected in (("position", lambda d: d), ("normal", lambda d: target_normals(avatar, d))):
        arrays = [np.frombuffer(base64.b64decode(t), np.float32).reshape(-1, 3) for t in seen["targets"][kind]]
        equal = (np.array_equal(a, expected(d)[rows]) for a,d in zip(arrays, targets))
        same[kind] = len(arrays) == len(targets) and all(equal)
    print(f"the targets' displacements {word(same['position'])}, their changes of the normals {word(same['normal'])}")
    return agree and all(same.values())

def same_moment(clip, moment):
    "Test whether three.js plays a clip as it is meant: weights, and rotations of the joints."
    weights = np.array([np.interp(MOMENT, clip.times, w) for w in clip.weights.T])
    turns = [Slerp(clip.times, Rotation.from_quat(q))(MOMENT) for q in np.moveaxis(clip.turns, 1, 0)]
    error = abs(np.array(moment["weights"]) - weights).max()
    angle = max((turn.inv()*Rotation.from_quat(own)).magnitude() for turn, own in zip(turns, moment["turns"]))
    print(f"three.js plays the animation: weights within {error:.1e}, joints within {np.degrees(angle):.1e} degrees")
    return error < 1e-4 and angle < 1e-3 and weights.any()

def look(avatar, model, state, camera, answer, photograph):
    "Compare a state with the answer of three.js: pictures by name, their PSNR, and agreement of vertices and pictures."
    kept = split_seams(avatar.faces, avatar.layout.faces)[0][:, 0]
    own = held(model, state)
    turns = np.array([own.turns.get(n, [0., 0., 0.]) for n in avatar.joint_names])
    verts = posed_avatar(avatar, state.weights, turns)
    there = lambda name: np.array(answer[name]).reshape(-1, 3)
    error, hair = np.abs(there("verts") - verts[kept]).max(), None
    if avatar.hair:
        hair = posed_hair(avatar, turns)
        off = np.abs(there("hair") - hair).max()
        print(f"{state.name}: vertices of the hair within {off:.1e} m")
        # of whole 255ths that the file has
        if off > 1e-3: error = off
    picture = Image.open(BytesIO(base64.b64decode(answer["png"].split(",")[1]))).convert("RGB")
    p = model.params
    rest = rest_params(model).replace(global_orient=p.global_orient, transl=p.transl, scale=p.scale)
    pictures = dict(photograph=photograph(state, camera)) if photograph else {}
    pictures["field"] = model.render(camera, params_of(model.head, rest, own)).rgb.cpu()
    pictures["mesh"] = draw_avatar(avatar, camera, standing(model, avatar), verts, hair=hair)
    pictures["three.js"] = torch.from_numpy(np.array(picture)).float()/255
    between = lambda a, b: float(psnr(pictures[a][None], pictures[b][None])[0])
    score = {a: {b: between(a, b) for b in pictures if b != a} for a in pictures}
    scores = ", ".join(f"{k} {v:.1f} dB" for k,v in score["three.js"].items())
    print(f"{state.name}: vertices within {error:.1e} m; three.js against {scores}")
    agree = bool(error < 1e-5) and score["three.js"]["mesh"] > 25
    return dict(state=state, pictures=pictures, score=score, agree=agree)

def save_sheet(path, rows):
    """Write pictures with titles: the name of each, and its PSNR against the first picture of the row.
    The title of three.js also has the PSNR against our drawing of the mesh."""
    names, images, titles = list(rows[0]["pictures"]), [], []
    columns = [(p < 0.99).any(-1).any(0) for row in rows for p in row["pictures"].values()]
    drawn = torch.stack(columns).any(0).nonzero()
    across = slice(max(int(drawn.min()) - 4, 0), int(drawn.max()) + 5)   # there is nothing beside a head
    for row in rows:
        for i, n in enumerate(names):
            against = [names[0]]*(i > 0) + ["mesh"]*(n == "three.js")
            title = n if i else f"{row['state'].name}: {n}"
            images.append(row["pictures"][n][:, across])
            titles.append("\n".join([title, *(f"{row['score'][n][a]:.1f} dB against {a}" for a in against)]))
    figure = show_images(images, titles, len(names), 2.2, dpi=100)
    with BytesIO() as png:
        figure.savefig(png, dpi=100, bbox_inches="tight", pad_inches=0.05)
        Image.open(png).convert("RGB").save(path, quality=76, optimize=True)
    print(f"{path}: rows {', '.join(r['state'].name for r in rows)}; columns {', '.join(names)}")

if __name__ == "__main__": main()
