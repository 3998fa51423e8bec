"""What proofs must find: each scenario's overlay and mesh, made wrong in one respect, with the verdicts."""
