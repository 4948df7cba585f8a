"""Content-addressed store of built modules; every file is verified against its digest before it is loaded."""

from .artifact import Artifact, Description, Inputs
from .digests import digest_file, digest_libraries, digest_tree
from .folder import Store

__all__ = ["Artifact", "Description", "Inputs", "Store", "digest_file", "digest_libraries", "digest_tree"]
