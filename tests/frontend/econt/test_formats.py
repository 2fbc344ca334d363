"""The formats as codecs of single modules: bits, what is selected, there and back."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from frontend.econt.toys import WEIGHTS, slow_network_order
from hgcae.coding.bitpack import unpack
from hgcae.coding.floatcode import FLOAT_4E3M, FLOAT_5E3M, FLOAT_5E4M
from hgcae.errors import DataFormatError, SettingsError
from hgcae.frontend import econt
from hgcae.frontend.econt.best_choice import CELLS_OF_LINKS, comparators

CHARGES = arrays(np.int64, st.tuples(st.integers(0, 3), st.just(48)), elements=st.integers(0, 1 << 18) | st.integers(0, 40))
DROP = st.integers(0, 4)


def coarse(charges, drop):
    return FLOAT_4E3M.decode(FLOAT_4E3M.encode(charges, drop), drop)


def bits_of(packed, widths):
    return unpack(packed, np.asarray(widths))


class TestBestChoice:
    @pytest.mark.parametrize(("links", "bits"), [(1, 21), (2, 60), (3, 86), (4, 119), (5, 154), (13, 392)])
    def test_bits_by_links(self, links, bits):
        encoded = econt.encode_best_choice(np.zeros((3, 48), int), links)
        assert econt.best_choice_bits(links) == bits
        assert (encoded.bits == bits).all()
        assert encoded.payload.shape == (3, -(-bits // 8))

    @given(CHARGES, st.integers(1, 13), DROP)
    def test_the_largest_come_back(self, charges, links, drop):
        decoded = econt.decode_best_choice(econt.encode_best_choice(charges, links, drop).payload, links, drop)
        n = CELLS_OF_LINKS[links]
        for sent, charge in zip(decoded, charges, strict=True):
            kept = np.zeros(48, dtype=np.int64)
            chosen = slow_network_order((charge >> drop).tolist())[:n]
            kept[chosen] = charge[chosen]
            np.testing.assert_array_equal(sent, coarse(kept, drop))
            assert ((charge[chosen] >> drop).min(initial=1 << 50)) >= (np.delete(charge, chosen) >> drop).max(initial=0)

    @pytest.mark.parametrize("use_sum", [False, True])
    def test_the_sum_is_of_the_rest_or_of_all(self, use_sum):
        charges = np.arange(48)[None] * 10
        payload = econt.encode_best_choice(charges, 2, 1, use_sum=use_sum).payload
        total = charges.sum() if use_sum else charges[0, :-4].sum()
        assert bits_of(payload, [8])[0, 0] == FLOAT_5E3M.encode(np.array([total // 2]))[0]

    def test_the_reference_leaves_zeros_out(self):
        charges = np.zeros((1, 48), int)
        charges[0, [3, 40]] = [100, 200]
        packed = econt.encode_best_choice(charges, 2, 0, in_place=False).payload
        fields = bits_of(packed, [8] + [6] * 4 + [7] * 4)[0]
        assert fields[5:].tolist() == FLOAT_4E3M.encode(np.array([100, 200, 0, 0])).tolist()
        assert {3, 40} < set(fields[1:5].tolist())

    def test_the_network_sorts_whatever_it_is_given(self):
        rng = np.random.default_rng(3)
        for n in (1, 2, 3, 7, 12, 48):
            values = rng.integers(0, 5, (200, n))
            for i, j in comparators(n):
                values[:, [i, j]] = np.sort(values[:, [i, j]], axis=1)[:, ::-1]
            assert (np.diff(values, axis=1) <= 0).all()

    def test_which_of_equal_charges_is_sent_is_not_the_first(self):
        """The network is no stable sort: here the reference's order differs from that of a stable one."""
        rng = np.random.default_rng(5)
        charges = rng.integers(0, 4, (200, 48))
        kept = econt.decode_best_choice(econt.encode_best_choice(charges + 1, 4, 0).payload, 4, 0) > 0
        stable = np.zeros_like(kept)
        np.put_along_axis(stable, np.argsort(-charges, axis=1, kind="stable")[:, :9], True, axis=1)
        assert (kept != stable).any(axis=1).mean() > 0.5

    @pytest.mark.parametrize("links", [0, 14])
    def test_other_numbers_of_links_are_refused(self, links):
        with pytest.raises(SettingsError, match="links"):
            econt.encode_best_choice(np.zeros((1, 48), int), links)


