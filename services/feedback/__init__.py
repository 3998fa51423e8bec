"""The service that stores users' feedback on judgements."""
