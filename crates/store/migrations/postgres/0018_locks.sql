-- A lock's row goes with the lock; one of a holder that died is deleted a day later.
DELETE FROM locks WHERE held_until = 0;
CREATE INDEX locks_ended ON locks (held_until);
