"""Cases sent through real Envoys, and where these do not do what is explained."""
