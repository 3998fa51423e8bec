"""The workshop: exercises that grade themselves by what the mesh does, and broken configurations to mend."""
