"""The report: one page that needs nothing else."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from html import escape
from importlib.metadata import version
from pathlib import Path

from mpi4py import MPI

from tools.demo.stage import Row, Timed
from tools.workspace import packages

__all__ = ["write_report"]

_CSS = """
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1c2430; --faint: #667085; --line: #e3e7ed;
  --good: #0f7b4f; --good-ground: #e2f6ec; --bar: #7f9bd1;
  --bad: #b42318; --bad-ground: #fde8e6; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12161c; --card: #1a2029; --ink: #e4e8ee; --faint: #97a3b4; --line: #2c3542;
  --good: #5bd6a0; --good-ground: #143527; --bar: #5f7fbd;
  --bad: #ff8f85; --bad-ground: #42201d; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.1rem; margin: 0; }
p { margin: .35rem 0; } .faint { color: var(--faint); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 1.1rem 1.3rem; margin-top: 1.1rem; }
.head { display: flex; gap: .7rem; align-items: baseline; flex-wrap: wrap; }
.head .faint { margin-left: auto; font-size: .85rem; font-variant-numeric: tabular-nums; }
.badge { border-radius: 99px; padding: .1rem .7rem; font-size: .82rem; font-weight: 600; }
.good { color: var(--good); background: var(--good-ground); }
.bad { color: var(--bad); background: var(--bad-ground); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin-top: .7rem; font-size: .87rem; }
th { text-align: left; font-weight: 600; color: var(--faint); }
th, td { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
tr:last-child td { border-bottom: 0; }
td.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
td.bar { width: 30%; } td.bar i { display: block; height: .55rem; margin-top: .42rem;
  border-radius: 99px; background: var(--bar); }
a { color: inherit; }
figure { margin: 1rem 0 0; } figure svg { width: 100%; height: auto; display: block; }
figcaption { color: var(--faint); font-size: .85rem; margin-top: .3rem; }
"""

_HEADINGS = ("what", "result", "expected", "by", "difference", "allowed", "")


def write_report(path: Path, stages: Sequence[Timed], ranks: int) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
    stages : sequence of Timed
    ranks : int
        On how many ranks they ran.
    """
    ok = all(timed.ok for timed in stages)
    n_rows = sum(len(timed.checked.rows) for timed in stages)
    verdict = "all checks held" if ok else "some checks failed"
    body = "\n".join(_stage(timed) for timed in stages)
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>hpc-ml demo</title>
<style>{_CSS}</style>
</head>
<body>
<main>
<div class="head"><h1>hpc-ml demo</h1>{_badge(ok, verdict)}</div>
<p>Eight packages in one MPI job on {ranks} rank{"s" * (ranks > 1)}. Hourly temperatures of Seattle
and San Francisco in 2010 (NOAA, as bundled with vega_datasets; as smooth as averages over many
years) are analysed and forecast; networks are trained on the handwritten digits of scikit-learn.
{len(stages)} stages, {n_rows} results, each held against an independent computation.</p>
<p class="faint">{escape(_versions())}</p>
{_overview(stages)}
{body}
</main>
</body>
</html>
"""
    path.write_text(page, encoding="utf-8")


def _versions() -> str:
    library = MPI.Get_library_version().split("\n")[0].replace("\t", " ").strip(" \0")
    names = [package.name for package in packages()]
    names += ["torch", "numpy", "scikit-learn"]
    parts = [f"{name} {version(name)}" for name in names]
    return " · ".join([*parts, f"Python {platform.python_version()}", " ".join(library.split())])


def _overview(stages: Sequence[Timed]) -> str:
    """A table of all stages: how long they took and what they consumed."""
    most = max(timed.seconds for timed in stages)
    rows = "\n".join(
        f'<tr><td><a href="#{escape(t.stage.name)}">{escape(t.stage.name)}</a></td>'
        f"<td>{escape(t.stage.package)}</td><td>{len(t.checked.rows)}</td>"
        f'<td class="number">{t.seconds:.2f} s</td>'
        f'<td class="bar"><i style="width:{100 * t.seconds / most:.0f}%"></i></td>'
        f'<td class="number">{escape(t.energy)}</td>'
        f"<td>{_badge(t.ok, 'ok' if t.ok else 'failed')}</td></tr>"
        for t in stages
    )
    titles = ("stage", "package", "checks", "time", "", "energy", "")
    headings = "".join(f"<th>{title}</th>" for title in titles)
    return f"""<section class="card"><h2>All stages</h2>
<div class="scroll"><table><thead><tr>{headings}</tr></thead>
<tbody>{rows}</tbody></table></div>
<p class="faint">Energies are those of the node; ~ marks an estimate, for want of a sensor.</p>
</section>"""


def _stage(timed: Timed) -> str:
    stage, checked = timed.stage, timed.checked
    headings = "".join(f"<th>{heading}</th>" for heading in _HEADINGS)
    rows = "\n".join(_row(row) for row in checked.rows)
    remark = f'<p class="faint">{escape(checked.remark)}</p>' if checked.remark else ""
    plots = "\n".join(
        f"<figure>{plot.svg}<figcaption>{escape(plot.caption)}</figcaption></figure>"
        for plot in checked.plots
    )
    return f"""<section class="card" id="{escape(stage.name)}">
<div class="head"><h2>{escape(stage.name)}</h2>{_badge(timed.ok, "ok" if timed.ok else "failed")}
<span class="faint">{escape(stage.package)} · {timed.seconds:.2f} s · {timed.energy}</span></div>
<p>{escape(stage.shows[0].upper() + stage.shows[1:])}.</p>
<div class="scroll"><table><thead><tr>{headings}</tr></thead>
<tbody>{rows}</tbody></table></div>
{remark}
{plots}
</section>"""


def _row(row: Row) -> str:
    texts = "".join(
        f"<td>{escape(text)}</td>" for text in (row.what, row.result, row.expected, row.oracle)
    )
    numbers = "".join(f'<td class="number">{x:.1e}</td>' for x in (row.difference, row.tolerance))
    return f"<tr>{texts}{numbers}<td>{_badge(row.ok, 'ok' if row.ok else 'failed')}</td></tr>"


def _badge(ok: bool, text: str) -> str:
    return f'<span class="badge {"good" if ok else "bad"}">{text}</span>'
