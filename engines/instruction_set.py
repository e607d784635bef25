"""Vector instructions of this machine's processor, as far as networks in 8 bits depend on them."""

from __future__ import annotations

import os
import platform
from enum import StrEnum

_CPUINFO = "/proc/cpuinfo"
_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Variables by which users limit what OpenVINO's kernels use (oneDNN's CPU dispatcher control)."""


class InstructionSet(StrEnum):
    """The best that kernels for 8-bit convolutions can use, under the name that people know."""

    AVX512_VNNI = "AVX-512 VNNI"
    AVX_VNNI = "AVX-VNNI"
    AVX512 = "AVX-512"
    AVX2 = "AVX2"
    SSE4 = "SSE4"
    UNKNOWN = "unknown instruction set"

    @property
    def sums_in_32_bits(self) -> bool:
        """Whether products of 8-bit numbers are summed without saturating.

        VNNI adds four products to a 32-bit sum. Without it, `vpmaddubsw` adds two products of an unsigned
        and a signed byte in 16 bits, where 2 * 255 * 127 = 64770 exceeds 32767. With weights of 7 bits,
        2 * 255 * 64 = 32640 fits.
        """
        return self in (InstructionSet.AVX512_VNNI, InstructionSet.AVX_VNNI)


_UP_TO_AVX2 = ("SSE41", "AVX", "AVX2")
_UP_TO_AVX512 = (*_UP_TO_AVX2, "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE")
_NEEDS = (
    (InstructionSet.AVX512_VNNI, "avx512_vnni", _UP_TO_AVX512),
    (InstructionSet.AVX_VNNI, "avx_vnni", (*_UP_TO_AVX2, "AVX512_CORE")),
    (InstructionSet.AVX512, "avx512bw", _UP_TO_AVX512[:-1]),
    (InstructionSet.AVX2, "avx2", _UP_TO_AVX2[:-1]),
    (InstructionSet.SSE4, "sse4_1", ()),
)
"""Instruction set, the processor's flag for it, and the limits that switch it off; best first."""


def instruction_set() -> InstructionSet:
    """The best instruction set of this processor that the environment does not switch off.

    Only Linux tells; elsewhere the answer is `UNKNOWN`, and networks are built as for the oldest processors.
    """
    flags, limit = processor_flags(), _limit()
    for found, flag, switched_off_by in _NEEDS:
        if flag in flags and limit not in switched_off_by:
            return found
    return InstructionSet.UNKNOWN


def has_bfloat16() -> bool:
    """Whether the processor computes in bfloat16, and the environment does not switch it off."""
    return "avx512_bf16" in processor_flags() and _limit() not in (*_UP_TO_AVX512, "AVX512_CORE_VNNI")


def processor_flags() -> frozenset[str]:
    """Flags of the first processor, as Linux names them; empty where it does not tell."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return frozenset()
    try:
        with open(_CPUINFO, encoding="utf-8") as file:
            for line in file:
                if line.startswith("flags"):
                    return frozenset(line.split(":", 1)[1].split())
    except OSError:
        pass
    return frozenset()


def _limit() -> str:
    return next((os.environ[name].upper() for name in _LIMITS if os.environ.get(name)), "")
