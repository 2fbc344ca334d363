"""Settings of an ECON-T: the forms of the reference's registers, round trip, and what is refused."""

from __future__ import annotations

import copy

import pytest
import yaml

from frontend.econt.toys import WEIGHTS, every_config
from hgcae.errors import SettingsError
from hgcae.frontend.econt import EcontConfig

PASS = {i: i for i in range(48)}
SWAPPED = {i: i ^ 3 for i in range(48)}
CALIBRATION = {i: 2000 + i for i in range(48)}
THRESHOLD = {i: 40 + i for i in range(48)}
BUFFER = {"buff_t1": 120, "buff_t2": 500, "buff_t3": 3, "stc_type": 3, "link_reset_pattern": 290, "use_sum": 1}


def registers_of(weights):
    bits = sum((weight & 63) << (6 * i) for i, weight in enumerate(weights))
    take = lambda start, n: bits >> (8 * start) & ((1 << (8 * n)) - 1)  # noqa: E731
    return {block: {f"weights_byte{at}": take(134 * block + at, min(16, 134 - at)) for at in range(0, 134, 16)} for block in range(12)}


def masks(algorithm, etxs):
    return {
        "ConfigAlgo": {"Global": {"alg_type": algorithm, "alg_high_density": 1}},
        "AlgoDroplsb": {"Global": {"drop_lsb": 3}},
        "AlgoThreshold": dict(THRESHOLD),
        "Cal": dict(CALIBRATION),
        "Mux": dict(PASS),
        "FormatterBuffer": {"Global": {"active_etxs": etxs, **BUFFER}},
    }


def counts(algorithm, etxs):
    values = masks(algorithm, etxs)
    del values["ConfigAlgo"]
    values |= {"Algorithm": {"Global": {"select": algorithm, "density": 1}}, "AlgoDroplsb": {"Global": 3}, "Mux": dict(SWAPPED)}
    return values


def register_map(algorithm, etxs):
    parameters = {"eporttx_numen": etxs, "use_sum": 1, "stc_type": 3}
    buffer = {"tx_sync_word": 290, "buff_t1": 120, "buff_t2": 500, "buff_t3": 3}
    maps = {
        "FMTBUF_ALL": {name: {"value": value} for name, value in buffer.items()}
        | {"config": {"params": {name: {"param_value": value} for name, value in parameters.items()}}},
        "MFC_MUX_SELECT": {"mux_select_*": {"value": list(SWAPPED.values())}},
        "MFC_CAL_VAL": {"cal_*": {"value": list(CALIBRATION.values())}},
        "MFC_ALGORITHM_SEL_DENSITY": {"algo": {"params": {"select": {"param_value": algorithm}, "density": {"param_value": 1}}}},
        "ALGO_THRESHOLD_VAL": {"threshold_val_*": {"value": list(THRESHOLD.values())}},
        "ALGO_DROPLSB": {"drop_lsb": {"value": 3}},
    }
    return {"i2c": {"emulator_addr": 1}, "ECON-T": {"RW": {name: {"registers": registers} for name, registers in maps.items()}}}


@pytest.fixture
def load(tmp_path):
    def read(values, **options):
        (tmp_path / "init.yaml").write_text(yaml.safe_dump(values))
        return EcontConfig.from_yaml(tmp_path / "init.yaml", **options)

    return read


@pytest.mark.parametrize("algorithm", range(4))
def test_the_three_forms_say_the_same(load, algorithm):
    expected = load(masks(algorithm, 0b11111))
    assert load(counts(algorithm, 5)) == load(register_map(algorithm, 5)) == expected
    assert expected.algorithm == ("threshold_sum", "super_cells", "best_choice", "repeater")[algorithm]
    assert (expected.links, expected.drop_lsb, expected.use_sum, expected.super_cells) == (5, 3, True, "STC4A")
    assert (expected.buffer_t1, expected.buffer_t2, expected.buffer_t3, expected.sync_word) == (120, 500, 3, 290)
    assert expected.mux == tuple(range(48))
    assert (expected.calibration[7], expected.threshold[7]) == (2007, 47)


@pytest.mark.parametrize(
    ("form", "etxs", "links"), [(masks, 3, 2), (masks, 0x1FFF, 13), (masks, 12, 12), (counts, 3, 3), (counts, 31, 5), (counts, 1, 1)]
)
def test_links_are_a_mask_or_a_number(load, form, etxs, links):
    assert load(form(3, etxs)).links == links


def test_older_files_leave_the_sync_word_out(load):
    assert load(without(masks(0, 1), *BUFFER_KEYS, "link_reset_pattern")) == load(masks(0, 1))


@pytest.mark.parametrize("form", [masks, counts, register_map])
def test_newer_files_name_the_pattern_of_idle_words(load, form):
    values = form(0, 5)
    if "ECON-T" in values:
        values["ECON-T"]["RW"]["FMTBUF_ALL"]["registers"]["idle_pattern"] = {"value": 77}
    else:
        values["FormatterBuffer"]["Global"]["idle_pattern"] = 77
    assert load(values).sync_word == 77


