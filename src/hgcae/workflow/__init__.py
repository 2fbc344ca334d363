"""The stages as tasks of a graph (luigi and law): on one machine, or on a batch farm by Slurm or HTCondor.

`settings` says what a workflow is, `tasks` what its steps are, `run` runs them. Only `step`, `batch`, `tasks` and `run` load luigi and law.
"""

from hgcae.workflow.settings import WorkflowSettings, load_workflow

__all__ = ["WorkflowSettings", "load_workflow"]
