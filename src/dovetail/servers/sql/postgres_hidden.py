"""What PostgreSQL is asked about itself: what is denied and everything that shows it, and what a statement may call.

Asked anew for every statement, within its transaction: a view that was made a minute ago is known.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from dovetail.servers.sql.policy import Parts

DENIED = r"""
WITH RECURSIVE wanted(a, b, c) AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[])),
named AS (
    SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f')
),
family(child, parent) AS (SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits),
depends(view, relation, attribute) AS (
    SELECT r.ev_class, d.refobjid, d.refobjsubid FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
    WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
      AND d.refobjid <> r.ev_class
),
columns(oid, attname) AS (
    SELECT n.oid, a.attname::text FROM wanted w JOIN named n ON (
        (w.c IS NULL AND n.relname = w.a) OR (n.nspname = w.a AND n.relname = w.b))
    JOIN pg_catalog.pg_attribute a ON a.attrelid = n.oid AND a.attname = coalesce(w.c, w.b)
    WHERE w.b IS NOT NULL
  UNION
    SELECT a.attrelid, a.attname::text FROM columns c
    JOIN family f ON c.oid IN (f.child, f.parent)
    JOIN pg_catalog.pg_attribute a ON a.attrelid IN (f.child, f.parent) AND a.attname = c.attname
),
computed(oid, attname) AS (
    SELECT oid, attname FROM columns
  UNION
    SELECT a.attrelid, a.attname::text FROM columns c
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attgenerated <> '' AND NOT a.attisdropped
),
suspects(view) AS MATERIALIZED (SELECT DISTINCT v.view FROM computed c JOIN depends v ON v.relation = c.oid),
tables(oid) AS (
    SELECT n.oid FROM wanted w JOIN named n ON (w.b IS NULL AND n.relname = w.a)
        OR (w.c IS NULL AND n.nspname = w.a AND n.relname = w.b)
  UNION
    SELECT v.view FROM computed c
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = c.attname
    JOIN depends v ON v.relation = c.oid AND v.attribute = a.attnum
  UNION
    -- A whole row is no column that anything depends on; it is attribute 0 of a variable.
    SELECT s.view FROM suspects s WHERE (
        SELECT bool_or(r.ev_action::text ~ ':varattno 0 ') FROM pg_catalog.pg_rewrite r WHERE r.ev_class = s.view)
  UNION
    -- What a function of somebody's own reads, nobody knows.
    SELECT r.ev_class FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
    WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.refclassid = 'pg_catalog.pg_proc'::regclass
      AND d.refobjid >= 16384
),
closed(oid) AS (
    SELECT oid FROM tables
  UNION
    SELECT x.oid FROM closed t CROSS JOIN LATERAL (
        SELECT f.child FROM family f WHERE f.parent = t.oid
        UNION ALL SELECT f.parent FROM family f WHERE f.child = t.oid
        UNION ALL SELECT d.view FROM depends d WHERE d.relation = t.oid) AS x(oid)
)
SELECT n.oid, n.nspname, n.relname, NULL::text FROM closed JOIN named n USING (oid)
UNION ALL
SELECT n.oid, n.nspname, n.relname, c.attname FROM computed c JOIN named n USING (oid)
"""
"""Wanted: names of up to three parts. Found: oid, schema, table, and a column, or NULL for all of it."""

NAMED = """
SELECT 1 FROM unnest($1::text[], $2::text[], $3::text[]) AS w(a, b, c)
JOIN pg_catalog.pg_class t ON true JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE (w.b IS NULL AND t.relname = w.a) OR (w.c IS NULL AND n.nspname = w.a AND t.relname = w.b)
   OR (((w.c IS NULL AND t.relname = w.a) OR (n.nspname = w.a AND t.relname = w.b)) AND EXISTS (
        SELECT 1 FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.oid AND a.attname = coalesce(w.c, w.b)))
