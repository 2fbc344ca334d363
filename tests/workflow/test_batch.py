"""What is handed to batch systems."""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("law")

from law.job.dashboard import NoJobDashboard

from hgcae.errors import SettingsError
from hgcae.workflow.batch import check_store, htcondor_commands, setup_lines, slurm_options
from hgcae.workflow.run import Options, Where, configured, steps_of
from hgcae.workflow.settings import Resources, load_workflow
from workflow.submit_description import read
from workflow.toys import write_workflow


def submitted(folder: Path, where: Where, **sections: Any) -> tuple[Path, Path]:
    """Writes the files of a submission as law does it, without submitting; returns the job file and the store."""
    path = write_workflow(folder, **sections)
    settings = load_workflow(path)
    (step,) = steps_of(settings, "Simulate", Options(where=where))
    proxy: Any = step.workflow_proxy
    proxy.dashboard = NoJobDashboard()
    proxy.job_file_factory = proxy.create_job_file_factory()
    with configured("Simulate"):
        made = proxy.create_job_file({1: [0], 2: [1], 3: [2]}) if where == "htcondor" else proxy.create_job_file(2, [1])
    return Path(made["job"]), Path(settings.store)


class TestHTCondor:
    @pytest.fixture
    def made(self, tmp_path):
        further = {"+JobFlavour": '"longlunch"', "accounting_group": "group_u_CMS.u_zh.users"}
        return submitted(tmp_path, "htcondor", batch={"htcondor": further})

    def test_the_file_queues_a_job_for_each_branch(self, made):
        jobs = read(made[0].read_text())
        assert len(jobs) == 3
        assert [job.commands["arguments"].split()[0] for job in jobs] == ["_0To1", "_1To2", "_2To3"]

    def test_the_resources(self, made):
        job = read(made[0].read_text())[0]
        assert (job.commands["request_cpus"], job.commands["request_memory"]) == ("1", "500MB")
        assert job.attributes == {"MaxRuntime": "3600", "JobFlavour": '"longlunch"'}
        assert job.commands["accounting_group"] == "group_u_CMS.u_zh.users"
        assert "EnteredCurrentStatus > 3600" in job.commands["periodic_remove"]

    def test_files_go_there_and_logs_come_back(self, made):
        job_file, store = made
        job = read(job_file.read_text())[1]
        inputs = [Path(path) for path in job.commands["transfer_input_files"].split(",")]
        assert {path.name.split("_")[0].split(".")[0] for path in inputs} >= {"law", "bootstrap", "htcondor"}
        assert all(path.is_file() for path in inputs)
        assert job.commands["transfer_output_files"] == "stdall_1To2.txt"
        assert f"stdall_1To2.txt = {store}/logs/" in job.commands["transfer_output_remaps"]
        assert Path(job.commands["initialdir"]).is_dir()
        assert (job_file.parent / job.commands["executable"]).stat().st_mode & 0o100

    def test_a_job_knows_its_branch(self, made):
        job = read(made[0].read_text())[0]
        wrapper = (made[0].parent / job.commands["executable"]).read_text()
        arguments = re.findall(r"\['(\d)'\]=\"(.*)\"", wrapper)
        assert [number for number, _ in arguments] == ["1", "2", "3"]
        for number, text in arguments:
            module, name, parameters, branches, *_ = text.split()
            assert (module, name) == ("hgcae.workflow.sample_tasks", "Simulate")
            assert base64.b64decode(branches).decode() == str(int(number) - 1)
            assert f"--config={made[1]}/workflows/" in base64.b64decode(parameters).decode().replace("'", "").replace('"', "")
        subprocess.run(["bash", "-n", str(made[0].parent / job.commands["executable"])], check=True)

    @pytest.mark.parametrize(
        ("line", "replaced"),
        [
            ("request_cpus = 1", "request_cpus = one"),
            ("notification = Never", "notification = Sometimes"),
            ("request_memory = 500MB", "memory = 500MB"),
            ("universe = vanilla", "universe vanilla"),
            ("$(Cluster)", "$(Clutser)"),
            ("+MaxRuntime = 3600", '+MaxRuntime = "3600'),
            ("\n)", "\n"),
            ("queue law_job_postfix, arguments from (", "queue law_job_postfix, arguments form ("),
        ],
    )
    def test_the_reader_refuses_mistakes(self, made, line, replaced):
        text = made[0].read_text()
        assert line in text
        with pytest.raises(ValueError, match="."):
            read(text.replace(line, replaced))

    def test_gpus_are_asked_for_where_needed(self):
        assert "request_gpus" not in dict(htcondor_commands(Resources(), {}))
        assert dict(htcondor_commands(Resources(gpus=2), {}))["request_gpus"] == "2"


