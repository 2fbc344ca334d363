"""The judge: true and decoded charges in, plain results out. It does not know what it judges."""

from hgcae.evaluate.baselines import Baseline, LargestCells, PrincipalComponents, Zero, fit_baselines
from hgcae.evaluate.heads import head_summary
from hgcae.evaluate.report import EvaluateSettings, judge_level, read_results, write_results
from hgcae.evaluate.statistics import Bootstrap
from hgcae.evaluate.table import heads_table, table
from hgcae.evaluate.truth import contained, leading_particle

__all__ = [
    "Baseline",
    "Bootstrap",
    "EvaluateSettings",
    "LargestCells",
    "PrincipalComponents",
    "Zero",
    "contained",
    "fit_baselines",
    "head_summary",
    "heads_table",
    "judge_level",
    "leading_particle",
    "read_results",
    "table",
    "write_results",
]
