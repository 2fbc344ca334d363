"""`hgcae compare`: module codecs, and trained runs, in one table."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from hgcae.cli import console
from hgcae.errors import SettingsError
from hgcae.outputs import claimed

if TYPE_CHECKING:
    from hgcae.evaluate import ModuleResult

LINKS = (2, 3, 4, 5)


class Sample(StrEnum):
    """Where the modules come from."""

    EVENTS = "events"
    ELECTRON = "electron"
    TTBAR = "ttbar"


def compare(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of results.")],
    sample: Annotated[Sample, typer.Option(help="Modules of crowded events, of single electrons, or of top pairs.")] = Sample.EVENTS,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            envvar="HGCAE_DATA",
            help="Folder that holds cms_events/, cms_modules/ and, for CMS's networks, cms_autoencoder/.",
        ),
    ] = None,
    given: Annotated[
        Path | None, typer.Option("-i", "--input", metavar="FILE", help="Your own modules, csv or Parquet, instead of a sample.")
    ] = None,
    runs: Annotated[
        list[Path] | None, typer.Option("--model", metavar="RUN", help="A trained run, in the same table; repeatable.", show_default="none")
    ] = None,
    links: Annotated[list[int] | None, typer.Option(min=1, help="ECON-T links per module. Repeatable.", show_default="2 3 4 5")] = None,
    codecs: Annotated[list[str] | None, typer.Option("--codec", metavar="NAME", help="Repeatable.", show_default="all")] = None,
    max_modules: Annotated[int, typer.Option(min=1, help="Evaluate at most so many modules, drawn at random.")] = 20_000,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of each learned codec; 4000 take about a minute.")] = 4000,
    seed: Annotated[int, typer.Option(min=0, help="Start of all random numbers.")] = 1,
    as_json: console.JsonOption = False,
) -> None:
    """Compare codecs of silicon modules: what they lose, for the bits they send.

    The codecs are fitted on one part of the modules and evaluated on the other: of the sample `events` on the last ten events, of all
    others on a fifth of the modules (of the events, if a column `event` says which modules belong together). Reported with errors: bits,
    energy mover's distance, bias and width of the module's charge, charge in cells that are wrongly empty, telescope loss; for all
    modules, by number of charged cells and by charge. For sparse modules trust the mean of the energy mover's distance and the charge in
    cells lost: most codecs send three cells exactly, so the median is zero.

    A trained run (hgcae train --root module) takes the row of the fewest links that hold its bits. Train it on other modules than these.

      DIR/results.json         all metrics, versions, and what was compared
      DIR/results.md           the table
      DIR/rate_distortion.png  every metric against the bits
      DIR/emd_occupancy.png    energy mover's distance by number of charged cells

    Examples:
      hgcae compare --data data -o results
      hgcae compare --data data --codec latent --steps 20000 -o longer
      hgcae compare --data data --sample ttbar --links 2 --links 5 --codec pca -o ttbar
      hgcae compare --input modules.csv --codec best_choice --codec pyramid --model run -o mine
    """
    from hgcae.codec import FitOptions
    from hgcae.codec.registry import available, entry
    from hgcae.evaluate import module_table
    from hgcae.settings import fingerprint
    from hgcae.sources.modules import file_sample, module_sample
    from hgcae.workflow.compare import drawn, evaluate_codec, evaluate_run, write_comparison

    if given is None and data is None:
        msg = "the folder of real data is not known: give --data DIR, or set HGCAE_DATA (docs/data.md), or give modules with --input"
        raise SettingsError(msg)
    chosen = list(dict.fromkeys(codecs or available(data)))
    for name in chosen:
        entry(name)  # so that a wrong name is found before anything is trained
    modules = (
        module_sample(sample.value, data, seed=seed) if given is None and data is not None else file_sample(given or output, seed=seed)
    )
    modules, fit = drawn(modules, max_modules, seed), FitOptions(seed, steps, data)
    pairs = [(name, number) for name in chosen for number in dict.fromkeys(links or LINKS)]
    trained, results, made = list(dict.fromkeys(runs or ())), [], {}
    with claimed(output / "results.json"):
        with console.progress(len(trained) + len(pairs), "codecs") as progress:
            for run in trained:
                model, result = evaluate_run(modules, run, seed)
                results.append(result)
                made[f"{result.codec} {result.links}"] = model
                progress(len(results), result.codec)
            for name, number in pairs:
                codec, result = evaluate_codec(modules, name, number, fit)
                results.append(result)
                made[f"{name} {number}"] = fingerprint(codec.get_config())
                progress(len(results), name)
        content = write_comparison(output / "results.json", modules, results, made, fit)
        report(results, output)
    if as_json:
        console.show(content, as_json=True)
        return
    console.print_line(f"{modules.name}: {results[0].n_modules:,} modules evaluated, {len(modules.train):,} trained on")
    console.print_table(*module_table(results))
    console.print_line(f"figures, results.md and results.json in {output}")


class CompareCommand(TyperCommand):
    """Adds the codecs to the manual when it is shown; they are too heavy to look at before."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the manual."""
        from hgcae.codec.registry import manual

        self.help = f"{self.help}\n\n\b\nCodecs, and others as MODULE:NAME (docs/writing_a_codec.md):\n{manual()}"
        super().format_help(ctx, formatter)


def report(results: Sequence[ModuleResult], folder: Path) -> None:
    """Writes the table as Markdown, and draws the figures."""
    from hgcae.evaluate import markdown, module_table
    from hgcae.outputs import atomic_path
    from hgcae.plots import emd_occupancy_figure, rate_distortion_figure

    with atomic_path(folder / "results.md") as temporary:
        temporary.write_text(markdown(*module_table(results)) + "\n", encoding="utf-8")
    rate_distortion_figure(results, folder / "rate_distortion.png")
    emd_occupancy_figure(results, folder / "emd_occupancy.png")