class TestSlurm:
    def test_the_job_file(self, tmp_path):
        job_file, store = submitted(tmp_path, "slurm", batch={"slurm": {"account": "cms", "mem": "1G"}})
        text = job_file.read_text()
        options = dict(re.findall(r"^#SBATCH --([\w-]+)=(.*)$", text, re.MULTILINE))
        # The job's name holds what law calls the task.
        assert options.pop("job-name").startswith("Simulate_")
        assert Path(options.pop("chdir")).is_relative_to(store / "jobs")
        assert options == {
            "output": "NONE",
            "error": "NONE",
            "ntasks": "1",
            "cpus-per-task": "1",
            "mem": "1G",
            "time": "01:00:00",
            "account": "cms",
        }
        assert text.startswith("#!/usr/bin/env bash\n")
        subprocess.run(["bash", "-n", str(job_file)], check=True)

    @pytest.mark.parametrize(("minutes", "time"), [(1, "00:01:00"), (90, "01:30:00"), (6000, "100:00:00")])
    def test_times(self, minutes, time):
        assert dict(slurm_options(Resources(minutes=minutes, gpus=1), {}))["time"] == time


class TestFolderNames:
    """What law would write unquoted is refused before anything is submitted; what it may write goes through."""

    STRANGE = (" ", "'", '"', "$", "`", ";", "&", "|", "(", "*", "?", "[", "#", "!", "<", "\\", ",", "%", "=", "\n", "\t", "\x1b")

    @pytest.mark.parametrize("where", ["slurm", "htcondor"])
    @pytest.mark.parametrize("character", STRANGE)
    def test_refused(self, character, where):
        with pytest.raises(SettingsError, match=f"store: .*found {re.escape(repr(character))}"):
            check_store(f"/eos/user/a{character}b/store", where)

    @pytest.mark.parametrize("where", ["slurm", "htcondor"])
    def test_before_the_first_job_file(self, where, tmp_path):
        with pytest.raises(SettingsError, match="store: .*found ' '"):
            submitted(tmp_path / "my store", where)

    @pytest.mark.parametrize("where", ["local", "slurm", "htcondor"])
    def test_allowed(self, where):
        check_store("/eos/user/z/Zürich_2/a+b@c~d-e.f/store", where)

    @pytest.mark.parametrize("character", [character for character in STRANGE if character != "$"])
    def test_this_machine_takes_nearly_all(self, character):
        check_store(f"/data/a{character}b", "local")

    def test_a_path_with_a_variable(self):
        with pytest.raises(SettingsError, match="found '\\$'"):
            check_store("/data/$HOME", "local")

    @pytest.mark.parametrize("options", [slurm_options, htcondor_commands])
    def test_options_stay_on_their_line(self, options):
        with pytest.raises(SettingsError, match="comment.*expected one line"):
            options(Resources(), {"comment": "a\n#SBATCH --uid=root"})


class TestSetup:
    def test_by_default_a_job_has_the_environment_of_the_workflow(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HGCAE_DATA", "/a b")
        lines = setup_lines(load_workflow(write_workflow(tmp_path)))
        shell = "\n".join([*lines, 'command -v python; echo "$HGCAE_DATA"'])
        found = subprocess.run(["bash", "-c", shell], check=True, capture_output=True, text=True).stdout.splitlines()
        assert found[-1] == "/a b"
        assert found[0].startswith(lines[0].removeprefix("export PATH=").removesuffix(":$PATH").strip("'"))

    def test_a_site_may_have_its_own(self, tmp_path):
        lines = ["source /cvmfs/setup.sh", "export A=1"]
        assert setup_lines(load_workflow(write_workflow(tmp_path, batch={"setup": lines}))) == lines