class TestThresholdSum:
    @pytest.mark.parametrize(("n", "bits"), [(0, 11), (1, 27), (7, 105), (8, 115), (48, 395)])
    def test_bits_by_cells(self, n, bits):
        charges = np.where(np.arange(48) < n, 100, 1)[None]
        assert econt.encode_threshold_sum(charges, 47).bits.tolist() == [bits]

    @given(CHARGES, arrays(np.int64, 48, elements=st.integers(0, 200)), DROP)
    def test_what_passes_comes_back(self, charges, threshold, drop):
        encoded = econt.encode_threshold_sum(charges, threshold, drop)
        decoded = econt.decode_threshold_sum(encoded.payload, drop)
        np.testing.assert_array_equal(decoded, coarse(np.where(charges >= threshold, charges, 0), drop))

    @given(CHARGES, st.booleans())
    def test_the_sum_is_of_the_rest_or_of_all(self, charges, use_sum):
        packed = econt.encode_threshold_sum(charges, 47, 1, use_sum=use_sum)
        total = np.where((charges < 47) | use_sum, charges, 0).sum(axis=1)
        if len(charges):
            np.testing.assert_array_equal(bits_of(packed.payload, [3, 8])[:, 1], FLOAT_5E3M.encode(total))

    @pytest.mark.parametrize("threshold", [1.5, float("nan"), -1, 1 << 41, np.uint64(1 << 63), np.ones(47, int), "47"])
    def test_thresholds_that_are_none_are_refused(self, threshold):
        with pytest.raises(SettingsError, match="threshold: found"):
            econt.encode_threshold_sum(np.zeros((1, 48), int), threshold)

    @pytest.mark.parametrize(
        "row", [[0b001_00000] + [0] * 60, [0b010_00000, 0b000_001_11, 0b1111_0000] + [0] * 60, [0b100_00000, 255, 255]]
    )
    def test_fields_that_contradict_each_other_are_refused(self, row):
        with pytest.raises(DataFormatError, match="row 0"):
            econt.decode_threshold_sum(np.array([row], dtype=np.uint8))


class TestMap:
    """Where 8 cells and more are sent, 48 bits say which, from the first cell on or from the last one."""

    @given(CHARGES, st.integers(4, 13), DROP)
    def test_of_best_choice(self, charges, links, drop):
        assert_only_the_map_is_reversed(
            [econt.encode_best_choice(charges, links, drop, reversed_map=reverse).payload for reverse in (False, True)], 8, links >= 4
        )
        payload = econt.encode_best_choice(charges, links, drop, reversed_map=True).payload
        expected = econt.decode_best_choice(econt.encode_best_choice(charges, links, drop).payload, links, drop)
        np.testing.assert_array_equal(econt.decode_best_choice(payload, links, drop, reversed_map=True), expected)

    @given(CHARGES, st.integers(0, 200), DROP)
    def test_of_the_threshold_sum(self, charges, threshold, drop):
        encoded = [econt.encode_threshold_sum(charges, threshold, drop, reversed_map=reverse) for reverse in (False, True)]
        np.testing.assert_array_equal(encoded[0].bits, encoded[1].bits)
        many = (charges >= threshold).sum(axis=1) >= 8
        assert_only_the_map_is_reversed([one.payload for one in encoded], 11, many[:, None])
        expected = econt.decode_threshold_sum(encoded[0].payload, drop)
        np.testing.assert_array_equal(econt.decode_threshold_sum(encoded[1].payload, drop, reversed_map=True), expected)


def assert_only_the_map_is_reversed(payloads, at, has_map):
    forward, backward = (np.unpackbits(payload, axis=1) for payload in payloads)
    expected = forward.copy()
    expected[:, at : at + 48] = np.where(has_map, forward[:, at : at + 48][:, ::-1], forward[:, at : at + 48])
    np.testing.assert_array_equal(backward, expected)


