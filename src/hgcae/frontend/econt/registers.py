"""The reference `init.yaml`: registers of an ECON-T in the forms that public test vectors have.

* **masks**: `ConfigAlgo` has `alg_type`, `alg_high_density`; `active_etxs` is a mask of links; the multiplexer counts inputs of a word
  from its most significant bits.
* **counts**: `Algorithm` has `select`, `density`; `active_etxs` is a number of links; the multiplexer counts from the least significant
  bits.
* **register map**: `ECON-T: RW: ...` with register names; numbers as in the form before.

What the algorithm needs has to be there, but for the sync word, which has its power-on value where older files leave it out (newer ones
call it `idle_pattern` and have `link_reset_pattern` besides); what it does not need may be, but then has to be right. Unknown keys are
errors. No register says which map and which zeros a chip sends: `EcontConfig.reversed_map`, `keep_zeros`.

Source: the versions of init.yaml and yamlModifier.py in github.com/cmantill/econt_test-vectors; algorithm 5 to 7 means repeater: EMP
data formats, github.com/indra-ehep/hgcal10glinkreceiver.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from hgcae.errors import SettingsError
from hgcae.frontend.econt.autoencoder import KEEP_ALL, N_WEIGHTS, WEIGHT_BITS
from hgcae.frontend.econt.cells import MAX_LINKS
from hgcae.frontend.econt.super_cells import FORMATS
from hgcae.geometry.module import N_CELLS

ALGORITHMS = ("threshold_sum", "super_cells", "best_choice", "repeater", "autoencoder", "repeater", "repeater", "repeater")
"""By the register `alg_type` or `select`."""
_NEEDS: dict[str, tuple[str, ...]] = {
    "threshold_sum": ("drop_lsb", "threshold", "use_sum", "buffer_t1", "buffer_t2", "buffer_t3"),
    "super_cells": ("drop_lsb", "super_cells"),
    "best_choice": ("drop_lsb", "use_sum"),
    "repeater": ("drop_lsb",),
    "autoencoder": ("keep_bits",),
}
"""Settings that an algorithm cannot do without; all need links, multiplexer and calibration."""
_DEFAULT_LINKS = 2
"""Links where the register map does not say: the power-on value, as mcDataset/AE_8x8_c8_S2_ele_qkeras shows."""
_ENCODER_BLOCKS, _BLOCK_BYTES, _REGISTER_BYTES = 12, 134, 16
_KEY_OF_SETTING = {
    "drop_lsb": "AlgoDroplsb",
    "threshold": "AlgoThreshold",
    "super_cells": "FormatterBuffer.Global.stc_type",
    "keep_bits": "FormatterBuffer.Global.keep_auto_encoder_bits",
}


def read_registers(values: Mapping[str, Any], path: str | Path, *, needs_weights: bool = True) -> dict[str, Any]:
    """Returns the settings, as `EcontConfig` has them, that registers stand for.

    Args:
        values: Content of the file.
        path: The file, for messages.
        needs_weights: Whether the autoencoder needs its weights from here.

    Raises:
        SettingsError: A key is unknown or missing, or a value is out of range.
    """
    top = _Group(_renamed(_Group(values, path, "")) if "ECON-T" in values else values, path, "")
    counts = "Algorithm" in top
    if counts == ("ConfigAlgo" in top):
        top.fail("ConfigAlgo", "both or neither of ConfigAlgo and Algorithm", "one of them")
    chosen = top.group("Algorithm" if counts else "ConfigAlgo").group("Global")
    algorithm = ALGORITHMS[chosen.integer("select" if counts else "alg_type", 7)]
    result: dict[str, Any] = {"algorithm": algorithm, "high_density": bool(chosen.integer("density" if counts else "alg_high_density", 1))}
    chosen.close()
    result |= _formatter(top.group("FormatterBuffer").group("Global"), algorithm, counts=counts)
    result["mux"] = [_input(number) if counts else number for number in top.per_cell("Mux", N_CELLS - 1)]
    result["calibration"] = top.per_cell("Cal", (1 << 12) - 1)
    if "AlgoThreshold" in top:
        result["threshold"] = top.per_cell("AlgoThreshold", (1 << 22) - 1)
    if "AlgoDroplsb" in top:
        result["drop_lsb"] = _drop(top.group("AlgoDroplsb"))
    if "Encoder" in top:
        result["encoder"] = _weights(top.group("Encoder"))
    top.close()
    for setting in _NEEDS[algorithm]:
        if setting not in result and not (setting == "keep_bits" and counts):
            top.fail(_KEY_OF_SETTING.get(setting, f"FormatterBuffer.Global.{_BUFFER_KEYS.get(setting, setting)}"), "nothing", "a value")
    if algorithm == "autoencoder" and needs_weights and "encoder" not in result:
        top.fail("Encoder", "nothing", "the weights of the encoder")
    return result


_BUFFER_KEYS = {"buffer_t1": "buff_t1", "buffer_t2": "buff_t2", "buffer_t3": "buff_t3"}


class _Group:
    """A mapping of which every key has to be taken."""

    def __init__(self, values: Any, path: str | Path, place: str) -> None:
        self.path, self.place = path, place
        if not isinstance(values, Mapping):
            self.fail("", repr(values), "a group of keys")
        self.left: dict[Any, Any] = dict(values)

    def __contains__(self, key: object) -> bool:
        return key in self.left

    def fail(self, key: object, found: str, expected: str) -> NoReturn:
        where = ".".join(part for part in (self.place, str(key)) if part)
        msg = f"{self.path}: {where}: found {found}, expected {expected}"
        raise SettingsError(msg)

    def take(self, key: object) -> Any:
        if key not in self.left:
            self.fail(key, "nothing", "a value")
        return self.left.pop(key)

    def group(self, key: object) -> _Group:
        return _Group(self.take(key), self.path, ".".join(part for part in (self.place, str(key)) if part))

    def integer(self, key: object, high: int, low: int = 0) -> int:
        value = self.take(key)
        if not isinstance(value, int) or (isinstance(value, bool) and high > 1) or not low <= value <= high:
            self.fail(key, repr(value), f"an integer from {low} to {high}")
        return int(value)

    def per_cell(self, key: str, high: int) -> list[int]:
        cells = self.group(key)
        result = [cells.integer(cell, high) for cell in range(N_CELLS)]
        cells.close()
        return result

    def close(self) -> None:
        if self.left:
            key = next(iter(self.left))
            self.fail(key, "an unknown key", "only known ones")


def _input(number: int) -> int:
    """Returns a multiplexer input, counted in its word from the least significant bits, counted from the most significant ones."""
    return number ^ 3


def _formatter(group: _Group, algorithm: str, *, counts: bool) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if counts and algorithm == "autoencoder" and "active_etxs" not in group:
        result["links"] = _DEFAULT_LINKS
    else:
        result["links"] = _links(group, counts=counts)
    for setting, key in _BUFFER_KEYS.items():
        if key in group:
            result[setting] = group.integer(key, (1 << 10) - 1)
    for key in ("link_reset_pattern", "tx_sync_word", "idle_pattern"):  # where there are several, the last one is that of idle words
        if key in group:
            result["sync_word"] = group.integer(key, (1 << 11) - 1)
    if "use_sum" in group:
        result["use_sum"] = bool(group.integer("use_sum", 1))
    if "stc_type" in group:
        result["super_cells"] = tuple(FORMATS)[group.integer("stc_type", len(FORMATS) - 1)]
    if "keep_auto_encoder_bits" in group:
        result["keep_bits"] = group.integer("keep_auto_encoder_bits", KEEP_ALL)
    elif "mask_ae" in group or "mask_ae2" in group:
        result["keep_bits"] = (group.integer("mask_ae", (1 << 128) - 1) << 16) | group.integer("mask_ae2", (1 << 16) - 1)
    group.close()
    return result


def _links(group: _Group, *, counts: bool) -> int:
    value = group.integer("active_etxs", (1 << MAX_LINKS) - 1, low=1)
    is_mask = value & (value + 1) == 0
    if is_mask and not (counts and value <= MAX_LINKS):
        return value.bit_length()
    if value > MAX_LINKS:
        group.fail("active_etxs", hex(value), f"1 to {MAX_LINKS} links, or a mask of the first links")
    return value


def _drop(group: _Group) -> int:
    if isinstance(group.left.get("Global"), Mapping):
        inner = group.group("Global")
        result = inner.integer("drop_lsb", 7)
        inner.close()
    else:
        result = group.integer("Global", 7)
    group.close()
    return result


def _weights(group: _Group) -> list[int]:
    """Returns the weights in units of 1/32: six bits each, the first in the lowest bits of the first register."""
    bits = 0
    for block in range(_ENCODER_BLOCKS):
        registers = group.group(block)
        for start in range(0, _BLOCK_BYTES, _REGISTER_BYTES):
            n_bytes = min(_REGISTER_BYTES, _BLOCK_BYTES - start)
            bits |= registers.integer(f"weights_byte{start}", (1 << 8 * n_bytes) - 1) << 8 * (block * _BLOCK_BYTES + start)
        registers.close()
    group.close()
    sign = 1 << WEIGHT_BITS - 1
    return [((bits >> WEIGHT_BITS * i & (2 * sign - 1)) ^ sign) - sign for i in range(N_WEIGHTS)]


def _renamed(top: _Group) -> dict[str, Any]:
    """Returns a register map in the form with counts."""
    for other in ("i2c", "daq", "global"):  # the test stand, no part of the chip
        top.left.pop(other, None)
    chip = top.group("ECON-T")
    top.close()
    maps = chip.group("RW")
    chip.close()
    result: dict[str, Any] = {"Algorithm": {"Global": _parameters(maps.group("MFC_ALGORITHM_SEL_DENSITY"), {})}}
    buffer = _parameters(maps.group("FMTBUF_ALL"), {"eporttx_numen": "active_etxs"})
    result["FormatterBuffer"] = {"Global": buffer}
    for name, register, key in (
        ("MFC_MUX_SELECT", "mux_select_*", "Mux"),
        ("MFC_CAL_VAL", "cal_*", "Cal"),
        ("ALGO_THRESHOLD_VAL", "threshold_val_*", "AlgoThreshold"),
    ):
        if name in maps:
            values = _parameters(maps.group(name), {})
            listed = values.get(register)
            if list(values) != [register] or not isinstance(listed, list):
                maps.fail(name, repr(values), f"a list of values of {register}")
            result[key] = dict(enumerate(listed))
    if "ALGO_DROPLSB" in maps:
        result["AlgoDroplsb"] = {"Global": _parameters(maps.group("ALGO_DROPLSB"), {})}
    blocks = {block: _parameters(maps.group(name), {}) for block in range(_ENCODER_BLOCKS) if (name := f"AUTOENCODER_{block}INPUT") in maps}
    if blocks:
        result["Encoder"] = blocks
    maps.close()
    return result


def _parameters(group: _Group, names: Mapping[str, str]) -> dict[str, Any]:
    """Returns the values of all registers and parameters of registers in a part of the register map."""
    registers = group.group("registers")
    group.close()
    result = {}
    for name in list(registers.left):
        register = registers.group(name)
        if "params" in register:
            parameters = register.group("params")
            for key in list(parameters.left):
                parameter = parameters.group(key)
                result[names.get(key, key)] = parameter.take("param_value")
                parameter.close()
        else:
            result[names.get(name, name)] = register.take("value")
        register.close()
    registers.close()
    return result
