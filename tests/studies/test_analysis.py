"""The smallest sufficient code, from metrics that are known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from hgcae.studies.code_size.analysis import Measured, answer, answer_table, answers, size_table, usual


def point(latent, bits, value, *, seed=1, barycentre=None, noise=0.0, sample="electron", metric="layer_error"):
    """A point whose replicas scatter by `noise` of the value, the same events in all points."""
    shared = np.random.default_rng(5).standard_normal(100)
    replicas = (value * (1 + noise * shared)).tolist()
    barycentre = latent >= 3 if barycentre is None else barycentre
    settings = {"sample": sample, "level": "STAGE2", "latent": latent, "bits": bits, "barycentre": barycentre, "seed": seed}
    return {"settings": settings, "content": {"metrics": {metric: {"value": value, "error": 0.1, "replicas": replicas}}}}


VALUES = {1: 9.0, 2: 3.0, 4: 1.04, 8: 1.02, 16: 1.0}


def found(points, metric="layer_error"):
    return answer(Measured.of(points, metric))


def test_the_first_size_within_the_margin():
    a = found([point(d, 9, v) for d, v in VALUES.items()])
    assert a["plateau"] == 1.0
    assert a["at"] == [16, 9, True]
    assert a["numbers"] == {"value": 4, "low": 4, "high": 4, "agree": 1.0, "open": False}
    assert a["bits"] == {"value": 36, "low": 36, "high": 36, "agree": 1.0, "open": False}


def test_where_only_the_largest_is_enough_the_answer_is_open():
    a = found([point(d, 9, v) for d, v in {2: 3.0, 4: 1.2, 8: 1.0}.items()])
    assert (a["numbers"]["value"], a["numbers"]["open"], a["bits"]["open"]) == (8, True, True)
    assert answer_table({"layer_error": a | {"floor": None, "floor_error": None}})[1][0][-2:] == ["≥ 8, 100%", "≥ 72, 100%"]


def test_fewer_bits_of_more_numbers():
    a = found([*(point(d, 9, v) for d, v in VALUES.items()), point(8, 4, 1.045), point(8, 3, 1.2)])
    assert a["bits"]["value"] == 32
    assert a["numbers"]["value"] == 4


def test_fluctuations_of_the_shared_events_drop_out():
    """All codes see the same events, so that the ratio to the plateau is known much better than the metrics."""
    a = found([point(d, 9, v, noise=0.2) for d, v in VALUES.items()])
    assert a["plateau_error"] == pytest.approx(0.2, rel=0.2)
    assert all(entry["ratio_error"] < 1e-9 for entry in a["sizes"])
    assert a["numbers"]["agree"] == 1.0


def test_fluctuations_of_the_seeds_count():
    rng = np.random.default_rng(1)
    points = [point(d, 9, v * (1 + 0.03 * rng.standard_normal()), seed=s) for d, v in VALUES.items() for s in range(3)]
    a = found(points)
    assert 0.3 < a["numbers"]["agree"] < 1
    assert a["numbers"]["low"] <= a["numbers"]["value"] <= a["numbers"]["high"]
    assert {entry["seeds"] for entry in a["sizes"]} == {3}
    assert all(entry["seed_spread"] > 0 for entry in a["sizes"])


def test_learned_codes_are_compared_but_do_not_answer():
    points = [*(point(d, 9, v) for d, v in VALUES.items()), point(3, 9, 1.0, barycentre=False)]
    a = found(points)
    assert (a["numbers"]["value"], a["bits"]["value"]) == (4, 36)
    assert (3, 9, False) in {(e["latent"], e["bits"], e["barycentre"]) for e in a["sizes"]}


def test_where_no_code_has_a_barycentre_the_learned_ones_answer():
    a = found([point(d, 9, v, barycentre=False) for d, v in VALUES.items()])
    assert (a["numbers"]["value"], a["bits"]["value"]) == (4, 36)


def test_one_size_answers_nothing():
    assert found([point(8, 9, 1.0)]) == {}
    assert found([]) == {}


def test_the_codes_that_answer():
    sizes = [(8, 9, True), (8, 9, False), (3, 9, False), (2, 9, False), (8, 4, True)]
    assert usual(sizes) == [(2, 9, False), (8, 4, True), (8, 9, True)]
    assert usual(sizes[1:3]) == [(3, 9, False), (8, 9, False)]


def test_samples_apart_with_their_floors():
    points = [point(d, 9, v, sample=s) for d, v in VALUES.items() for s in ("electron", "pion")]
    result = answers(points, {"electron": {"layer_error": {"value": 0.9, "error": 0.01}}})
    assert set(result) == {"electron", "pion"}
    assert result["electron"]["STAGE2"]["layer_error"]["floor"] == 0.9
    assert result["pion"]["STAGE2"]["layer_error"]["floor"] is None
    head, rows = answer_table(result["electron"]["STAGE2"])
    assert (len(head), [row[0] for row in rows]) == (5, ["layer error"])
    assert rows[0][3] == "4, 100%"
    head, rows = size_table(result["electron"]["STAGE2"])
    assert [row[0] for row in rows] == ["1 x 9", "2 x 9", "4 x 9", "8 x 9", "16 x 9"]
    assert [row[1] for row in rows] == ["-", "learned", "sent", "sent", "sent"]
