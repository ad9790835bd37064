"""Ask others about the glTF files of nerflame: Khronos' validator, and three.js in a headless browser, which loads, poses and draws them.
Needs Node with npm, a registry or a filled cache for it, and Chromium or Chrome; says so and does nothing where one is missing. Works in build/glb."""
import argparse, base64, http.server, json, os, shutil, signal, subprocess, sys, tempfile, threading
from io import BytesIO
from pathlib import Path
import numpy as np, torch
from PIL import Image
from nerflame.cameras import orbit_camera
from nerflame.core import InputError
from nerflame.drive import ARKIT_WEIGHTS, arkit_mapping
from nerflame.evaluate import save_image, toy_model
from nerflame.export import draw_avatar, make_avatar, posed_avatar, rest_params, save_glb, split_seams
from nerflame.metrics import psnr
from nerflame.train import load_run

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT/"build"/"glb"
PACKAGES = ["gltf-validator@2.0.0-dev.3.10", "three@0.187.0"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SECONDS = 120   # that the browser may take

VALIDATE = """
const v = require("gltf-validator"), fs = require("fs");
v.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1])), {maxIssues: 0}).then(r => console.log(JSON.stringify(r)));
"""

# poses: [{weights: {name: w}, turns: {joint: quaternion}, camera: column-major matrix, metres}]
PAGE = """<!doctype html><meta charset="utf-8"><body><script type="importmap">{"imports": {"three": "/node_modules/three/build/three.module.js", "three/addons/": "/node_modules/three/examples/jsm/"}}</script>
<script type="module">
import * as THREE from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
const send = x => fetch("/result", {method: "POST", body: JSON.stringify(x)});
try {
  const task = await (await fetch("/task.json")).json(), out = [];
  const gltf = await new GLTFLoader().loadAsync("/avatar.glb");
  let mesh; gltf.scene.traverse(o => { if (o.isSkinnedMesh) mesh = o; });
  const renderer = new THREE.WebGLRenderer({antialias: true, preserveDrawingBuffer: true});
  renderer.setPixelRatio(1); renderer.setSize(task.size, task.size); renderer.setClearColor(0xffffff); renderer.toneMapping = THREE.NoToneMapping;
  document.body.append(renderer.domElement);
  const scene = new THREE.Scene(); scene.add(gltf.scene);
  for (const pose of task.poses) {
    mesh.morphTargetInfluences.fill(0);
    for (const [n, w] of Object.entries(pose.weights)) mesh.morphTargetInfluences[mesh.morphTargetDictionary[n]] = w;
    for (const bone of mesh.skeleton.bones) bone.quaternion.set(...(pose.turns[bone.name] ?? [0, 0, 0, 1]));
    const camera = new THREE.PerspectiveCamera(task.fov, 1, 0.01, 10);
    camera.matrixAutoUpdate = false; camera.matrix.fromArray(pose.camera);
    scene.updateMatrixWorld(true); camera.updateMatrixWorld(true); mesh.skeleton.update();
    renderer.render(scene, camera);
    const verts = [], p = new THREE.Vector3();
    for (let i = 0; i < mesh.geometry.attributes.position.count; i++) { mesh.getVertexPosition(i, p).applyMatrix4(mesh.matrixWorld); verts.push(p.x, p.y, p.z); }
    out.push({verts, png: renderer.domElement.toDataURL("image/png")});
  }
  await send({poses: out, names: Object.keys(mesh.morphTargetDictionary), bones: mesh.skeleton.bones.map(b => b.name), unlit: mesh.material.isMeshBasicMaterial === true});
} catch (e) { await send({error: String(e.stack ?? e)}); }
</script>"""

def tools():
    "Paths of node, npm and a browser; None with a message where one is missing."
    found = [shutil.which("node"), shutil.which("npm"), next((p for b in BROWSERS if (p := shutil.which(b))), None)]
    missing = [n for n,p in zip(("node", "npm", "chromium or chrome"), found) if not p]
    if missing: print(f"skipped: {', '.join(missing)} not found")
    return None if missing else found

def install(npm):
    "Put the packages into build/glb; False with a message where that does not work."
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK/"package.json").write_text(json.dumps(dict(private=True)))
    done = subprocess.run([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES], cwd=WORK, capture_output=True, text=True)
    if done.returncode: print(f"skipped: npm cannot install {', '.join(PACKAGES)}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no message'}")
    return done.returncode == 0

def validate(node, glb):
    "Print what Khronos' validator says; the number of its errors."
    report = json.loads(subprocess.run([node, "-e", VALIDATE, str(glb)], cwd=WORK, capture_output=True, text=True, check=True).stdout)
    found = report["issues"]
    print(f"Khronos' validator {report['validatorVersion']}: {found['numErrors']} errors, {found['numWarnings']} warnings, {found['numInfos']} infos, {found['numHints']} hints")
    for m in found["messages"][:20]: print(f"  {m['code']} {m['pointer'] if 'pointer' in m else ''}: {m['message']}")
    return found["numErrors"]

class Handler(http.server.SimpleHTTPRequestHandler):
    "The page, its files, and a place to send the result to."
    def log_message(self, *_): pass
    def do_POST(self):
        self.server.result = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204); self.end_headers()
        self.server.done.set()

