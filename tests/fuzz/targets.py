"""What is fuzzed: for each reader small files to start from, changes that reach it, and how it is called."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import yaml

from codec import drawn, graphs
from contracts.codec import random_modules
from fuzz import mutate
from fuzz.mutate import Random
from hgcae import store
from hgcae.cli import info
from hgcae.codec import Payload, UnitCodec, codec_from_config
from hgcae.codec.cms import graph_layers
from hgcae.codes import CodeFormat, Codes
from hgcae.errors import DataFormatError
from hgcae.evaluate import physics, read_module_results, read_physics, read_results, read_stress
from hgcae.evaluate.report import EvaluateSettings, write_results
from hgcae.events import Events
from hgcae.examples.mnist import data as mnist
from hgcae.examples.mnist.settings import ExampleSettings
from hgcae.frontend.econt import EcontConfig, Emulator, read_words, weights_from_hdf5, write_words
from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import PROTOTYPE
from hgcae.model import files
from hgcae.reading.plain_json import read_json
from hgcae.settings import override
from hgcae.simulate import SimulateSettings
from hgcae.sources import read_events, write_events
from hgcae.store.arrays import seal_zip
from hgcae.store.codes import read_codes, write_codes
from hgcae.store.results import write_results_file
from hgcae.studies.code_size.plan import ScanSettings
from hgcae.studies.points import read_point, write_point
from hgcae.train.checkpoint import Checkpoint
from hgcae.train.run import RunSettings
from hgcae.workflow.archive import check_archive, write_archive
from hgcae.workflow.settings import load_workflow
from sources.toys import archive as cms_archive

Change = Callable[[bytes, Sequence[bytes], Random], bytes]
MODULE = PROTOTYPE.rooted("MODULE")
GOLDEN = Path(__file__).parents[1] / "golden"
DATA = Path(os.environ.get("HGCAE_DATA") or "none")
_MOST_BYTES = 200_000
"""Real files that are larger are left out, or cut to a few lines."""


@dataclass(frozen=True)
class Target:
    """A reader.

    Args:
        name: Name of the reader.
        make: Writes the files of one or more seeds, each into a folder of its own.
        read: Reads the files in a folder; returns what was read, in a form that two equal contents share.
        changes: Changes, each as likely as the others.
        sealed: Whether the files carry a checksum of everything, so that nothing but the original content may be read.
        forged: Changes after which the checksum is right again: anything may be read then, in good order.
        pattern: Which files of a folder are changed.
    """

    name: str
    make: Callable[[Path], None]
    read: Callable[[Path], object]
    changes: tuple[Change, ...]
    sealed: bool = False
    forged: tuple[Change, ...] = field(default=())
    pattern: str = "*"


def toys(n: int = 6) -> Events:
    """Modules of a few cells with a per-event column of each shape."""
    rng = np.random.default_rng(1)
    dense = rng.integers(1, 500, size=(n, *MODULE.shape)) * (rng.random((n, *MODULE.shape)) < 0.1)
    columns = {"layer": np.arange(n), "eta": rng.normal(size=n), "meta": rng.normal(size=(n, 3))}
    return Events.from_dense(dense.astype(np.int32), MODULE, columns=columns)


def content(chunks: Iterator[Events]) -> list[object]:
    """Everything that is in events."""
    arrays: list[object] = []
    for chunk in chunks:
        arrays += [chunk.hierarchy.to_dict(), chunk.detector, chunk.offsets.tobytes(), chunk.cell.tobytes(), chunk.charge.tobytes()]
        arrays += [(name, str(values.dtype), values.tobytes()) for name, values in chunk.columns.items()]
        arrays += [(name, str(values.dtype), values.tobytes()) for name, values in chunk.particles.items()]
    return arrays


def only(folder: Path) -> Path:
    """The file of a folder with one."""
    return next(path for path in folder.iterdir() if not path.name.startswith("out"))


def _info(path: Path) -> None:
    with Path(os.devnull).open("w") as null, redirect_stdout(null):
        info.info(str(path), as_json=True)
        info.info(str(path))


def _read_parquet(folder: Path) -> object:
    path = only(folder)
    reader = store.Reader(path)
    read = [reader.provenance, reader.content_fingerprint, content(reader.chunks())]
    _info(path)
    return read


def _read_foreign(folder: Path) -> object:
    path = only(folder)
    write_events(folder / "out.parquet", read_events(path))
    _info(path)
    return None


def _read_cms(folder: Path) -> object:
    for events in read_events(only(folder), MODULE):
        events.validate()
    return None


def _make_parquet(folder: Path) -> None:
    shutil.copy(GOLDEN / "events-v1.parquet", _sub(folder, 0) / "a.parquet")
    store.write(_sub(folder, 1) / "a.parquet", toys().chunks(2), {"seed": 1, "source": "toys"})
    # Two row groups, one of one event.
    with store.Writer(_sub(folder, 2) / "a.parquet", {"seed": 2}, row_group_events=5) as writer:
        writer.write(toys())


def _make_pickle(folder: Path) -> None:
    for i, path in enumerate(sorted(GOLDEN.glob("digi-*.pickle"))):
        if path.stat().st_size < _MOST_BYTES:
            shutil.copy(path, _sub(folder, i) / "a.pickle")
    for i in range(6):
        meta = np.ones(3, [("a", "f4"), ("b", ">i2", 2)])
        (_sub(folder, 20 + i) / "a.pickle").write_bytes(pickle.dumps({"digi": np.ones((3, 4, 4), "u8") * 7, "meta": meta}, i))


def _make_csv(folder: Path) -> None:
    write_events(_sub(folder, 0) / "a.csv", [toys(3)])
    for i, path in enumerate(sorted(DATA.glob("cms_modules/*.csv")), 1):
        lines = islice(path.open("rb"), 8)
        (_sub(folder, i) / "a.csv").write_bytes(b"".join(lines))


def _make_cms(folder: Path) -> None:
    cms_archive(_sub(folder, 0) / "a.npz", np.random.default_rng(1))


def _make_model(folder: Path) -> None:
    from model.toys import MODULE as SMALL
    from model.toys import autoencoder, conserving_settings

    model = autoencoder(conserving_settings(SMALL), SMALL)
    files.save(model, _sub(folder, 0) / "model")
    write_archive(folder / "0" / "model", _sub(folder.parent / "archive", 0) / "a.zip")


def _read_model(folder: Path) -> object:
    header, arrays = files._read(folder / "model")
    return [header, [(name, values.tobytes()) for name, values in arrays.items()]]


def _make_checkpoint(folder: Path) -> None:
    rng = np.random.default_rng(1)
    weights = {f"ROC/encoder/{i}": rng.normal(size=(4, 3)).astype(np.float32) for i in range(3)}
    rows = [{"stage": 1, "loss_level": "ROC", "epoch": i, "step": 10 * i, "loss_train": 0.5 / i, "loss_test": 0.6} for i in range(1, 4)]
    Checkpoint("abc", 3, 30, weights, [np.zeros(3, np.float32), np.array(5)], rows).save(_sub(folder, 0))


def _read_checkpoint(folder: Path) -> object:
    found = Checkpoint.load(folder, "abc")
    if found is None:
        raise DataFormatError(folder, "checkpoint", "none", "one")
    arrays = [(name, values.tobytes()) for name, values in found.weights.items()], [values.tobytes() for values in found.optimiser]
    return [found.fingerprint, found.epoch, found.step, arrays, found.history]


def _make_results(folder: Path) -> None:
    levels = {"ROC": {"n": 3, "emd": {"mean": 1.5, "error": 0.1, "bins": [1.0, 2.0]}}}
    write_results(_sub(folder, 0) / "results.json", levels, date="2026-01-01", settings=EvaluateSettings(), fingerprints={"model": "x"})
    write_results_file(_sub(folder, 1) / "stress.json", {"schema": 3, "cases": [{"name": "a", "levels": {}}], "metrics": {}})
    write_results_file(_sub(folder, 2) / "physics.json", {"schema": physics.SCHEMA, "showers": {"e-": {"mean": 1.5}}})
    write_results_file(_sub(folder, 3) / "modules.json", {"schema": 2, "results": []})


def _read_results(folder: Path) -> object:
    path = only(folder)
    readers = {"results": read_results, "stress": read_stress, "physics": read_physics, "modules": read_module_results}
    return readers[path.stem](path)


def _make_point(folder: Path) -> None:
    write_point(_sub(folder, 0), {"latent": 4, "bits": [1, 2]}, {"loss": 0.25, "rows": [1.5, 2.5]})


def _make_codes(folder: Path) -> None:
    rng = np.random.default_rng(1)
    events, units = np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4)
    form = CodeFormat(np.full(4, 5), np.full(4, -9, dtype=np.int32), np.ones(4, dtype=np.float32))
    codes = Codes("ROC", 4, events, units, rng.integers(0, 18, (12, 4)), form, np.full(4, 9))
    write_codes(_sub(folder, 0) / "a.npz", codes, {"model": "a", "events": "b"})


def _read_codes(folder: Path) -> object:
    found, made_of = read_codes(only(folder))
    arrays = found.event.tobytes(), found.unit.tobytes(), found.integers.tobytes()
    return [found.level, found.format.bits, found.n_events, arrays, made_of]


def _make_settings(folder: Path) -> None:
    texts = {
        "run": RunSettings(input="a.parquet").to_yaml(),
        "simulate": SimulateSettings().to_yaml(),
        "evaluate": EvaluateSettings().to_yaml(),
        "scan": yaml.safe_dump(ScanSettings().model_dump(mode="json")),
        "example": ExampleSettings(ndim=28).to_yaml(),
    }
    for i, (name, text) in enumerate(texts.items()):
        (_sub(folder, i) / f"{name}.yaml").write_text(text)


def _read_settings(folder: Path) -> object:
    path = only(folder)
    kinds = {
        "run": RunSettings,
        "simulate": SimulateSettings,
        "evaluate": EvaluateSettings,
        "scan": ScanSettings,
        "example": ExampleSettings,
    }
    settings = kinds[path.stem].from_yaml(path)
    settings.fingerprint()
    settings.to_yaml()
    return None


def _make_override(folder: Path) -> None:
    for i, text in enumerate(("gun.energy_gev=[2, 5]", "detector=testbeam", "gun.count=[1, 2]", "digitise.noise=false", "seed=3")):
        (_sub(folder, i) / "a").write_text(text)


def _read_override(folder: Path) -> object:
    text = only(folder).read_bytes().decode("utf-8", "replace")
    SimulateSettings.load(override({}, [text])).fingerprint()
    return None


def _make_detector(folder: Path) -> None:
    text = Detector.load("testbeam").settings.to_yaml()
    values = yaml.safe_load(text)
    (_sub(folder, 0) / "a.yaml").write_text(
        yaml.safe_dump(values | {"layers": values["layers"][:3], "levels": [["ROC", [4, 4]], ["MODULE", [3]], ["ALL", [3]]]})
    )
    (_sub(folder, 1) / "a.yaml").write_text(text)


def _read_detector(folder: Path) -> object:
    _info(only(folder))
    return None


def _make_workflow(folder: Path) -> None:
    events = {"events": 12, "chunk": 4, "simulate": {"detector": "testbeam", "gun": {"energy_gev": [1, 5]}}}
    values: dict[str, Any] = {
        "store": "store",
        "samples": {"electrons": events},
        "train": {"sample": "electrons", "settings": {"latent": 4}},
    }
    values["scan"] = [{"settings.latent": 4}, {"settings.latent": 2}]
    values["samples"]["mine"] = {"convert": {"source": "a.csv", "root": "MODULE"}}
    values["resources"] = {"default": {"cores": 1, "memory_mb": 500, "minutes": 60}}
    for i, style in enumerate((False, None)):
        (_sub(folder, i) / "a.yaml").write_text(yaml.safe_dump(values, sort_keys=False, default_flow_style=style))
        (folder / str(i) / "a.csv").write_text("CALQ_0\n1\n")


def _read_workflow(folder: Path) -> object:
    settings = load_workflow(folder / "a.yaml")
    settings.fingerprint()
    for sample in settings.samples.values():
        len(sample.chunks)
        sample.hierarchy()
    for point in range(-1, len(settings.scan)):
        settings.training(point)
    return None


def _make_registers(folder: Path) -> None:
    from frontend.econt.test_config import counts, masks, register_map, registers_of
    from frontend.econt.toys import WEIGHTS

    encoder: dict[str, Any] = masks(4, 7) | {"Encoder": registers_of(WEIGHTS)}
    encoder["FormatterBuffer"]["Global"]["keep_auto_encoder_bits"] = (1 << 144) - 1
    forms = (masks(0, 7), counts(1, 3), register_map(2, 4), encoder)
    for i, values in enumerate(forms):
        (_sub(folder, i) / "a.yaml").write_text(yaml.safe_dump(values))
    (_sub(folder, 9) / "a.yaml").write_text(EcontConfig(algorithm="threshold_sum", links=3, high_density=True).to_yaml())


def _read_registers(folder: Path) -> object:
    settings = EcontConfig.from_yaml(only(folder))
    words = np.full((4, 12), 0xA0000000, dtype=np.uint32)
    words[0] = 0x90001234
    Emulator(settings).run(words, "words")
    return None


def _make_words(folder: Path) -> None:
    rng = np.random.default_rng(1)
    inputs = rng.integers(0, 1 << 28, (5, 12)) | 0xA0000000
    inputs[0] = inputs[0] & 0x0FFFFFFF | 0x90000000
    write_words(_sub(folder, 0) / "RX_DATA.csv", "RX_DATA", inputs)
    for i, algorithm in enumerate(_ALGORITHMS):
        write_words(_sub(folder, 1 + i) / f"TX_DATA-{algorithm}.csv", "TX_DATA", Emulator(_econt(algorithm)).run(inputs, "inputs"))


_ALGORITHMS = ("threshold_sum", "super_cells", "best_choice", "repeater")


@cache
def _econt(algorithm: str) -> EcontConfig:
    return EcontConfig.load({"algorithm": algorithm, "links": 13 if algorithm == "repeater" else 4, "high_density": True})


def _read_words(folder: Path) -> object:
    path = only(folder)
    name, _, algorithm = path.stem.partition("-")
    if name == "RX_DATA":
        words = read_words(path, "RX_DATA")
        for settings in map(_econt, _ALGORITHMS):
            Emulator(settings).run(words, path)
    else:
        Emulator(_econt(algorithm)).decode(read_words(path, "TX_DATA"), path)
    return None


def _make_hdf5(folder: Path) -> None:
    for i, options in enumerate(({}, {"chunks": True, "compression": "gzip"})):
        with h5py.File(_sub(folder, i) / "a.hdf5", "w") as file:
            for layer, shapes in (("conv2d_0_m", ((3, 3, 1, 8), (8,))), ("encoded_vector", ((128, 16), (16,)))):
                for name, shape in zip(("kernel", "bias"), shapes, strict=True):
                    file.create_dataset(
                        f"{layer}/{layer}/{name}:0", data=np.random.default_rng(1).normal(size=shape).astype("f4"), **options
                    )
    real = DATA / "econt_vectors" / "AE" / "encoder.hdf5"
    if real.exists():
        shutil.copy(real, _sub(folder, 9) / "a.hdf5")


def _make_graph(folder: Path) -> None:
    rng = np.random.default_rng(1)
    kernel, bias, dense, dense_bias = (rng.normal(size=s).astype(np.float32) for s in ((3, 3, 3, 8), (8,), (128, 16), (16,)))
    (_sub(folder, 0) / "a.pb").write_bytes(graphs.encoder(kernel, bias, dense, dense_bias))
    (_sub(folder, 1) / "a.pb").write_bytes(graphs.huge(4))
    graphs.write_codec(_sub(folder, 2))
    for i, path in enumerate(sorted((folder / "2").iterdir())):
        path.rename(_sub(folder, 3 + i) / "a.pb")
    (folder / "2").rmdir()


def _make_codec(folder: Path) -> None:
    for i, codec in enumerate(drawn.codecs().values()):
        (_sub(folder, i) / "codec.json").write_text(json.dumps(codec.get_config()))
        payload = codec.encode(random_modules(12))
        rows = b"".join(struct.pack("<q", bits) + row.tobytes() for bits, row in zip(payload.bits.tolist(), payload.data, strict=True))
        (folder / str(i) / "payload").write_bytes(bytes([payload.data.shape[1]]) + rows)


def _read_codec(folder: Path) -> object:
    codec = codec_from_config(read_json(folder / "codec.json", "a codec"))
    codec.decode(codec.encode(random_modules(12)))
    return None


@cache
def _codec(config: bytes) -> UnitCodec:
    return codec_from_config(json.loads(config))


def _read_payload(folder: Path) -> object:
    codec = _codec((folder / "codec.json").read_bytes())
    width, *data = (folder / "payload").read_bytes() or b"\0"
    n = len(data) // (8 + width)
    rows = np.array(data[: n * (8 + width)], np.uint8).reshape(n, 8 + width)
    codec.decode(Payload(rows[:, 8:].copy(), rows[:, :8].copy().view(np.int64).reshape(n)))
    return None


def _make_mnist(folder: Path) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 256, (3, 28, 28), dtype=np.uint8), np.arange(3, dtype=np.uint8)
    np.savez(_sub(folder, 0) / "a.npz", x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])
    np.savez_compressed(_sub(folder, 1) / "a.npz", x_train=x, y_train=y, x_test=x, y_test=y, name=np.array("toys"))


def _sub(folder: Path, number: int) -> Path:
    path = folder / str(number)
    path.mkdir(parents=True, exist_ok=True)
    return path


def resealed_parquet(data: bytes, others: Sequence[bytes], rng: Random) -> bytes:
    """Changes the footer, whose checksum is put right."""
    size = struct.unpack("<I", data[-8:-4])[0]
    start = len(data) - 8 - size
    groups, _, magic = struct.unpack("<II8s", data[start - 16 : start])
    sums = data[start - 16 - 4 * groups : start - 16]
    changed = mutate.of_bytes(data[start : start + size], others, rng)
    footer = changed + struct.pack("<I", len(changed)) + data[-4:]
    return data[: start - 16] + struct.pack("<II8s", groups, zlib.crc32(sums + footer), magic) + footer


def resealed_zip(data: bytes, others: Sequence[bytes], rng: Random) -> bytes:
    """Changes members, whose checksums and whose seal are put right."""
    return seal_zip(_ZIP(data, others, rng))


def _json_in_npy(data: bytes, others: Sequence[bytes], rng: Random) -> bytes:
    if data[-1:] == b"}" and rng.random() < 0.8:
        start = data.index(b"\n") + 1
        header = np.frombuffer(mutate.of_json(data[start:], [data[start:]], rng), np.uint8)
        return data[: data.index(b"(") + 1] + f"{len(header)},)".encode() + data[data.index(b")") + 1 : start] + header.tobytes()
    return mutate.of_npy(data, others, rng)


_ZIP = mutate.of_zip(_json_in_npy)
_TEXT = (mutate.of_text, mutate.of_text, mutate.of_text, mutate.of_bytes)
_JSON = (mutate.of_json, mutate.of_json, mutate.of_text, mutate.of_bytes)
_NPZ = (mutate.of_bytes, mutate.of_zip(mutate.of_npy))

TARGETS: tuple[Target, ...] = (
    Target("Parquet", _make_parquet, _read_parquet, (mutate.of_bytes,), True, (resealed_parquet,)),
    Target("pickle", _make_pickle, _read_foreign, (mutate.of_bytes,)),
    Target("csv of charges", _make_csv, _read_foreign, _TEXT),
    Target("CMS npz", _make_cms, _read_cms, _NPZ),
    Target("model", _make_model, _read_model, (mutate.of_bytes, mutate.of_json), True, pattern="model/*"),
    Target("archive of a model", lambda _: None, lambda folder: check_archive(only(folder)), (mutate.of_bytes,), True),
    Target("checkpoint", _make_checkpoint, _read_checkpoint, (mutate.of_bytes, _ZIP), True, (resealed_zip,), "checkpoint.npz"),
    Target("history", _make_checkpoint, _read_checkpoint, _JSON, True, pattern="history.jsonl"),
    Target("results", _make_results, _read_results, _JSON, True),
    Target("point of a scan", _make_point, lambda folder: read_point(only(folder)), _JSON, True),
    Target("codes", _make_codes, _read_codes, (mutate.of_bytes, _ZIP), True, (resealed_zip,)),
    Target("settings", _make_settings, _read_settings, _TEXT),
    Target("assignment", _make_override, _read_override, _TEXT),
    Target("detector", _make_detector, _read_detector, _TEXT),
    Target("workflow", _make_workflow, _read_workflow, _TEXT, pattern="*.yaml"),
    Target("registers", _make_registers, _read_registers, _TEXT),
    Target("csv of words", _make_words, _read_words, _TEXT),
    Target("HDF5", _make_hdf5, lambda folder: weights_from_hdf5(only(folder)), (mutate.of_bytes,)),
    Target("graph", _make_graph, lambda folder: graph_layers(only(folder)), (mutate.of_bytes,)),
    Target("codec", _make_codec, _read_codec, _JSON, pattern="codec.json"),
    Target("payload", _make_codec, _read_payload, (mutate.of_bytes,), pattern="payload"),
    Target("MNIST npz", _make_mnist, lambda folder: mnist.read(only(folder)), _NPZ),
)


def make_seeds(folder: Path) -> None:
    """Writes all files to start from, and reads each: in a process of its own, because that builds a model and compiles."""
    for target in TARGETS:
        target.make(folder / target.name)
    (folder / "archive").rename(folder / "archive of a model")
    for target in TARGETS:
        for start in sorted((folder / target.name).iterdir()):
            with TemporaryDirectory() as copy:
                shutil.copytree(start, copy, dirs_exist_ok=True)
                target.read(Path(copy))


def digest(read: object) -> str:
    """Returns what two equal contents share."""
    return hashlib.sha256(repr(read).encode()).hexdigest()
