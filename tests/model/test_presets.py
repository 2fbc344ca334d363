from __future__ import annotations

import math

import numpy as np
import pytest

from hgcae.coding.fixedpoint import FixedPoint
from hgcae.errors import SettingsError
from hgcae.geometry.hierarchy import PROTOTYPE, Hierarchy
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.calibration import Calibration
from hgcae.model.frames import frames
from hgcae.model.original import Quantised, QuantisedDense
from hgcae.model.presets import ConservingSettings, ModelSettings, PlainSettings, check_levels, l1_preset, original_preset
from model.toys import MODULE, STACK, cell_xy, conserving_settings

CALIBRATION = Calibration(dict.fromkeys(PROTOTYPE.names, 1e4), 5.0)


def dense(n_in: int, *widths: int) -> int:
    """Weights and biases of dense layers."""
    return sum((a + 1) * b for a, b in zip((n_in, *widths), widths, strict=False))


def convolution(size: int, channels: int, filters: int) -> int:
    return (size * size * channels + 1) * filters


def n_weights(network) -> int:
    return sum(math.prod(v.shape) for v in network.trainable_variables)


@pytest.fixture(scope="module")
def original_model() -> Autoencoder:
    return Autoencoder(PROTOTYPE, original_preset(PROTOTYPE), CALIBRATION, {})


class TestOriginal:
    """The published table, counted by hand."""

    def test_encoders(self, original_model):
        expected = {"ROC": convolution(2, 1, 64) + 2 * convolution(2, 64, 64) + dense(64, 128, 256, 8)}
        for name, children in (("MODULE", 3), ("TRIPLET", 3), ("STAGE1", 19), ("STAGE2", 30)):
            expected[name] = dense(8 * children, 32, 64, 128, 256, 8)
        assert {name: n_weights(level.encoder) for name, level in original_model.levels.items()} == expected

    def test_decoders(self, original_model):
        roc = dense(8, 256, 128) + convolution(3, 128, 64) + convolution(3, 64, 64) + convolution(2, 64, 64) + convolution(1, 64, 1)
        expected = {"ROC": roc}
        for name, children in (("MODULE", 3), ("TRIPLET", 3), ("STAGE1", 19), ("STAGE2", 30)):
            expected[name] = dense(8, 256, 128, 64, 32, 8 * children)
        assert {name: n_weights(level.decoder) for name, level in original_model.levels.items()} == expected

    def test_shapes(self, original_model):
        shapes = {name: (level.encoder.input_shape[1:], level.encoder.output_shape[1:]) for name, level in original_model.levels.items()}
        upper = {name: ((n, 8), (8,)) for name, n in (("MODULE", 3), ("TRIPLET", 3), ("STAGE1", 19), ("STAGE2", 30))}
        assert shapes == {"ROC": ((4, 4, 1), (8,))} | upper

    def test_formats(self, original_model):
        """quantized_bits(9, 6) for weights and numbers, quantized_relu(9, 6) for activations, and codes as they are."""
        bits, relu = FixedPoint(bits=9, integer=6), FixedPoint(bits=9, integer=6, signed=False)
        for name, level in original_model.levels.items():
            dense = [layer for layer in level.encoder.layers if isinstance(layer, QuantisedDense)]
            assert {(layer.weight, layer.scale) for layer in dense} == {(bits, "auto_po2")}
            first, *between, last = (layer.form for layer in level.encoder.layers if isinstance(layer, Quantised))
            assert between == [relu] * (len(dense) - 1)
            assert (first, last) == (FixedPoint(bits=7, integer=7, signed=False) if name == "ROC" else bits, bits)

    def test_upper_decoders_are_linear(self, original_model):
        for name, level in original_model.levels.items():
            activations = [layer.activation.__name__ for layer in level.decoder.layers if hasattr(layer, "activation")]
            assert activations == (["relu"] * 6 if name == "ROC" else ["linear"] * 5)

    def test_bits(self, original_model):
        assert {original_model.bits_per_unit(name) for name in PROTOTYPE.names} == {72}

    def test_decoders_are_not_quantised(self, original_model):
        assert not [v.path for level in original_model.levels.values() for v in level.decoder.variables if not v.trainable]


