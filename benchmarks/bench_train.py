"""Speed of training: hgcae sparse and dense next to TensorFlow and QKeras, on the same events, weights and machine.

    python benchmarks/bench_train.py [--quick] [--peer PYTHON]

Every level is trained alone at batch 32, the levels below frozen, as in 1,996 of the 2,000 epochs of the original schedule. The network
of the original sees codes. The sampled mode, above TRIPLET, decodes a share of the empty ROCs, drawn anew in each step and weighted; the
exact mode is measured at every level. `dense` is hgcae on the same events with one count in every empty ROC, so that nothing can be
skipped. The peer, where an interpreter that has it is given, starts from the same weights and sees the same events in the same order;
losses of every step and codes, before the first step and after the last, are compared. `--same` does nothing but that, in 50 steps of one
event at every level.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import machine
import numpy as np
import reference
import samples
import typer
from rich.console import Console
from rich.table import Table

from hgcae.events import Events
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.layers import TransposedConvolution
from hgcae.model.presets import l1_preset, original_preset
from hgcae.model.sparse import Tree
from hgcae.parallel import ahead
from hgcae.train.batches import Batch, Batches
from hgcae.train.loop import StageLoop
from hgcae.train.losses import LossSettings
from hgcae.train.schedule import Stage

BATCH = 32
EMPTY_SHARE = 0.03
RANDOM_SEED = 5
SAME_BATCH, SAME_STEPS = 1, 50


def filled(events: Events) -> Events:
    """Returns the events with one count in the first trigger cell of every empty ROC."""
    dense = events.to_dense().reshape(len(events), -1, 16)
    dense[..., 0] += ~dense.any(axis=2)
    return Events.from_dense(dense.reshape(len(events), *events.hierarchy.shape), events.hierarchy)


def train(model: Autoencoder, events: Events, level: str, passes: int, batch_size: int = BATCH, **options: Any) -> dict[str, Any]:
    """Trains one level over the events, pass after pass; the speed is that of the median step after the first pass."""
    hierarchy = model.hierarchy
    stage = Stage(loss_level=level, trains=(level,), epochs=1, batch=batch_size, **options)
    steps, lower = max(1, len(events) // batch_size), hierarchy.below(level)
    tree = Tree.build(model.digi(events), level, level, None if lower is None else model.encode_events(events, lower))
    before = [np.array(v.value) for v in model.level(level).weights]
    codes = [model.encode_events(events[:batch_size], level).dense(hierarchy)]
    batches = Batches(stage, tree, hierarchy)
    loop = StageLoop(model, stage, level, LossSettings(), None)
    losses, seconds = [], []
    for _ in range(passes):
        begin = time.perf_counter()
        # Its first step waits for the first batch.
        for batch in ahead(map(loop.place, batches.draw(np.random.default_rng(RANDOM_SEED), steps))):
            losses.append(float(loop.step(batch)))
            seconds.append(time.perf_counter() - begin)
            begin = time.perf_counter()
    # The first pass also compiles.
    warm, steady = sum(seconds[:steps]), seconds[steps:]
    rate = batch_size / float(np.median(steady))
    loop.store_weights()
    codes.append(model.encode_events(events[:batch_size], level).dense(hierarchy))
    for variable, value in zip(model.level(level).weights, before, strict=True):
        variable.assign(value)
    return {
        "losses": losses,
        "codes": [c.reshape(-1, c.shape[-1]) for c in codes],
        "events_per_s": rate,
        "rocs_per_s": rate * len(events.units("ROC")[0]) / len(events),
        "step_s": steady,
        "first_pass_s": warm,
        "gflops": step_operations(model, level, batch) / float(np.median(steady)) / 1e9,
        "compilations": loop.compilations,
        "peak_rss_gib": machine.peak_rss_gib(),
    }


def multiplications(network: Any) -> int:
    """Returns the multiply-adds that a Keras network needs for one unit, padding and zeros not counted."""
    total = 0
    for layer in network.layers:
        if not hasattr(layer, "kernel"):
            continue
        # A dense layer acts on every pixel of its output, a transposed convolution on every pixel of its input.
        shape = layer.input.shape if isinstance(layer, TransposedConvolution) else layer.output.shape
        total += int(np.prod(layer.kernel.shape)) * int(np.prod(shape[1:-1]))
    return total


def step_operations(model: Autoencoder, level: str, batch: Batch) -> float:
    """Returns the floating-point operations that a step needs; gradients of inputs and of weights cost as much as the result."""
    rows = int((batch.weight > 0).sum()) if not batch.picks else len(np.unique(np.asarray(batch.picks[0].parent)))
    total, learned = 0.0, model.level(level)
    total += 3 * 2 * rows * (multiplications(learned.encoder) + multiplications(learned.decoder))
    picks, name = list(batch.picks), model.hierarchy.below(level)
    while name is not None:
        upper = model.hierarchy.names[model.hierarchy.names.index(name) + 1]
        rows = len(picks.pop(0).parent) if picks else rows * model.hierarchy.level(upper).children
        total += 2 * 2 * rows * multiplications(model.level(name).decoder)
        name = model.hierarchy.below(name)
    return total


def compare(found: dict[str, Any], peer: dict[str, Any]) -> None:
    """Adds how far losses and codes are from the peer's to what was found, and drops the codes of both."""
    mine, theirs = found.pop("codes"), peer.pop("codes")
    found["largest_loss_difference"] = loss_difference(found, peer)
    found["differing_codes"] = [float(np.mean(a != np.array(b, dtype=np.float32))) for a, b in zip(mine, theirs, strict=True)]


