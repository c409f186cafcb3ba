"""The running service: embedded loop, stream workers, stores."""
