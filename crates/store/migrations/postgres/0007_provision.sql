-- What only one may do at a time: one row per name ever taken, kept so that its fence grows.
CREATE TABLE locks (
    name  TEXT    NOT NULL PRIMARY KEY,
    owner TEXT    NOT NULL,
    fence BIGINT  NOT NULL,                         -- grows with every holder; an older one is refused
    held_until BIGINT  NOT NULL                          -- 0: released
);

-- What of a lead amoCRM did not take as it was meant: the field, and why. No values.
CREATE TABLE lead_warnings (
    lead_id BIGINT  NOT NULL REFERENCES leads (id) ON DELETE CASCADE,
    field   TEXT    NOT NULL,
    reason  TEXT    NOT NULL,
    at      BIGINT  NOT NULL,
    PRIMARY KEY (lead_id, field)
);
CREATE INDEX lead_warnings_at ON lead_warnings (at);
