"""Define-by-run: objectives that ask for their parameters while they run, as Optuna's do."""

from propulate.study.study import Study, create_study
from propulate.study.trial import FrozenTrial, Trial

__all__ = ["FrozenTrial", "Study", "Trial", "create_study"]
