//! Tasks.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Action, FromItem, brief_debug};
use crate::webhook::Tree;
use crate::webhook::fields::{flag, id, id_or_zero, number, text, time};
use crate::{AccountId, TaskId, UserId};

/// An event of a task.
///
/// The dates in words (`date_create`, `last_modified`, `complete_till`) are left in `raw`: their time zone is not told.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TaskEvent {
    /// What happened.
    pub action: Action,
    /// The task.
    pub id: TaskId,
    /// The entity it is on.
    pub element_id: Option<u64>,
    /// Type of that entity: 1 contact, 2 lead, 3 company, 12 customer.
    pub element_type: Option<u32>,
    /// Type of the task.
    pub task_type: Option<u64>,
    /// Text.
    pub text: Option<String>,
    /// Text before.
    pub old_text: Option<String>,
    /// The task is done.
    pub is_completed: Option<bool>,
    /// This very change has completed it.
    pub action_close: Option<bool>,
    /// Result, if one was given.
    pub result: Option<TaskResult>,
    /// Responsible user.
    pub responsible_user_id: Option<UserId>,
    /// Responsible user before.
    pub old_responsible_user_id: Option<UserId>,
    /// Who created the task.
    pub created_user_id: Option<UserId>,
    /// Account.
    pub account_id: Option<AccountId>,
    /// Deadline.
    pub complete_before: Option<DateTime<Utc>>,
    /// When it was created.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    pub updated_at: Option<DateTime<Utc>>,
    /// All that came.
    #[serde(skip)]
    pub raw: Tree,
}

brief_debug!(TaskEvent: action, id, element_id, element_type, updated_at);

/// Result of a task.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TaskResult {
    /// Its id.
    pub id: Option<u64>,
    /// Text.
    pub text: Option<String>,
}

brief_debug!(TaskResult: id);

impl FromItem for TaskEvent {
    const ID_KEY: &'static str = "id";
    const ID_EXPECTED: &'static str = "a numeric id";

    fn from_item(action: Action, item: &Tree) -> Option<Self> {
        Some(Self {
            action,
            id: id(item, "id")?,
            element_id: number(item, "element_id"),
            element_type: number(item, "element_type"),
            task_type: number(item, "task_type"),
            text: text(item, "text"),
            old_text: text(item, "old_text"),
            is_completed: flag(item, "status"),
            action_close: flag(item, "action_close"),
            result: item.get("result").map(|result| TaskResult {
                id: number(result, "id"),
                text: text(result, "text"),
            }),
            responsible_user_id: id_or_zero(item, "responsible_user_id"),
            old_responsible_user_id: id_or_zero(item, "old_responsible_user_id"),
            created_user_id: id_or_zero(item, "created_user_id"),
            account_id: id(item, "account_id"),
            complete_before: time(item, &["complete_before"]),
            created_at: time(item, &["created_at"]),
            updated_at: time(item, &["updated_at"]),
            raw: item.clone(),
        })
    }
}
