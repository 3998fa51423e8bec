"""The four services of the application, and the chassis that they share."""
