"""The steps: what each needs, what it is made of, and what it makes. Heavy packages are loaded where a branch runs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hgcae import __version__, store
from hgcae.errors import DataFormatError
from hgcae.store.codes import read_codes, write_codes
from hgcae.store.results import read_results_file, write_results_file
from hgcae.workflow.digest import files_digest
from hgcae.workflow.step import FolderStep, Step, law, luigi

if TYPE_CHECKING:
    from hgcae.train.run import RunSettings


class OfSample(Step):
    """A step with a sample."""

    sample = luigi.Parameter(description="name of the sample")

    def check(self, path: Path) -> None:
        """Compares the checksums of all events."""
        store.Reader(path).verify()


class Simulate(OfSample):
    """Events from the particle gun: one branch for each chunk of a sample."""

    def made_of(self) -> Any:
        """Settings and detector; chunks are not named, because an event does not depend on them."""
        from hgcae.geometry.detector import Detector

        settings = self._chosen.model_dump(mode="json", exclude={"detector"})
        return {"settings": settings, "detector": Detector.load(self._chosen.detector).fingerprint()}

    @property
    def _chosen(self) -> Any:
        return self.settings.sample(self.sample).simulate

    def create_branch_map(self) -> Any:
        """First event and number of events of each chunk."""
        return dict(enumerate(self.settings.sample(self.sample).chunks))

    def output(self) -> law.LocalFileTarget:
        """A file of events, named by their numbers: a longer sample has the files of a shorter one."""
        first, n = self.branch_value
        return self.file(f"events-{first:09d}-{n}.parquet")

    def warm_up(self) -> None:
        """Loads what is compiled."""
        from hgcae.simulate import simulate

        if self._chosen.engine != "geant4":
            next(iter(simulate(self._chosen, 1)), None)

    def make(self) -> None:
        """Simulates a chunk."""
        from hgcae.simulate import simulate

        first, n = self.branch_value
        threads = 1 if self._chosen.engine == "geant4" else self.resources_of_job.cores
        chunks = simulate(self._chosen, n, first=first, workers=threads, progress=self.share_done(n))
        made = {"program": f"hgcae {__version__} run", "settings": self._chosen.model_dump(mode="json"), "first_event": first, "events": n}
        store.write(self.path, chunks, made | {"fingerprint": self.fingerprint})


class Convert(OfSample):
    """A whole sample as one Parquet file: the simulated chunks one behind the other, or a foreign file."""

    def made_of(self) -> Any:
        """Number of simulated events, or content of the file and how it is read."""
        from hgcae.geometry.detector import Detector

        chosen = self.settings.sample(self.sample)
        if chosen.convert is None:
            return {"events": chosen.events}
        detector = chosen.convert.detector
        named = None if detector is None else Detector.load(detector).fingerprint()
        return {"sha256": chosen.convert.sha256, "root": chosen.convert.root, "digi": chosen.convert.digi, "detector": named}

    def needs(self) -> Mapping[str, Step]:
        """The chunks, if it is simulated."""
        return {} if self.settings.sample(self.sample).convert else {"chunks": self.need(Simulate, sample=self.sample)}

    def output(self) -> law.LocalFileTarget:
        """The file of events."""
        return self.file(f"{self.sample}.parquet")

    def make(self) -> None:
        """Joins the chunks, or converts the file."""
        from hgcae.workflow.convert import converted

        chosen = self.settings.sample(self.sample)
        made = {"program": f"hgcae {__version__} run", "made_of": self.made_of(), "fingerprint": self.fingerprint}
        if chosen.convert is not None:
            store.write(self.path, converted(chosen.convert), made)
            return
        files = [branch.path for branch in self.needs()["chunks"].get_branch_tasks().values()]
        made |= {"settings": store.Reader(files[0]).provenance["settings"], "first_event": 0, "events": chosen.events}
        store.write(self.path, chain.from_iterable(store.Reader(file).chunks() for file in files), made)


class OfPoint(Step):
    """A step of one training: that of `train`, or that of a point of the scan."""

    point = luigi.IntParameter(default=-1, description="point of the scan; -1: the settings of `train` as they are")

    def run(self) -> None:
        """Makes the output; on one machine, processes share what JAX compiles."""
        if self.workflow == "local":
            from hgcae.model.compiled import keep_compiled

            keep_compiled(self.store / "compiled")
        super().run()

    def trained(self) -> Train:
        """Returns the last stage of the training."""
        return self.need(Train, point=self.point, stage=0)

    def events_of(self, name: str, branch: int = -1) -> Step:
        """Returns the step that makes the files of a sample, or one of them."""
        return self.need(Convert if self.settings.sample(name).convert else Simulate, branch, sample=name)


class Train(FolderStep, OfPoint):
    """One stage of a training, which starts where the stage before ended."""

    stage = luigi.IntParameter(default=0, description="number of the stage, from 1; 0: the last")

    @property
    def number(self) -> int:
        """Number of the stage, from 1."""
        return self.stage or len(self._whole.schedule.stages)

    @property
    def _whole(self) -> Any:
        from hgcae.workflow.training import run_settings

        return run_settings(self.settings, self.point)

    def made_of(self) -> Any:
        """Settings of the run up to this stage; those of later stages do not matter."""
        from hgcae.workflow.training import until

        return until(self._whole, self.number).model_dump(mode="json", exclude={"input"})

    def needs(self) -> Mapping[str, Step]:
        """The sample, and the stage before."""
        needs: dict[str, Step] = {"sample": self.need(Convert, sample=self.settings.training(self.point).sample)}
        return needs | ({"before": self.need(Train, point=self.point, stage=self.number - 1)} if self.number > 1 else {})

    def run_settings(self) -> RunSettings:
        """Returns the settings of the run up to this stage, with its input."""
        from hgcae.workflow.training import until

        return until(self._whole, self.number, self.needs()["sample"].as_branch(0).path)

    def make(self) -> None:
        """Trains the stage."""
        from hgcae.model import files
        from hgcae.plots import cost_figure
        from hgcae.workflow.training import share_of_stage, train_stage

        settings, before = self.run_settings(), self.needs().get("before")
        epochs = settings.schedule.stages[-1].epochs if settings.schedule else 0
        progress = share_of_stage(settings, self.share_done(epochs))
        trainer = train_stage(settings, self.folder, before.folder if before else None, progress)
        cost_figure(trainer.history, self.folder / "cost.png")
        write_results_file(self.path, trainer.history[-1] | {"model": files.model_fingerprint(trainer.model)})

    def check(self, path: Path) -> None:
        """Loads the model and reads the checkpoint."""
        from hgcae.model import files
        from hgcae.train.checkpoint import Checkpoint

        files.load(path.parent)
        if Checkpoint.read(path.parent) is None:
            raise DataFormatError(path.parent, "checkpoint", "none", "that of the last epoch")


class Evaluate(FolderStep, OfPoint):
    """Evaluation of a trained model."""

    def made_of(self) -> Any:
        """All settings of the evaluation."""
        from hgcae.evaluate import EvaluateSettings

        section = self.settings.evaluate
        return {"max_events": section.max_events, "settings": EvaluateSettings.load(section.settings, "evaluate").model_dump(mode="json")}

    def needs(self) -> Mapping[str, Step]:
        """The model, and the events if they are not the held-out ones."""
        name = self.settings.evaluate.sample
        return {"model": self.trained()} | ({} if name is None else {"events": self.need(Convert, sample=name)})

    def make(self) -> None:
        """Evaluates all levels, and draws the results."""
        from hgcae.evaluate import EvaluateSettings
        from hgcae.model import files
        from hgcae.plots import energy_figure, levels_figure
        from hgcae.train.run import Split, splits, splits_of_run
        from hgcae.workflow.evaluation import evaluate_run
        from hgcae.workflow.loaded import LoadedRun
        from hgcae.workflow.page import write_page

        section, needs, settings = self.settings.evaluate, self.needs(), self.trained().run_settings()
        model = files.load(needs["model"].folder)
        train, test = splits_of_run(needs["model"].folder, settings, model.trained_on) or splits(settings)
        if "events" in needs:
            reader = store.Reader(needs["events"].as_branch(0).path)
            test = Split(reader, 0, len(reader), settings.root)
        how = EvaluateSettings.load(section.settings, "evaluate")
        progress = self.share_done(len(model.hierarchy.names))
        loaded = LoadedRun(settings, model, train, test, section.max_events)
        results = evaluate_run(loaded, how, self.folder, progress)
        energy_figure(results, self.folder / "energy.png")
        levels_figure(results, self.folder / "levels.png")
        write_page(loaded, results, self.folder / "report.html", needs["model"].folder, [self.folder])
        write_results_file(self.path, {"results": "results.json", "model": model_of(needs["model"])})

    def check(self, path: Path) -> None:
        """Reads the results."""
        from hgcae.evaluate import read_results

        read_results(path.parent / "results.json")


class Scan(OfPoint):
    """Trainings with changed settings beside each other: one branch for each point, with all that it takes."""

    def made_of(self) -> Any:
        """Nothing of its own: each row is named by the evaluation that it is taken from."""
        return None

    def create_branch_map(self) -> Any:
        """The changes of each point."""
        return dict(enumerate(self.settings.scan))

    def workflow_requires(self) -> dict[str, Any]:
        """The samples of all points, because those may share them; the rest of a point is done by its job."""
        names = {self.settings.training(point).sample for point in self.branch_map} | {self.settings.evaluate.sample}
        return {name: self.need(Convert, sample=name) for name in sorted(filter(None, names))}

    def requires(self) -> Any:
        """The evaluation of the point."""
        return self.need(Evaluate, branch=0, point=self.branch)

    def output(self) -> law.LocalFileTarget:
        """One row."""
        return self.file(f"{self.need(Evaluate, point=self.branch).fingerprint}.json")

    def make(self) -> None:
        """Writes the row of a point."""
        from hgcae.evaluate import read_results

        evaluated = self.need(Evaluate, point=self.branch)
        levels = read_results(evaluated.folder / "results.json")["levels"]
        write_results_file(self.path, {"changes": self.branch_value, "evaluate": evaluated.fingerprint, "levels": levels})


class Compress(OfPoint):
    """Codes of a sample: one branch for each of its files."""

    def made_of(self) -> Any:
        """The level."""
        return {"level": self._section.level}

    @property
    def _section(self) -> Any:
        return self.settings.compress

    def needs(self) -> Mapping[str, Step]:
        """The model and all files of the sample."""
        return {"model": self.trained(), "events": self.events_of(self._section.sample)}

    def requires(self) -> Any:
        """The model and one file of the sample."""
        return {"model": self.trained(), "events": self.events_of(self._section.sample, self.branch)}

    def create_branch_map(self) -> Any:
        """The files of the sample."""
        return self.events_of(self._section.sample).get_branch_map()

    def output(self) -> law.LocalFileTarget:
        """A file of codes, named as the file of events."""
        return self.file(f"{self.requires()['events'].path.stem}.codes.npz")

    def make(self) -> None:
        """Encodes one file."""
        from hgcae.model import files

        needs = self.requires()
        reader, model = store.Reader(needs["events"].path), files.load(needs["model"].folder)
        made_of = {"model": model_of(needs["model"]), "events": reader.content_fingerprint}
        root = self.trained().run_settings().root
        chunks = (part if root is None else part.units(root)[0] for part in reader.chunks())
        codes = model.encode_stream(chunks, self._section.level or model.hierarchy.root)
        write_codes(self.path, codes, made_of, compress=True)

    def check(self, path: Path) -> None:
        """Compares the checksum."""
        read_codes(path)


class Export(OfPoint):
    """The trained model as one sealed file."""

    def made_of(self) -> Any:
        """The whole model."""
        return None

    def needs(self) -> Mapping[str, Step]:
        """The model."""
        return {"model": self.trained()}

    def output(self) -> law.LocalFileTarget:
        """The archive."""
        return self.file("model.zip")

    def make(self) -> None:
        """Packs the model."""
        from hgcae.workflow.archive import write_archive

        write_archive(self.needs()["model"].folder / "model", self.path)

    def check(self, path: Path) -> None:
        """Compares the checksums."""
        from hgcae.workflow.archive import check_archive

        check_archive(path)


class Compare(Step):
    """Module codecs beside each other: one branch for each codec and number of links."""

    def made_of(self) -> Any:
        """Contents of the files that are read, and how the codecs are made and evaluated; each file's name says which codec."""
        from hgcae.codec.registry import entry
        from hgcae.sources.modules import SAMPLES

        section = self._section
        files = [Path(section.data) / SAMPLES[section.sample]]
        for folder in sorted({entry(name).needs for name in section.codecs} - {""}):
            files += [path for path in (Path(section.data) / folder).rglob("*") if path.is_file()]
        return {"files": files_digest(files), **section.model_dump(mode="json", exclude={"data", "codecs", "links"})}

    @property
    def _section(self) -> Any:
        return self.settings.compare

    def create_branch_map(self) -> Any:
        """Name of the codec and number of links."""
        return dict(enumerate((name, links) for name in self._section.codecs for links in self._section.links))

    def output(self) -> law.LocalFileTarget:
        """The results on one codec."""
        name, links = self.branch_value
        return self.file(f"{name}-{links}.json")

    def make(self) -> None:
        """Makes and evaluates one codec."""
        from hgcae.workflow.compare import compare_one

        name, links = self.branch_value
        compare_one(self._section, name, links, self.path)

    def check(self, path: Path) -> None:
        """Reads the results."""
        from hgcae.evaluate import read_module_results

        read_module_results(path)


