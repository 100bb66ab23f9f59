"""Progress: nothing where it is quick, a line now and then where there is no terminal."""

from __future__ import annotations

from alur.cli.progress import Ticker


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_what_is_quick_says_nothing(capsys):
    clock = Clock()
    with Ticker("counting", clock=clock) as ticker:
        for clock.now in (0.5, 1.0, 1.9):
            ticker.show(1)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_what_takes_longer_says_how_far_it_is_on_stderr_now_and_then(capsys):
    clock = Clock()
    with Ticker("counting", total=2_000, clock=clock) as ticker:
        for clock.now in (2.5, 3.0, 6.0, 7.6, 8.0):
            ticker.show(int(clock.now * 100))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["counting: 250 of 2,000", "counting: 760 of 2,000"]


def test_words_take_the_place_of_the_number(capsys):
    clock = Clock()
    with Ticker("counting", clock=clock) as ticker:
        clock.now = 3
        ticker.show(12, "12 files")
        clock.now = 9
        ticker.show(1_234)
    assert capsys.readouterr().err.splitlines() == ["counting: 12 files", "counting: 1,234"]
