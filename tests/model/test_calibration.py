from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from hgcae.coding.sums import UNITS
from hgcae.errors import GeometryError
from hgcae.model.calibration import Calibration
from hgcae.model.sums import from_charge
from model.toys import STACK, WEIGHT, showers


def test_sums_get_room_above_the_largest():
    events = showers()
    found = Calibration.measure([events], WEIGHT)
    for name in ("ROC", "MODULE"):
        assert found.maximum[name] == pytest.approx(1.2 * events.unit_sums(name).max())
    assert found.maximum["STACK"] == pytest.approx(1.2 * events.unit_sums("STACK", np.repeat(WEIGHT, 48)).max())
    assert found.root_weight == tuple(WEIGHT)
    assert (found.smallest_charge, found.lsb) == (events.charge.min(), 1.0)


def test_pieces_do_not_matter():
    events = showers()
    pieces = Calibration.measure(events.chunks(5))
    assert pieces == Calibration.measure([events])
    assert pieces.root_weight is None
    assert pieces.maximum["STACK"] == pytest.approx(1.2 * events.unit_sums("STACK").max())


def test_charges_that_are_not_whole_are_counted_finely():
    events = showers()
    fine = replace(events, charge=events.charge + 0.5)
    assert Calibration.measure([events, fine]).lsb == pytest.approx(events.charge.min() / 32)
    assert Calibration.measure([fine]).lsb == pytest.approx(fine.charge.min() / 32)


def test_sums_of_charges_of_all_sizes_fit_into_32_bits():
    """What a codec spreads over all cells may be a millionth of its strongest charge."""
    events = showers()
    charge = events.charge.astype(np.float64)
    charge[::2] *= 1e-6
    events = replace(events, charge=charge)
    found = Calibration.measure([events])
    assert found.lsb > charge.min() / 32
    total = np.asarray(from_charge(jnp.asarray(events.unit_sums("STACK"), dtype=jnp.float32), found.lsb))
    np.testing.assert_allclose(total * found.lsb / UNITS, events.unit_sums("STACK"), rtol=1e-6)
    assert 8 * total.max() < 2**31


def test_nothing_to_measure():
    with pytest.raises(GeometryError, match="no charges"):
        Calibration.measure([showers()[3:4]])
    with pytest.raises(GeometryError, match="no charges"):
        Calibration.measure([])
    assert set(Calibration.measure([showers()]).maximum) == set(STACK.names)
