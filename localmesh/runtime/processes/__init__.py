"""Pods and Envoys as processes of this machine."""