def in_browser(browser):
    "What three.js makes of build/glb/avatar.glb and task.json. Raises RuntimeError."
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Handler(*a, directory=str(WORK)))
    server.done, server.result = threading.Event(), None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-first-run", "--disable-extensions", f"--user-data-dir={profile}",
                   f"http://127.0.0.1:{server.server_address[1]}/page.html"]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        arrived = server.done.wait(SECONDS)
        os.killpg(child.pid, signal.SIGTERM); child.wait()
    server.shutdown()
    if not arrived: raise RuntimeError(f"the browser sent nothing within {SECONDS} s")
    if "error" in server.result: raise RuntimeError(server.result["error"])
    return server.result

def quaternion(turn):
    "Axis-angle as x, y, z, w."
    angle = float(np.linalg.norm(turn))
    return [*(np.asarray(turn)/max(angle, 1e-9)*np.sin(angle/2)).tolist(), float(np.cos(angle/2))]

def scene_camera(camera, to_scene):
    "A camera of the scene in the head frame, metres."
    m = (torch.linalg.inv(to_scene.cpu().double()) @ camera.c2w[0].double()).numpy()
    m[:3, :3] /= np.linalg.norm(m[:3, :3], axis=0)
    return m

def poses_of(avatar):
    "What to ask for: at rest from two sides, then moved."
    names, turns = list(avatar.targets), dict(neck=[0.1, 0.4, 0.], jaw=[0.3, 0.05, 0.], left_eye=[0.1, 0.3, 0.], right_eye=[0.1, 0.3, 0.])
    pick = {n: 1. for n in ("mouthSmileLeft", "eyeBlinkRight") if n in names} or {names[0]: 1.}
    return [(0., {}, {}), (0.7, {}, {}), (0.3, pick, turns)]

def params_of(model, weights, turns):
    "The same state as parameters of the head."
    rest, head, eye = rest_params(model), model.head, turns.get("left_eye", [0., 0., 0.]) + turns.get("right_eye", [0., 0., 0.])
    try: expression = np.array([weights.get(n[0].lower() + n[1:], 0.) for n in ARKIT_WEIGHTS]) @ arkit_mapping(head)
    except InputError: expression = head.expression_weights(weights)
    return rest.replace(expression=expression, neck_pose=turns.get("neck", [0., 0., 0.]), jaw_pose=turns.get("jaw", [0., 0., 0.]), eye_pose=eye)

def main():
    "Validate, load, pose and draw; exit code 1 when something disagrees."
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", metavar="RUN", help="folder that nerflame_train wrote; left out: the toy of the tests")
    parser.add_argument("--texture", type=int, default=1024, metavar="PX", help="of the texture; default %(default)s")
    parser.add_argument("--size", type=int, default=400, metavar="PX", help="of the pictures; default %(default)s")
    options = parser.parse_args()
    found = tools()
    if not found or not install(found[1]): return
    model = load_run(options.run).model if options.run else toy_model()
    avatar = make_avatar(model, options.texture, progress=True)
    glb = save_glb(WORK/"avatar.glb", avatar)
    errors = validate(found[0], glb)
    poses = poses_of(avatar)
    cameras = [orbit_camera(azimuth, 0.05, width=options.size) for azimuth,_,_ in poses]
    fov = float(np.degrees(2*np.arctan(options.size/2/float(cameras[0].focal[0, 1]))))
    task = dict(size=options.size, fov=fov, poses=[dict(weights=w, turns={k: quaternion(t) for k,t in turns.items()}, camera=scene_camera(c, model.to_scene).T.ravel().tolist()) for (_, w, turns), c in zip(poses, cameras)])
    (WORK/"task.json").write_text(json.dumps(task)); (WORK/"page.html").write_text(PAGE)
    seen = in_browser(found[2])
    agree = seen["names"] == list(avatar.targets) and seen["bones"] == list(avatar.joint_names) and seen["unlit"]
    print(f"three.js: {len(seen['names'])} morph targets, joints {', '.join(seen['bones'])}, {'unlit' if seen['unlit'] else 'lit'}; names {'agree' if agree else 'DISAGREE'}")
    agree &= compare(avatar, model, poses, cameras, seen)
    if errors or not agree: sys.exit("test_glb: failed")

def compare(avatar, model, poses, cameras, seen):
    "Distances of vertices and PSNR of pictures, and the pictures side by side; whether vertices agree and pictures are alike."
    rows, strip, good = split_seams(avatar.faces, avatar.layout.faces)[0][:, 0], [], True
    for (azimuth, weights, turns), camera, answer in zip(poses, cameras, seen["poses"]):
        turn = np.array([turns.get(n, [0., 0., 0.]) for n in avatar.joint_names])
        verts = posed_avatar(avatar, weights, turn)
        error = np.abs(np.array(answer["verts"]).reshape(-1, 3) - verts[rows]).max()
        theirs = torch.from_numpy(np.array(Image.open(BytesIO(base64.b64decode(answer["png"].split(",")[1]))).convert("RGB"))).float()/255
        ours = draw_avatar(avatar, camera, model.to_scene, verts)
        mesh_db = float(psnr(theirs[None], ours[None])[0])
        text = f"azimuth {azimuth:g}, {', '.join([*weights, *turns]) or 'at rest'}: vertices within {error:.1e} m; three.js against our drawing of the mesh {mesh_db:.1f} dB"
        field = model.render(camera, params_of(model, weights, turns)).rgb.cpu()
        print(f"{text}, against the field {float(psnr(theirs[None], field[None])[0]):.1f} dB")
        good &= bool(error < 1e-5) and mesh_db > 25
        strip.append(torch.cat([theirs, ours, field], 1))
    save_image(torch.cat(strip), WORK/"three.png")
    print(f"{(WORK/'three.png').relative_to(ROOT)}: three.js, our drawing of the mesh, the field")
    return good

if __name__ == "__main__": main()
