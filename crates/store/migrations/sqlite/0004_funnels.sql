-- Funnels: messages to clients after a lead has entered a status.

-- Somebody who gets messages. The address is hashed: the row outlives the lead, because "unsubscribed" is for ever. There
-- are as many rows as people.
CREATE TABLE funnel_recipients (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    address         TEXT    NOT NULL UNIQUE,
    unsubscribed_at INTEGER
) STRICT;

-- The addresses of the leads that are in a funnel: whose answer is it? Rows go with their leads.
CREATE TABLE funnel_addresses (
    recipient_id INTEGER NOT NULL REFERENCES funnel_recipients (id),
    lead_id      INTEGER NOT NULL REFERENCES leads (id) ON DELETE CASCADE,
    PRIMARY KEY (recipient_id, lead_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX funnel_addresses_lead ON funnel_addresses (lead_id);

-- A step of a funnel for a lead: one message, once. Rows go with their leads.
CREATE TABLE funnel_messages (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    lead_id      INTEGER NOT NULL REFERENCES leads (id) ON DELETE CASCADE,
    funnel       TEXT    NOT NULL,
    step         INTEGER NOT NULL,                  -- 1 is the first
    channel      TEXT    NOT NULL,
    recipient_id INTEGER NOT NULL REFERENCES funnel_recipients (id),
    stops        INTEGER NOT NULL,                  -- what stops it, in bits: 1 reply, 2 status, 4 unsubscribe
    state        TEXT    NOT NULL CHECK (state IN ('pending', 'sending', 'sent', 'unknown', 'failed', 'stopped')),
    reason       TEXT,
    due_at       INTEGER NOT NULL,
    begun_at     INTEGER,                           -- when it may have begun to leave us; NULL: it certainly has not
    ended_at     INTEGER,
    attempts     INTEGER NOT NULL DEFAULT 0,
    external_id  TEXT,                              -- the messenger's number of it
    receipt      TEXT,                              -- what the messenger said later: delivered, read, failed
    created_at   INTEGER NOT NULL,
    UNIQUE (lead_id, funnel, step)
) STRICT;
CREATE INDEX funnel_messages_recipient ON funnel_messages (recipient_id, begun_at);
CREATE INDEX funnel_messages_funnel ON funnel_messages (funnel, begun_at) WHERE begun_at IS NOT NULL;
CREATE INDEX funnel_messages_external ON funnel_messages (external_id) WHERE external_id IS NOT NULL;

-- One row per funnel, to be locked while its messages of the day are counted.
CREATE TABLE funnel_caps (
    funnel TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- What becomes a note of the deal, once. The text goes when the note is there; the marker stays with the lead, so that a
-- report that comes twice makes one note.
CREATE TABLE funnel_notes (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    lead_id    INTEGER NOT NULL REFERENCES leads (id) ON DELETE CASCADE,
    marker     TEXT    NOT NULL UNIQUE,
    text       TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX funnel_notes_lead ON funnel_notes (lead_id);

-- Whose contact has answered?
CREATE INDEX IF NOT EXISTS leads_contact ON leads (amo_contact_id) WHERE amo_contact_id IS NOT NULL;
