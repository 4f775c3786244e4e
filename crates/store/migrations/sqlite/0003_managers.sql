-- Who is responsible for a lead, and why.

ALTER TABLE leads ADD COLUMN responsible_user_id INTEGER;  -- a user of amoCRM; NULL: amoCRM decides
ALTER TABLE leads ADD COLUMN manager_reason TEXT;          -- NULL: nobody has been looked for
ALTER TABLE leads ADD COLUMN manager_told_at INTEGER;      -- of amoCRM's last word on it, by amoCRM's clock
-- What somebody was given and amoCRM may not have shown yet.
CREATE INDEX leads_manager ON leads (responsible_user_id, delivered_at);
-- The last lead of a known contact.
CREATE INDEX leads_contact ON leads (amo_contact_id, id) WHERE amo_contact_id IS NOT NULL;

CREATE TABLE manager_history (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    lead_id      INTEGER NOT NULL REFERENCES leads (id) ON DELETE CASCADE,
    from_user_id INTEGER,
    to_user_id   INTEGER,
    origin       TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    details      TEXT    NOT NULL,                  -- JSON: what the choice was made from
    at           INTEGER NOT NULL
) STRICT;
CREATE INDEX manager_history_lead ON manager_history (lead_id, id);

-- How many turns a circle of managers has had, and which was whose last.
CREATE TABLE manager_pools (
    account TEXT    NOT NULL,
    pool    TEXT    NOT NULL,
    turns   INTEGER NOT NULL,
    PRIMARY KEY (account, pool)
) STRICT, WITHOUT ROWID;

CREATE TABLE manager_turns (
    account TEXT    NOT NULL,
    pool    TEXT    NOT NULL,
    user_id INTEGER NOT NULL,
    turn    INTEGER NOT NULL,
    PRIMARY KEY (account, pool, user_id)
) STRICT, WITHOUT ROWID;
