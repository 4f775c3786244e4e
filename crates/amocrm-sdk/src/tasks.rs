//! Tasks: what somebody has to do until when, alone or on a lead, contact, company or customer.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/tasks-api>.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::de;
use crate::entity::{Created, Never, Update, Updated, filter, input, resource, words};
use crate::id::{AccountId, StatusId, TaskId, TaskTypeId, UserGroupId, UserId, kind};
use crate::links::{EntityRef, EntityType};

resource! {
    /// Tasks of the account: [`Client::tasks`].
    pub struct Tasks of Task: kind::Task, "tasks";
    /// Reads tasks.
    list(with = Never, filter = TaskFilter, order = TaskOrder);
    /// Reads one task.
    get(many TaskId);
    /// Adds tasks. amoCRM has no way to remove one.
    create(NewTask => Created<Task>);
    /// Changes a task.
    update(TaskId, TaskPatch => Updated<Task>);
    /// Changes many tasks.
    update_many(TaskPatch);
}

impl Client {
    /// Tasks of the account.
    pub fn tasks(&self) -> Tasks {
        Tasks::at(self, "/api/v4/tasks")
    }
}

impl Tasks {
    /// Completes a task, and says what came of it.
    pub fn complete(&self, id: TaskId, result: impl Into<String>) -> Update<Task> {
        self.update(id).completed(true).result(result)
    }
}

/// The type of task that every account has: call (again).
pub const FOLLOW_UP: TaskTypeId = TaskTypeId::new(1);

/// The type of task that every account has: meet.
pub const MEETING: TaskTypeId = TaskTypeId::new(2);

/// A task as amoCRM tells it. `Debug` does not show its texts.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// What is to be done.
    #[serde(default, deserialize_with = "de::text")]
    pub text: String,
    /// What kind of task it is: [`FOLLOW_UP`], [`MEETING`], or one of the account's own,
    /// [`Account::task_types`](crate::account::Account).
    #[serde(default, deserialize_with = "de::opt_id")]
    pub task_type_id: Option<TaskTypeId>,
    /// Whether it is done.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_completed: bool,
    /// The deadline. 23:59 by the account's clock is shown as "all day".
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub complete_till: Option<DateTime<Utc>>,
    /// How long it takes, in seconds.
    #[serde(default, deserialize_with = "de::number")]
    pub duration: i64,
    /// Who has to do it.
    #[serde(default, deserialize_with = "de::id_or_zero")]
    pub responsible_user_id: Option<UserId>,
    /// Group of that user; `0` is the default one.
    #[serde(default, deserialize_with = "de::id_or_zero")]
    pub group_id: Option<UserGroupId>,
    /// The id of what the task is about; [`entity`](Self::entity) has both.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub entity_id: Option<u64>,
    /// The type of that.
    #[serde(default)]
    pub entity_type: Option<EntityType>,
    /// Who created it; `0` is a robot.
    #[serde(default, deserialize_with = "de::id_or_zero")]
    pub created_by: Option<UserId>,
    /// Who changed it last; `0` is a robot.
    #[serde(default, deserialize_with = "de::id_or_zero")]
    pub updated_by: Option<UserId>,
    /// When it was created.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub updated_at: Option<DateTime<Utc>>,
    /// Its account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
    #[serde(default, deserialize_with = "de::object")]
    result: TaskResult,
}

/// An empty result is `[]` on the wire.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct TaskResult {
    #[serde(default, deserialize_with = "de::opt_text")]
    text: Option<String>,
}

impl Task {
    /// What came of it, if somebody wrote that down.
    pub fn result(&self) -> Option<&str> {
        self.result.text.as_deref()
    }

    /// What it is about, unless it stands alone.
    pub fn entity(&self) -> Option<EntityRef> {
        Some(EntityRef {
            entity_type: self.entity_type.clone()?,
            id: self.entity_id?,
        })
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("id", &self.id)
            .field("task_type_id", &self.task_type_id)
            .field("entity_type", &self.entity_type)
            .field("entity_id", &self.entity_id)
            .field("is_completed", &self.is_completed)
            .field("complete_till", &self.complete_till)
            .finish_non_exhaustive()
    }
}

