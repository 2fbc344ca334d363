"""Evaluation: true and decoded charges in, plain results out, whatever code is in between."""

from hgcae.evaluate.codes.bits import map_bits, measure_bits, reference_bits
from hgcae.evaluate.codes.entropy import EntropyCoder
from hgcae.evaluate.core.baselines import Baseline, LargestCells, PrincipalComponents, fit_baselines
from hgcae.evaluate.core.degradation import degradation, stress_table
from hgcae.evaluate.core.level import EvaluateSettings, evaluate_level
from hgcae.evaluate.core.statistics import Bootstrap
from hgcae.evaluate.core.table import heads_table, markdown, table
from hgcae.evaluate.modules.emd import emd
from hgcae.evaluate.modules.metrics import evaluate_modules
from hgcae.evaluate.modules.result import ModuleResult, read_module_results
from hgcae.evaluate.modules.table import module_table
from hgcae.evaluate.modules.telescope import telescope_loss
from hgcae.evaluate.showers.heads import head_summary, uncompressed_estimates
from hgcae.evaluate.showers.pairs import calibrate, evaluate_count, evaluate_noise, evaluate_pairs
from hgcae.evaluate.showers.physics import PhysicsSamples, Sample, evaluate_physics, evaluate_transport
from hgcae.evaluate.showers.seeds import find_seeds
from hgcae.evaluate.showers.separation import evaluate_separation
from hgcae.evaluate.showers.settings import PhysicsSettings
from hgcae.evaluate.showers.shapes import shower_shapes
from hgcae.evaluate.showers.single import evaluate_showers
from hgcae.evaluate.showers.tables import physics_markdown, physics_tables
from hgcae.evaluate.showers.transport import transport
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
    "markdown",
    "measure_bits",
    "module_table",
    "physics_markdown",
    "physics_tables",
    "read_module_results",
    "reference_bits",
    "shower_shapes",
    "stress_table",
    "table",
    "telescope_loss",
    "transport",
    "uncompressed_estimates",
]
