"""edge. The process's limit of open files: each connection costs it a descriptor."""

import resource


def provide(count: int) -> int:
    """Raise this process's soft limit to `count` where the hard one allows; what it may then have,
    as far as that matters."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return count
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
