from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hgcae.errors import DataFormatError, SettingsError
from hgcae.model import files
from hgcae.model.autoencoder import Autoencoder
from hgcae.train.checkpoint import Checkpoint, read_history
from hgcae.train.loop import StageLoop
from hgcae.train.schedule import Stage
from hgcae.train.trainer import Progress, Trainer
from model.toys import MODULE, plain_settings
from train.toys import QUICK, STAGES, STEPS, trainer

TIMES = {"seconds", "events_per_s"}


def weights(model: Autoencoder) -> dict[str, np.ndarray]:
    return {name: values.copy() for name, values in files.weight_arrays(model).items()}


def assert_same_end(folder: Path, expected: Path) -> None:
    """The same weights, heads, optimiser and history, bit for bit; the times may differ."""
    for name in ("model", "checkpoint.npz"):
        mine, theirs = (next((f / name).glob("*.npz")) if name == "model" else f / name for f in (folder, expected))
        found, wanted = np.load(mine), np.load(theirs)
        assert set(found.files) == set(wanted.files)
        for key in {*wanted.files} - {"header"}:
            np.testing.assert_array_equal(found[key], wanted[key], err_msg=key)
    histories = [[{k: v for k, v in row.items() if k not in TIMES} for row in read_history(f)] for f in (folder, expected)]
    assert histories[0] == histories[1]


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Trainer:
    """A run that nobody stopped."""
    run = trainer(tmp_path_factory.mktemp("done") / "run")
    finish = run._finish_epoch

    def finish_and_copy(row: dict[str, Any], loop: StageLoop) -> None:
        finish(row, loop)
        shutil.copytree(run.folder, state(run, row["epoch"]))

    run._finish_epoch = finish_and_copy
    run.run()
    return run


def state(run: Trainer, epoch: int) -> Path:
    """The folder of a run as it was after an epoch."""
    return run.folder.parent / f"after{epoch}"


class TestRun:
    def test_only_the_levels_of_the_stage_learn(self, done):
        states = [weights(trainer(done.folder).model), *(weights(files.load(state(done, i))) for i in range(1, 7))]
        for i, (before, after) in enumerate(pairwise(states)):
            learned = "ROC/" if i < 3 else "MODULE/"
            for name in before:
                assert (before[name] != after[name]).any() == name.startswith(learned)

    def test_the_history_has_a_row_for_every_epoch(self, done):
        rows = read_history(done.folder)
        assert rows == done.history
        assert [(row["epoch"], row["stage"], row["step"]) for row in rows] == [(i, 1 + (i > 3), STEPS * i) for i in range(1, 7)]
        assert [row["trains"] for row in rows] == [["ROC"]] * 3 + [["MODULE"]] * 3
        assert all(np.isfinite(row["loss_train"]) and np.isfinite(row["loss_test"]) and row["events_per_s"] > 0 for row in rows)

    def test_the_learning_rate_falls_in_every_stage(self, done):
        rate = [row["learning_rate"] for row in done.history]
        assert (np.diff(rate[:3]) < 0).all()
        assert (np.diff(rate[3:]) < 0).all()
        np.testing.assert_allclose(rate[:3], rate[3:])
        assert max(rate) < QUICK["learning_rate"]

    def test_the_folder(self, done):
        assert {path.name for path in done.folder.iterdir()} == {"checkpoint.npz", "history.jsonl", "model"}
        loaded = files.load(done.folder)
        final = weights(done.model)
        assert all((values == final[name]).all() for name, values in weights(loaded).items())
        assert set(loaded.heads.energy) == {"ROC", "MODULE"}

    def test_a_finished_run_is_finished(self, done):
        again = trainer(done.folder)
        again.on_progress = again.on_epoch = stop
        before = contents(done.folder)
        again.run()
        assert contents(done.folder) == before
        assert again.history == done.history

    def test_progress(self, folder):
        seen: list[Progress] = []
        run = trainer(folder, STAGES[:1])
        run.on_progress = seen.append
        run.run()
        assert [(now.epoch, now.steps_done) for now in seen] == [(e, s + 1) for e in (1, 2, 3) for s in range(STEPS)]
        assert {(now.stage, now.epochs, now.steps) for now in seen} == {((1, STAGES[0]), 3, STEPS)}
        assert all(now.events_per_s > 0 for now in seen)

    def test_the_loss_falls(self, done):
        """Also on events never trained on, and also from the untrained upper level with the lower one frozen."""
        for first in (0, 3):
            for key in ("loss_train", "loss_test"):
                loss = [row[key] for row in done.history[first : first + 3]]
                assert loss == sorted(loss, reverse=True)
                assert loss[-1] < 0.9 * loss[0]

    def test_levels_together_and_codes_without_sums(self, folder):
        """The steps of the original schedule: whole events, squared error of codes, one rate."""
        stage = Stage(loss_level="MODULE", trains=("ROC", "MODULE"), epochs=3, batch=4, learning_rate=2e-3)
        run = trainer(folder, (stage,), plain_settings(MODULE).model_copy(update={"digi": "codes"}))
        assert run.tree(run.test, "ROC", "MODULE").base.max() == run.model.digi(run.test).charge.max() < 128
        before = weights(run.model)
        run.run()
        after = weights(run.model)
        assert all((before[name] != after[name]).any() for name in before)
        # 40 events in steps of 4; all 10 test events in steps of 4, 4 and 2.
        assert [row["step"] for row in run.history] == [10, 20, 30]
        np.testing.assert_allclose([row["learning_rate"] for row in run.history], 2e-3)
        assert run.history[2]["loss_train"] < run.history[0]["loss_train"]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stop(*_: Any) -> None:
    raise KeyboardInterrupt


