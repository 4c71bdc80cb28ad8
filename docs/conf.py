"""How the site is built: ``python -m sphinx -W docs docs/_build``."""

import re
import sys
from pathlib import Path

import matplotlib
from numpydoc.xref import DEFAULT_LINKS

import symgd

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the extensions

matplotlib.use("Agg")

# Sphinx reads its settings from names in lower case.
project = "symgd"
author = "the authors of symgd"
release = version = symgd.__version__
exclude_patterns = [
    *("_build", "_templates", "notebooks"),
    *("gallery/*.ipynb", "gallery/*.zip"),
]
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx.ext.intersphinx",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "mathematics",
    "printed",
]

# ---------------------------------------------------------------------- pages
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
copybutton_exclude = ".linenos, .gp, .go"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# ---------------------------------------------------------------------- names
templates_path = ["_templates"]
autosummary_generate = True
autodoc_typehints = "none"  # the docstrings tell the types
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 76
DEFAULT_LINKS.clear()  # words such as sequence and bool need no link
numpydoc_show_class_members = False  # the template lists them
numpydoc_xref_param_type = True
numpydoc_xref_aliases = {
    "ndarray": "numpy.ndarray",
    "Axes": "matplotlib.axes.Axes",
    "RandomState": "numpy.random.RandomState",
    "numpy.random.Generator": "numpy.random.Generator",
    **{name: f"symgd.{name}" for name in symgd.__all__ if name[0].isupper()},
}
numpydoc_xref_ignore = "all"

# Attributes of several classes have the same names, such as x; none is pointed to.
suppress_warnings = ["ref.python"]

# The few names that pages point to, written down here: a build asks nobody.
intersphinx_mapping = {
    name: (address, f"inventories/{name}.inv")
    for name, address in {
        "matplotlib": "https://matplotlib.org/stable/",
        "numpy": "https://numpy.org/doc/stable/",
        "scipy": "https://docs.scipy.org/doc/scipy/",
        "sympy": "https://docs.sympy.org/latest/",
    }.items()
}

# -------------------------------------------------------------------- gallery
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": re.escape("/"),  # all of them are run
    "within_subsection_order": "gallery_order.TeachingOrder",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "write_computation_times": False,
    "show_signature": False,
    "min_reported_time": 10**6,
    "reference_url": {},
    "thumbnail_size": (480, 360),
    "copyfile_regex": r".*\.csv",
    "matplotlib_animations": False,
}

# ----------------------------------------------------------------- appearance
html_theme = "pydata_sphinx_theme"
html_title = f"symgd {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "symgd"},
    "show_prev_next": True,
    "navigation_with_keys": False,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
    "pygments_light_style": "tango",
    "pygments_dark_style": "github-dark",
}
html_context = {"default_mode": "auto"}
math_numfig = False
html_math_renderer = "mathml"
