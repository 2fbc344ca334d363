"""The hierarchical autoencoder of this package as a codec of modules: encoded cells -> ROCs -> module, decoded the way back.

Only the module's code is sent: the charge, the barycentre and learned numbers, of equal width (`hgcae.model.conserving`). It is trained by
`hgcae.train.module_codecs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from hgcae.codec.arrays import from_plain, to_plain
from hgcae.codec.base import FieldsCodec, ModuleCodec
from hgcae.codes import Codes
from hgcae.errors import DataFormatError, SettingsError
from hgcae.events import Events
from hgcae.geometry import module
from hgcae.geometry.hierarchy import PROTOTYPE
from hgcae.geometry.positions import root_xy_cm
from hgcae.model import files
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.calibration import Calibration
from hgcae.model.frames import frames
from hgcae.model.presets import ConservingSettings, ModelSettings

HIERARCHY = PROTOTYPE.rooted("MODULE")
"""Cells, ROCs, module."""


class HierarchyCodec(FieldsCodec, ModuleCodec):
    """Sends the code of a module.

    Args:
        links: ECON-T links.
        model: The autoencoder, levels ROC and MODULE of the kind `conserving`; or plain values of its settings, calibration and weights.

    Raises:
        SettingsError: Another hierarchy, or values are missing, unknown or wrong.
    """

    name = "hierarchy"

    def __init__(self, links: int, model: Autoencoder | Mapping[str, Any]) -> None:
        super().__init__(links)
        self.model = model if isinstance(model, Autoencoder) else _from_plain(model)
        settings = self.model.settings.levels.get(HIERARCHY.root)
        if self.model.hierarchy != HIERARCHY or not isinstance(settings, ConservingSettings):
            found = ", ".join(self.model.hierarchy.names)
            msg = f"codec {self.name}: model: found the levels {found}, expected ROC and MODULE of the kind conserving"
            raise SettingsError(msg)

    @property
    @override
    def widths(self) -> NDArray[np.int64]:
        return self.model.level(HIERARCHY.root).format.widths

    @override
    def fields(self, charges: NDArray[np.int64]) -> NDArray[np.int64]:
        """All numbers of an empty module are 0."""
        codes = self.model.encode_events(Events.from_dense(charges.reshape(-1, *module.SHAPE), HIERARCHY), HIERARCHY.root)
        numbers = np.zeros((len(charges), len(self.widths)), dtype=np.int64)
        numbers[codes.event] = codes.words
        return numbers

    @override
    def rebuild(self, fields: NDArray[np.int64]) -> NDArray[np.float64]:
        event = np.flatnonzero(fields[:, 0] > 0)
        form = self.model.level(HIERARCHY.root).format
        codes = Codes(HIERARCHY.root, len(fields), event, np.zeros_like(event), fields[event], form, -form.lowest)
        events = self.model.decode_codes(codes)
        return events.to_dense().reshape(len(fields), module.N_CELLS).astype(np.float64)

    def get_config(self) -> dict[str, Any]:
        """Returns all arguments as plain values; arrays as in `hgcae.codec.arrays`."""
        weights = {name: to_plain(array) for name, array in files.weight_arrays(self.model).items()}
        calibration = asdict(self.model.calibration) | {"maximum": dict(self.model.calibration.maximum)}
        model = {"settings": self.model.settings.model_dump(mode="json"), "calibration": calibration, "weights": weights}
        return {"name": self.name, "links": self.links, "model": model}


def untrained(settings: ModelSettings, calibration: Calibration, seed: int = 0) -> Autoencoder:
    """Returns an autoencoder of modules whose weights are drawn at random."""
    return Autoencoder(HIERARCHY, settings, calibration, frames(HIERARCHY, root_xy_cm(HIERARCHY, None)), seed)


def _from_plain(values: Mapping[str, Any]) -> Autoencoder:
    where = "codec hierarchy: model"
    try:
        if set(values) != {"settings", "calibration", "weights"}:
            msg = "expected settings, calibration and weights"
            raise ValueError(msg)
        model = untrained(ModelSettings.load(values["settings"], where), Calibration(**values["calibration"]))
        weights = {name: from_plain(array, f"{where}: {name}") for name, array in values["weights"].items()}
        files.set_weight_arrays(model, weights, where)
    except (AttributeError, DataFormatError, KeyError, TypeError, ValueError) as error:
        msg = f"{where}: {error}"
        raise SettingsError(msg) from None
    return model
