"""How Sphinx builds this documentation."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_exts"), str(HERE.parent.parent)]

project = "tripleo-common"
author = "tripleo-common contributors"
project_copyright = author

extensions = ["code_reference", "workbooks"]

html_theme = "alabaster"
html_title = project
html_theme_options = {
    "description": "Deploying an OpenStack cloud with OpenStack",
    "fixed_sidebar": True,
    "page_width": "1060px",
    "sidebar_width": "240px",
}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_show_sourcelink = False