def loss_difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Returns the largest difference between the losses of two trainings, step by step."""
    n = min(len(one["losses"]), len(other["losses"]))
    return float(np.abs(np.subtract(one["losses"][:n], other["losses"][:n])).max())


def same(python: Path) -> dict[str, Any]:
    """Compares losses and codes of a few steps at every level with those of TensorFlow and QKeras, and theirs with and without oneDNN."""
    events = samples.electrons(2 * SAME_BATCH)
    model = samples.model_for(original_preset, events)
    task = {"batch": SAME_BATCH, "steps": {"levels": model.hierarchy.names, "count": SAME_STEPS}}
    plain, usual = (reference.run(python, model, events, events[:0], task, environment=e)["levels"] for e in (reference.PLAIN, {}))
    rows = {}
    for name in model.hierarchy.names:
        rows[name] = train(model, events, name, SAME_STEPS // 2, SAME_BATCH)
        compare(rows[name], plain[name])
        rows[name]["of_the_peer_itself"] = loss_difference(plain[name], usual[name])
        difference, differing = rows[name]["largest_loss_difference"], rows[name]["differing_codes"]
        print(f"  {name}: losses {difference:.2g} apart at most, codes {differing[0]:.2g} before, {differing[1]:.2g} after", flush=True)
        print(f"    the peer with and without oneDNN: {rows[name]['of_the_peer_itself']:.2g}", flush=True)
    return {"batch": SAME_BATCH, "steps": SAME_STEPS, "levels": rows}


def main(
    quick: Annotated[bool, typer.Option(help="Fewer events and steps, and no exact mode above TRIPLET.")] = False,
    peer_python: Annotated[
        Path | None, typer.Option("--peer", help="Interpreter of an environment that has TensorFlow and QKeras.")
    ] = None,
    only_same: Annotated[bool, typer.Option("--same", help="Compare losses and codes with the peer's, no more.")] = False,
) -> None:
    """Measures the events/s of training at every level."""
    if only_same and peer_python is not None:
        print(machine.write("same", same(peer_python)))
        return
    n, passes = (2 * BATCH, 3) if quick else (4 * BATCH, 5)
    events = samples.electrons(n)
    hierarchy = events.hierarchy
    original = samples.model_for(original_preset, events)
    result: dict[str, Any] = {
        "batch": BATCH,
        "events": n,
        "rocs_per_event": len(events.units("ROC")[0]) / n,
        "empty_share": EMPTY_SHARE,
        "matmul_peak_gflops": machine.matmul_peak_gflops(),
        "levels": {},
    }
    for name in hierarchy.names:
        row = result["levels"][name] = {}
        upper = name in hierarchy.names[3:]
        if not (upper and quick):
            row["exact"] = train(original, events, name, passes)
        if upper:
            row["sampled"] = train(original, events, name, passes, empty_share=EMPTY_SHARE)
        print(f"  {name}: { ({k: round(v['events_per_s'], 1) for k, v in row.items()}) } events/s", flush=True)
    result["dense"] = {"ROC": train(original, filled(events[:BATCH]), "ROC", 3)}
    l1 = samples.model_for(l1_preset, events)
    result["l1"] = {"ROC": train(l1, events, "ROC", 5)}
    if peer_python is not None:
        task = {"batch": BATCH, "steps": {"levels": hierarchy.names, "count": passes * (n // BATCH)}}
        result["peer"] = reference.run(peer_python, original, events, events[:0], task)
        for name, row in result["peer"]["levels"].items():
            compare(result["levels"][name]["exact" if "exact" in result["levels"][name] else "sampled"], row)
    for row in (*(row for modes in result["levels"].values() for row in modes.values()), result["dense"]["ROC"], result["l1"]["ROC"]):
        row.pop("codes", None)
    show(result)
    print(machine.write("train", result))


def show(result: dict[str, Any]) -> None:
    """Prints the table."""
    table = Table("level", "mode", "events/s", "peer", "ratio", "last loss", "peer's", "peak", "compiled")
    theirs = result.get("peer", {}).get("levels", {})
    rows = [(name, mode, found) for name, modes in result["levels"].items() for mode, found in modes.items()]
    rows += [(name, kind, found) for kind in ("dense", "l1") for name, found in result[kind].items()]
    for name, mode, found in rows:
        other = theirs.get(name)
        ratio = "" if other is None else f"{found['events_per_s'] / other['events_per_s']:.1f}"
        theirs_last = f"{other['losses'][-1]:.6g}" if other and mode in ("exact", "sampled") else ""
        rate = "" if other is None else f"{other['events_per_s']:.2f}"
        share = f"{100 * found['gflops'] / result['matmul_peak_gflops']:.0f} %"
        last = f"{found['losses'][-1]:.6g}"
        table.add_row(name, mode, f"{found['events_per_s']:.1f}", rate, ratio, last, theirs_last, share, str(found["compilations"]))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
