__version__ = "0.1.0"

import os

# torch's threads read this when torch is loaded; see "Device and threads" in nbs/00_core.ipynb
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if os.environ.get("NERFLAME_TYPECHECK") == "1":   # under test; see nbs/00b_checks.ipynb
    from nerflame.checks import install_checks
    install_checks()
