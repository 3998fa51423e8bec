"""Envoy's messages: their descriptors, and the conversion between protobuf and its JSON form."""