def test_weights_and_masks_of_the_autoencoder(load):
    values = masks(4, 7)
    values["Encoder"] = registers_of(WEIGHTS)
    values["FormatterBuffer"]["Global"]["keep_auto_encoder_bits"] = (5 << 128) | 3
    config = load(values)
    assert config.encoder == WEIGHTS
    older = counts(4, 3)
    older["Encoder"] = registers_of(WEIGHTS)
    older["FormatterBuffer"]["Global"] = {"mask_ae": 5 << 112, "mask_ae2": 3}
    assert load(older).keep_bits == config.keep_bits == (5 << 128) | 3
    assert load(older).links == 2
    del values["Encoder"]
    with pytest.raises(SettingsError, match="Encoder: found nothing"):
        load(values)


@pytest.mark.parametrize("name", ["BC_4", "TS_low_density", "AE_masked", "STC16_2"])
def test_settings_survive_their_own_yaml(tmp_path, name):
    config = every_config()[name]
    (tmp_path / "econt.yaml").write_text(config.to_yaml())
    assert EcontConfig.from_yaml(tmp_path / "econt.yaml") == config
    other = EcontConfig.from_yaml(tmp_path / "econt.yaml", ["links=7", "reversed_map=true", "keep_zeros=true"])
    assert (other.links, other.reversed_map, other.keep_zeros) == (7, True, True)


def without(values, *keys):
    values = copy.deepcopy(values)
    group = values
    for key in keys[:-1]:
        group = group[key]
    del group[keys[-1]]
    return values


def with_value(values, value, *keys):
    values = copy.deepcopy(values)
    group = values
    for key in keys[:-1]:
        group = group[key]
    group[keys[-1]] = value
    return values


BUFFER_KEYS = ("FormatterBuffer", "Global")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (without(masks(0, 1), "ConfigAlgo"), "ConfigAlgo"),
        (without(masks(0, 1), *BUFFER_KEYS, "active_etxs"), "FormatterBuffer.Global.active_etxs: found nothing"),
        (without(masks(0, 1), *BUFFER_KEYS, "buff_t2"), "FormatterBuffer.Global.buff_t2: found nothing"),
        (without(masks(0, 1), "AlgoThreshold"), "AlgoThreshold: found nothing"),
        (without(masks(2, 1), "AlgoDroplsb"), "AlgoDroplsb: found nothing"),
        (without(masks(1, 1), *BUFFER_KEYS, "stc_type"), "stc_type: found nothing"),
        (without(masks(2, 1), *BUFFER_KEYS, "use_sum"), "use_sum: found nothing"),
        (without(masks(0, 1), "Mux", 5), "Mux.5: found nothing"),
        (without(masks(0, 1), "Cal"), "Cal: found nothing"),
        (with_value(masks(0, 1), 1, "Mux", 48), "Mux.48: found an unknown key"),
        (with_value(masks(0, 1), 48, "Mux", 0), "Mux.0: found 48, expected an integer from 0 to 47"),
        (with_value(masks(0, 1), 4096, "Cal", 0), "Cal.0: found 4096"),
        (with_value(masks(0, 1), -1, "AlgoThreshold", 3), "AlgoThreshold.3: found -1"),
        (with_value(masks(0, 1), "x", "Cal", 0), "Cal.0: found 'x'"),
        (with_value(masks(0, 1), 8, "AlgoDroplsb", "Global", "drop_lsb"), "AlgoDroplsb.Global.drop_lsb: found 8"),
        (with_value(masks(0, 1), 9, "ConfigAlgo", "Global", "alg_type"), "alg_type: found 9"),
        (with_value(masks(0, 1), 2, "ConfigAlgo", "Global", "alg_high_density"), "alg_high_density: found 2"),
        (with_value(masks(0, 1), 5, "ConfigAlgo", "Global", "more"), "ConfigAlgo.Global.more: found an unknown key"),
        (with_value(masks(0, 1), 0, *BUFFER_KEYS, "active_etxs"), "active_etxs: found 0"),
        (with_value(masks(0, 1), 0x15, *BUFFER_KEYS, "active_etxs"), "active_etxs: found 0x15"),
        (with_value(masks(0, 1), 1024, *BUFFER_KEYS, "buff_t1"), "buff_t1: found 1024"),
        (with_value(masks(0, 1), 2048, *BUFFER_KEYS, "idle_pattern"), "idle_pattern: found 2048"),
        (with_value(masks(1, 1), 5, *BUFFER_KEYS, "stc_type"), "stc_type: found 5"),
        (with_value(masks(0, 1), 1, "More"), "More: found an unknown key"),
        (with_value(masks(0, 1), [1], "Cal"), "Cal: found .*expected a group of keys"),
        (with_value(register_map(0, 1), {"registers": {"cal_*": {"value": 1}}}, "ECON-T", "RW", "MFC_CAL_VAL"), "MFC_CAL_VAL"),
        ({}, "ConfigAlgo"),
        ({"algorithm": "best_choice", "high_density": True}, "links"),
        ({"algorithm": "best_choice", "high_density": True, "links": 14}, "links"),
        ({"algorithm": "autoencoder", "high_density": True, "links": 3}, "needs weights"),
        ({"algorithm": "best", "high_density": True, "links": 3}, "algorithm"),
    ],
)
def test_mistakes_name_the_file_and_the_key(load, values, message):
    with pytest.raises(SettingsError, match=message) as error:
        load(values)
    assert "init.yaml" in str(error.value)
