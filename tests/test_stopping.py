"""Ctrl-C and SIGTERM end a command with one line and their status, wherever they fall, and are never lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import types

import pytest

from hgcae import stopping
from hgcae.cli.console import run_app
from hgcae.parallel import ahead, in_order


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def callback(package: str):
    """A function of another package, which sends a signal as a user does meanwhile."""
    module = types.ModuleType(package)
    exec(compile("def call(send, number):\n    send(number)\n    return 'through'", package, "exec"), module.__dict__)  # noqa: S102
    return module.call  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_at_once_in_code_of_its_own(number):
    with stopping.stoppable(), pytest.raises(stopping.Stopped) as raised:
        send(number)
    assert raised.value.code == 128 + number
    stopping.check()


@pytest.mark.parametrize("package", ["jax._src.lib", "jaxlib.xla_client", "keras.src.ops", "_weakrefset"])
def test_callbacks_are_left_in_peace_and_the_next_safe_point_stops(package):
    with stopping.stoppable():
        assert callback(package)(send, signal.SIGINT) == "through"
        with pytest.raises(stopping.Stopped):
            stopping.check()


SAFE_POINTS = {
    "in order": lambda tmp_path: list(in_order(lambda x: x, [(1,)], 0)),
    "in threads": lambda tmp_path: list(in_order(lambda x: x, [(1,)], 2)),
    "ahead": lambda tmp_path: list(ahead([1])),
}


@pytest.mark.parametrize("point", SAFE_POINTS.values(), ids=SAFE_POINTS)
def test_work_that_is_divided_has_safe_points(point, tmp_path):
    with stopping.stoppable():
        callback("jax")(send, signal.SIGINT)
        with pytest.raises(stopping.Stopped):
            point(tmp_path)


def swallow() -> None:
    with pytest.raises(stopping.Stopped):
        send(signal.SIGINT)


def fail() -> None:
    swallow()
    raise RuntimeError


def late() -> None:
    callback("jax")(send, signal.SIGINT)


@pytest.mark.parametrize("app", [swallow, fail, late, lambda: send(signal.SIGINT)], ids=["swallowed", "failed", "late", "plain"])
def test_a_command_tells_in_one_line(app, capsys):
    """Whoever swallowed the exception, and whatever came of that."""
    with pytest.raises(SystemExit) as raised:
        run_app(lambda: (app(), stopping.check()), "hgcae")
    assert raised.value.code == 130
    assert capsys.readouterr().err == "hgcae: stopped; what is finished is kept, the same command does the rest\n"


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, timeout=60)


def test_a_second_signal_ends_at_once():
    done = run(
        """
        import os, signal, time
        from hgcae import stopping
        with stopping.stoppable():
            for pause in (0, 0.1, 1.2):  # twice at the same time is once
                time.sleep(pause)
                try:
                    os.kill(os.getpid(), signal.SIGINT)
                except stopping.Stopped:
                    pass
            print("goes on")
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_who_never_comes_to_a_safe_point_is_ended():
    done = run(
        """
        import os, signal, threading
        from hgcae import stopping
        from hgcae.cli.console import run_app

        def app():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                threading.Event().wait()  # a library's own

        stopping.GRACE_S = 0.5
        run_app(app, "hgcae")
        """
    )
    assert (done.returncode, done.stderr) == (143, "hgcae: stopped; what is finished is kept, the same command does the rest\n")


def test_signals_that_are_put_off_stop_at_the_end_and_not_who_was_forked_meanwhile():
    done = run(
        """
        import os, signal, time
        from hgcae import stopping
        with stopping.stoppable():
            try:
                with stopping.deferred():
                    receiver, sender = os.pipe()
                    child = os.fork()
                    if not child:
                        os.read(receiver, 1)
                        os._exit(7)
                    for process in (child, os.getpid()):
                        os.kill(process, signal.SIGTERM)
                    time.sleep(0.2)
                    os.write(sender, b"!")
                    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
                print("goes on")
            except stopping.Stopped as stopped:
                print(stopped.code)
        """
    )
    assert (done.stdout.split(), done.stderr) == (["7", "143"], "")


def test_signals_that_are_ignored_stay_so():
    done = run(
        """
        import os, signal
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        from hgcae import stopping
        with stopping.stoppable():
            os.kill(os.getpid(), signal.SIGINT)
            stopping.check()
        print("done")
        """
    )
    assert done.stdout == "done\n"


def test_processes_that_work_for_a_killed_one_end():
    done = run(
        """
        import multiprocessing, os, time
        from hgcae import stopping

        def work(pipe):
            stopping.attend()
            pipe.send(os.getpid())
            time.sleep(600)

        receiver, sender = multiprocessing.Pipe(duplex=False)
        for _ in range(2):
            multiprocessing.get_context("fork").Process(target=work, args=(sender,)).start()
        print(receiver.recv() != receiver.recv(), flush=True)
        stopping.forks_end_with_this()
        kept = multiprocessing.Manager()  # a library's own process
        os._exit(9)
        """
    )
    # It has ended within its time, and so have all that hold its standard output.
    assert (done.returncode, done.stdout) == (9, "True\n")
