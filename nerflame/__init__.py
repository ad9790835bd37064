__version__ = "0.1.0"

import os, sys

# torch's threads read this when torch is loaded; see "Device and threads" in nbs/00_core.ipynb
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

def _place_for_matplotlib():
    "Matplotlib prints warnings of its own where its folders cannot be written; see \"A place for Matplotlib\" in nbs/04_plot.ipynb."
    home = os.path.expanduser("~")
    places = [os.path.join(os.environ.get(f"XDG_{kind.upper()}_HOME") or os.path.join(home, f".{kind}"), "matplotlib") for kind in ("config", "cache")]
    def usable(place):
        try: os.makedirs(place, exist_ok=True)
        except OSError: return False
        return os.access(place, os.W_OK)
    if "MPLCONFIGDIR" in os.environ or not sys.platform.startswith("linux") or all(map(usable, places)): return
    from nerflame.files import _own_temporary
    for folder in (lambda: os.environ.get("NERFLAME_CACHE"), _own_temporary):
        try: place = os.path.join(folder() or "", "matplotlib")
        except OSError: continue
        if os.path.isabs(place) and usable(place): return os.environ.setdefault("MPLCONFIGDIR", place)

if os.environ.get("NERFLAME_TYPECHECK") == "1":   # under test; see nbs/03_checks.ipynb
    from nerflame.checks import install_checks
    install_checks()

_place_for_matplotlib()
