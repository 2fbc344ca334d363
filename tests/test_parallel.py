from __future__ import annotations

import itertools
import threading
import time

import pytest

from hgcae.parallel import ahead, in_order


class TestInOrder:
    @pytest.mark.parametrize("workers", [0, 1, 3])
    def test_results_keep_their_order(self, workers):
        def task(i):
            time.sleep(0.001 * (i % 3))
            return i

        assert list(in_order(task, ((i,) for i in range(20)), workers)) == list(range(20))

    def test_errors_arrive(self):
        with pytest.raises(ZeroDivisionError):
            list(in_order(lambda i: 1 / i, ((i,) for i in (1, 0)), 2))

    def test_no_more_in_work_than_needed(self):
        started = itertools.count()
        stream = in_order(lambda _: next(started), ((i,) for i in range(100)), 2)
        next(stream)
        stream.close()
        assert next(started) <= 4

    def test_who_gives_up_waits_for_nobody(self):
        """One of its own threads may have to close it, when it is the last to hold it."""
        enough = threading.Event()
        stream = in_order(lambda wait: wait and enough.wait(60), ((i > 0,) for i in range(100)), 1)
        next(stream)
        start = time.monotonic()
        stream.close()
        assert time.monotonic() - start < 30
        enough.set()


class TestAhead:
    def test_items_keep_their_order(self):
        assert list(ahead(iter(range(50)))) == list(range(50))

    def test_errors_arrive_in_their_place(self):
        def items():
            yield 1
            msg = "bad"
            raise ValueError(msg)

        stream = ahead(items())
        assert next(stream) == 1
        with pytest.raises(ValueError, match="bad"):
            next(stream)

    def test_work_goes_on_meanwhile_but_not_further_than_the_depth(self):
        made = []
        stream = ahead((made.append(i) or i for i in range(100)), depth=3)
        assert next(stream) == 0
        time.sleep(0.2)
        # Three wait, and one more is made and waits for room.
        assert 4 <= len(made) <= 5
        stream.close()

    def test_closing_ends_the_thread(self):
        before = threading.active_count()
        stream = ahead(itertools.count())
        next(stream)
        stream.close()
        assert threading.active_count() == before
