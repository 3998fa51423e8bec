"""The service that receives sentences from the page."""
