"""The stages as tasks of a graph (luigi and law): on one machine, or on a batch farm by Slurm or HTCondor.

`settings` says what a workflow is, `tasks` what its steps are, `run` runs them; `loaded`, `evaluate` and `page` are what a single command
needs of them. Only `step`, `batch`, `tasks` and `run` load luigi and law, and nothing is loaded by this name alone.
"""
