"""Progress of long work, where there is no terminal."""

from __future__ import annotations

import pytest

from hgcae.cli import console


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(console, "time", clock)
    return clock


def test_a_line_every_half_minute_says_how_far_it_is_and_how_long_it_takes(capsys, clock):
    with console.progress(100, "events") as update:
        for done in range(1, 8):
            clock.now += 10
            update(done)
    assert capsys.readouterr().err.splitlines() == [
        "3 of 100 events, 0.1 events/s, 0:16:10 left",
        "6 of 100 events, 0.1 events/s, 0:15:40 left",
    ]


def test_a_resumed_work_is_as_fast_as_it_is_now(capsys, clock):
    with console.progress(40, "epochs") as update:
        for done in (20.5, 21.0):
            clock.now += 50
            update(done, "stage 2/8")
    assert capsys.readouterr().err.splitlines() == [
        "20.5 of 40 epochs, stage 2/8",
        "21 of 40 epochs, stage 2/8, 0.01 epochs/s, 0:31:40 left",
    ]


def test_short_work_says_nothing(capsys, clock):
    with console.progress(10, "events") as update:
        update(0)
        clock.now += 29
        update(10)
    assert capsys.readouterr() == ("", "")
