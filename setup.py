"Packaging; every fact about the package is read from settings.ini."
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup

parser = ConfigParser(delimiters=["="])
parser.read(Path(__file__).parent / "settings.ini", encoding="utf-8")
cfg = parser["DEFAULT"]
names = [key.removesuffix("_requirements") for key in cfg if key.endswith("_requirements")]
extras = {name: cfg[f"{name}_requirements"].split() for name in names}
extras["all"] = list(dict.fromkeys(r for name in cfg["all_extras"].split() for r in extras[name]))
extras["dev"] += extras["all"]

setup(
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=(Path(__file__).parent / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    keywords=cfg["keywords"],
    author=cfg["author"],
    author_email=cfg["author_email"],
    url=cfg["git_url"],
    license="MIT",
    packages=find_packages(include=[cfg["lib_path"], cfg["lib_path"] + ".*"]),
    # stubs lie beside the modules of all sub-packages
    package_data={"": ["*.pyi"], cfg["lib_path"]: [
        "py.typed", "forms.json", "configs/*.yaml", "samples/*.csv", "page/*"]},
    python_requires=">=" + cfg["min_python"],
    install_requires=cfg["requirements"].split(),
    extras_require=extras,
    entry_points={"console_scripts": [line.strip() for line in cfg["console_scripts"].splitlines() if line.strip()]},
)
