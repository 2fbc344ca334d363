"""All codecs of modules by name: what they are, how they are made from charges, and how made again from a configuration.

`hgcae compare`, `hgcae convert`, workflows and `codec_from_config` know a codec by one entry here: for codecs of this package a line of
`_BUILT_IN`; for those of others `register` above the class, and the name `MODULE:NAME`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from textwrap import fill
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hgcae.codec.base import FitOptions, UnitCodec
from hgcae.errors import SettingsError, unknown

Factory = Callable[[int, NDArray[np.integer], FitOptions], UnitCodec]
"""Makes a codec from a number of ECON-T links, training charges (n, 48), and the rest."""
CMS_GRAPHS = "cms_autoencoder"
"""Folder of CMS's graphs below the folder of real data."""


@dataclass(frozen=True)
class Entry:
    """One codec of a comparison.

    Args:
        codec: Its class, or `module:Class` below `hgcae.codec`, imported when it is asked for: one needs Keras.
        about: What it sends, for the manual.
        make: What makes it, by default the `fit` of its class; or `module:function` below `hgcae`.
        settings: Further arguments of that `fit`.
        kind: Name in configurations, where several entries make one class; by default the name of the entry.
        needs: Folder below that of real data without which it cannot be made.
    """

    codec: str | type[UnitCodec]
    about: str
    make: str | Factory | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    kind: str = ""
    needs: str = ""

    @property
    def type(self) -> type[UnitCodec]:
        """The class."""
        return self.codec if isinstance(self.codec, type) else _found(f"codec.{self.codec}")

    def made(self, links: int, train: NDArray[np.integer], options: FitOptions) -> UnitCodec:
        """Returns the codec, fitted to training charges (n, 48) where it has something to fit."""
        if self.make is None:
            return getattr(self.type, "fit")(links, train, options, **self.settings)  # noqa: B009 - not all units are modules
        make: Factory = _found(self.make) if isinstance(self.make, str) else self.make
        return make(links, train, options)


# Those that are trained name a function of `hgcae.train`, which is above this stage and knows the losses.
_BUILT_IN = {
    "mean": Entry("simple.images:MeanCodec", "the charge alone; every module is the mean image"),
    "pca": Entry("simple.images:PcaCodec", "the charge and as many quantised principal components of the image as the links hold"),
    "largest_cells": Entry("simple.cells:LargestCellsCodec", "the largest cells with their addresses, in 5E4M; the others are lost"),
    "pyramid": Entry("pyramid:PyramidCodec", "the strongest cells, and the charge cut into quanta: as exact as the bits allow"),
    "quanta": Entry("simple.quanta:QuantaCodec", "the strongest cells by enumeration, their charge in quanta; the others are lost"),
    "ranked": Entry(
        "ranked.codec:RankedCodec", "the strongest cells by rank, addresses relative to the strongest, charges as shares of what is left"
    ),
    "best_choice": Entry(
        "econt:BestChoiceCodec",
        "ECON-T: the largest cells, 4, 6, 9, 14 over 2 to 5 links; each decoded as the middle of the step of its code",
    ),
    "best_choice_low": Entry(
        "econt:BestChoiceCodec",
        "the same, decoded as the lower edge of the step, which is what the cells of these samples hold",
        settings={"edge": "low"},
        kind="best_choice",
    ),
    "best_choice_spread": Entry(
        "econt:BestChoiceCodec",
        "the same as best_choice, with what is missing spread over the cells that were not sent",
        settings={"spread": True},
        kind="best_choice",
    ),
    "best_choice_spread_low": Entry("econt:BestChoiceCodec", "both", settings={"edge": "low", "spread": True}, kind="best_choice"),
    "threshold_sum": Entry(
        "econt:ThresholdSumCodec", "ECON-T: cells above the smallest threshold whose payload fits in the mean of the training modules"
    ),
    "threshold_sum_spread": Entry(
        "econt:ThresholdSumCodec", "the same, with what is missing spread over the others", settings={"spread": True}, kind="threshold_sum"
    ),
    "super_trigger_cell": Entry(
        "econt:SuperCellCodec", "ECON-T: sums of 16 or 4 cells that cover the module: STC16, CTC4A, STC4A, STC4B over 2 to 5 links"
    ),
    "repeater": Entry("econt:RepeaterCodec", "ECON-T: all cells in 4E3M, 336 bits whatever the links: what its float format alone loses"),
    "cms_pu": Entry(
        "cms:CmsCodec",
        "CMS's own trained autoencoder, made for links given by pile-up (2 to 5 links)",
        settings={"allocation": "pu"},
        kind="cms",
        needs=CMS_GRAPHS,
    ),
    "cms_signal": Entry(
        "cms:CmsCodec", "the same, made for links given by signals", settings={"allocation": "signal"}, kind="cms", needs=CMS_GRAPHS
    ),
    "econ_ae": Entry(
        "econ_ae:EconAutoencoderCodec",
        "the published autoencoder of 2,144 parameters, trained here on the telescope loss (2 to 5 links); it learns slowly and gets eight "
        "times the steps",
        make="train.module_codecs:econ_codec",
    ),
    "latent": Entry(
        "latent:LatentCodec",
        "a quantised layer and a decoder, trained here on how far charge is carried (2 to 5 links)",
        make="train.module_codecs:latent_codec",
    ),
    "hierarchy": Entry(
        "hierarchy:HierarchyCodec",
        "the autoencoder of this package, cells to ROCs to module, trained here (2 to 5 links)",
        make="train.module_codecs:hierarchy_codec",
    ),
}
CODECS: dict[str, Entry] = dict(_BUILT_IN)
"""All codecs by their name in comparisons."""

