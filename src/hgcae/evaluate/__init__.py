"""The judge: true and decoded charges in, plain results out. It does not know what it judges."""

from hgcae.evaluate.baselines import Baseline, LargestCells, PrincipalComponents, Zero, fit_baselines
from hgcae.evaluate.bits import map_bits, measure_bits, reference_bits
from hgcae.evaluate.degradation import degradation, read_stress, stress_table, write_stress
from hgcae.evaluate.emd import emd
from hgcae.evaluate.entropy import EntropyCoder, UnitCodes
from hgcae.evaluate.heads import head_summary
from hgcae.evaluate.modules import (
    ModuleResult,
    judge_modules,
    module_markdown,
    module_table,
    read_module_results,
    write_module_results,
)
from hgcae.evaluate.report import EvaluateSettings, judge_level, read_results, write_results
from hgcae.evaluate.statistics import Bootstrap
from hgcae.evaluate.table import heads_table, table
from hgcae.evaluate.telescope import telescope_loss
from hgcae.evaluate.truth import contained, leading_particle

__all__ = [
    "Baseline",
    "Bootstrap",
    "EntropyCoder",
    "EvaluateSettings",
    "LargestCells",
    "ModuleResult",
    "PrincipalComponents",
    "UnitCodes",
    "Zero",
    "contained",
    "degradation",
    "emd",
    "fit_baselines",
    "head_summary",
    "heads_table",
    "judge_level",
    "judge_modules",
    "leading_particle",
    "map_bits",
    "measure_bits",
    "module_markdown",
    "module_table",
    "read_module_results",
    "read_results",
    "read_stress",
    "reference_bits",
    "stress_table",
    "table",
    "telescope_loss",
    "write_module_results",
    "write_results",
    "write_stress",
]
