-- What an outage of a subscriber's endpoint puts off, and what becomes of subscribers that the file no longer names.

ALTER TABLE jobs ADD COLUMN put_off_at INTEGER;              -- an attempt failed then for which the endpoint is to blame
ALTER TABLE jobs ADD COLUMN woken INTEGER NOT NULL DEFAULT 0; -- how often it was made due before its time

ALTER TABLE gateway_subscribers ADD COLUMN failed_at INTEGER;    -- the last failure since the last success
ALTER TABLE gateway_subscribers ADD COLUMN absent_since INTEGER; -- the file no longer names it