_Class = TypeVar("_Class", bound=type[UnitCodec])


def register(about: str, make: Factory | None = None) -> Callable[[_Class], _Class]:
    """Returns a class decorator that makes a codec known under its `name`.

    Args:
        about: What it sends, one line.
        make: What makes it; by default the `fit` of the class.

    Raises:
        SettingsError: The name belongs to another codec.
    """

    def registered(codec: _Class) -> _Class:
        known = CODECS.get(codec.name)
        if known is not None and (isinstance(known.codec, str) or known.codec.__qualname__ != codec.__qualname__):
            msg = f"codec {codec.name}: found another codec of this name, expected a new one"
            raise SettingsError(msg)
        CODECS[codec.name] = Entry(codec, about, make)
        return codec

    return registered


def entry(name: str) -> Entry:
    """Returns the entry of a codec; `MODULE:NAME` imports a Python module that registers it.

    Raises:
        SettingsError: There is no such module, or no such codec.
    """
    home, _, short = name.rpartition(":")
    if home:
        try:
            import_module(home)
        except ImportError as error:
            msg = f"codec {name}: {error}; expected MODULE:NAME with a module on PYTHONPATH"
            raise SettingsError(msg) from None
    if short not in CODECS:
        raise SettingsError(unknown("codec", name, CODECS))
    return CODECS[short]


def make_codec(name: str, links: int, train: NDArray[np.integer], options: FitOptions | None = None) -> UnitCodec:
    """Returns a codec of modules, fitted to training charges where it needs them.

    Args:
        name: See `entry`.
        links: ECON-T links.
        train: Charges (n, 48).
        options: Seed, length of training, folder of real data.

    Raises:
        SettingsError: The name is unknown, the codec is not made for so many links, or there is nothing to fit to.
        DataFormatError: A file that it needs is damaged.
        OSError: A file that it needs cannot be opened.
    """
    return entry(name).made(links, train, options or FitOptions())


def available(data: Path | None) -> list[str]:
    """Returns the names of the codecs that can be made with what a folder of real data holds."""
    return [name for name, known in CODECS.items() if not known.needs or (data is not None and (data / known.needs).is_dir())]


def manual() -> str:
    """Returns lines for each codec: name and what it sends."""
    width = max(map(len, CODECS)) + 4
    return "\n".join(
        fill(known.about, 120, initial_indent=f"  {name}".ljust(width), subsequent_indent=" " * width) for name, known in CODECS.items()
    )


def codec_from_config(config: Mapping[str, Any]) -> UnitCodec:
    """Returns the codec that `get_config` described.

    Raises:
        SettingsError: The name is unknown, or a value is missing, unknown or wrong.
    """
    kinds = {known.kind or name: known for name, known in CODECS.items()}
    name = config.get("name")
    if not isinstance(name, str) or name not in kinds:
        raise SettingsError(unknown("codec", name, kinds))
    return kinds[name].type.from_config(config)


def _found(path: str) -> Any:
    home, name = path.split(":")
    return getattr(import_module(f"hgcae.{home}"), name)
