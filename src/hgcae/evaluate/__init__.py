"""Evaluation: true and decoded charges in, plain results out, whatever code is in between."""

from hgcae.evaluate.baselines import Baseline, LargestCells, PrincipalComponents, fit_baselines
from hgcae.evaluate.bits import map_bits, measure_bits, reference_bits
from hgcae.evaluate.degradation import degradation, read_stress, stress_table, write_stress
from hgcae.evaluate.emd import emd
from hgcae.evaluate.entropy import EntropyCoder
from hgcae.evaluate.heads import head_summary, uncompressed_estimates
from hgcae.evaluate.modules import (
    ModuleResult,
    evaluate_modules,
    module_markdown,
    module_table,
    read_module_results,
    write_module_results,
)
from hgcae.evaluate.pairs import calibrate, evaluate_count, evaluate_noise, evaluate_pairs
from hgcae.evaluate.physics import PhysicsSamples, Sample, evaluate_physics, evaluate_transport, read_physics, write_physics
from hgcae.evaluate.physics_settings import PhysicsSettings
from hgcae.evaluate.physics_table import physics_markdown, physics_tables
from hgcae.evaluate.report import EvaluateSettings, evaluate_level, read_results, write_results
from hgcae.evaluate.seeds import find_seeds
from hgcae.evaluate.separation import evaluate_separation
from hgcae.evaluate.shapes import shower_shapes
from hgcae.evaluate.showers import evaluate_showers
from hgcae.evaluate.statistics import Bootstrap
from hgcae.evaluate.table import heads_table, table
from hgcae.evaluate.telescope import telescope_loss
from hgcae.evaluate.transport import transport
from hgcae.truth import contained, leading_particle

__all__ = [
    "Baseline",
    "Bootstrap",
    "EntropyCoder",
    "EvaluateSettings",
    "LargestCells",
    "ModuleResult",
    "PhysicsSamples",
    "PhysicsSettings",
    "PrincipalComponents",
    "Sample",
    "calibrate",
    "contained",
    "degradation",
    "emd",
    "evaluate_count",
    "evaluate_level",
    "evaluate_modules",
    "evaluate_noise",
    "evaluate_pairs",
    "evaluate_physics",
    "evaluate_separation",
    "evaluate_showers",
    "evaluate_transport",
    "find_seeds",
    "fit_baselines",
    "head_summary",
    "heads_table",
    "leading_particle",
    "map_bits",
    "measure_bits",
    "module_markdown",
    "module_table",
    "physics_markdown",
    "physics_tables",
    "read_module_results",
    "read_physics",
    "read_results",
    "read_stress",
    "reference_bits",
    "shower_shapes",
    "stress_table",
    "table",
    "telescope_loss",
    "transport",
    "uncompressed_estimates",
    "write_module_results",
    "write_physics",
    "write_results",
    "write_stress",
]
