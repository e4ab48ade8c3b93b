"""The stages of the demo in their order. A new stage is a module, and a line here."""

from tools.demo.stage import Stage
from tools.demo.stages.correlation import Correlation
from tools.demo.stages.daso import DASO
from tools.demo.stages.energymeter import Energymeter
from tools.demo.stages.f3 import ForwardTraining
from tools.demo.stages.kmeans import KMeans
from tools.demo.stages.load import Load
from tools.demo.stages.lowrank import LowRank
from tools.demo.stages.moments import Moments
from tools.demo.stages.pca import PCA
from tools.demo.stages.propulate import Propulate
from tools.demo.stages.quality import Quality
from tools.demo.stages.recycle import Forecast
from tools.demo.stages.storage import Storage

__all__ = ["STAGES"]

STAGES: tuple[Stage, ...] = (
    Load(),
    Quality(),
    Storage(),
    Moments(),
    Correlation(),
    PCA(),
    KMeans(),
    Forecast(),
    Propulate(),
    LowRank(),
    DASO(),
    ForwardTraining(),
    Energymeter(),
)
