"""Archives of CMS events."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import KDTree

from contracts.source import SourceContract
from hgcae.errors import DataFormatError
from hgcae.events import Events
from hgcae.geometry import module
from hgcae.geometry.hierarchy import PROTOTYPE
from hgcae.sources import cms_npz
from hgcae.sources.cms_npz import HIERARCHY, CmsNpz, quantum_gev
from sources import toys

ROOT = PROTOTYPE.rooted("MODULE")


class TestContract(SourceContract):
    source = CmsNpz()

    def events(self) -> Events:
        return next(iter(CmsNpz().read(self.file(Path(self.folder)))))

    def file(self, folder: Path) -> Path:
        toys.archive(folder / "events.npz", np.random.default_rng(1))
        return folder / "events.npz"

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path_factory):
        self.folder = tmp_path_factory.mktemp("npz")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "events.npz"


def read(path: Path, root=PROTOTYPE) -> Events:
    return Events.concatenate(list(CmsNpz().read(path, root)))


def test_whole_events(path):
    dense, _ = toys.archive(path, np.random.default_rng(2))
    events = read(path)
    assert (events.hierarchy, len(events), events.charge.dtype) == (HIERARCHY, 4, np.int32)
    assert events.counts[1] == 0
    found = events.to_dense()
    for number, (side, plane, u, v, _) in enumerate(toys.MODULES):
        np.testing.assert_array_equal(found[:, *toys.place(side, plane, u, v)].reshape(-1, 48), dense[:, number])
    assert found.sum() == dense.sum()


def test_modules(path):
    dense, _ = toys.archive(path, np.random.default_rng(3))
    modules = read(path, ROOT)
    columns = modules.columns
    for event, side, plane, u, v, sensor, charge in zip(
        *(columns[name] for name in ("event", "side", "layer", "u", "v", "sensor_um")), modules.to_dense(), strict=True
    ):
        number = int(np.flatnonzero((toys.MODULES[:, :4] == (side, plane, u, v)).all(axis=1))[0])
        np.testing.assert_array_equal(charge.reshape(48), dense[event, number])
        assert sensor == cms_npz.SENSORS_UM[toys.MODULES[number, 4]]
    assert len(modules) == np.count_nonzero(dense.sum(axis=2))
    assert (columns["n_cells"][columns["layer"] == 0] == 48).all()


def test_a_module_that_no_quantum_divides_is_left_out(path):
    columns = toys.tables()
    first, second = (np.flatnonzero((columns["tc_plane"] == plane) & (columns["tc_side"] == 1))[0] for plane in (0, 12))
    energy = np.array([0.37, 5, 0.5]) * quantum_gev(np.array([0]))[0, 2]
    energy[1:] = 5 * quantum_gev(np.array([12]))[0, 2]
    offsets = np.array([0, 2, 3])
    toys.archive(path, np.random.default_rng(0), tc_index=np.array([first, second, second]), tc_energy=energy, tc_offsets=offsets)
    events = read(path)
    assert events.counts.tolist() == [1, 1]
    # Five counts of the thickest sensor are two of the thinnest: the larger quantum is taken.
    assert events.charge.tolist() == [2, 2]


def test_a_cell_that_stays_empty_is_known_from_the_modules_images():
    """Module (5, 2) of plane 3 lacks cell 7; its image on the other side, two sixths further and one plane in front, is complete."""
    size, shape = module.N_CELLS, (*HIERARCHY.unit_shape("MODULE"), module.N_CELLS)

    def cells(side, plane, u, v, slots) -> np.ndarray:
        return np.asarray(np.ravel_multi_index((*toys.place(side, plane, u, v), slots), shape))

    every = np.arange(size)
    some = np.delete(every, 7)
    u, v = 5 - 2, 5
    u, v = u - v, u
    placed = [cells(-1, 3, 5, 2, some), cells(1, 2, u, v, every), cells(1, 14, 5, 2, some)]
    found = cms_npz._n_cells(np.concatenate(placed).astype(np.int32))
    assert [found[each[0] // size] for each in placed] == [48, 48, 47]
    assert np.count_nonzero(found) == 3
    assert cms_npz._n_cells(placed[0].astype(np.int32)).max() == 47


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("tc_energy", None, "tc_energy: found nothing"),
        ("tc_slot", np.zeros(3, np.int8), "tc_slot: found int8 .3,., expected whole numbers"),
        ("tc_slot", np.full(195, 48, np.int8), r"tc_slot\[0\]: found 48, expected -1 to 47"),
        ("tc_u", np.full(195, -13, np.int8), r"tc_u\[0\]: found -13"),
        ("tc_side", np.zeros(195, np.int8), r"tc_side\[0\]: found 0"),
        ("tc_side", np.zeros((195, 1), np.int8), "tc_side: found int8 .195, 1."),
        ("tc_v", np.zeros(195), "tc_v: found float64"),
        ("tc_index", np.full(9, 195), "found 5 offsets, 9 indices"),
        ("tc_offsets", np.array([0, 5, 3]), "offsets that rise"),
        ("tc_offsets", np.array([], int), "found 0 offsets"),
        ("tc_energy", np.array(["a"]), "tc_energy: found <U1"),
    ],
)
def test_errors_name_the_array(path, name, values, message):
    toys.archive(path, np.random.default_rng(1), **{name: values})
    with pytest.raises(DataFormatError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("tc_index", 195, "a row below 195"),
        ("tc_energy", np.nan, "found nan"),
        ("tc_energy", -1, "found -1"),
        ("tc_energy", 1e30, "2.31 counts"),
    ],
)
def test_errors_name_the_entry(path, name, value, message):
    arrays = {"tc_index": np.ones(5, int), "tc_energy": np.ones(5), "tc_offsets": np.array([0, 5])}
    arrays[name] = np.where(np.arange(5) == 3, value, arrays[name])
    toys.archive(path, np.random.default_rng(1), **arrays)
    if value == 1e30:
        arrays["tc_energy"][3] = quantum_gev(np.array([0]))[0, 2] * 2.0**80
        toys.archive(
            path,
            np.random.default_rng(1),
            **(arrays | {"tc_energy": arrays["tc_energy"][3:4], "tc_index": np.ones(1, int), "tc_offsets": np.array([0, 1])}),
        )
    with pytest.raises(DataFormatError, match=message):
        read(path)


def test_no_events(path):
    toys.archive(path, np.random.default_rng(1), tc_index=np.zeros(0, int), tc_energy=np.zeros(0), tc_offsets=np.zeros(1, int))
    for root in (PROTOTYPE, ROOT):
        chunks = list(CmsNpz().read(path, root))
        assert [len(chunk) for chunk in chunks] == [0]
    assert set(chunks[0].columns) == {"event", "side", "layer", "u", "v", "sensor_um", "n_cells"}


def test_objects_are_not_unpickled(path):
    np.savez(path, tc_plane=np.array([{}], dtype=object))
    with pytest.raises(DataFormatError, match="archive: found ValueError"):
        read(path)


def test_rocs_are_refused(path):
    with pytest.raises(DataFormatError, match="found the root ROC"):
        list(CmsNpz().read(path, PROTOTYPE.rooted("ROC")))


@pytest.fixture(scope="module")
def real(data_dir) -> tuple[dict[str, np.ndarray], Events]:
    path = data_dir / "cms_events" / "events_00-59.npz"
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays), next(iter(CmsNpz().read(path)))


def test_real_module_energies(real):
    """Counts times quanta add up to the module energies that the file stores next to its trigger cells."""
    arrays, events = real
    whole, event, index = events[:3].units("MODULE")
    _, plane, _, _ = np.unravel_index(index, HIERARCHY.unit_shape("MODULE"))
    sensor = cms_npz._events(arrays, "real")[1][index]
    energy = whole.unit_sums("MODULE").ravel() * quantum_gev(plane)[np.arange(len(plane)), sensor]
    centres, row = _module_centres(arrays)
    # The number of the event is a fourth coordinate, so that the nearest stored module is one of the same event.
    stored = slice(0, arrays["wafer_offsets"][3])
    stored_event = np.repeat(np.arange(3), np.diff(arrays["wafer_offsets"][:4]))
    tree = KDTree(np.column_stack([arrays["wafer_pos"][arrays["wafer_index"][stored]], 1e5 * stored_event]))
    distance, at = map(np.asarray, tree.query(np.column_stack([centres[row[index]], 1e5 * event])))
    good = (plane < cms_npz.EM_PLANES) & (distance < 1.5)
    assert good.sum() > 15_000
    relative = energy[good] / arrays["wafer_energy"][stored][at[good]] - 1
    assert np.mean(np.abs(relative) < 1e-4) > 0.99


def _module_centres(arrays):
    flat = cms_npz._flat_cells(arrays)
    unit, position = flat[flat >= 0] // 48, arrays["tc_pos"][flat >= 0]
    units, inverse = np.unique(unit, return_inverse=True)
    centres = np.stack([np.bincount(inverse, position[:, axis]) for axis in range(3)], axis=1) / np.bincount(inverse)[:, None]
    where = np.full(HIERARCHY.n_units("MODULE"), -1)
    where[units] = np.arange(len(units))
    return centres, where


def test_real_sensors(real):
    """Every module of the electromagnetic part has one sensor; thin ones lie near the beam."""
    arrays, _ = real
    sensor = cms_npz._events(arrays, "real")[1].reshape(HIERARCHY.unit_shape("MODULE"))
    counts = [[int((sensor[:, plane] == number).sum()) for number in range(3)] for plane in (0, 6, 12)]
    # The counts of the V10 geometry are multiples of the twelve images of a module.
    assert all(count % 12 == 0 for plane in counts for count in plane)
    u, v = np.indices(sensor.shape[2:]) - cms_npz.LATTICE
    radius = np.sqrt(u**2 + v**2 - u * v)
    mean = [float(np.mean(np.broadcast_to(radius, sensor.shape)[:, :13][sensor[:, :13] == number])) for number in range(3)]
    assert mean == sorted(mean)
