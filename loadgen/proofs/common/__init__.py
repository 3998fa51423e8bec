"""What several proofs share: the frame, and models of what the mesh does."""
