"""Pictures of a training, one after the other, as a film."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from hgcae.errors import DataFormatError, MissingToolError, SettingsError
from hgcae.outputs import atomic_path

_PALETTE_FRAMES = 4


def animate(
    frames: Sequence[str | Path], path: str | Path, *, fps: int = 10, max_frames: int | None = None, max_width: int | None = None
) -> Path:
    """Joins pictures to a film; only one of them is in memory at a time.

    All frames get the size of the largest picture, even in width and height as video formats want it; smaller ones lie on white.

    Args:
        frames: PNG files in order.
        path: `.mp4` (H.264, plays everywhere) or `.gif`.
        fps: Pictures per second.
        max_frames: If there are more pictures, so many are taken evenly, the first and the last among them.
        max_width: Wider films are shrunk to this width, pixels.

    Returns:
        The path.

    Raises:
        SettingsError: Another suffix, or nothing to show.
        DataFormatError: A frame is missing or not a picture.
        MissingToolError: The video encoder is not installed.
    """
    path = Path(path)
    if path.suffix not in (".mp4", ".gif"):
        msg = f"{path}: films are written as .mp4 or .gif"
        raise SettingsError(msg)
    chosen = [Path(frame) for frame in frames]
    if max_frames is not None and len(chosen) > max_frames:
        chosen = [chosen[i] for i in np.linspace(0, len(chosen) - 1, max_frames).round().astype(int)]
    if not chosen or fps <= 0:
        msg = f"{path}: found {len(chosen)} pictures at {fps} per second, expected at least one"
        raise SettingsError(msg)
    width, height = np.array([_size(frame) for frame in chosen]).max(axis=0).tolist()
    shrink = 1.0 if max_width is None else min(1.0, max_width / width)
    pictures = (_picture(frame, (width, height), shrink) for frame in chosen)
    with atomic_path(path) as temporary:
        if path.suffix == ".mp4":
            _write_mp4(pictures, temporary, fps)
        else:
            some = [chosen[i] for i in np.linspace(0, len(chosen) - 1, _PALETTE_FRAMES).round().astype(int)]
            _write_gif(pictures, _palette([_picture(frame, (width, height), shrink) for frame in some]), temporary, fps)
    return path


def _size(frame: Path) -> tuple[int, int]:
    with _opened(frame) as picture:
        return picture.size


def _opened(frame: Path) -> Image.Image:
    try:
        return Image.open(frame)
    except OSError as error:
        found = "no picture" if isinstance(error, UnidentifiedImageError) else error.strerror or "an error"
        raise DataFormatError(source=frame, where="file", found=found, expected="a PNG picture") from None


def _picture(frame: Path, canvas: tuple[int, int], shrink: float) -> Image.Image:
    """Returns a frame on a white canvas, shrunk, and extended by at most a pixel to even sides."""
    paper = Image.new("RGB", canvas, "white")
    try:
        with _opened(frame) as picture:
            paper.paste(picture.convert("RGB"), (0, 0))
    except (OSError, SyntaxError):
        raise DataFormatError(source=frame, where="content", found="a damaged picture", expected="a PNG picture") from None
    if shrink < 1:
        paper = paper.resize((round(canvas[0] * shrink), round(canvas[1] * shrink)), Image.Resampling.LANCZOS)
    even = Image.new("RGB", (paper.width + paper.width % 2, paper.height + paper.height % 2), "white")
    even.paste(paper, (0, 0))
    return even


def _write_mp4(pictures: Iterator[Image.Image], path: Path, fps: int) -> None:
    try:
        from imageio_ffmpeg import write_frames
    except ImportError:
        msg = "films as .mp4 need the package imageio-ffmpeg"
        raise MissingToolError(msg) from None
    # imageio-ffmpeg would fork in a way that may lock up a program with threads, such as one that has trained with JAX.
    os.environ.setdefault("IMAGEIO_FFMPEG_NO_PREVENT_SIGINT", "1")
    first = next(pictures)
    # A short film is no reason for a warning.
    film = write_frames(path, first.size, fps=fps, quality=8, codec="libx264", macro_block_size=2, ffmpeg_log_level="error")
    film.send(None)
    try:
        for picture in chain([first], pictures):
            film.send(picture.tobytes())
    finally:
        film.close()


def _palette(pictures: Sequence[Image.Image]) -> Image.Image:
    """Returns one palette for a whole film, which keeps its colours steady, from some of its frames one below the other."""
    height = pictures[0].height
    strip = Image.new("RGB", (pictures[0].width, height * len(pictures)))
    for i, picture in enumerate(pictures):
        strip.paste(picture, (0, i * height))
    return strip.quantize(256)


def _write_gif(pictures: Iterator[Image.Image], palette: Image.Image, path: Path, fps: int) -> None:
    reduced = (picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures)
    next(reduced).save(path, save_all=True, append_images=reduced, duration=1000 / fps, loop=0, optimize=False)
