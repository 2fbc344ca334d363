"""Seeds, pairs and noise, on blobs whose distance and energy are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluate.toys import from_entries, scaled
from hgcae.errors import DataFormatError
from hgcae.evaluate.pairs import UNCOMPRESSED, calibrate, evaluate_count, evaluate_noise, evaluate_pairs
from hgcae.evaluate.physics_settings import PhysicsSettings
from hgcae.evaluate.seeds import find_seeds
from hgcae.events import Events
from hgcae.geometry.cells import ADC_PER_MIP
from hgcae.geometry.detector import Detector

PROTOTYPE = Detector.load("prototype")
CENTRE = np.array(PROTOTYPE.settings.centre_cm)
SETTINGS = PhysicsSettings(direction="parallel", bootstrap_replicas=10)


def blobs(places, energies, n: int = 1, spread_cm: float = 1.0, seed: int = 1) -> Events:
    """Events with a Gaussian blob of energy in layers 8 to 11 at each place, cm from the centre; charges in all of them fluctuate."""
    rng, spots = np.random.default_rng(seed), 2000
    n_blobs = len(places)
    xy = CENTRE + np.asarray(places, dtype=float)[:, None] + spread_cm * rng.standard_normal((n, n_blobs, spots, 2))
    layer = rng.integers(8, 12, (n, n_blobs, spots))
    where = PROTOTYPE.locate(xy)
    gev = np.asarray(energies, dtype=float)[:, None] / spots * rng.exponential(1.0, layer.shape)
    cell = layer * PROTOTYPE.cells_per_layer + where
    charge = gev * 1000 * ADC_PER_MIP / PROTOTYPE.layer_mev_per_mip[layer]
    event = np.broadcast_to(np.arange(n)[:, None, None], layer.shape)
    use = where >= 0
    events = from_entries(PROTOTYPE.hierarchy, n, event[use], cell[use], charge[use])
    impact = np.tile(CENTRE + np.asarray(places, dtype=float), (n, 1))
    particles = {
        "energy_gev": np.tile(np.asarray(energies, dtype=float), n),
        "impact_x_cm": impact[:, 0],
        "impact_y_cm": impact[:, 1],
    }
    return replace(events, particles=particles, particle_offsets=n_blobs * np.arange(n + 1))


NOTHING = replace(blobs([(0, 0)], [1.0]), offsets=np.array([0, 0]), cell=np.zeros(0, dtype=np.int32), charge=np.zeros(0))


def test_one_blob_is_one_seed():
    seeds = find_seeds(blobs([(3, -2)], [50.0], n=20), PROTOTYPE, SETTINGS)
    assert (seeds.prominence[:, 0] == 1).all()
    np.testing.assert_allclose(seeds.xy_cm[:, 0] - CENTRE, np.tile([3, -2], (20, 1)), atol=0.7)
    assert seeds.count(0.5).tolist() == [1] * 20


def test_two_blobs_are_two_seeds():
    seeds = find_seeds(blobs([(-6, 0), (6, 0)], [50.0, 25.0]), PROTOTYPE, SETTINGS)
    assert seeds.count(0.2) == [2]
    # A hexagon of the map is 1.2 cm wide, a trigger cell 2.2 cm.
    np.testing.assert_allclose(seeds.leading(0.2, 2)[0] - CENTRE, [[-6, 0], [6, 0]], atol=1.2)
    # Nothing between them: the weaker one is as prominent as it is high.
    assert seeds.prominence[0, 1] == pytest.approx(0.5, abs=0.2)


def test_the_valley_decides():
    """The nearer two blobs are, the shallower the valley between them, until there is none."""
    second = [
        np.mean(find_seeds(blobs([(-d / 2, 0), (d / 2, 0)], [50, 50.0], n=20), PROTOTYPE, SETTINGS).prominence[:, 1])
        for d in (0.5, 5.0, 8.0, 12.0)
    ]
    assert second == sorted(second)
    assert second[0] < 0.05
    assert second[-1] > 0.7


def test_projection_brings_an_inclined_track_to_one_point():
    """A particle from the interaction point: in each layer at the same x/z, y/z."""
    layers = np.arange(6, 14)
    xy = (CENTRE + [12.0, 9.0]) * (PROTOTYPE.layer_z_cm[layers] / PROTOTYPE.layer_z_cm[0])[:, None]
    cell = layers * PROTOTYPE.cells_per_layer + PROTOTYPE.locate(xy)
    event = from_entries(PROTOTYPE.hierarchy, 1, np.zeros(8, dtype=int), cell, np.full(8, 500.0))
    pointing = find_seeds(event, PROTOTYPE, PhysicsSettings()).leading(0.1, 2)
    np.testing.assert_allclose(pointing[0, 0] - CENTRE, [12, 9], atol=1.0)


def test_nothing_has_no_seed():
    seeds = find_seeds(NOTHING, PROTOTYPE, SETTINGS)
    assert seeds.count(0.0) == [0]
    assert np.isnan(seeds.xy_cm).all()


def test_the_cut_splits_as_many_single_showers_as_allowed():
    singles = blobs([(0, 0)], [50.0], n=60, spread_cm=2.5)
    for rate in (0.02, 0.3):
        settings = SETTINGS.model_copy(update={"split_rate": rate})
        cut = calibrate(singles, PROTOTYPE, settings)
        split = evaluate_count(singles, {}, cut, PROTOTYPE, settings)[UNCOMPRESSED]
        assert split["two_or_more"]["mean"] <= rate
        assert sum(split["events"]) == 60


class TestPairs:
    PAIRS = blobs([(-5, 1), (5, -1)], [60.0, 40.0], n=20)

    def test_what_is_known(self):
        found = evaluate_pairs(self.PAIRS, {"same": self.PAIRS}, 0.3, PROTOTYPE, SETTINGS)
        for name in (UNCOMPRESSED, "same"):
            assert found[name]["efficiency"]["mean"] == 1
            assert found[name]["distance_mm"]["mean"] == pytest.approx(0, abs=4)
            assert found[name]["sharing"]["mean"] == pytest.approx(0, abs=0.02)
        assert found["same"]["lost"] == {"n": 20, "undefined": 0, "mean": 0, "mean_error": 0}

    def test_the_share_belongs_to_the_first_particle_whichever_is_stronger(self):
        swapped = blobs([(-5, 1), (5, -1)], [40.0, 60.0], n=20)
        found = evaluate_pairs(swapped, {}, 0.3, PROTOTYPE, SETTINGS)[UNCOMPRESSED]
        assert found["sharing"]["mean"] == pytest.approx(0, abs=0.02)

    def test_a_merged_pair_is_lost(self):
        merged = replace(blobs([(0, 0)], [80.0], n=20), particles=self.PAIRS.particles, particle_offsets=self.PAIRS.particle_offsets)
        found = evaluate_pairs(self.PAIRS, {"merged": merged}, 0.3, PROTOTYPE, SETTINGS)["merged"]
        assert found["efficiency"]["mean"] == 0
        assert found["lost"]["mean"] == 1
        assert found["distance_mm"]["mean"] is None

    def test_charge_does_not_matter_but_shares_do(self):
        found = evaluate_pairs(self.PAIRS, {"half": scaled(self.PAIRS, 0.5)}, 0.3, PROTOTYPE, SETTINGS)
        assert found["half"]["sharing"]["mean"] == pytest.approx(found[UNCOMPRESSED]["sharing"]["mean"])

    def test_other_events(self):
        with pytest.raises(DataFormatError, match="two particles"):
            evaluate_pairs(blobs([(0, 0)], [1.0]), {}, 0.1, PROTOTYPE, SETTINGS)


def test_noise():
    true = Events.concatenate([NOTHING] * 20)
    fake = blobs([(0, 0)], [2.0], n=20)
    found = evaluate_noise(true, {"fake": replace(fake, particles=true.particles, particle_offsets=true.particle_offsets)}, PROTOTYPE)
    assert found[UNCOMPRESSED] == {"n": 20, "mean_gev": 0, "q99_gev": 0, "largest_gev": 0, "charged": 0}
    assert found["fake"]["mean_gev"] == pytest.approx(2.0, rel=0.05)
    assert found["fake"]["q99_gev"] <= found["fake"]["largest_gev"]
    assert found["fake"]["charged"] == 1
