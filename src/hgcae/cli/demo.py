"""`hgcae demo`: the whole chain in one command."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Annotated

import typer

from hgcae import __version__
from hgcae.cli import console
from hgcae.outputs import claimed
from hgcae.parallel import usable_cores


def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the results; an unfinished demo is resumed.")
    ] = Path("demo"),
    n_train: Annotated[int, typer.Option(min=20, help="Events to train on.")] = 6000,
    n_test: Annotated[int, typer.Option(min=10, help="Events to evaluate on.")] = 2000,
    epochs: Annotated[str, typer.Option(metavar="N", help="Length of the schedule: a number, demo or full.")] = "demo",
    seed: Annotated[int, typer.Option(min=0, help="Start of the random numbers.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Processor cores for the simulation.")] = 2,
    as_json: console.JsonOption = False,
) -> None:
    """Simulate electrons, train all five levels, evaluate them on other electrons, and draw it all.

    Electrons of 1 to 500 GeV from the interaction point fall anywhere on the prototype detector. What is written:

      electrons.parquet, test.parquet   training and test events
      run/                              the training: model, history, cost figure, film
      results.json, *.png               results of the evaluation
      event_LEVEL.png                   a test event decoded from each level
      report.html                       all of it on one interactive page
      demo.json                         seconds of each part, peak memory

    Examples:
      hgcae demo
      hgcae demo -o quick --n-train 500 --n-test 200 --epochs 10
    """
    from hgcae import simulate as stage
    from hgcae.cli.evaluate import evaluate_run, report
    from hgcae.cli.train import train_run
    from hgcae.evaluate import EvaluateSettings
    from hgcae.geometry.detector import Detector
    from hgcae.plots import draw_event
    from hgcae.store import Reader, write
    from hgcae.store.results import write_results
    from hgcae.train.run import RunSettings, Split, schedule_of, splits
    from hgcae.truth import contained
    from hgcae.workflow.loaded import LoadedRun
    from hgcae.workflow.page import write_page

    clock = _Clock()
    files = {"electrons": (output / "electrons.parquet", n_train, 2 * seed), "test": (output / "test.parquet", n_test, 2 * seed + 1)}
    length = int(epochs) if epochs.isdigit() else epochs
    run = RunSettings.load({"input": str(files["electrons"][0]), "epochs": length, "seed": seed})
    detector = Detector.load("prototype")
    schedule_of(run, detector.hierarchy)  # finds mistakes before the work begins
    with claimed(output / "demo.json"):
        for name, (path, n, number) in files.items():
            settings = stage.SimulateSettings(seed=number)
            provenance = {"program": f"hgcae {__version__} demo", "settings": settings.model_dump(mode="json"), "events": n}
            if path.exists() and Reader(path).provenance == provenance:
                continue
            console.note(f"simulating {n} {name} events")
            with console.progress(n, "events") as progress:
                write(path, stage.simulate(settings, n, workers=workers, progress=progress), provenance)
        clock.lap("simulation")
        console.note("training five levels")
        trainer = train_run(run, output / "run")
        clock.lap("training")
        console.note("evaluating them")
        loaded = LoadedRun(run, trainer.model, splits(run)[0], Split(Reader(files["test"][0]), 0, n_test), n_test)
        results = evaluate_run(loaded, EvaluateSettings(), output)
        # One that does not leave the detector sideways: what is missing there is missing for every code.
        event = loaded.sample[[int(contained(loaded.sample, detector).argmax())]]
        for name in trainer.model.hierarchy.names:
            draw_event(event, trainer.model.reconstruct(event, name), detector, output / f"event_{name}.png", title=f"decoded from {name}")
        report(results, output, as_json=as_json)
        clock.lap("evaluation")
        page = write_page(loaded, results, output / "report.html", output / "run", [output], note=console.note)
        clock.lap("report")
        metrics = {
            "seconds": clock.laps,
            "peak_rss_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
            "cores": usable_cores(),
            "events": {name: n for name, (_, n, _) in files.items()},
            "seed": seed,
        }
        write_results(output / "demo.json", "demo", metrics)
    console.note(f"{page}: all of it on one page, for any browser")
    console.note(f"done in {sum(clock.laps.values()):.0f} s, with at most {metrics['peak_rss_gib']:.1f} GiB of memory")


class _Clock:
    """Seconds of each part of the demo."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Notes the time since the last call under a name."""
        now = time.perf_counter()
        self.laps[name], self._last = round(now - self._last, 1), now
