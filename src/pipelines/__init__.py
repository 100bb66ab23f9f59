"""Your pipelines: functions that say `@pipeline`, in any module of this package. Nothing needs to be registered."""
