"""The service that keeps what people say about the judgements."""
