"""Progress of long work, where there is no terminal."""

from __future__ import annotations

from hgcae.cli import console


def test_a_line_says_how_far_it_is_and_how_long_it_takes(capsys, monkeypatch):
    monkeypatch.setattr(console, "LINE_S", 0.0)
    with console.progress(10, "events") as update:
        update(5)
        update(6, "stage 2/8")
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("5 of 10 events, ")
    assert first.endswith(" left")
    assert second.startswith("6 of 10 events, stage 2/8, ")


def test_short_work_says_nothing(capsys):
    with console.progress(10, "events") as update:
        update(10)
    assert capsys.readouterr() == ("", "")
