__version__ = "0.1.0"

import os

if os.environ.get("NERFLAME_TYPECHECK") == "1":   # under test; see nbs/00b_checks.ipynb
    from nerflame.checks import install_checks
    install_checks()
