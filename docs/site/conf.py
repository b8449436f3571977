"""The documentation site: the pages of docs/, and a reference that is written by the code it is about.

sphinx-build -W --keep-going -c docs/site docs build/site
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import reference  # noqa: E402

project = "dout"
author = "The dout authors"
project_copyright = "the dout authors"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["site"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # a page may begin a part with a smaller heading
templates_path = ["."]
html_theme = "pydata_sphinx_theme"
html_title = "dout"
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "collapse_navigation": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
}
html_sidebars = {"index": []}
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_show_sourcelink = False
pygments_style = "a11y-high-contrast-light"


def setup(app):
    """Write the reference before the pages are read, and leave links out of docs/ as plain text."""
    app.connect("builder-inited", lambda app: reference.write(Path(app.srcdir)))
    app.connect(
        "source-read",
        lambda app, name, source: source.__setitem__(0, reference.inside(source[0], name, Path(app.srcdir))),
    )
