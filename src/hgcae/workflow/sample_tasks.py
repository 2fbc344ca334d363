"""Steps that make samples. Heavy packages are loaded where a branch runs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from hgcae import __version__, store
from hgcae.workflow.step import Step, law, luigi


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
