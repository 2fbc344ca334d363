"""A training run on one page: a self-contained HTML file of tables, interactive figures and events, from results and events only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from hgcae.errors import DataFormatError
from hgcae.outputs import atomic_path
from hgcae.plots.eventdata import Displays
from hgcae.plots.pagetables import fit_table, head_table, nested, stage_table, summary_table, text
from hgcae.plots.panels import Panel, energy_panels, head_panels, history_panel, position_panels, rate_panels
from hgcae.plots.results import LEVEL_COLOURS
from hgcae.plots.traces import SYMBOLS

_MARKS = dict(zip(SYMBOLS, "●■▲◆▼", strict=True))


def write_report(
    path: str | Path,
    results: Mapping[str, Any],
    *,
    title: str,
    history: Sequence[Mapping[str, Any]] = (),
    displays: Displays | None = None,
    about: Mapping[str, Any] | None = None,
    extras: Mapping[str, Any] | None = None,
) -> Path:
    """Writes the report of a run: one HTML file that is self-contained and needs no network.

    Args:
        path: Where to write.
        results: Those of an evaluation; what was not measured is left out of the page.
        title: Heading, e.g. the name of the run.
        history: Rows of the training's history, see `hgcae.plots.cost_figure`.
        displays: Events to show.
        about: What else is known about the run (settings, sample, ...), nested plain values.
        extras: Further results by the heading of their section, nested plain values.

    Returns:
        The path.

    Raises:
        DataFormatError: Results without levels, or a history without the columns of one.
        GeometryError: Events whose shape is not known.
    """
    if not results.get("levels"):
        raise DataFormatError(source="results", where="levels", found="none", expected="at least one level")
    sections, figures = _sections(results, history, displays is not None, about or {}, extras or {})
    page = Template(_asset("page.html")).substitute(
        title=escape(title),
        lead=_lead(results, history),
        contents="".join(f'<li><a href="#{name}">{escape(heading)}</a></li>' for name, (heading, _) in sections.items()),
        sections="".join(
            f'<section id="{name}" aria-labelledby="h-{name}"><h2 id="h-{name}">{escape(heading)}</h2>{inside}</section>'
            for name, (heading, inside) in sections.items()
        ),
        figures=_script_json("{" + ",".join(f"{json.dumps(figure.name)}:{figure.json()}" for figure in figures) + "}"),
        events=_script_json(json.dumps(displays.plain() if displays is not None else None, allow_nan=False)),
        style=_asset("page.css"),
        plotly=_plotly(),
        script=_asset("page.js"),
    )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return Path(path)


def _sections(
    results: Mapping[str, Any], history: Sequence[Mapping[str, Any]], shown: bool, about: Mapping[str, Any], extras: Mapping[str, Any]
) -> tuple[dict[str, tuple[str, str]], list[Panel]]:
    """Returns the sections by name, heading and HTML each, and the figures they refer to; sections without content are left out."""
    above = f"{results['settings']['above_gev']:g} GeV"
    energy, position, rates, heads = (make(results) for make in (energy_panels, position_panels, rate_panels, head_panels))
    trained = history_panel(_checked(history))
    strip = _level_strip(list(results["levels"]))
    sections = {
        "summary": ("Summary", summary_table(results) + _text(_SUMMARY_TEXT, above)),
        "energy": ("Energy", strip + _text(_ENERGY_TEXT) + _grid(energy) + fit_table(results) if energy else ""),
        "position": ("Position", strip + _text(_POSITION_TEXT) + _grid(position) if position else ""),
        "rate": ("Rate and distortion", _text(_RATE_TEXT) + _grid(rates) if rates else ""),
        "heads": ("Physics from codes", strip + _text(_HEADS_TEXT) + _grid(heads) + head_table(results) if heads else ""),
        "events": ("Events", _asset("events.html") if shown else ""),
        "training": ("Training", _grid([trained]) + stage_table(history) if trained else ""),
    }
    for number, (heading, values) in enumerate((extras or {}).items()):
        sections[f"extra-{number + 1}"] = (heading, nested(values))
    provenance = {
        "fingerprints": results.get("fingerprints", {}),
        "versions": results.get("versions", {}),
        "evaluation": results["settings"],
    }
    sections["provenance"] = ("How this was made", nested({"date": results.get("date"), **about, **provenance}))
    figures = [*energy, *position, *rates, *heads, *([trained] if trained else [])]
    return {name: section for name, section in sections.items() if section[1]}, figures


_SUMMARY_TEXT = """Each row decodes the codes of one level through all levels below it. Bits of an event count every unit,
occupied or not. MSE is over the trigger cells of truly occupied units. Quanta (the strongest cells by enumeration) and ranked (the
strongest cells by rank, with tables) are codes without a network of at most as many bits, on a choice of true units. L1 is
Σ|decoded − true| / Σ true of trigger cells. Energy, the ratio of energy resolutions σ (decoded over uncompressed, against the truth),
barycentre (rms per axis) and layers (Σ|decoded − true| / total) are those of events above {}. Errors are standard
errors."""
_ENERGY_TEXT = """Response and resolution compare the calibrated energy with the truth, for showers that do not leave the detector
sideways; crosses are the uncompressed events, with their fit. The other figures compare decoded with uncompressed events.
σ<sub>eff</sub> is half the smallest interval with 68.27 % of the entries."""
_POSITION_TEXT = """Barycentres are weighted with energy and compared, decoded with uncompressed. The distance to the true axis
compares log-weighted layer centres with the particle's line; crosses are the uncompressed events."""
_RATE_TEXT = """From right to left an event costs fewer bits. Baselines spend as many bits on a unit as this model, or as many
numbers (PCA); a mean unit and nothing cost no bits and stand there to compare with."""
_HEADS_TEXT = """What small heads read off the codes, against the truth of showers that do not leave the detector sideways:
width (filled) and bias (hollow). Crosses are the calibrated sum of the uncompressed charges and a straight line through the centres
of their layers, stars the line from the interaction point to their barycentre; the bias lies below the width."""


