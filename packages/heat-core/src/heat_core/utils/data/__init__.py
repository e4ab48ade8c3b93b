"""Samples for training: batches, shuffling over ranks, files larger than memory, test matrices."""

from heat_core.utils.data import matrixgallery, spherical
from heat_core.utils.data.batches import DataLoader, Dataset, dataset_ishuffle, dataset_shuffle
from heat_core.utils.data.partial import PartialH5DataLoaderIter, PartialH5Dataset
from heat_core.utils.data.sampling import (
    DistributedDataset,
    DistributedSampler,
    create_train_val_split,
)
from heat_core.utils.data.windows import hdf5_shape, hdf5_windows

__all__ = [
    "DataLoader",
    "Dataset",
    "DistributedDataset",
    "DistributedSampler",
    "PartialH5DataLoaderIter",
    "PartialH5Dataset",
    "create_train_val_split",
    "dataset_ishuffle",
    "dataset_shuffle",
    "hdf5_shape",
    "hdf5_windows",
    "matrixgallery",
    "spherical",
]
