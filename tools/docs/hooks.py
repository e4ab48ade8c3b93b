"""Hooks of mkdocs: pages that lie outside of packages/, one API page a package, and links."""

from __future__ import annotations

import posixpath
import re
from pathlib import PurePosixPath
from typing import NamedTuple

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from heat_core.subpackages import SUBPACKAGES as HEAT_CORE
from tools.workspace import ROOT, Package, packages

__all__ = ["on_config", "on_files", "on_page_markdown", "site_target"]

PAGES = "tools/docs/pages/"
SECTIONS = {"tutorials": "Tutorials", "how-to": "How to", "explanation": "How it works"}
# files of the site that are files of the repository outside of packages/
OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "tools/docs/overview.svg": "overview.svg",
    "benchmarks/README.md": "benchmarks.md",
    "benchmarks/RESULTS.md": "results.md",
    **{
        str(file.relative_to(ROOT)): str(file.relative_to(ROOT / PAGES))
        for file in sorted((ROOT / PAGES).rglob("*.md"))
    },
}
# what users import beside the names of the package itself: each gets a page
SUBPACKAGES = {
    "daso": ("compat_heat", "reference"),
    "energymeter": ("testing",),
    "f3": ("compare", "diagnostics", "feedback"),
    "heat-core": ("linalg", *(name for name in HEAT_CORE if name != "utils"), "utils.data"),
    "lowrank": ("init", "nn"),
    "propulate": ("integrations.optuna", "plot", "propagators", "pruners", "testing", "topologies"),
    "recycle": (
        "datasets",
        "edge",
        "evaluation",
        "export",
        "network",
        "report",
        "sktime",
        "tuning",
    ),
}
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#:]+)(?P<anchor>#[^)]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Write the navigation: pages by section, then those of each package together."""
    nav: list[object] = [{"Start": "index.md"}]
    for folder, title in SECTIONS.items():
        nav.append({title: [page for page in OUTSIDE.values() if page.startswith(f"{folder}/")]})
    for package in packages():
        name = package.name
        pages = [
            f"{name}/README.md",
            {"API": [{api.title: api.path} for api in _api_pages(package)]},
            {"Changelog": f"{name}/CHANGELOG.md"},
        ]
        nav.append({name: pages})
    outer = (
        page
        for source, page in OUTSIDE.items()
        if "/" not in page and page.endswith(".md") and (ROOT / source).exists()
    )
    nav += [{page.removesuffix(".md").title(): page} for page in outer if page != "index.md"]
    config.nav = nav
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside of packages/, and the API pages."""
    for source, page in OUTSIDE.items():
        if (ROOT / source).exists():
            text = (ROOT / source).read_text()
            files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, "wide.css", content=".md-grid { max-width: 72rem; }\n"))
    for package in packages():
        for api in _api_pages(package):
            text = f"# {api.title}\n\n::: {api.title}\n"
            files.append(File.generated(config, api.path, content=text))
    return files


class _ApiPage(NamedTuple):
    """A page made from the docstrings of a module."""

    title: str
    path: str


def _api_pages(package: Package) -> list[_ApiPage]:
    name, modules = package.import_name, SUBPACKAGES.get(package.name, ())
    return [
        _ApiPage(name, f"{package.name}/api/index.md"),
        *(_ApiPage(f"{name}.{module}", f"{package.name}/api/{module}.md") for module in modules),
    ]


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages."""
    here = {page: source for source, page in OUTSIDE.items()}.get(
        page.file.src_uri, f"packages/{page.file.src_uri}"
    )

    def rewrite(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(here), link["target"]))
        target = site_target(path)
        if files.get_file_from_path(target) is None:
            return link["text"]  # a file that is no page: its name must do
        relative = posixpath.relpath(target, posixpath.dirname(page.file.src_uri) or ".")
        return f"{link['image']}[{link['text']}]({relative}{link['anchor'] or ''})"

    return LINK.sub(rewrite, markdown)


def site_target(path: str) -> str:
    """The page of the site for a path in the repository."""
    path = path.removesuffix("/")
    if path in OUTSIDE:
        return OUTSIDE[path]
    inside = path.removeprefix("packages/")
    return inside if PurePosixPath(inside).suffix else f"{inside}/README.md"