def _text(words: str, *values: str) -> str:
    return f"<p>{words.format(*map(escape, values))}</p>"


def _grid(panels: Sequence[Panel]) -> str:
    return f'<div class="grid">{"".join(map(_figure, panels))}</div>'


def _figure(panel: Panel) -> str:
    height, kind = panel.spec["layout"]["height"], "panel wide" if panel.wide else "panel"
    note = f'<p class="note">{escape(panel.note)}</p>' if panel.note else ""
    drawing = f'<div class="plot" id="{panel.name}" style="height:{height}px" role="img" aria-label="{escape(panel.title)}"></div>'
    return f'<figure class="{kind}"><figcaption><h3>{escape(panel.title)}</h3></figcaption>{drawing}{note}</figure>'


def _level_strip(levels: Sequence[str]) -> str:
    """Returns the legend of the levels, whose entries hide and show them in every figure."""
    buttons = "".join(
        f'<button type="button" aria-pressed="true" data-level="{escape(name)}">'
        f'<span class="mark" style="color:{LEVEL_COLOURS[i % len(LEVEL_COLOURS)]}">{_MARKS[SYMBOLS[i % len(SYMBOLS)]]}</span> '
        f"{escape(name)}</button>"
        for i, name in enumerate(levels)
    )
    return f'<div class="strip" role="group" aria-label="Levels shown">{buttons}</div>'


def _lead(results: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> str:
    """Returns the figures at the head of the page."""
    levels = list(results["levels"].values())
    bits = [level["bits_per_event"] for level in levels if level.get("bits_per_event")]
    facts = [(text(levels[0]["n_events"]), "events evaluated, never trained on"), (str(len(levels)), "levels")]
    if bits:
        facts.append((f"{max(bits):,.0f} → {min(bits):,.0f}" if len(bits) > 1 else f"{bits[0]:,.0f}", "bits an event"))
    if history:
        seconds = sum(row.get("seconds", 0.0) for row in history)
        facts.append((f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s", f"training, {history[-1]['step']:,} steps"))
    facts.append((str(results.get("date", "")), "date"))
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for value, name in facts)


_COLUMNS = ("stage", "epoch", "step", "loss_train", "loss_test", "learning_rate")


def _checked(history: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    for number, row in enumerate(history, 1):
        if missing := [name for name in _COLUMNS if name not in row]:
            raise DataFormatError(
                source="history", where=f"row {number}", found=f"no {', '.join(missing)}", expected=f"the columns {', '.join(_COLUMNS)}"
            )
    return history


def _asset(name: str) -> str:
    return (resources.files("hgcae.plots") / "web" / name).read_text(encoding="utf-8")


def _plotly() -> str:
    """Returns plotly.js as it comes with the Python package, which has no smaller bundle with three-dimensional figures."""
    from plotly.offline import get_plotlyjs

    return get_plotlyjs().replace("</script", "<\\/script")


def _script_json(content: str) -> str:
    """Returns JSON that may stand inside a script element: no `<` ends the element or opens a comment."""
    return content.replace("<", "\\u003c")
