//! Tasks and their types.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Account, EntityType};

/// A task.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Its id.
    pub(crate) id: u64,
    /// 0 is a robot.
    pub(crate) created_by: u64,
    /// 0 is a robot.
    pub(crate) updated_by: u64,
    /// Unix seconds.
    pub(crate) created_at: i64,
    /// Unix seconds.
    pub(crate) updated_at: i64,
    /// Who has to do it.
    pub(crate) responsible_user_id: u64,
    /// Group of that user.
    pub(crate) group_id: u64,
    /// The card it belongs to, if any.
    pub(crate) card: Option<(EntityType, u64)>,
    /// Done.
    pub(crate) is_completed: bool,
    /// Its type.
    pub(crate) kind: u64,
    /// What is to be done.
    pub(crate) text: String,
    /// Seconds.
    pub(crate) duration: i64,
    /// The deadline, unix seconds.
    pub(crate) complete_till: i64,
    /// What came of it.
    pub(crate) result: Option<TaskResult>,
}

/// What came of a task; amoCRM keeps it as a note.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaskResult {
    /// The note.
    pub(crate) note_id: u64,
    /// Its text.
    pub(crate) text: String,
}

impl fmt::Debug for Task {
    /// Texts are private, so they are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("id", &self.id)
            .field("card", &self.card)
            .finish_non_exhaustive()
    }
}

/// A type of task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TaskType {
    /// 1 and 2 are in every account.
    pub(crate) id: u64,
    /// Its name.
    pub(crate) name: String,
    /// `#rrggbb`; the account's own types only.
    pub(crate) color: Option<String>,
    /// The icon; the account's own types only.
    pub(crate) icon_id: Option<u64>,
    /// `FOLLOW_UP`, `MEETING`; none for the account's own types.
    pub(crate) code: Option<String>,
}

/// The types every account begins with.
pub(crate) fn standard_task_types() -> Vec<TaskType> {
    [(1, "Связаться", "FOLLOW_UP"), (2, "Встреча", "MEETING")]
        .map(|(id, name, code)| TaskType {
            id,
            name: name.to_owned(),
            color: None,
            icon_id: None,
            code: Some(code.to_owned()),
        })
        .into()
}

/// All tasks of an account, and which open one of a card comes next.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    by_id: BTreeMap<u64, Task>,
    /// Card, deadline and id of the open ones.
    open: BTreeSet<(EntityType, u64, i64, u64)>,
}

impl Tasks {
    /// The task with this id.
    pub(crate) fn get(&self, id: u64) -> Option<&Task> {
        self.by_id.get(&id)
    }

    /// All tasks, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Task> {
        self.by_id.values()
    }

    fn insert(&mut self, task: Task) {
        self.remove(task.id);
        self.open.extend(open_key(&task));
        self.by_id.insert(task.id, task);
    }

    fn remove(&mut self, id: u64) -> Option<Task> {
        let task = self.by_id.remove(&id)?;
        if let Some(key) = open_key(&task) {
            self.open.remove(&key);
        }
        Some(task)
    }

    /// The deadline of the open task of a card that comes next.
    fn closest(&self, entity: EntityType, id: u64) -> Option<i64> {
        let of_card = (entity, id, i64::MIN, 0)..=(entity, id, i64::MAX, u64::MAX);
        self.open.range(of_card).next().map(|open| open.2)
    }
}

fn open_key(task: &Task) -> Option<(EntityType, u64, i64, u64)> {
    let (entity, id) = task.card?;
    (!task.is_completed).then_some((entity, id, task.complete_till, task.id))
}

impl Serialize for Tasks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.by_id.values())
    }
}

impl<'de> Deserialize<'de> for Tasks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut tasks = Self::default();
        for task in Vec::<Task>::deserialize(deserializer)? {
            tasks.insert(task);
        }
        Ok(tasks)
    }
}

impl Account {
    /// Puts a task in, replacing the one of the same id; the cards of both know then when their next task is due.
    pub(crate) fn put_task(&mut self, task: Task) {
        let before = self.tasks.get(task.id).and_then(|task| task.card);
        let after = task.card;
        self.tasks.insert(task);
        for card in before.into_iter().chain(after.filter(|_| before != after)) {
            self.refresh_closest_task(card);
        }
    }

    /// Takes a task away.
    pub(crate) fn remove_task(&mut self, id: u64) -> Option<Task> {
        let task = self.tasks.remove(id)?;
        if let Some(card) = task.card {
            self.refresh_closest_task(card);
        }
        Some(task)
    }

    fn refresh_closest_task(&mut self, (entity, id): (EntityType, u64)) {
        let closest = self.tasks.closest(entity, id);
        self.records_mut(entity)
            .update(id, |record| record.closest_task_at = closest);
    }
}
