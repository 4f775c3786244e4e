//! lesson-sync and the bare handler beside it, as processes of their own.

use crate::load::Posted;
use crate::service::Service;

/// Nobody listens there: the "discard" service of 1983.
const NOBODY: &str = "http://127.0.0.1:9";
/// The pipeline, and the stages of its lessons.
pub(super) const PIPELINE: &str = "onAI Academy";
pub(super) const STAGES: [&str; 3] = ["НОВАЯ ЗАЯВКА", "ПРОШЕЛ ПЕРВЫЙ УРОК", "ПРОШЕЛ ВТОРОЙ УРОК"];

/// The e-mail of a student.
pub(super) fn email(student: u32) -> String {
    format!("student{student:07}@example.com")
}

/// A lesson that one of so many students has finished.
pub(super) fn lesson<const STUDENTS: u32, const NUMBER: u32>(number: u32) -> Posted {
    Posted {
        path: "/api/lessons/completed",
        content_type: "application/json",
        body: format!(
            r#"{{"email":"{}","lesson_number":{NUMBER},"user_id":{number}}}"#,
            email(number % STUDENTS)
        ),
    }
}

/// The bare handler.
pub(super) fn bare(database: &str, group: bool) -> anyhow::Result<Service> {
    let mut arguments = vec!["lessons", "--bare", database];
    arguments.extend(group.then_some("--group"));
    Service::part(&arguments)
}

/// lesson-sync while amoCRM is away.
pub(super) fn alone(database: &str) -> anyhow::Result<Service> {
    lesson_sync(database, NOBODY, "nobody-asks-for-it", &[])
}

/// lesson-sync, with a long-lived token for amoCRM.
pub(super) fn lesson_sync(
    database: &str,
    amocrm: &str,
    token: &str,
    settings: &[(&str, &str)],
) -> anyhow::Result<Service> {
    let mut all = vec![
        ("AMOCRM_DOMAIN", "acme-demo.amocrm.ru"),
        ("AMOCRM_BASE_URL", amocrm),
        ("AMOCRM_ACCESS_TOKEN", token),
        ("AMOCRM_PIPELINE_ID", PIPELINE),
        ("AMOCRM_STAGE_LESSON_1", STAGES[1]),
        ("AMOCRM_STAGE_LESSON_2", STAGES[2]),
    ];
    all.extend_from_slice(settings);
    Service::start("lesson-sync", database, &all)
}
