"""`hgcae econt`: what an ECON-T makes of its input words, and what its output words say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hgcae.cli import console

ConfigArgument = Annotated[Path, typer.Argument(metavar="CONFIG", help="Registers (a reference init.yaml) or settings, YAML.")]
EncoderOption = Annotated[Path | None, typer.Option(metavar="HDF5", help="Weights of the autoencoder, instead of those in CONFIG.")]

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A setting that CONFIG lacks, e.g. reversed_map=true for the production chip. Repeatable."
    ),
]

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Emulate the ECON-T, the trigger concentrator, as its reference vectors have it."
)


def run(
    config: ConfigArgument,
    words: Annotated[Path, typer.Argument(metavar="INPUT", help="Input words: RX_DATA_0 ... RX_DATA_11, hexadecimal, csv.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUTPUT", help="Output words to write: TX_DATA_0 ... TX_DATA_12.")],
    encoder: EncoderOption = None,
    assignments: SetOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Turn input words into output words, one line per bunch crossing.

    An input word has the header 9 at the start of an orbit, else a, and four 7-bit codes. Nothing is written unless all words are good.

    Examples:
      hgcae econt run init.yaml testInput.csv -o testOutput.csv
      hgcae econt run init.yaml testInput.csv -o testOutput.csv --encoder encoder.hdf5 --json
    """
    from hgcae.frontend.econt import EcontConfig, Emulator, read_words, write_words

    settings = EcontConfig.from_yaml(config, assignments or (), encoder)
    result = Emulator(settings).run(read_words(words, "RX_DATA"), words)
    write_words(out, "TX_DATA", result)
    metrics = {"file": str(out), "algorithm": settings.algorithm, "links": settings.links, "bunch_crossings": len(result)}
    console.show(metrics, as_json=as_json)


def decode(
    config: ConfigArgument,
    words: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Output words: TX_DATA_0 ... TX_DATA_12, hexadecimal, csv.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="CHARGES", help="Charges to write, csv.")],
    encoder: EncoderOption = None,
    assignments: SetOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Turn output words into charges CALQ_0 ... CALQ_47, in the order after the ECON-T's multiplexer; cells that were not sent are 0.

    The autoencoder's 16 outputs are written as AE_0 ... AE_15, in units of 1/256: its decoder is no part of the front end.

    Examples:
      hgcae econt decode init.yaml testOutput.csv -o charges.csv
      hgcae econt decode init.yaml testOutput.csv -o charges.csv --set reversed_map=true --set keep_zeros=true
    """
    import numpy as np

    from hgcae.frontend.econt import EcontConfig, Emulator, read_words
    from hgcae.outputs import atomic_path

    settings = EcontConfig.from_yaml(config, assignments or (), encoder)
    values = Emulator(settings).decode(read_words(words, "TX_DATA"), words)
    name = "AE" if settings.algorithm == "autoencoder" else "CALQ"
    header = ",".join(f"{name}_{i}" for i in range(values.shape[1]))
    with atomic_path(out) as temporary:
        np.savetxt(temporary, values, fmt="%d", delimiter=",", header=header, comments="")
    metrics = {"file": str(out), "algorithm": settings.algorithm, "bunch_crossings": len(values), "sum": int(values.sum())}
    console.show(metrics, as_json=as_json)


for verb in (run, decode):
    app.command(help=console.manual(verb))(verb)