class Report(FolderStep):
    """Everything that the workflow asks for, and a summary of it."""

    def made_of(self) -> Any:
        """All files, because another chunk, codec or point of the scan changes no fingerprint of a step."""
        return {name: [path.name for path in paths] for name, paths in self.made_files().items()}

    def needs(self) -> Mapping[str, Step]:
        """All steps that the settings name."""
        settings = self.settings
        needs: dict[str, Step] = {}
        for name, sample in settings.samples.items():
            needs[f"sample {name}"] = self.need(Convert if sample.convert else Simulate, sample=name)
        if settings.train is not None:
            needs |= {"evaluate": self.need(Evaluate, point=-1), "export": self.need(Export, point=-1)}
        if settings.scan:
            needs["scan"] = self.need(Scan, point=-1)
        if settings.compress is not None:
            needs["compress"] = self.need(Compress, point=-1)
        if settings.compare is not None:
            needs["compare"] = self.need(Compare)
        return needs

    def made_files(self) -> Mapping[str, list[Path]]:
        """Returns the outputs of all steps that this one needs, by name."""
        return {name: [branch.path for branch in step.get_branch_tasks().values()] for name, step in self.needs().items()}

    def make(self) -> None:
        """Writes report.json and report.md."""
        from hgcae.workflow.summary import write_report

        write_report(self.folder, self.store, self.made_files())
        write_results_file(self.path, {"report": "report.json"})


def model_of(training: Step) -> str:
    """Returns the fingerprint of the model that a finished training made."""
    return read_results_file(training.as_branch(0).path, "the end of a training")["model"]
