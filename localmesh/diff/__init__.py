"""The difference between two configurations of a mesh: what changes for whom."""
