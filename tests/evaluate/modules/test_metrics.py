"""The evaluation of module codecs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hgcae.errors import DataFormatError
from hgcae.evaluate import Bootstrap, emd, evaluate_modules, markdown, module_table, read_module_results
from hgcae.evaluate.modules.metrics import CHARGE_EDGES, OCCUPANCY_EDGES
from hgcae.evaluate.modules.result import METRICS, Metric
from hgcae.evaluate.modules.table import _text
from hgcae.store.results import write_results

QUICK = Bootstrap(20)


def modules(n: int = 400, seed: int = 1) -> np.ndarray:
    """Charges with one to 48 occupied cells, and of all sizes."""
    rng = np.random.default_rng(seed)
    occupancy = 1 + np.arange(n) % 48
    keep = rng.random((n, 48)).argsort(axis=1) < occupancy[:, None]
    return np.where(keep, rng.integers(1, 10 ** rng.integers(1, 4, (n, 1)), (n, 48)), 0)


def evaluate(true, decoded, bits=None):
    return evaluate_modules("toy", "none", 2, true, decoded, np.full(len(true), 57) if bits is None else bits, QUICK)


def test_perfect_decoding():
    true = modules()
    result = evaluate(true, true.astype(float))
    values = {name: metric.value for name, metric in result.metrics.items()}
    assert values == pytest.approx(dict.fromkeys(METRICS, 0) | {"bits": 57}, abs=1e-12)
    assert (result.n_modules, result.n_empty, result.max_bits) == (400, 0, 57)


def test_metrics_by_hand():
    true = modules()
    decoded = np.where(np.arange(48) % 2, 1.1 * true, 0.0)
    result = evaluate(true, decoded, np.arange(400))
    ratio = decoded.sum(axis=1) / true.sum(axis=1)
    distance = emd(true, decoded)
    expected = {
        "bits": 199.5,
        "emd_median": np.median(distance),
        "emd_mean": distance.mean(),
        "emd_low": np.quantile(distance, 0.158655),
        "emd_high": np.quantile(distance, 0.841345),
        "sum_bias": ratio.mean() - 1,
        "sum_std": ratio.std(ddof=1),
        "charge_bias": decoded.sum() / true.sum() - 1,
        "lost": true[:, ::2].sum() / true.sum(),
    }
    for name, value in expected.items():
        assert result.metrics[name].value == pytest.approx(value, rel=1e-5), name
    assert result.max_bits == 399


def test_errors_are_those_of_repeated_samples():
    """The spread of the metrics of independent samples is what the bootstrap of one of them says, within the accuracy of either."""
    results = [
        evaluate_modules("toy", "none", 2, t, 0.5 * t + np.roll(t, 1, axis=1) / 2, np.zeros(300, int), Bootstrap(50))
        for t in (modules(300, s) for s in range(60))
    ]
    for name in ("emd_mean", "emd_median", "telescope"):
        found = np.array([result.metrics[name] for result in results])
        # Occupancies are the same in all samples, which the bootstrap does not know: so it may be too large, not too small.
        assert 0.8 < found[:, 1].mean() / found[:, 0].std(ddof=1) < 3, name


def test_bins_hold_every_module_once():
    result = evaluate(modules(), modules().astype(float))
    for by, edges in (("occupancy", OCCUPANCY_EDGES), ("charge", CHARGE_EDGES)):
        assert sum(entry.n for entry in result.by(by)) == 400
        assert len(result.by(by)) == len(edges) - 1
    assert [entry.name for entry in result.by("occupancy")] == ["1-4", "5-15", "16-31", "32-48"]
    assert [entry.name for entry in result.by("charge")] == ["1-9", "10-99", "100-999", "1000+"]
    assert result.by("occupancy")[0].n == 4 * 9


def test_empty_modules_are_left_out():
    true = modules()
    more = np.concatenate([true, np.zeros((5, 48), int)])
    result = evaluate(more, more + 1.0)
    assert (result.n_modules, result.n_empty) == (400, 5)
    assert result.metrics == evaluate(true, true + 1.0).metrics


def test_too_few_modules_have_no_figures():
    result = evaluate(modules(5), modules(5) + 0.0)
    assert result.metrics["emd_mean"].value is None
    assert "-" in module_table([result])[1][0]


def test_the_judge_is_repeatable():
    true = modules()
    assert evaluate(true, true * 0.9) == evaluate(true, true * 0.9)


@pytest.mark.parametrize(
    ("true", "decoded", "bits", "message"),
    [
        (np.ones((3, 47), int), np.ones((3, 47)), np.ones(3), "shapes"),
        (np.ones((3, 48), int), np.ones((2, 48)), np.ones(3), r"true \(3, 48\), decoded \(2, 48\), bits \(3,\)"),
        (np.ones((3, 48), int), np.ones((3, 48)), np.ones(4), "shapes"),
        (-np.ones((3, 48), int), np.ones((3, 48)), np.ones(3), "found -1, expected at least 0"),
        (np.ones((3, 48), int), np.full((3, 48), np.inf), np.ones(3), "not finite"),
    ],
)
def test_bad_input_is_named(true, decoded, bits, message):
    with pytest.raises(DataFormatError, match=message):
        evaluate(true, decoded, bits)


def test_results_survive_a_file(tmp_path):
    true = modules()
    results = [evaluate(true, true * factor) for factor in (1.0, 0.9)]
    write_results(tmp_path / "r.json", "modules", {"results": [result.to_dict() for result in results]})
    assert read_module_results(tmp_path / "r.json") == tuple(results)


@pytest.mark.parametrize("result", [{}, 3])
def test_other_results_are_refused(tmp_path, result):
    write_results(tmp_path / "r.json", "modules", {"results": [result]})
    with pytest.raises(DataFormatError, match=r"r.json: .*expected"):
        read_module_results(tmp_path / "r.json")


def test_table():
    true = modules()
    result = evaluate(true, true * 0.9)
    headings, rows = module_table([result, replace(result, links=3)])
    assert [row[0] for row in rows] == ["none 2", "none 3"]
    assert all(len(row) == len(headings) for row in rows)
    assert rows[0][headings.index("bias of all charge")].startswith("-10")
    lines = markdown(*module_table([result])).splitlines()
    assert len(lines) == 3
    assert all(line.count("|") == len(headings) + 1 for line in lines)


@pytest.mark.parametrize(
    ("metric", "percent", "text"),
    [
        (Metric(1.23456, 0.012), False, "1.235 ± 0.012"),
        (Metric(0.0123, 0.0004), True, "1.230 ± 0.040 %"),
        (Metric(123.4, 12.0), False, "123 ± 12"),
        (Metric(1.5e-4, 2e-6), False, "1.50e-04 ± 2e-06"),
        (Metric(57.0, 0.0), False, "57"),
        (Metric(None, None), True, "-"),
    ],
)
def test_metrics_as_text(metric, percent, text):
    assert _text(metric, percent=percent) == text
