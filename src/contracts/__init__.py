"""Your tables: one class for each, in any module of this package. Nothing needs to be registered."""
