"""Arrays in .npy files: written row by row, and mapped into memory.

bfloat16, which .npy does not know, is stored as the uint16 of its bits.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from harness.latents.spec import Precision

DTYPES: dict[Precision, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


class ArrayWriter:
    """Writes a 2-d .npy array row by row, so that a shard need not fit into memory."""

    def __init__(self, path: Path, columns: int) -> None:
        self.file = path.open("wb")
        self.rows, self.columns = 0, columns
        self.descr = ""

    def append(self, rows: Tensor) -> None:
        """Append (rows, columns)."""
        if rows.dtype is torch.bfloat16:
            values = rows.contiguous().view(torch.int16).numpy().view(np.uint16)
        else:
            values = rows.contiguous().numpy()
        if not self.descr:
            self.descr = values.dtype.newbyteorder("<").str
            self.write_header()
        self.file.write(values.astype(self.descr, copy=False).data)
        self.rows += len(values)

    def write_header(self) -> None:
        """Write the header for the rows so far; numpy leaves room in it for the first axis."""
        shape = (self.rows, self.columns)
        header = {"descr": self.descr, "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(self.file, header)

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self.file:
            if error is None:
                self.file.seek(0)
                self.write_header()


def map_array(path: Path, dtype: torch.dtype) -> Tensor:
    """Map a 2-d .npy array of `dtype`.

    Unlike numpy's memmap it holds no file descriptor, of which a process has perhaps 1024 and a
    large cache several thousand files.
    """
    with path.open("rb") as file:
        npy.read_magic(file)
        shape, _, _ = npy.read_array_header_1_0(file)
        offset = file.tell()
    skipped = offset // dtype.itemsize
    mapped = torch.from_file(
        str(path), shared=False, size=skipped + shape[0] * shape[1], dtype=dtype
    )
    return mapped[skipped:].view(shape)
