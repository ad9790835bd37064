"Settings of Sphinx for the documentation site, which tools/docs.py builds."
import sys
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT/"tools")]
settings = ConfigParser(delimiters=["="])
settings.read(ROOT/"settings.ini", encoding="utf-8")
facts = settings["DEFAULT"]

project, author, release = facts["title"], facts["author"], facts["version"]
project_copyright = facts["copyright"]
root_doc = "index"
smartquotes_action = "D"   # dashes only
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx_copybutton", "docs_math", "docs_api"]
suppress_warnings = ["ref.python"]   # a name that two modules have; the nearest is taken

# notebooks: what is saved in them is shown, nothing runs
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "amsmath", "attrs_block", "html_image", "colon_fence"]
myst_heading_anchors = 4
myst_heading_slug_func = "docs_notebooks.anchor"
myst_dmath_allow_labels = myst_dmath_allow_digits = False   # dollars of money and of shells are no mathematics
html_math_renderer = "katex"

# the API: tools/docs_api.py adds what stands in comments behind parameters
default_role = "py:obj"   # names in backticks become links
autodoc_typehints, autodoc_typehints_format = "description", "short"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_default_options = {"members": True}
add_module_names = False
python_maximum_signature_line_length = 88
toc_object_entries = False   # thousands of names in the navigation of each page would take minutes

# the look
html_theme = "furo"
html_title = project
html_static_path = [str(ROOT/"tools"/"site"/"site.css")]
html_css_files = ["site.css"]
html_search_scorer = str(ROOT/"tools"/"site"/"scorer.js")
html_copy_source = html_show_sourcelink = html_show_sphinx = False
html_use_index = False
html_baseurl = facts["doc_host"] + facts["doc_baseurl"] + "/"
pygments_style, pygments_dark_style = "tango", "github-dark"
colours = {"color-brand-primary": "#a04000", "color-brand-content": "#a04000", "color-brand-visited": "#7a3b1d",
    "color-sidebar-link-text--top-level": "var(--color-foreground-secondary)"}
night = colours | {"color-brand-primary": "#f0a06a", "color-brand-content": "#f0a06a", "color-brand-visited": "#d0a58c"}
html_theme_options = {"light_css_variables": colours, "dark_css_variables": night}
