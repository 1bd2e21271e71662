"""Sphinx settings. Build with ``sphinx-build -W --keep-going -b html docs docs/_build/html``; nothing is downloaded."""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS.parent / "src")]

import package_picture  # noqa: E402
import popdetect  # noqa: E402

GENERATED = DOCS / "_generated"
GENERATED.mkdir(exist_ok=True)
(GENERATED / "packages.svg").write_text(package_picture.picture(package_picture.SOURCE), encoding="utf-8")

project = "popdetect"
author = "the popdetect contributors"
project_copyright = author
release = version = popdetect.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["_build", "_generated"]

html_theme = "furo"
html_title = f"popdetect {version}"
html_copy_source = False

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the tests run the notebook and compare its outputs

autodoc_typehints = "none"  # the numpydoc sections name the types
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
