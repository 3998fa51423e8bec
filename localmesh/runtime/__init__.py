"""Desired state turned into running pods and Envoys."""
