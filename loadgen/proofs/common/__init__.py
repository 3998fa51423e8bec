"""What proofs are made of: the frame of them all, and those that several share."""
