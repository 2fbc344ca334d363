from __future__ import annotations

import sys

import pytest
from imageio_ffmpeg import count_frames_and_secs, read_frames
from PIL import Image

from hgcae.errors import DataFormatError, MissingToolError, SettingsError
from hgcae.plots import animate


@pytest.fixture
def frames(tmp_path):
    paths = []
    for i in range(8):
        path = tmp_path / f"{i}.png"
        size = (121, 80) if i == 3 else (120, 81)
        Image.new("RGB", size, (30 * i, 0, 255 - 30 * i)).save(path)
        paths.append(path)
    return paths


def test_a_video_has_all_frames_in_one_even_size(frames, tmp_path):
    path = animate(frames, tmp_path / "film.mp4", fps=4)
    count, seconds = count_frames_and_secs(path)
    assert count == 8
    assert seconds == pytest.approx(2.0, abs=0.01)
    reader = read_frames(path)
    assert next(reader)["size"] == (122, 82)
    first = next(reader)
    reader.close()
    # H.264 keeps flat colours to a few counts; below the picture the paper is white.
    assert first[0] < 12
    assert first[2] > 240
    assert min(first[-6:]) > 235


def test_a_gif_is_thinned_out_and_shrunk(frames, tmp_path):
    path = animate(frames, tmp_path / "film.gif", fps=5, max_frames=4, max_width=60)
    with Image.open(path) as film:
        assert film.size == (60, 40)
        assert getattr(film, "n_frames", 1) == 4
        assert film.info["duration"] == 200
        colours = []
        for i in range(4):
            film.seek(i)
            colours.append(film.convert("RGB").getpixel((10, 10)))
    assert [colour[0] for colour in colours] == sorted(colour[0] for colour in colours)
    assert colours[-1] == (210, 0, 45)


def test_what_is_no_film_is_refused(frames, tmp_path):
    with pytest.raises(SettingsError, match=r"\.mp4 or \.gif"):
        animate(frames, tmp_path / "film.avi")
    with pytest.raises(SettingsError, match="found 0 pictures"):
        animate([], tmp_path / "film.gif")
    with pytest.raises(DataFormatError, match="No such file"):
        animate([tmp_path / "none.png"], tmp_path / "film.gif")


def test_damaged_frames_leave_no_film(frames, tmp_path):
    whole = frames[2].read_bytes()
    frames[2].write_bytes(b"not a picture")
    with pytest.raises(DataFormatError, match="no picture"):
        animate(frames, tmp_path / "film.gif")
    frames[2].write_bytes(whole[:-30])
    with pytest.raises(DataFormatError, match="a damaged picture"):
        animate(frames, tmp_path / "film.mp4")
    assert not (tmp_path / "film.mp4").exists()
    assert not list(tmp_path.glob(".film*"))


def test_a_missing_encoder_is_named(frames, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(MissingToolError, match="imageio-ffmpeg"):
        animate(frames, tmp_path / "film.mp4")
