"""Problems: what is wrong with a manifest, where it is, and how to fix it.

The lowest layer: every other package reports what it finds in this form.
"""

from localmesh.problems.paths import FieldPath
from localmesh.problems.problem import ManifestError, Place, Problem, Severity

__all__ = ["FieldPath", "ManifestError", "Place", "Problem", "Severity"]
