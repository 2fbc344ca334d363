"""Steps that train and evaluate. Heavy packages are loaded where a branch runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hgcae import store
from hgcae.errors import DataFormatError
from hgcae.store.results import read_results, write_results
from hgcae.workflow.sample_tasks import Convert, Simulate
from hgcae.workflow.step import FolderStep, Step, law, luigi

if TYPE_CHECKING:
    from hgcae.train.run import RunSettings


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
        write_results(self.path, "step", trainer.history[-1] | {"model": files.model_fingerprint(trainer.model)})

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
        write_results(self.path, "step", {"made": "results.json", "model": model_of(needs["model"])})

    def check(self, path: Path) -> None:
        """Reads the results."""
        read_results(path.parent / "results.json", "evaluation")


class Scan(OfPoint):
    """Trainings with changed settings next to each other: one branch for each point, with all that it takes."""

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
        evaluated = self.need(Evaluate, point=self.branch)
        levels = read_results(evaluated.folder / "results.json", "evaluation")["levels"]
        write_results(self.path, "scan_row", {"changes": self.branch_value, "evaluate": evaluated.fingerprint, "levels": levels})


def model_of(training: Step) -> str:
    """Returns the fingerprint of the model that a finished training made."""
    return read_results(training.as_branch(0).path, "step")["model"]
