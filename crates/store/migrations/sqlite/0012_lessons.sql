-- lesson-sync: students, the lessons that they finished, and what became of each in amoCRM.

-- A student of a course: one job at a time brings the deal up to the highest lesson.
CREATE TABLE lesson_students (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    course     TEXT    NOT NULL,
    email      TEXT    NOT NULL,
    lead_id    INTEGER,
    waiting    TEXT,
    has_job    INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (email, course)
) STRICT;

-- A finished lesson. The same one is stored once, however often it is told.
CREATE TABLE lesson_completions (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    student      INTEGER NOT NULL REFERENCES lesson_students (id),
    lesson       INTEGER NOT NULL,
    user_id      TEXT,
    completed_at INTEGER,
    received_at  INTEGER NOT NULL,
    state        TEXT    NOT NULL,
    UNIQUE (student, lesson)
) STRICT;
CREATE INDEX lesson_completions_age ON lesson_completions (received_at);

CREATE TABLE amocrm_logs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    course        TEXT    NOT NULL,
    user_email    TEXT    NOT NULL,
    lesson_number INTEGER NOT NULL,
    outcome       TEXT    NOT NULL,
    success       INTEGER NOT NULL,
    lead_id       INTEGER,
    stage_id      INTEGER,
    error_message TEXT,
    attempts      INTEGER NOT NULL,
    received_at   INTEGER NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX amocrm_logs_email ON amocrm_logs (user_email, id);
CREATE INDEX amocrm_logs_lesson ON amocrm_logs (lesson_number, id);
CREATE INDEX amocrm_logs_success ON amocrm_logs (success, id);
CREATE INDEX amocrm_logs_age ON amocrm_logs (created_at);
