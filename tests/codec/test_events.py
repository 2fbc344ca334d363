"""Events behind a module codec."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contracts.codec import random_modules
from hgcae.codec import events as module_events
from hgcae.codec import make_codec
from hgcae.codec.events import TransmissionStats, first_modules, sent
from hgcae.errors import DataFormatError
from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy
from model.toys import STACK, showers


def test_each_module_comes_back_as_the_codec_decodes_it():
    events, codec = showers(n=12), make_codec("pyramid", 2, random_modules(300))
    found, bits = sent(events, codec)
    modules = events.to_dense().reshape(-1, 48).astype(np.int64)
    charged = modules.any(axis=1)
    expected = np.zeros(modules.shape)
    payload = codec.encode(modules[charged])
    expected[charged] = codec.decode(payload)
    np.testing.assert_array_equal(found.to_dense().reshape(-1, 48), expected)
    per_module = np.zeros(len(modules), dtype=np.int64)
    per_module[charged] = payload.bits
    np.testing.assert_array_equal(bits, per_module.reshape(12, -1).sum(axis=1))
    # Every fourth event is empty: nothing is sent, and truth stays.
    assert bits[3] == 0
    np.testing.assert_array_equal(found.particles["energy_gev"], events.particles["energy_gev"])


@pytest.mark.parametrize("charge", [0.5, 2.0**40, 2.0**53, 2.0**63, 1e300, np.inf, np.nan])
def test_charges_that_no_codec_takes(charge):
    events = showers(n=2)
    with pytest.raises(DataFormatError, match="whole numbers"):
        sent(
            replace(events, charge=np.where(np.arange(len(events.charge)) == 1, charge, events.charge)),
            make_codec("repeater", 2, random_modules(50)),
        )


def test_other_modules():
    events = Events.from_dense(np.ones((2, 4, 4, 4), dtype=np.int64), Hierarchy.of(ROC=(4, 4), MODULE=4))
    with pytest.raises(DataFormatError, match="modules of 3 x 4 x 4"):
        sent(events, make_codec("mean", 2, random_modules(50)))
    assert STACK.rooted("MODULE").shape == (3, 4, 4)


def test_a_stream_is_sent_in_pieces(monkeypatch):
    events, codec = showers(n=12), make_codec("best_choice", 2, random_modules(50))
    expected, bits = sent(events, codec)
    # Five modules an event: three events at a time.
    monkeypatch.setattr(module_events, "_PIECE_MODULES", 17)
    delivery = TransmissionStats(codec)
    pieces = list(delivery.send([events[:7], events[7:7], events[7:]]))
    assert [len(piece) for piece in pieces] == [3, 3, 1, 0, 3, 2]
    np.testing.assert_array_equal(Events.concatenate(pieces).to_dense(), expected.to_dense())
    assert (delivery.events, delivery.bits, delivery.most_bits) == (12, bits.sum(), bits.max())
    assert delivery.bits_per_event == pytest.approx(bits.mean())
    assert delivery.charge_kept == pytest.approx(expected.charge.sum() / events.charge.sum())


def test_the_first_modules_of_a_stream(monkeypatch):
    monkeypatch.setattr(module_events, "_PIECE_MODULES", 17)
    events = showers(n=12)
    modules = events.to_dense().reshape(-1, 48)
    charged = modules[modules.any(axis=1)]

    def stream():
        yield events[:3]
        yield events[3:9]
        pytest.fail("nobody needs these")

    np.testing.assert_array_equal(first_modules(stream(), 14), charged[:14])
    np.testing.assert_array_equal(first_modules([events], 1000), charged)
    assert first_modules([events[:0]], 5).shape == (0, 48)
