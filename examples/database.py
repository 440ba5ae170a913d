"""Builds the database of `make run`: flights, airports, movies and weather as the Vega project publishes them.

From its npm package: the Python one holds two of these tables, and for flights and movies only where to fetch them.

python examples/database.py examples/data/node_modules/vega-datasets/data out/real.sqlite
"""

import csv
import json
import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]
TABLES = {
    "airports": ("airports.csv", "iata TEXT PRIMARY KEY, name TEXT, city TEXT, state TEXT, country TEXT, "
                 "latitude REAL, longitude REAL"),
    "flights": ("flights-20k.json", "date TEXT, delay INTEGER, distance INTEGER, "
                "origin TEXT REFERENCES airports, destination TEXT REFERENCES airports"),
    "movies": ("movies.json", "title TEXT, us_gross INTEGER, worldwide_gross INTEGER, us_dvd_sales INTEGER, "
               "production_budget INTEGER, release_date TEXT, mpaa_rating TEXT, running_time_min INTEGER, "
               "distributor TEXT, source TEXT, major_genre TEXT, creative_type TEXT, director TEXT, "
               "rotten_tomatoes_rating INTEGER, imdb_rating REAL, imdb_votes INTEGER"),
    "weather": ("weather.csv", "location TEXT, date TEXT, precipitation REAL, temp_max REAL, temp_min REAL, "
                "wind REAL, weather TEXT"),
}  # fmt: skip


def rows(file: Path) -> Iterator[Row]:
    """Each record of a file, with names that need no quotes."""
    text = file.read_text(encoding="utf-8")
    records = csv.DictReader(text.splitlines()) if file.suffix == ".csv" else json.loads(text)
    for record in records:
        yield {re.sub(r"\W+", "_", name).lower(): value for name, value in record.items()}


def build(folder: Path, target: Path) -> dict[str, int]:
    """Write the database; there is a whole one, or the one of before."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    counts = {}
    with sqlite3.connect(unfinished) as connection:
        for table, (file, columns) in TABLES.items():
            connection.execute(f"CREATE TABLE {table} ({columns})")
            names = [column.split()[0] for column in columns.split(", ")]
            places = ", ".join(f":{name}" for name in names)
            counts[table] = connection.executemany(
                f"INSERT INTO {table} VALUES ({places})",
                ({name: row.get(name) for name in names} for row in rows(folder / file)),
            ).rowcount
        connection.execute("CREATE INDEX flights_by_origin ON flights (origin, destination)")
    connection.close()
    os.replace(unfinished, target)
    return counts


if __name__ == "__main__":
    built = build(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{sys.argv[2]}:", ", ".join(f"{count:,} {table}" for table, count in built.items()))
