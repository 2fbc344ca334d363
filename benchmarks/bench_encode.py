"""Speed of encoding: the integer path next to JAX in floats and ONNX Runtime, on random and on simulated ROCs.

    python benchmarks/bench_encode.py [--quick]

All encode the same ROCs with the `l1` encoder, charges in, codes out, on all cores; the codes must be equal. ONNX Runtime, where it is
installed (`pip install onnx onnxruntime`), runs the learned part alone: its input, the normalised shares, is given to it ready made.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import machine
import numpy as np
import samples
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hgcae.model.autoencoder import Autoencoder
from hgcae.model.presets import l1_preset

REPEATS = 7


def random_rocs(n: int) -> NDArray[np.float32]:
    """Draws ROCs from empty to full, with charges over four orders of magnitude."""
    rng = np.random.default_rng(1)
    charge = np.floor(rng.random((n, 16)) * 10 ** rng.uniform(0.5, 4, (n, 1))) * (rng.random((n, 16)) < rng.random((n, 1)))
    return charge.astype(np.float32)


def simulated_rocs(n: int) -> NDArray[np.float32]:
    """Returns the occupied ROCs of simulated electrons, repeated until there are `n`."""
    found = samples.electrons(400).units("ROC")[0].to_dense().reshape(-1, 16).astype(np.float32)
    return np.resize(found, (n, 16))


def onnx_session(model: Autoencoder) -> Callable[[NDArray[np.float32]], Any] | None:
    """Returns the learned part of the ROC encoder in ONNX Runtime, quantisers written as scale, round, and clip."""
    if importlib.util.find_spec("onnxruntime") is None or importlib.util.find_spec("onnx") is None:
        return None
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    level: Any = model.level("ROC")
    network = level.integer_encoder().network
    nodes, arrays, name = [], {}, "x"
    for i, layer in enumerate(network.layers):
        arrays |= {f"w{i}": layer.kernel.T.astype(np.float32), f"b{i}": layer.bias.astype(np.float32)}
        arrays |= {f"s{i}": np.float32(2.0**-layer.shift), f"l{i}": np.float32(layer.low), f"h{i}": np.float32(layer.high)}
        nodes += [
            helper.make_node("Gemm", [name, f"w{i}", f"b{i}"], [f"a{i}"]),
            helper.make_node("Mul", [f"a{i}", f"s{i}"], [f"m{i}"]),
            helper.make_node("Round", [f"m{i}"], [f"r{i}"]),
            helper.make_node("Clip", [f"r{i}", f"l{i}", f"h{i}"], [f"y{i}"]),
        ]
        name = f"y{i}"
    width = len(network.layers[-1].bias)
    graph = helper.make_graph(
        nodes,
        "roc_encoder",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 17])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width])],
        [numpy_helper.from_array(np.asarray(array), key) for key, array in arrays.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 9
    onnx.checker.check_model(made)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = machine.machine()["cores"]
    session = onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]


def best(action: Callable[[], Any]) -> float:
    """Returns the shortest of several runs, seconds."""
    action()
    return min(machine.timed(action) for _ in range(REPEATS))


def main(quick: Annotated[bool, typer.Option(help="Fewer ROCs.")] = False) -> None:
    """Measures ROC/s of the encoder and counts codes that differ."""
    n = 200_000 if quick else 1_000_000
    model = samples.model_for(l1_preset, samples.electrons(200))
    level: Any = model.level("ROC")

    def encode(x: NDArray[np.float32], workers: int | None = None) -> NDArray[np.float32]:
        return level.format.from_integers(level.integer_encoder().integers(x, workers))

    result: dict[str, Any] = {"rocs": n, "samples": {}}
    for name, x in (("random", random_rocs(n)), ("simulated", simulated_rocs(n))):
        expected, found = model.run("encode", "ROC", x), encode(x)
        row: dict[str, Any] = {"mismatches": int((expected != found).any(axis=1).sum())}
        seconds = {
            "integers": best(lambda x=x: encode(x)),
            "integers, one thread": best(lambda x=x: encode(x, workers=1)),
            "JAX float": best(lambda x=x: model.run("encode", "ROC", x)),
        }
        session = onnx_session(model)
        if session is not None:
            shares = np.asarray(level.features(x)[0])
            grid = np.rint(shares / level.settings.feature.step).astype(np.float32)
            learned = (session(grid) * level.settings.number.step)[found[:, 0] > 0]
            row["onnx_mismatches"] = int((learned != found[found[:, 0] > 0, -learned.shape[1] :]).any(axis=1).sum())
            seconds["ONNX Runtime, learned part"] = best(partial(session, grid))
        row["rocs_per_s"] = {key: n / value for key, value in seconds.items()}
        result["samples"][name] = row
    table = Table("sample", "path", "million ROC/s", "integers are faster by", "mismatches")
    for name, row in result["samples"].items():
        for key, rate in row["rocs_per_s"].items():
            ratio = row["rocs_per_s"]["integers"] / rate
            table.add_row(name, key, f"{rate / 1e6:.2f}", f"{ratio:.2f}", str(row["mismatches"]) if key == "integers" else "")
    Console().print(table)
    print(machine.write("encode", result))
    if any(row["mismatches"] for row in result["samples"].values()):
        sys.exit("codes differ")


if __name__ == "__main__":
    typer.run(main)
