"""How many threads the numeric libraries of a process may take."""

from __future__ import annotations


def limit_threads(threads: int) -> dict[str, str]:
    """Return the environment that holds every numeric library of a process to its CPU share."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    return dict.fromkeys(names, str(threads)) | {"TOKENIZERS_PARALLELISM": "false"}