def stop_at(epoch: int, step: int):
    def on_progress(now: Progress) -> None:
        if (now.epoch, now.steps_done) == (epoch, step):
            raise KeyboardInterrupt

    return on_progress


class TestResume:
    def test_a_stopped_run_ends_like_one_that_was_not(self, done, folder):
        """Stopped in the middle of epochs of both stages; once the same object goes on, otherwise a new one."""
        run = trainer(folder)
        for epoch, step in ((2, 3), (4, 1), (6, 3)):
            run.on_progress = stop_at(epoch, step)
            with pytest.raises(KeyboardInterrupt):
                run.run()
            assert len(read_history(folder)) == epoch - 1
            if epoch > 2:
                run = trainer(folder)
        run.on_progress = lambda _: None
        run.run()
        assert_same_end(folder, done.folder)

    @pytest.mark.parametrize("epoch", [3, 6])
    def test_stopped_after_the_last_epoch_of_a_stage(self, done, folder, epoch):
        shutil.copytree(state(done, epoch), folder)
        assert not files.load(folder).heads.energy
        trainer(folder).run()
        assert_same_end(folder, done.folder)

    @pytest.mark.parametrize("written", [["model"], ["model", "checkpoint.npz"]])
    def test_stopped_between_the_files_of_an_epoch(self, done, folder, written):
        """Model, checkpoint and history are written one after the other; the checkpoint decides."""
        shutil.copytree(state(done, 5), folder)
        for name in written:
            source, target = state(done, 6) / name, folder / name
            if source.is_dir():
                shutil.rmtree(target)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        trainer(folder).run()
        assert_same_end(folder, done.folder)

    @pytest.mark.parametrize("epoch", [2, 3])
    def test_stopped_after_a_chosen_epoch(self, done, folder, epoch):
        first = trainer(folder)
        first.last_epoch = epoch
        first.run()
        assert (first.epochs, len(first.history)) == (epoch, epoch)
        trainer(folder).run()
        assert_same_end(folder, done.folder)

    def test_with_several_shards(self, folder, tmp_path):
        """The 40 events come in three shards of as good as the same size, each epoch uses the next."""
        seen: list[tuple[int, int]] = []
        whole = trainer(tmp_path / "whole", STAGES[:1], shard_events=14)
        take = whole.train.take
        whole.train.take = lambda a, b: (seen.append((a, b)), take(a, b))[1]  # type: ignore[method-assign]
        whole.run()
        assert len(set(seen)) == 3
        assert {event for a, b in seen for event in range(a, b)} == set(range(40))
        for epoch in (2, 3):
            run = trainer(folder, STAGES[:1], shard_events=14)
            run.on_progress = stop_at(epoch, 1)
            with pytest.raises(KeyboardInterrupt):
                run.run()
        trainer(folder, STAGES[:1], shard_events=14).run()
        assert_same_end(folder, tmp_path / "whole")


class TestMistakes:
    def test_a_folder_of_another_run(self, done):
        before = contents(done.folder)
        for other in (
            trainer(done.folder, seed=2),
            trainer(done.folder, STAGES[:1]),
            trainer(done.folder, settings=plain_settings(MODULE)),
        ):
            with pytest.raises(SettingsError, match="other settings or other data"):
                other.run()
        other = trainer(done.folder)
        other.data_fingerprint = "else"
        with pytest.raises(SettingsError, match="other settings or other data"):
            other.run()
        assert contents(done.folder) == before

    def test_a_damaged_checkpoint(self, done, folder):
        shutil.copytree(done.folder, folder)
        path = folder / "checkpoint.npz"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with pytest.raises(DataFormatError, match=r"checkpoint\.npz"):
            trainer(folder).run()

    def test_stopped_before_the_first_checkpoint(self, done, folder):
        shutil.copytree(state(done, 1) / "model", folder / "model")
        trainer(folder).run()
        assert_same_end(folder, done.folder)

    @pytest.mark.parametrize("rows", [0, 2])
    def test_a_changed_history_is_put_right(self, done, folder, rows):
        shutil.copytree(state(done, 5), folder)
        (folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in done.history[:rows]))
        trainer(folder).run()
        assert_same_end(folder, done.folder)
        assert [json.loads(line)["epoch"] for line in (folder / "history.jsonl").read_text().splitlines()] == [1, 2, 3, 4, 5, 6]

    def test_a_lost_checkpoint_is_no_new_run(self, done, folder):
        shutil.copytree(done.folder, folder)
        (folder / "checkpoint.npz").unlink()
        before = contents(folder)
        with pytest.raises(DataFormatError, match=r"checkpoint\.npz: file: found none next to history\.jsonl"):
            trainer(folder).run()
        assert contents(folder) == before

    def test_an_optimiser_that_lacks_a_part_is_no_new_one(self, done, folder):
        shutil.copytree(state(done, 5), folder)
        checkpoint = Checkpoint.read(folder)
        assert checkpoint is not None
        for optimiser in ([], checkpoint.optimiser[:-1], checkpoint.optimiser[::-1]):
            replace(checkpoint, optimiser=optimiser).save(folder)
            with pytest.raises(DataFormatError, match="optimiser: found"):
                trainer(folder).run()

    def test_impossible_schedules_and_samples(self, folder):
        with pytest.raises(SettingsError, match="stage 1: unknown level LAYER"):
            trainer(folder, (Stage(loss_level="LAYER", trains=("ROC",), epochs=1),))
        run = trainer(folder)
        with pytest.raises(SettingsError, match="at least one"):
            Trainer(run.model, run.settings, run.train, run.test[:0], None, folder)
        assert not folder.exists()

    def test_test_events_without_charge(self, folder):
        run = trainer(folder)
        run.test = run.test[np.nonzero(run.test.counts == 0)[0]]
        with pytest.raises(SettingsError, match="no charged unit of ROC"):
            run.run()
