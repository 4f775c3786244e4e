-- Sums per day of lesson-sync, and what is so now: a view of its dashboard counts no rows, however many lessons there were.
-- A day is one of the office's calendar (Options::time_zone); here, for what was there before, Moscow's: +03:00. Several
-- rows per sum, so that commits on PostgreSQL do not queue behind one.
CREATE TABLE lesson_tallies (
    measure TEXT   NOT NULL,                       -- finished, ended, failed; waiting is of the day 0
    day     BIGINT NOT NULL,                      -- since 1970-01-01
    key     TEXT   NOT NULL,                       -- a course and a lesson, an outcome, a reason; few of each per day
    shard   BIGINT NOT NULL,
    value   BIGINT NOT NULL,
    PRIMARY KEY (measure, day, key, shard)
);

INSERT INTO lesson_tallies (measure, day, key, shard, value)
SELECT 'finished', (c.received_at + 10800000000) / 86400000000, s.course || '/' || c.lesson, 0, count(*)
FROM lesson_completions c JOIN lesson_students s ON s.id = c.student GROUP BY 2, 3;
INSERT INTO lesson_tallies (measure, day, key, shard, value)
SELECT 'ended', (created_at + 10800000000) / 86400000000, outcome, 0, count(*) FROM amocrm_logs GROUP BY 2, 3;
INSERT INTO lesson_tallies (measure, day, key, shard, value)
SELECT 'waiting', 0, waiting, 0, count(*) FROM lesson_students WHERE waiting IS NOT NULL GROUP BY waiting;

-- Who has not been heard of for long is forgotten.
CREATE INDEX lesson_students_age ON lesson_students (updated_at) WHERE has_job = 0;
CREATE INDEX lesson_finals_completion ON lesson_finals (completion);
