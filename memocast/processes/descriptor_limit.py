"""How many files and connections a process may have open."""

from __future__ import annotations

_MOST_DESCRIPTORS = 65_536


def raise_descriptor_limit() -> int:
    """Raise this process's limit of open files as far as allowed; return the new limit.

    Each peer and each open file takes a descriptor; many systems begin at 256 or 1,024.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_DESCRIPTORS
    if hard != resource.RLIM_INFINITY:
        wanted = min(hard, wanted)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)
