"""The steps: what each needs, what it is made of, and what it makes. Heavy packages are loaded where a branch runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hgcae import store
from hgcae.store.codes import read_codes, write_codes
from hgcae.store.results import write_results_file
from hgcae.workflow.digest import files_digest
from hgcae.workflow.sample_tasks import Convert, Simulate
from hgcae.workflow.step import FolderStep, Step, law
from hgcae.workflow.training_tasks import Evaluate, OfPoint, Scan, Train, model_of

__all__ = ["Compare", "Compress", "Convert", "Evaluate", "Export", "Report", "Scan", "Simulate", "Train"]


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
    """Module codecs next to each other: one branch for each codec and number of links."""

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
