-- The webhook gateway: what came, to whom it goes, and how that went.

-- Grows with every change of the subscribers: what was routed by an older one is not stored.
CREATE TABLE gateway_registry (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO gateway_registry (id, version) VALUES (1, 1);

CREATE TABLE gateway_subscribers (
    name          TEXT    NOT NULL PRIMARY KEY,
    source        TEXT    NOT NULL CHECK (source IN ('file', 'api')),
    settings      TEXT    NOT NULL,                 -- JSON
    state         TEXT    NOT NULL CHECK (state IN ('active', 'paused', 'disabled')),
    state_reason  TEXT,
    failures      INTEGER NOT NULL DEFAULT 0,       -- of the endpoint, one after another
    openings      INTEGER NOT NULL DEFAULT 0,       -- of the circuit since the last success: pauses double
    open_until    INTEGER,                          -- NULL: the circuit is closed
    probe_until   INTEGER,                          -- somebody tries the endpoint, until then at most
    last_error    TEXT,
    failing_since INTEGER,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE gateway_secrets (
    subscriber TEXT    NOT NULL,
    number     INTEGER NOT NULL,                    -- the highest is in force
    sealed     BLOB    NOT NULL,                    -- XChaCha20-Poly1305
    expires_at INTEGER,                             -- of one that was replaced
    created_at INTEGER NOT NULL,
    PRIMARY KEY (subscriber, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX gateway_secrets_expiry ON gateway_secrets (expires_at) WHERE expires_at IS NOT NULL;

-- Subscribers that are gone and whose jobs may not all be.
CREATE TABLE gateway_removals (
    subscriber TEXT    NOT NULL PRIMARY KEY,
    removed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A webhook as it came.
CREATE TABLE gateway_requests (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    account      TEXT    NOT NULL,
    request_id   TEXT,
    content_type TEXT,
    body         BLOB    NOT NULL,                  -- byte for byte
    digest       TEXT    NOT NULL,                  -- of the body
    problem      TEXT,                              -- why there are no events in it
    duplicate_of TEXT,                              -- JSON: the events that came before
    received_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX gateway_requests_request_id ON gateway_requests (account, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX gateway_requests_problem ON gateway_requests (id) WHERE problem IS NOT NULL;

CREATE TABLE gateway_events (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    request     INTEGER NOT NULL,
    event_id    TEXT    NOT NULL UNIQUE,
    account     TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    subject     TEXT,
    account_id  INTEGER,
    pipeline_id INTEGER,
    status_id   INTEGER,
    occurred_at INTEGER,
    received_at INTEGER NOT NULL,
    envelope    TEXT    NOT NULL                    -- what is sent, byte for byte
) STRICT;
CREATE INDEX gateway_events_request ON gateway_events (request);
CREATE INDEX gateway_events_subject ON gateway_events (subject, id) WHERE subject IS NOT NULL;
CREATE INDEX gateway_events_kind ON gateway_events (kind, id);
CREATE INDEX gateway_events_account ON gateway_events (account, id);

-- What has been seen lately, by the hash of its content.
CREATE TABLE gateway_dedup (
    key        BLOB    NOT NULL PRIMARY KEY,
    event_id   TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX gateway_dedup_expiry ON gateway_dedup (expires_at);

-- An event on its way to a subscriber. While the job is in the queue, so is the delivery; a dead letter is one here.
CREATE TABLE gateway_deliveries (
    event        INTEGER NOT NULL,
    subscriber   TEXT    NOT NULL,
    job          INTEGER NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    delivered_at INTEGER,
    PRIMARY KEY (event, subscriber)
) STRICT, WITHOUT ROWID;
CREATE INDEX gateway_deliveries_subscriber ON gateway_deliveries (subscriber, event);

CREATE TABLE gateway_attempts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    event       INTEGER NOT NULL,
    subscriber  TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    duration    INTEGER NOT NULL,                   -- microseconds
    delivered   INTEGER NOT NULL,                   -- 1: it was
    status      INTEGER,
    reason      TEXT,
    response    TEXT,                               -- the beginning of it
    recorded_at INTEGER NOT NULL
) STRICT;
CREATE INDEX gateway_attempts_delivery ON gateway_attempts (event, subscriber, id);
CREATE INDEX gateway_attempts_subscriber ON gateway_attempts (subscriber, id);

-- The fields of an entity as they were seen last: hashes of their values.
CREATE TABLE gateway_entities (
    account TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    fields  TEXT    NOT NULL,                       -- JSON: field to hash
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (account, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX gateway_entities_age ON gateway_entities (seen_at);

-- Sums per hour.
CREATE TABLE gateway_tallies (
    hour    INTEGER NOT NULL,                       -- since 1970
    measure TEXT    NOT NULL,
    key     TEXT    NOT NULL,                       -- an account or a subscriber
    shard   INTEGER NOT NULL,
    value   INTEGER NOT NULL,
    PRIMARY KEY (hour, measure, key, shard)
) STRICT, WITHOUT ROWID;