words! {
    /// What tasks can be ordered by.
    pub enum TaskOrder {
        /// By time of creation.
        CreatedAt = "created_at",
        /// By deadline.
        CompleteTill = "complete_till",
        /// By id.
        Id = "id",
    }
}

filter! {
    /// Which tasks a list keeps.
    pub struct TaskFilter {
        /// These tasks.
        any ids "id": TaskId,
        /// Of these users.
        any responsible_users "responsible_user_id": UserId,
        /// Created by these users. amoCRM documents it only in its own client.
        any created_by "created_by": UserId,
        /// Changed in this period.
        period updated_at "updated_at": DateTime<Utc>,
        /// On leads in these statuses. amoCRM documents it only in its own client.
        any lead_statuses "lead_statuses": StatusId,
    }
}

impl TaskFilter {
    /// Done, or still to do.
    pub fn completed(mut self, is_completed: bool) -> Self {
        self.0.one("is_completed", u8::from(is_completed));
        self
    }

    /// Of these types. amoCRM reads the parameter under a name that differs from the documented one, so it goes under
    /// both.
    pub fn types(mut self, alternatives: impl IntoIterator<Item = TaskTypeId>) -> Self {
        let types: Vec<TaskTypeId> = alternatives.into_iter().collect();
        self.0.any("task_type", &types);
        self.0.any("task_type_id", &types);
        self
    }

    /// On any entity of this type.
    pub fn entity_type(mut self, entity_type: EntityType) -> Self {
        self.0.one("entity_type", entity_type);
        self
    }

    /// On this entity: `TaskFilter::new().of(lead_id)`.
    pub fn of(mut self, entity: impl Into<EntityRef>) -> Self {
        let entity = entity.into();
        self.0.one("entity_type", entity.entity_type);
        self.0.any("entity_id", [entity.id]);
        self
    }
}

input! {
    /// A task to be added.
    pub struct NewTask(text: impl Into<String>, complete_till: DateTime<Utc>);
    /// Changes to a task: only what is set travels.
    pub struct TaskPatch(TaskId) of Task;
    fields TaskFields;
    both {
        /// Sets what is to be done.
        text text "text";
        /// Sets the deadline. 23:59 by the account's clock is shown as "all day".
        time complete_till "complete_till";
        /// Sets the type: [`FOLLOW_UP`], [`MEETING`], or one of the account's own.
        set task_type_id "task_type_id": TaskTypeId;
        /// Sets how long it takes, in seconds.
        set duration "duration": u32;
        /// Sets who has to do it. Without it: the token's user.
        set responsible_user_id "responsible_user_id": UserId;
        /// Sets whether it is done.
        set completed "is_completed": bool;
        part entity_id "entity_id": u64;
        part entity_type "entity_type": EntityType;
        part result "result": TaskResult;
        /// Sets who created it; `0` is a robot.
        set created_by "created_by": UserId;
        /// Sets who changed it; `0` is a robot.
        set updated_by "updated_by": UserId;
        /// Sets when it was created, for imports.
        time created_at "created_at";
        /// Sets when it was changed, for imports.
        time updated_at "updated_at";
    }
    new {}
    patch {}
    also {
        /// Sets what it is about: `.of(lead_id)`.
        pub fn of(mut self, entity: impl Into<EntityRef>) -> Self {
            let entity = entity.into();
            self.fields_mut().entity_type = Some(entity.entity_type);
            self.fields_mut().entity_id = Some(entity.id);
            self
        }

        /// Says what came of it.
        pub fn result(mut self, text: impl Into<String>) -> Self {
            self.fields_mut().result = Some(TaskResult { text: Some(text.into()) });
            self
        }
    }
}
