//! What webhooks say of tasks.

use super::{Fields, WorldEvent};
use crate::world::{Account, Task};

/// What can happen to a task.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum TaskChange {
    Added,
    /// Anything was changed.
    Updated {
        /// It was completed by this change.
        closes: bool,
        /// The text before.
        old_text: String,
        /// A result was given.
        has_result: bool,
    },
    /// Another user has to do it.
    Handed {
        old_user_id: u64,
    },
    Deleted,
}

impl WorldEvent {
    /// The event of a change to a task.
    pub(crate) fn task(account: &Account, task: &Task, change: &TaskChange) -> Self {
        let (code, action) = match change {
            TaskChange::Added => ("add_task", "add"),
            TaskChange::Updated { .. } => ("update_task", "update"),
            // As with contacts, the vendor's sample prints it under `update`.
            TaskChange::Handed { .. } => ("responsible_task", "update"),
            TaskChange::Deleted => ("delete_task", "delete"),
        };
        Self {
            account_id: account.id,
            code,
            entity: "task",
            action,
            fields: fields(account, task, change),
        }
    }
}

fn fields(account: &Account, task: &Task, change: &TaskChange) -> Vec<(String, String)> {
    let mut fields = Fields::default();
    fields.put("id", task.id);
    if *change == TaskChange::Deleted {
        return fields.0;
    }
    if let Some((entity, id)) = task.card {
        fields.put("element_id", id);
        fields.put("element_type", entity.element_type());
    } else {
        fields.put("element_id", 0);
        fields.put("element_type", 0);
    }
    fields.put("task_type", task.kind);
    fields.put("date_create", text_date(task.created_at));
    fields.put("text", &task.text);
    fields.put("status", u8::from(task.is_completed));
    fields.put("account_id", account.id);
    fields.put("created_user_id", task.created_by);
    fields.put("last_modified", text_date(task.updated_at));
    fields.put("responsible_user_id", task.responsible_user_id);
    fields.put("complete_till", text_date(task.complete_till));
    match change {
        TaskChange::Updated {
            closes,
            old_text,
            has_result,
        } => {
            fields.put("action_close", u8::from(*closes));
            fields.put("old_text", old_text);
            if let Some(result) = task.result.as_ref().filter(|_| *has_result) {
                fields.put_path("[result][id]".to_owned(), result.note_id);
                fields.put_path("[result][text]".to_owned(), &result.text);
            }
        }
        TaskChange::Handed { old_user_id } => {
            fields.put("main_user", task.responsible_user_id);
            fields.put("modified_by", task.updated_by);
            fields.put("old_responsible_user_id", old_user_id);
        }
        TaskChange::Added | TaskChange::Deleted => {}
    }
    fields.put("created_at", task.created_at);
    fields.put("updated_at", task.updated_at);
    fields.put("complete_before", task.complete_till);
    fields.0
}

/// Text dates of tasks are UTC in the vendor's samples, unlike those of notes.
fn text_date(at: i64) -> String {
    chrono::DateTime::from_timestamp(at, 0)
        .map(|at| at.format("%Y-%m-%d %H:%M:%S").to_string())
        .unwrap_or_default()
}