class TestL1:
    @pytest.mark.parametrize(("latent", "bits"), [(8, 9), (3, 9), (12, 7), (8, 16)])
    def test_bits_are_counted_exactly(self, latent, bits):
        settings = l1_preset(PROTOTYPE, latent, bits)
        assert {level.bits_per_unit for level in settings.levels.values()} == {latent * bits}

    def test_only_the_event_has_finer_sums_and_positions(self):
        """Its barycentre spans the whole plane; all other codes have equal parts."""
        levels = l1_preset(PROTOTYPE).levels
        assert levels["STAGE2"].widths == (10, 11, 11, 8, 8, 8, 8, 8)
        assert {levels[name].widths for name in PROTOTYPE.names[:-1]} == {(9,) * 8}
        assert l1_preset(MODULE).levels["MODULE"].widths == (9,) * 8
        assert l1_preset(PROTOTYPE, barycentre=False).levels["STAGE2"].widths == (9,) * 8
        # A depth takes the place of a learned number.
        deep = l1_preset(PROTOTYPE, depth=True).levels["STAGE2"]
        assert isinstance(deep, ConservingSettings)
        assert (deep.widths, deep.depth, deep.learned) == (levels["STAGE2"].widths, True, 4)
        assert l1_preset(PROTOTYPE, latent=3, depth=True) == l1_preset(PROTOTYPE, latent=3)
        # A learned number is not given up, and nothing grows beyond 16 bits.
        assert l1_preset(PROTOTYPE, latent=3).levels["STAGE2"].widths == (9,) * 3
        assert l1_preset(PROTOTYPE, bits=2).levels["STAGE2"].widths == (2,) * 8
        assert l1_preset(PROTOTYPE, bits=16).levels["STAGE2"].widths == (16,) * 8

    @pytest.mark.parametrize(("latent", "barycentre"), [(3, True), (1, False)])
    def test_the_smallest_codes_work(self, latent, barycentre):
        """A code may consist of nothing but the sum, or the sum and the barycentre."""
        model = Autoencoder(
            MODULE, l1_preset(MODULE, latent, barycentre=barycentre), CALIBRATION, frames(MODULE, cell_xy(MODULE)) if barycentre else {}
        )
        x = np.arange(96, dtype=np.float32).reshape(2, 3, 4, 4)
        code = model.encode(x, "MODULE")
        assert code.shape == (2, latent)
        np.testing.assert_allclose(model.decode(code, "MODULE").sum(axis=(1, 2, 3)), x.sum(axis=(1, 2, 3)), rtol=0.02)

    def test_numbers_are_signed_fractions(self):
        assert ConservingSettings(bits=9).number.range == (-1.0, 1.0 - 2**-8)

    @pytest.mark.parametrize(
        "values",
        [{"latent": 2}, {"latent": 3, "depth": True}, {"latent": 0}, {"latent": 0, "barycentre": False}, {"bits": 1}, {"bits": 17}],
    )
    def test_codes_without_room_are_refused(self, values):
        with pytest.raises(SettingsError, match="latent|bits"):
            ConservingSettings.load(values)

    def test_a_depth_is_a_coordinate_of_the_barycentre_of_layers(self):
        with pytest.raises(SettingsError, match="depth = true needs barycentre"):
            ConservingSettings.load({"depth": True, "barycentre": False})
        settings = l1_preset(MODULE, depth=False)
        levels = {name: level.model_copy(update={"depth": name == "MODULE"}) for name, level in settings.levels.items()}
        with pytest.raises(SettingsError, match="MODULE: depth: its children do not lie over one another"):
            Autoencoder(MODULE, ModelSettings(preset="x", levels=levels), CALIBRATION, frames(MODULE, cell_xy(MODULE)))

    def test_a_barycentre_needs_positions(self):
        with pytest.raises(SettingsError, match="MODULE|ROC"):
            Autoencoder(MODULE, l1_preset(MODULE), CALIBRATION, {})

    def test_names_and_levels(self):
        for preset in (l1_preset, original_preset):
            assert tuple(preset(PROTOTYPE).levels) == PROTOTYPE.names
            assert tuple(preset(Hierarchy.of(CHIP=(2, 2))).levels) == ("CHIP",)


class TestLevels:
    def test_other_levels(self):
        with pytest.raises(SettingsError, match="found ROC, MODULE, STACK, expected ROC, MODULE"):
            check_levels(conserving_settings(STACK), MODULE)
        check_levels(ModelSettings(preset="x", levels=dict(reversed(l1_preset(MODULE).levels.items()))), MODULE)  # in any order

    def test_sums_of_codes(self):
        with pytest.raises(SettingsError, match="digi: found codes, expected charges"):
            check_levels(conserving_settings(STACK).model_copy(update={"digi": "codes"}), STACK)

    def test_mixed_kinds(self):
        mixed = ModelSettings(preset="x", levels={"ROC": ConservingSettings(), "MODULE": PlainSettings()})
        with pytest.raises(SettingsError, match="found kinds conserving, plain"):
            Autoencoder(MODULE, mixed, CALIBRATION, frames(MODULE, cell_xy(MODULE)))

    @pytest.mark.parametrize("settings", [l1_preset(PROTOTYPE), original_preset(PROTOTYPE), conserving_settings()])
    def test_settings_survive_yaml(self, settings, tmp_path):
        path = tmp_path / "model.yaml"
        path.write_text(settings.to_yaml())
        assert ModelSettings.from_yaml(path) == settings

    @pytest.mark.parametrize(
        "override", ["levels.ROC.colour=blue", "levels.ROC.kind=other", "levels.ROC.weight.bits=99", "levels.ROC.latent=none"]
    )
    def test_unknown_settings(self, tmp_path, override):
        path = tmp_path / "model.yaml"
        path.write_text(l1_preset(MODULE).to_yaml())
        with pytest.raises(SettingsError, match=r"model\.yaml: (unknown key )?levels\.ROC"):
            ModelSettings.from_yaml(path, [override])
