"""The four services of the application, and the chassis they share."""
