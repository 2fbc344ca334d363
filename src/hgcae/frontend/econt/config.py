"""What an ECON-T is set to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from hgcae.frontend.econt.autoencoder import KEEP_ALL, N_WEIGHTS, weights_from_hdf5
from hgcae.frontend.econt.registers import read_registers
from hgcae.frontend.econt.super_cells import SuperCellName
from hgcae.geometry.module import N_CELLS
from hgcae.settings import Settings, override, read_yaml

Algorithm = Literal["threshold_sum", "super_cells", "best_choice", "repeater", "autoencoder"]
_CELLS = Field(min_length=N_CELLS, max_length=N_CELLS)


class EcontConfig(Settings):
    """Settings of an ECON-T, by the names of its registers where they have one."""

    algorithm: Algorithm
    """What is sent."""
    links: Annotated[int, Field(ge=1, le=13)]
    """Output links (active eTx); 32 bits each per bunch crossing."""
    high_density: bool
    """Whether the HGCROCs drop 3 bits of a trigger cell (else 1)."""
    drop_lsb: Annotated[int, Field(ge=0, le=7)] = 0
    """Low bits dropped before encoding; above 4: none."""
    mux: Annotated[tuple[Annotated[int, Field(ge=0, lt=N_CELLS)], ...], _CELLS] = tuple(range(N_CELLS))
    """Input of each cell; inputs are counted from the first word, in it from the most significant bits."""
    calibration: Annotated[tuple[Annotated[int, Field(ge=0, lt=1 << 12)], ...], _CELLS] = (2048,) * N_CELLS
    """Multiplier of each cell, in units of 2^-11."""
    threshold: Annotated[tuple[Annotated[int, Field(ge=0, lt=1 << 22)], ...], _CELLS] = (0,) * N_CELLS
    """Threshold sum: smallest charge of each cell that is sent, counts."""
    super_cells: SuperCellName = "STC4B"
    """Super trigger cells: their format."""
    use_sum: bool = False
    """Threshold sum, best choice: send the sum of all cells, not of those that are not sent."""
    keep_zeros: bool = False
    """Threshold sum, best choice: send a chosen cell without charge as 0, as newer reference vectors do; else it is left out."""
    reversed_map: bool = False
    """Threshold sum, best choice: the map of the cells begins with the last cell, as in the production chip and its vectors."""
    buffer_t1: Annotated[int, Field(ge=0, lt=1 << 10)] = 338
    """Words of 16 bits that the buffer may hold."""
    buffer_t2: Annotated[int, Field(ge=0, lt=1 << 10)] = 314
    """Words in the buffer above which short packets are truncated."""
    buffer_t3: Annotated[int, Field(ge=0, lt=1 << 10)] = 25
    """Words of a packet that is still short."""
    sync_word: Annotated[int, Field(ge=0, lt=1 << 11)] = 290
    """Low bits of an idle word of the threshold sum (`idle_pattern`, `link_reset_pattern`, `tx_sync_word`)."""
    keep_bits: Annotated[int, Field(ge=0, le=KEEP_ALL)] = KEEP_ALL
    """Autoencoder: output bits that are sent, the highest bit of output 15 first."""
    encoder: Annotated[tuple[Annotated[int, Field(ge=-32, lt=32)], ...], Field(min_length=N_WEIGHTS, max_length=N_WEIGHTS)] | None = None
    """Autoencoder: weights in units of 1/32, in the order of the registers."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.algorithm == "autoencoder" and self.encoder is None:
            msg = "the autoencoder needs weights: Encoder registers or an HDF5 file"
            raise ValueError(msg)
        return self

    @classmethod
    def from_yaml(cls, path: str | Path, overrides: Sequence[str] = (), encoder: str | Path | None = None) -> Self:
        """Reads settings: these (as `to_yaml` writes them), or the registers of a reference `init.yaml`, see `registers`.

        Args:
            path: YAML file.
            overrides: `key=value` assignments to these settings.
            encoder: HDF5 file whose weights are used instead of those of the registers.

        Raises:
            SettingsError: Names the file, the key, what was found and what is wrong with it.
            DataFormatError: The HDF5 file is not one of an encoder.
        """
        found = read_yaml(path)
        values: Mapping[str, Any] = found if "algorithm" in found else read_registers(found, path, needs_weights=encoder is None)
        if encoder is not None:
            values = {**values, "encoder": tuple(weights_from_hdf5(encoder).tolist())}
        return cls.load(override(values, overrides), source=path)
