-- What amoCRM says of each deal's stage, what is still to be told to it, and work that one process at a time does now
-- and then.

ALTER TABLE leads ADD COLUMN amo_seen_at INTEGER;                       -- amoCRM's time of the newest report of the stage
ALTER TABLE leads ADD COLUMN amo_sent_pipeline_id INTEGER;              -- the stage that was sent last,
ALTER TABLE leads ADD COLUMN amo_sent_status_id INTEGER;                -- while its outcome is not known
ALTER TABLE leads ADD COLUMN amo_gone_at INTEGER;                       -- when the deal was found to be deleted or merged
ALTER TABLE leads ADD COLUMN move_pending INTEGER NOT NULL DEFAULT 0;   -- 1: our status has not reached amoCRM yet
ALTER TABLE leads ADD COLUMN look_pending INTEGER NOT NULL DEFAULT 0;   -- 1: a job will ask amoCRM for the stage
CREATE INDEX leads_move_pending ON leads (id) WHERE move_pending = 1;

ALTER TABLE lead_history ADD COLUMN by_user INTEGER;                    -- a user of amoCRM; 0 is a robot
ALTER TABLE lead_history ADD COLUMN what TEXT;                          -- NULL: the status changed
CREATE INDEX dead_letters_lane ON dead_letters (lane) WHERE lane IS NOT NULL;

-- The stage of these rows is the one that is wanted, not the one that amoCRM has.
UPDATE leads SET move_pending = 1, amo_pipeline_id = NULL, amo_status_id = NULL
WHERE id IN (SELECT json_extract(payload, '$.lead') FROM jobs WHERE kind = 'lead.move');

CREATE TABLE schedules (
    name       TEXT    NOT NULL PRIMARY KEY,
    due_at     INTEGER NOT NULL,
    fence      INTEGER NOT NULL DEFAULT 0,          -- grows with every run; an older one is refused
    held_until INTEGER,                             -- NULL: nobody is at it
    progress   TEXT,                                -- how far the runs have come
    ended_at   INTEGER,
    outcome    TEXT                                 -- of the last run that ended
) STRICT, WITHOUT ROWID;
