-- What is left of a person who is forgotten, of a lead that was given up, and when it goes.

ALTER TABLE funnel_messages ADD COLUMN forgotten_at INTEGER;  -- when the lead's personal data was deleted
CREATE INDEX funnel_messages_forgotten ON funnel_messages (forgotten_at) WHERE forgotten_at IS NOT NULL;

-- The person changed their mind, or the manager the status, while the message was on its way: if it has not left, it does
-- not leave any more.
ALTER TABLE funnel_messages ADD COLUMN stop_reason TEXT;

-- What is kept for INTAKE_HISTORY_DAYS goes by its age.
CREATE INDEX manager_history_age ON manager_history (at);

-- A person has thrown the delivery away: the lead is failed for ever, and nobody has to look at it.
ALTER TABLE leads ADD COLUMN dropped_at INTEGER;
CREATE INDEX leads_dropped ON leads (dropped_at) WHERE wiped_at IS NULL AND dropped_at IS NOT NULL;
