-- Instants are microseconds since 1970 (UTC). JSON is text. Both databases have the same tables and columns.

-- One row per integration in an account: who may renew, and which generation of tokens is in force.
CREATE TABLE token_grants (
    client_id         TEXT    NOT NULL,
    account           TEXT    NOT NULL,
    generation        INTEGER NOT NULL DEFAULT 0,   -- of the newest pair ever saved
    active_generation INTEGER,                      -- NULL: there is no pair, or it was forgotten
    fence             INTEGER NOT NULL DEFAULT 0,   -- of the newest lease ever granted
    lease_owner       TEXT,
    lease_started_at  INTEGER,
    lease_until       INTEGER,
    PRIMARY KEY (client_id, account)
) STRICT, WITHOUT ROWID;

-- One row per pair ever saved. Old ones stay for the audit, without their secrets.
CREATE TABLE tokens (
    client_id      TEXT    NOT NULL,
    account        TEXT    NOT NULL,
    generation     INTEGER NOT NULL,
    sealed         BLOB,                            -- XChaCha20-Poly1305; NULL once wiped
    obtained_at    INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    deactivated_at INTEGER,
    PRIMARY KEY (client_id, account, generation),
    FOREIGN KEY (client_id, account) REFERENCES token_grants (client_id, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_sealed ON tokens (client_id, account, generation) WHERE sealed IS NOT NULL;

-- The durable queue. A row here is unfinished work; finished rows are deleted.
CREATE TABLE jobs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        TEXT    NOT NULL,
    lane        TEXT,                               -- NULL: in any order
    payload     TEXT    NOT NULL,
    waiting     INTEGER NOT NULL,                   -- 1: behind another job of its lane
    due_at      INTEGER NOT NULL,                   -- when it may be claimed: its schedule, or the end of its lease
    fence       INTEGER NOT NULL DEFAULT 0,         -- grows with every claim; an older holder is refused
    claims      INTEGER NOT NULL DEFAULT 0,         -- since the last recorded outcome
    attempts    INTEGER NOT NULL DEFAULT 0,         -- recorded outcomes that were not the last
    worker      TEXT,                               -- who holds it; NULL: nobody
    leased_at   INTEGER,
    last_error  TEXT,
    created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX jobs_due ON jobs (kind, due_at, id) WHERE waiting = 0;
CREATE INDEX jobs_lane ON jobs (lane, id) WHERE waiting = 1;
CREATE INDEX jobs_age ON jobs (kind, id);
CREATE INDEX jobs_worker ON jobs (worker) WHERE worker IS NOT NULL;

-- Lanes with unfinished jobs, and how many. Exactly one job of a lane does not wait: its head.
CREATE TABLE lanes (
    lane  TEXT    NOT NULL PRIMARY KEY,
    depth INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letters (
    id          INTEGER PRIMARY KEY,                -- of the job; a replay keeps it
    kind        TEXT    NOT NULL,
    lane        TEXT,
    payload     TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    last_error  TEXT,
    fence       INTEGER NOT NULL,                   -- a replay goes on from here
    attempts    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    died_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX dead_letters_kind ON dead_letters (kind, id);

-- Sums kept while rows change, so that a scrape of metrics counts nothing.
CREATE TABLE counters (
    name  TEXT    NOT NULL,
    shard INTEGER NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (name, shard)
) STRICT, WITHOUT ROWID;

CREATE TABLE leads (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    intake_id          TEXT    NOT NULL UNIQUE,
    account            TEXT    NOT NULL,
    name               TEXT,
    phone              TEXT,
    email              TEXT,
    utm_source         TEXT,
    utm_medium         TEXT,
    utm_campaign       TEXT,
    utm_content        TEXT,
    utm_term           TEXT,
    payload            TEXT    NOT NULL,
    local_status       TEXT    NOT NULL,
    status_changed_at  INTEGER NOT NULL,
    delivery_state     TEXT    NOT NULL CHECK (delivery_state IN ('queued', 'delivering', 'delivered', 'failed')),
    amo_contact_id     INTEGER,
    amo_lead_id        INTEGER,
    amo_pipeline_id    INTEGER,
    amo_status_id      INTEGER,
    attempts           INTEGER NOT NULL DEFAULT 0,
    last_error         TEXT,
    attempt_started_at INTEGER,                     -- of the first attempt: what amoCRM may hold is not older
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    delivered_at       INTEGER
) STRICT;
CREATE UNIQUE INDEX leads_amo ON leads (account, amo_lead_id) WHERE amo_lead_id IS NOT NULL;
CREATE INDEX leads_delivery ON leads (delivery_state, id);
CREATE INDEX leads_status ON leads (local_status, id);

CREATE TABLE lead_history (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    lead_id         INTEGER NOT NULL REFERENCES leads (id),
    from_status     TEXT    NOT NULL,
    to_status       TEXT    NOT NULL,
    origin          TEXT    NOT NULL,
    amo_pipeline_id INTEGER,
    amo_status_id   INTEGER,
    at              INTEGER NOT NULL,
    echo_until      INTEGER                         -- amoCRM will tell us what we told it; once, before this
) STRICT;
CREATE INDEX lead_history_lead ON lead_history (lead_id, id);

CREATE TABLE idempotency_keys (
    key         TEXT    NOT NULL PRIMARY KEY,
    fingerprint TEXT    NOT NULL,
    lead_id     INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

-- Which contact an e-mail or a phone belongs to, and who is creating it now.
CREATE TABLE identities (
    account       TEXT    NOT NULL,
    kind          TEXT    NOT NULL,
    value         TEXT    NOT NULL,
    contact_id    INTEGER,
    claimed_by    INTEGER,                          -- a lead
    claimed_until INTEGER,
    PRIMARY KEY (account, kind, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX identities_claim ON identities (claimed_by) WHERE claimed_by IS NOT NULL;
CREATE INDEX identities_contact ON identities (account, contact_id) WHERE contact_id IS NOT NULL;

CREATE TABLE settings (
    key        TEXT    NOT NULL PRIMARY KEY,
    value      TEXT    NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE states (
    state      TEXT    NOT NULL PRIMARY KEY,
    payload    TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX states_expiry ON states (expires_at);
