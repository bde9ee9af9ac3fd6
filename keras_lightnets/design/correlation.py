"""Correlation of two orders."""

import numpy as np


def rank_correlation(first, second):
    """Returns Spearman's rank correlation of two sequences. 0 if the values of one are all the same."""
    ranks = [_ranks(values) for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1]) if all(np.ptp(rank) for rank in ranks) else 0.0


def _ranks(values):
    """Numbers values by size. Equal ones share the mean of their numbers."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[places]