class TestSuperCells:
    @pytest.mark.parametrize(
        ("name", "sums", "bits"),
        [
            ("STC4B", (2, 5, 8, 11, 12), (22, 55, 88, 121, 132)),
            ("STC16", (2, 3), (26, 39)),
            ("CTC4A", (4, 8, 12), (28, 56, 84)),
            ("STC4A", (3, 6, 10, 12), (27, 54, 90, 108)),
            ("CTC4B", (3, 6, 10, 12), (27, 54, 90, 108)),
        ],
    )
    def test_bits_by_links(self, name, sums, bits):
        for links, (n, length) in enumerate(zip(sums, bits, strict=True), start=1):
            assert econt.FORMATS[name].n_sums(links) == n
            assert econt.encode_super_cells(np.zeros((2, 48), int), name, links).bits.tolist() == [length] * 2
        with pytest.raises(SettingsError, match=f"1 to {len(sums)} for {name}"):
            econt.encode_super_cells(np.zeros((1, 48), int), name, len(sums) + 1)

    @given(CHARGES, st.sampled_from(sorted(econt.FORMATS)), st.integers(1, 5), DROP, st.sampled_from(["largest", "equal"]))
    def test_the_sums_come_back(self, charges, name, links, drop, division):
        form = econt.FORMATS[name]
        links = min(links, len(form.sums_of_links))
        n, shift = form.n_sums(links), drop if form.drops else form.shift
        payload = econt.encode_super_cells(charges, name, links, drop).payload
        decoded = econt.decode_super_cells(payload, name, links, drop, division=division).reshape(len(charges), 48 // form.size, form.size)
        grouped = charges.reshape(len(charges), 48 // form.size, form.size)
        sums = np.where(np.arange(48 // form.size) < n, grouped.sum(axis=2), 0)
        np.testing.assert_array_equal(decoded.sum(axis=2), form.code.decode(form.code.encode(sums, shift), shift))
        if division == "equal" or not form.address_bits:
            assert (np.ptp(decoded, axis=2) <= 1).all()
        else:
            assert (np.count_nonzero(decoded, axis=2) <= 1).all()

    def test_of_equal_charges_the_last_has_the_address(self):
        charges = np.zeros((1, 48), int)
        charges[0, [1, 2, 4, 5]] = [9, 9, 3, 2]
        assert bits_of(econt.encode_super_cells(charges, "STC4B", 2).payload, [2] * 5)[0].tolist() == [2, 0, 3, 3, 3]

    def test_unknown_formats_are_refused(self):
        with pytest.raises(SettingsError, match="STC4C"):
            econt.encode_super_cells(np.zeros((1, 48), int), "STC4C", 1)

    def test_with_the_physics_multiplexer_cells_of_a_sum_are_neighbours(self):
        from hgcae.geometry.module import PREMUX_OF_CALQ, trigger_cell_xy

        assert sorted(econt.PHYSICS_MUX) == sorted(econt.POSTMUX_OF_CALQ) == list(range(48))
        np.testing.assert_array_equal(econt.PHYSICS_MUX[econt.POSTMUX_OF_CALQ], PREMUX_OF_CALQ)
        xy = np.empty((48, 2))
        xy[econt.POSTMUX_OF_CALQ] = trigger_cell_xy()
        groups = xy.reshape(12, 4, 2)
        assert np.linalg.norm(groups - groups.mean(axis=1, keepdims=True), axis=2).max() < 2.1


class TestRepeater:
    @given(CHARGES, DROP)
    def test_everything_comes_back(self, charges, drop):
        encoded = econt.encode_repeater(charges, drop)
        assert (encoded.bits == 336).all()
        np.testing.assert_array_equal(econt.decode_repeater(encoded.payload, drop), coarse(charges, drop))


def slow_outputs(charges, weights):
    """The autoencoder in floating-point numbers, which hold all its fixed-point ones exactly."""
    w = np.asarray(weights) / 32
    kernel, bias, dense, dense_bias = w[:72].reshape(3, 3, 8), w[72:80], w[80:2128].reshape(16, 128), w[2128:]
    total = int(charges.sum())
    scale = 2.0 ** (total.bit_length() - 1)
    image = np.zeros((9, 9))
    image[:4, :8] = charges[:32].reshape(4, 8)
    image[4:8, :4] = charges[32:].reshape(4, 4)
    image = np.floor(image / scale * 128) / 128
    features = np.zeros((4, 4, 8))
    for i in range(4):
        for j in range(4):
            products = np.floor(image[2 * i : 2 * i + 3, 2 * j : 2 * j + 3, None] * kernel * 128) / 128
            features[i, j] = np.maximum(products.sum(axis=(0, 1)) + bias, 0)
    values = (np.floor(features.reshape(128) * dense * 256) / 256).sum(axis=1) + dense_bias
    return np.clip(values * 256, 0, 511).astype(int)


class TestAutoencoder:
    @given(arrays(np.int64, 48, elements=st.integers(0, 1 << 18) | st.integers(0, 4)))
    def test_outputs_are_those_of_the_network(self, charges):
        payload = econt.encode_autoencoder(charges[None], np.array(WEIGHTS), 5).payload
        expected = slow_outputs(charges, WEIGHTS) if charges.sum() else np.clip(slow_outputs(np.zeros(48), WEIGHTS), 0, 511)
        np.testing.assert_array_equal(econt.decode_autoencoder(payload, 5)[0], expected)
        assert bits_of(payload, [9])[0, 0] == FLOAT_5E4M.encode(charges.sum()[None])[0]

    @pytest.mark.parametrize(("links", "bits"), [(1, 27), (2, 59), (3, 91), (4, 123), (5, 155), (13, 155)])
    def test_bits_by_links(self, links, bits):
        assert econt.encode_autoencoder(np.ones((1, 48), int), np.array(WEIGHTS), links).bits.tolist() == [bits]

    def test_fewer_links_send_the_last_bits_that_the_mask_keeps(self):
        charges = np.arange(48)[None]
        everything = econt.decode_autoencoder(econt.encode_autoencoder(charges, np.array(WEIGHTS), 5).payload, 5)
        keep = int("111110000" * 16, 2)
        sent = econt.decode_autoencoder(econt.encode_autoencoder(charges, np.array(WEIGHTS), 3, keep).payload, 3, keep)
        np.testing.assert_array_equal(sent, everything & 0b111110000)
        few = econt.decode_autoencoder(econt.encode_autoencoder(charges, np.array(WEIGHTS), 1).payload, 1)
        assert few[0, :2].tolist() == everything[0, :2].tolist()
        assert (few[0, 2:] == 0).all()

    @pytest.mark.parametrize("weights", [np.zeros(2143, int), np.full(2144, 32)])
    def test_other_weights_are_refused(self, weights):
        with pytest.raises(SettingsError, match="2144"):
            econt.encode_autoencoder(np.zeros((1, 48), int), weights, 2)

    def test_weights_come_from_a_keras_file(self, tmp_path):
        values = np.array(WEIGHTS) / 32 + 0.01
        with h5py.File(tmp_path / "encoder.hdf5", "w") as file:
            file["conv2d_0_m/conv2d_0_m/kernel:0"] = values[:72].reshape(3, 3, 1, 8)
            file["conv2d_0_m/conv2d_0_m/bias:0"] = values[72:80]
            file["encoded_vector/encoded_vector/kernel:0"] = values[80:2128].reshape(128, 16)
            file["encoded_vector/encoded_vector/bias:0"] = np.full(16, 5.0)
        read = econt.weights_from_hdf5(tmp_path / "encoder.hdf5")
        assert read[:2128].tolist() == list(WEIGHTS[:2128])
        assert (read[2128:] == 31).all()
        with h5py.File(tmp_path / "encoder.hdf5", "a") as file:
            del file["conv2d_0_m/conv2d_0_m/kernel:0"]
            file["conv2d_0_m/conv2d_0_m/kernel:0"] = np.zeros((3, 3, 3, 8))
        with pytest.raises(DataFormatError, match="conv2d_0_m/conv2d_0_m/kernel:0: found"):
            econt.weights_from_hdf5(tmp_path / "encoder.hdf5")
        (tmp_path / "no.hdf5").write_text("no")
        with pytest.raises(DataFormatError, match="HDF5"):
            econt.weights_from_hdf5(tmp_path / "no.hdf5")

    @pytest.mark.parametrize(
        "change",
        [
            lambda file, name: file.__setitem__(name, h5py.SoftLink("/encoded_vector/encoded_vector/bias:0")),
            lambda file, name: file.__setitem__(name, h5py.ExternalLink("other.hdf5", "/bias")),
            lambda file, name: file.create_dataset(name, (8,), "f4", external=[("other.hdf5", 0, 32)]),
            lambda file, name: file.create_virtual_dataset(name, h5py.VirtualLayout((8,), "f4")),
            lambda file, name: file.create_dataset(name, (2**40,), "f4", chunks=(2**20,), compression="gzip"),
            lambda file, name: file.create_dataset(name, (8,), "i4"),
            lambda file, name: file.create_group(name),
        ],
        ids=["soft link", "external link", "external bytes", "virtual", "huge", "integers", "group"],
    )
    def test_only_arrays_in_the_file_itself_are_read(self, tmp_path, change):
        with h5py.File(tmp_path / "other.hdf5", "w") as file:
            file["bias"] = np.zeros(8)
        with h5py.File(tmp_path / "encoder.hdf5", "w") as file:
            for layer, shapes in (("conv2d_0_m", ((3, 3, 1, 8), (8,))), ("encoded_vector", ((128, 16), (16,)))):
                for name, shape in zip(("kernel", "bias"), shapes, strict=True):
                    file[f"{layer}/{layer}/{name}:0"] = np.zeros(shape)
            del file["conv2d_0_m/conv2d_0_m/bias:0"]
            change(file, "conv2d_0_m/conv2d_0_m/bias:0")
        with pytest.raises(DataFormatError, match="encoder.hdf5: content: found conv2d_0_m/conv2d_0_m/bias:0: "):
            econt.weights_from_hdf5(tmp_path / "encoder.hdf5")


@pytest.mark.parametrize("charges", [np.zeros((2, 47), int), np.zeros((2, 48)), np.full((1, 48), -1), np.zeros(48, int)])
def test_charges_that_are_none_are_refused(charges):
    with pytest.raises(DataFormatError, match="charges"):
        econt.encode_repeater(charges)


def test_short_payloads_are_refused():
    with pytest.raises(DataFormatError, match="at least 154 bits"):
        econt.decode_best_choice(np.zeros((1, 19), np.uint8), 5)
