-- Who has changed what. A line is written before the change is made, and never rewritten; it goes by its age alone.
CREATE TABLE audit_log (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    role       TEXT    NOT NULL, -- viewer, operator, admin, command line
    method     TEXT    NOT NULL,
    route      TEXT    NOT NULL, -- the route's pattern, or the command
    path       TEXT    NOT NULL,
    request_id TEXT
) STRICT;
CREATE INDEX audit_log_age ON audit_log (at);

CREATE TRIGGER audit_log_stays BEFORE UPDATE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'audit_log is append-only');
END;
