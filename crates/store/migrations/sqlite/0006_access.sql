-- Submissions that look like a machine's: not delivered, but kept for a while, for a person to look at.
CREATE TABLE quarantine (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    intake_id  TEXT    NOT NULL UNIQUE,
    payload    TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX quarantine_age ON quarantine (created_at);

-- When a lead's personal data was deleted; its row stays, for the figures.
ALTER TABLE leads ADD COLUMN wiped_at INTEGER;
CREATE INDEX leads_unwiped ON leads (delivered_at) WHERE wiped_at IS NULL;

CREATE INDEX lead_history_age ON lead_history (at);
CREATE INDEX dead_letters_age ON dead_letters (kind, died_at);