LIMIT 1
"""
"""Whether a denied name stands for anything."""

UNSAFE = r"""
WITH f AS (
    SELECT p.proname::text AS name, p.pronargs - p.pronargdefaults AS least, p.pronargs AS most, p.provariadic,
        n.nspname = 'pg_catalog' AS ours, p.provolatile, l.lanname IN ('sql', 'plpgsql') AS plain
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    WHERE p.proname = ANY($1::text[])
)
SELECT DISTINCT name FROM f WHERE (name = ANY($2::text[]) OR (least <= 1 AND (most >= 1 OR provariadic <> 0)))
AND NOT CASE
    -- Extensions have stable functions that run a text as SQL (crosstab, xpath_table): of theirs, immutable ones only.
    WHEN NOT ours THEN NOT $3 AND (provolatile = 'i' OR provolatile = 's' AND plain)
    WHEN name = ANY('{random,random_normal,clock_timestamp,timeofday,gen_random_uuid,uuidv4,uuidv7,array_sample,
        array_shuffle,bernoulli,system}'::text[]) THEN true
    WHEN provolatile = 'v' THEN false
    -- These tell of a name whether it stands for something, and which columns a row has.
    WHEN $3 AND name ~ '^(to_reg|has_|jsonb?_populate_record|(obj|col|shobj)_description|format_type|row_security)'
        THEN false
    WHEN name = ANY('{pg_typeof,pg_size_pretty,pg_size_bytes,pg_column_size,pg_get_userbyid}'::text[]) THEN true
    ELSE name !~ '^(pg|txid|lo|loread|lowrite|binary_upgrade|inet_(client|server))_'
        AND name !~ '(database|schema|table|query|cursor)_to_xml' AND name <> 'current_setting'
    END
"""
"""Of these names, those that stand for a function that is not called here: it writes, waits, locks, looks at files, at
other sessions or at settings, or reads tables by name. $1: names; $2: those that are calls; $3: deny all but built-in
ones. What is volatile is unsafe, if it is not known to be harmless; that is what the owner's own functions are by
default."""

TYPES = """
SELECT w.name FROM unnest($1::text[]) AS w(name)
WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type t WHERE t.typname = w.name)
   OR EXISTS (
    SELECT 1 FROM pg_catalog.pg_type t
    LEFT JOIN pg_catalog.pg_type e ON e.oid IN (t.typelem, t.typbasetype)
    WHERE t.typname = w.name AND ('c' IN (t.typtype, e.typtype) OR t.typname ~ '^_?reg'))
"""
"""Of these names of types, those that stand for none, for the rows of a table, or for a name of the catalogue."""

OBJECTS = frozenset(
    "regclass regtype regproc regprocedure regoper regoperator regnamespace regrole regconfig regdictionary "
    "regcollation".split()
)
"""Types that look a text up in the catalogue."""

RELATIONS = """
SELECT t.at, c.oid, n.nspname, c.relname, c.relkind::text
FROM unnest($1::text[]) WITH ORDINALITY AS t(name, at)
JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(t.name)
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
"""

CATALOGUE = """
SELECT relname::text FROM pg_catalog.pg_class
WHERE relname = ANY($1::text[]) AND relnamespace IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)
"""

READABLE = frozenset(
    "pg_class pg_namespace pg_attribute pg_attrdef pg_type pg_enum pg_index pg_constraint pg_tables "
    "pg_views pg_indexes pg_matviews pg_description pg_inherits pg_am pg_collation pg_extension "
    "pg_database pg_sequence pg_sequences pg_stat_user_tables pg_stat_user_indexes pg_partitioned_table "
    "pg_range pg_timezone_names pg_operator pg_proc pg_trigger pg_rules pg_language pg_depend".split()
)
"""Catalogue tables that may be read while nothing is denied. The others hold passwords, samples of data, what other
sessions do, or settings."""


class Hidden(Struct, frozen=True):
    """What is denied, by the database's own numbers.

    Attributes:
        tables: All of these.
        columns: Some columns of these.
        names: Names of all of them, and of what was denied.
    """

    tables: frozenset[int] = frozenset()
    columns: Mapping[int, frozenset[str]] = {}
    names: frozenset[str] = frozenset()


def hidden(rows: Sequence[tuple[Any, ...]], denied: Sequence[Parts]) -> Hidden:
    """Read what `DENIED` found."""
    tables = {oid for oid, _, _, column in rows if column is None}
    columns: dict[int, set[str]] = {}
    for oid, _, _, column in rows:
        if column is not None and oid not in tables:
            columns.setdefault(oid, set()).add(column)
    names = {str(name) for _, _, name, _ in rows} | {part for parts in denied for part in parts}
    return Hidden(frozenset(tables), {oid: frozenset(found) for oid, found in columns.items()}, frozenset(names))


def wanted(denied: Sequence[Parts]) -> tuple[list[str | None], list[str | None], list[str | None]]:
    """Return the parameters of `DENIED`."""
    padded = [(*parts, None, None, None)[:3] for parts in denied]
    return [a for a, _, _ in padded], [b for _, b, _ in padded], [c for _, _, c in padded]
