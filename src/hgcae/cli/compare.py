"""`hgcae compare`: module codecs beside each other, on modules of simulated CMS events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from hgcae.cli import console
from hgcae.errors import SettingsError
from hgcae.outputs import claimed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hgcae.codec import FitOptions, UnitCodec
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
    links: Annotated[list[int] | None, typer.Option(min=1, help="ECON-T links per module. Repeatable.", show_default="2 3 4 5")] = None,
    codecs: Annotated[list[str] | None, typer.Option("--codec", metavar="NAME", help="Repeatable.", show_default="all")] = None,
    max_modules: Annotated[int, typer.Option(min=1, help="Evaluate at most so many modules, drawn at random.")] = 20_000,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of each learned codec; 4000 take about a minute.")] = 4000,
    seed: Annotated[int, typer.Option(min=0, help="Start of all random numbers.")] = 1,
    as_json: console.JsonOption = False,
) -> None:
    """Compare codecs of silicon modules: what they lose, for the bits they send.

    The codecs are fitted on one part of the modules and evaluated on the other: of the events, on the last ten; of the other samples, on a
    fifth of the modules. Reported with errors: bits, energy mover's distance, bias and width of the module's charge, charge in cells that
    are wrongly empty, telescope loss; for all modules, by number of charged cells and by charge.

      DIR/results.json         all figures, versions, and what was compared
      DIR/results.md           the table
      DIR/rate_distortion.png  every figure against the bits
      DIR/emd_occupancy.png    energy mover's distance by number of charged cells

    Examples:
      hgcae compare --data data -o results
      hgcae compare --data data --codec latent --steps 20000 -o longer
      hgcae compare --data data --sample ttbar --links 2 --links 5 --codec pca -o ttbar
    """
    from hgcae.codec import FitOptions
    from hgcae.codec.registry import available, entry
    from hgcae.evaluate import write_module_results
    from hgcae.settings import fingerprint
    from hgcae.sources.modules import data_fingerprints, module_sample

    if data is None:
        msg = "the folder of real data is not known: give --data DIR, or set HGCAE_DATA"
        raise SettingsError(msg)
    chosen = list(dict.fromkeys(codecs or available(data)))
    for name in chosen:
        entry(name)  # so that a wrong name is found before anything is trained
    modules = module_sample(sample.value, data, seed=seed)
    test = drawn(modules.test, max_modules, seed)
    pairs = [(name, number) for name in chosen for number in dict.fromkeys(links or LINKS)]
    results, made = [], {}
    with claimed(output / "results.json"):
        with console.progress(len(pairs), "codecs") as progress:
            for codec, result in evaluated(sample.value, pairs, modules.train, test, FitOptions(seed, steps, data)):
                results.append(result)
                made[f"{result.codec} {result.links}"] = fingerprint(codec.get_config())
                progress(len(results), result.codec)
        told = {"data": data_fingerprints(modules.train, test), "seed": seed, "steps": steps, "codecs": made}
        provenance = {"sample": sample.value, "n_train": len(modules.train), "n_test": len(test), **told}
        content = write_module_results(output / "results.json", results, date=datetime.now(UTC).date().isoformat(), provenance=provenance)
        report(results, output)
    if as_json:
        console.show(content, as_json=True)
        return
    from hgcae.evaluate import module_table

    console.print_line(f"{sample.value}: {results[0].n_modules:,} modules evaluated, {len(modules.train):,} trained on")
    console.print_table(*module_table(results))
    console.print_line(f"figures, results.md and results.json in {output}")


class CompareCommand(TyperCommand):
    """Adds the codecs to the manual when it is shown; they are too heavy to look at before."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the manual."""
        from hgcae.codec.registry import manual

        self.help = f"{self.help}\n\n\b\nCodecs, and others as MODULE:NAME (docs/writing_a_codec.md):\n{manual()}"
        super().format_help(ctx, formatter)


def drawn(modules: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """Returns at most so many modules, in their order.

    Raises:
        SettingsError: There is none.
    """
    import numpy as np

    if not len(modules):
        msg = "found no modules to evaluate, expected at least one"
        raise SettingsError(msg)
    if len(modules) <= most:
        return modules
    return modules[np.sort(np.random.default_rng(seed).choice(len(modules), most, replace=False))]


def evaluated(
    sample: str, pairs: Sequence[tuple[str, int]], train: NDArray[np.int64], test: NDArray[np.int64], fit: FitOptions
) -> Iterator[tuple[UnitCodec, ModuleResult]]:
    """Makes each codec and yields it with its results.

    Args:
        sample: Name of the sample.
        pairs: Name of the codec and number of links.
        train: Charges to fit to: (n, 48).
        test: Charges to evaluate on: (m, 48).
        fit: Seed of fits and resampling, length of training, folder of real data.
    """
    from hgcae.codec import make_codec
    from hgcae.evaluate import Bootstrap, evaluate_modules

    for name, number in pairs:
        codec = make_codec(name, number, train, fit)
        payload = codec.encode(test)
        yield codec, evaluate_modules(sample, name, number, test, codec.decode(payload), payload.bits, Bootstrap(seed=fit.seed))


def report(results: Sequence[ModuleResult], folder: Path) -> None:
    """Writes the table as Markdown, and draws the figures."""
    from hgcae.evaluate import module_markdown
    from hgcae.outputs import atomic_path
    from hgcae.plots import emd_occupancy_figure, rate_distortion_figure

    with atomic_path(folder / "results.md") as temporary:
        temporary.write_text(module_markdown(results), encoding="utf-8")
    rate_distortion_figure(results, folder / "rate_distortion.png")
    emd_occupancy_figure(results, folder / "emd_occupancy.png")
