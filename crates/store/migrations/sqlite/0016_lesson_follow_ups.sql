-- lesson-sync: what is done after the last lesson, and moves of deals that managers make.

-- The final action of a student of a course: once, step by step.
CREATE TABLE lesson_finals (
    student    INTEGER PRIMARY KEY REFERENCES lesson_students (id) ON DELETE CASCADE,
    completion INTEGER NOT NULL,
    lead_id    INTEGER NOT NULL,
    tagged_at  INTEGER,
    tasked_at  INTEGER,
    noted_at   INTEGER,
    state      TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- Moves of ours, written down before they are sent: whatever amoCRM tells of them is known for ours.
CREATE TABLE lesson_own_moves (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    lead_id  INTEGER NOT NULL,
    stage_id INTEGER NOT NULL,
    begun_at INTEGER NOT NULL,
    told_at  INTEGER
) STRICT;
CREATE INDEX lesson_own_moves_deal ON lesson_own_moves (lead_id, stage_id, begun_at);
CREATE INDEX lesson_own_moves_age ON lesson_own_moves (begun_at);

-- Moves of students' deals by others.
CREATE TABLE lesson_manager_moves (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    student      INTEGER NOT NULL REFERENCES lesson_students (id) ON DELETE CASCADE,
    lead_id      INTEGER NOT NULL,
    pipeline_id  INTEGER,
    old_stage_id INTEGER,
    stage_id     INTEGER NOT NULL,
    by_user      INTEGER,
    moved_at     INTEGER NOT NULL,
    received_at  INTEGER NOT NULL,
    UNIQUE (student, moved_at, stage_id)
) STRICT;
CREATE INDEX lesson_manager_moves_age ON lesson_manager_moves (received_at);

CREATE INDEX lesson_students_deal ON lesson_students (lead_id);
