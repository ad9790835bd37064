"""Bundle what the page of a face needs of three.js into nerflame/page/three.js, with its licence.

    python tools/page.py            write it, with Node, npm and a registry
    python tools/page.py --check    only compare: exit code 1 where the file differs

The versions stand below. The programs beside it, head.js and page.js, are ours and are not bundled."""
import argparse, json, shutil, subprocess, sys, tempfile
from pathlib import Path
from notebooks import ROOT

THREE, ESBUILD = "0.187.0", "0.28.2"
BUNDLE = ROOT/"nerflame"/"page"/"three.js"
NAMES = """BackSide BufferAttribute BufferGeometry DoubleSide DynamicDrawUsage LinearMipmapNearestFilter Matrix4 Mesh
    PerspectiveCamera Scene ShaderMaterial Texture WebGLRenderer""".split()


def npm_install(npm, folder, packages):
    "Install packages into a folder and run none of their scripts; return the finished process."
    (folder/"package.json").write_text(json.dumps(dict(private=True)))
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *packages]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def bundle(folder):
    "Return the bundle, made in a folder."
    done = npm_install("npm", folder, [f"three@{THREE}", f"esbuild@{ESBUILD}"])
    if done.returncode: sys.exit(f"page: npm: {done.stderr.strip()}")
    entry = folder/"entry.js"
    entry.write_text(f'export {{{", ".join(NAMES)}}} from "three";\n'
        'export {OrbitControls} from "three/addons/controls/OrbitControls.js";\n')
    command = [folder/"node_modules"/".bin"/"esbuild", entry, "--bundle", "--minify", "--format=iife",
        "--global-name=THREE", "--legal-comments=none", "--charset=ascii"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    licence = (folder/"node_modules"/"three"/"LICENSE").read_text(encoding="utf-8").strip()
    head = f"/* three.js {THREE}, parts of it, bundled by esbuild {ESBUILD}: tools/page.py\n\n{licence}\n*/\n"
    text = head + done.stdout
    if "</script" in text.lower() or "@INFO@" in text: sys.exit("page: three.js contains what ends a script of a page")
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    options = parser.parse_args()
    if not (shutil.which("node") and shutil.which("npm")): sys.exit("page: needs Node with npm")
    with tempfile.TemporaryDirectory() as folder: text = bundle(Path(folder))
    if options.check:
        sys.exit(text != BUNDLE.read_text(encoding="utf-8") and f"page: {BUNDLE.relative_to(ROOT)} differs")
    BUNDLE.write_text(text, encoding="utf-8")
    print(f"{BUNDLE.relative_to(ROOT)}: {len(text)//1000} kB")


if __name__ == "__main__": main()
