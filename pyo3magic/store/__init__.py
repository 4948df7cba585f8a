"""The store: what was built, under a digest of all that went into it, loaded only if it is what was put there."""

from .artifact import Artifact, Inputs
from .digests import digest_file, digest_libraries, digest_tree
from .folder import Store

__all__ = ["Artifact", "Inputs", "Store", "digest_file", "digest_libraries", "digest_tree"]
