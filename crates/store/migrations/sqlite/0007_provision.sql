-- What only one may do at a time: one row per name ever taken, kept so that its fence grows.
CREATE TABLE locks (
    name  TEXT    NOT NULL PRIMARY KEY,
    owner TEXT    NOT NULL,
    fence INTEGER NOT NULL,                         -- grows with every holder; an older one is refused
    held_until INTEGER NOT NULL                          -- 0: released
) STRICT, WITHOUT ROWID;

-- What of a lead amoCRM did not take as it was meant: the field, and why. No values.
CREATE TABLE lead_warnings (
    lead_id INTEGER NOT NULL REFERENCES leads (id) ON DELETE CASCADE,
    field   TEXT    NOT NULL,
    reason  TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (lead_id, field)
) STRICT, WITHOUT ROWID;
CREATE INDEX lead_warnings_at ON lead_warnings (at);
