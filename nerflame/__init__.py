__version__ = "0.1.0"

import os, sys

# torch's threads read this when torch is loaded; see "Device and threads" in nbs/020_runtime.ipynb
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

def _usable(place):
    "Test whether a folder is there or could be made, and can be written. We look at the nearest parent that exists."
    place = os.path.abspath(place)
    while not os.path.lexists(place): place = os.path.dirname(place)
    return os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK)

def _place_for_matplotlib():
    "Choose a folder for Matplotlib where its own cannot be written; see \"Matplotlib's folder\" in nbs/040_plot.ipynb."
    home = os.path.expanduser("~")
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    own = all(_usable(os.path.join(parent, "matplotlib")) for parent in (config, cache))
    if own or "MPLCONFIGDIR" in os.environ or not sys.platform.startswith("linux"): return
    from nerflame.files import _own_temporary
    for folder in (lambda: os.environ.get("NERFLAME_CACHE"), _own_temporary):
        try: place = os.path.join(folder() or "", "matplotlib")
        except OSError: continue
        if os.path.isabs(place) and _usable(place): return os.environ.setdefault("MPLCONFIGDIR", place)

if os.environ.get("NERFLAME_TYPECHECK") == "1":   # under test; see nbs/030_checks.ipynb
    from nerflame.checks import install_checks
    install_checks()

_place_for_matplotlib()

# The names that users need, by the module that defines them. They are loaded when they are first used (PEP 562), so
# that `import nerflame` stays quick and loads no torch. Editors and type checkers read the imports below.
_NAMES = {
    "core": "InputError",
    "cameras": "Cameras orbit_camera",
    "heads.flame": "HeadParams",
    "heads.head": "Head load_head",
    "scenes.scene": "Scene",
    "scenes.reading": "load_scene",
    "scenes.capture": "CaptureConfig built_in_capture write_capture",
    "field.model": "NeRFlame",
    "training.settings": "TrainConfig",
    "training.run": "Run RunConfig",
    "training.train": "resume train",
    "published.methods": "load_run preset",
    "evaluation.render": "render_frames save_image turntable write_video yawn",
    "evaluation.scores": "evaluate",
    "evaluation.runs": "evaluate_run",
    "evaluation.states": "FaceState View render_run",
    "use.motion": "load_motion read_live_link",
    "use.drive": "Driver Film FilmCamera drive_run",
    "widget.preview": "preview",
    "use.export": "ExportFiles ExportForm export_run",
    "use.scene": "SceneOptions make_scene",
    "use.train": "PhotoOptions SettingChanges align_folder resume_run train_folder",
    "use.published": "CheckpointOptions import_run render_hparams train_hparams",
    "use.demo": "run_demo"}
_PLACES = {name: module for module, names in _NAMES.items() for name in names.split()}

TYPE_CHECKING = False   # as in `typing`, which takes as long to import as this package
if TYPE_CHECKING:
    from nerflame.core import InputError as InputError
    from nerflame.cameras import Cameras as Cameras, orbit_camera as orbit_camera
    from nerflame.heads.flame import HeadParams as HeadParams
    from nerflame.heads.head import Head as Head, load_head as load_head
    from nerflame.scenes.scene import Scene as Scene
    from nerflame.scenes.reading import load_scene as load_scene
    from nerflame.scenes.capture import (
        CaptureConfig as CaptureConfig, built_in_capture as built_in_capture, write_capture as write_capture)
    from nerflame.field.model import NeRFlame as NeRFlame
    from nerflame.training.settings import TrainConfig as TrainConfig
    from nerflame.training.run import Run as Run, RunConfig as RunConfig
    from nerflame.training.train import resume as resume, train as train
    from nerflame.published.methods import load_run as load_run, preset as preset
    from nerflame.evaluation.render import (
        render_frames as render_frames, save_image as save_image, turntable as turntable, write_video as write_video,
        yawn as yawn)
    from nerflame.evaluation.scores import evaluate as evaluate
    from nerflame.evaluation.runs import evaluate_run as evaluate_run
    from nerflame.evaluation.states import FaceState as FaceState, View as View, render_run as render_run
    from nerflame.use.motion import load_motion as load_motion, read_live_link as read_live_link
    from nerflame.use.drive import Driver as Driver, Film as Film, FilmCamera as FilmCamera, drive_run as drive_run
    from nerflame.widget.preview import preview as preview
    from nerflame.use.export import ExportFiles as ExportFiles, ExportForm as ExportForm, export_run as export_run
    from nerflame.use.scene import SceneOptions as SceneOptions, make_scene as make_scene
    from nerflame.use.train import (
        PhotoOptions as PhotoOptions, SettingChanges as SettingChanges, align_folder as align_folder,
        resume_run as resume_run, train_folder as train_folder)
    from nerflame.use.published import (
        CheckpointOptions as CheckpointOptions, import_run as import_run, render_hparams as render_hparams,
        train_hparams as train_hparams)
    from nerflame.use.demo import run_demo as run_demo

def __getattr__(name):
    "Load a name of the package when it is first used."
    if name not in _PLACES: raise AttributeError(f"module 'nerflame' has no attribute {name!r}")
    from importlib import import_module
    value = getattr(import_module(f"nerflame.{_PLACES[name]}"), name)
    globals()[name] = value
    return value

def __dir__(): return sorted([*globals(), *_PLACES])
