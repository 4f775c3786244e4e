//! Reading students and their lessons.

use super::{Completion, Lessons, Student, completion, student};
use crate::db::Row;
use crate::error::Result;

macro_rules! students {
    ($condition:literal) => {
        concat!(
            "SELECT id, course, email, lead_id, waiting, created_at FROM lesson_students WHERE ",
            $condition
        )
    };
}

impl Lessons {
    /// The student with this number.
    pub async fn student(&self, id: i64) -> Result<Option<Student>> {
        let mut tx = self.inner.db.read().await?;
        let row = tx
            .query(students!("id = $1"))
            .bind(id)
            .fetch_optional()
            .await?;
        row.as_ref().map(student).transpose()
    }

    /// The student behind an e-mail (in lower case), once per course.
    pub async fn students_of(&self, email: &str) -> Result<Vec<Student>> {
        let mut tx = self.inner.db.read().await?;
        tx.query(students!("email = $1 ORDER BY course"))
            .bind(email)
            .fetch_all()
            .await?
            .iter()
            .map(student)
            .collect()
    }

    /// A student's finished lessons, in their order.
    pub async fn completions(&self, student: i64) -> Result<Vec<Completion>> {
        let mut tx = self.inner.db.read().await?;
        tx.query(
            "SELECT id, lesson, state, completed_at, received_at FROM lesson_completions
             WHERE student = $1 ORDER BY lesson",
        )
        .bind(student)
        .fetch_all()
        .await?
        .iter()
        .map(|row: &Row| completion(row))
        .collect()
    }
}
