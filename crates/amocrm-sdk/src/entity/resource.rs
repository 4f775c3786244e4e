//! Declares a collection of the API: its handle, and the operations that amoCRM has for it.

/// Declares the handle of a collection and says which of the few operations it has.
///
/// ```text
/// resource! {
///     /// Tasks of the account: [`Client::tasks`].
///     pub struct Tasks of Task: kind::Task, "tasks";
///     /// Reads tasks.
///     list(with = Never, filter = TaskFilter, order = TaskOrder);
///     /// Reads one task.
///     get(many TaskId);
///     /// Adds tasks.
///     create(NewTask => Created<Task>);
///     /// Changes a task.
///     update(TaskId, TaskPatch => Updated<Task>);
///     /// Changes many tasks.
///     update_many(TaskPatch);
///     /// Removes a task.
///     delete(TaskId);
/// }
/// ```
///
/// The handle has a client and a path; `Tasks::at(&client, "/api/v4/tasks")` makes one. What amoCRM does besides these
/// operations is written below the declaration by hand. `"tasks"` begins the operations' names; a collection whose key
/// in `_embedded` differs says `"event_types", key = "events_types"`. A collection that comes whole and ignores `page`
/// says `list_whole` instead of `list`, one with smaller pages `list(…, limit = 100)`, and one that
/// may give as few as 50 rows where there are more `list(…, full = 50)`. What takes fewer items at once than 250 says so:
/// `create(NewUser => User, batch = 10)`. An id that is a text is `get(text EventId)`; where the list can be filtered by id,
/// `get(many TaskId)` lets batchers gather single reads.
macro_rules! resource {
    (
        $(#[$meta:meta])*
        pub struct $handle:ident of $entity:ty: $kind:ty, $name:literal $(, key = $key:literal)?;
        $($(#[$doc:meta])* $operation:ident($($argument:tt)*);)*
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub struct $handle {
            client: crate::Client,
            path: std::borrow::Cow<'static, str>,
        }

        impl $handle {
            pub(crate) fn at(
                client: &crate::Client,
                path: impl Into<std::borrow::Cow<'static, str>>,
            ) -> Self {
                Self {
                    client: client.clone(),
                    path: path.into(),
                }
            }

            $(crate::entity::resource_method! {
                $(#[$doc])* $operation $entity, $($argument)*
            })*
        }

        crate::entity::entity!($entity: $kind, $name $(, key = $key)?);
        $(crate::entity::resource_trait!($operation $entity, $($argument)*);)*

        impl crate::request::Declared for $handle {
            const OPERATIONS: &'static [crate::Operation] = &[
                $(crate::entity::resource_operation!($operation $entity),)*
            ];
            const TAKES_MANY: bool = crate::entity::takes_many!($($operation)*);
        }
    };
}
pub(crate) use resource;

/// Whether `update_many` is among the operations.
macro_rules! takes_many {
    () => { false };
    (update_many $($rest:ident)*) => { true };
    ($other:ident $($rest:ident)*) => { crate::entity::takes_many!($($rest)*) };
}
pub(crate) use takes_many;

macro_rules! resource_method {
    ($(#[$doc:meta])* list $entity:ty, $($argument:tt)*) => {
        $(#[$doc])*
        pub fn list(&self) -> crate::entity::List<$entity> {
            crate::entity::List::new(self.client.clone(), &*self.path)
        }
    };
    ($(#[$doc:meta])* list_whole $entity:ty, $($argument:tt)*) => {
        $(#[$doc])*
        pub fn list(&self) -> crate::entity::List<$entity> {
            crate::entity::List::new(self.client.clone(), &*self.path).unpaged()
        }
    };
    ($(#[$doc:meta])* get $entity:ty, text $id:ty) => {
        $(#[$doc])*
        pub fn get(&self, id: impl Into<$id>) -> crate::entity::Get<$entity> {
            let id: $id = id.into();
            let id = crate::path::segment(id.as_str());
            crate::entity::Get::new(self.client.clone(), format!("{}/{id}", self.path))
        }
    };
    ($(#[$doc:meta])* get $entity:ty, many $id:ty) => {
        $(#[$doc])*
        pub fn get(&self, id: $id) -> crate::entity::Get<$entity> {
            crate::entity::Get::new(self.client.clone(), format!("{}/{id}", self.path))
                .gathered(id.get())
        }
    };
    ($(#[$doc:meta])* get $entity:ty, $id:ty) => {
        $(#[$doc])*
        pub fn get(&self, id: $id) -> crate::entity::Get<$entity> {
            crate::entity::Get::new(self.client.clone(), format!("{}/{id}", self.path))
        }
    };
    ($(#[$doc:meta])* create $entity:ty, $new:ty => $created:ty $(, batch = $batch:literal)?) => {
        $(#[$doc])*
        pub fn create(
            &self,
            items: impl IntoIterator<Item = $new>,
        ) -> crate::entity::Create<$entity> {
            crate::entity::Create::new(self.client.clone(), &*self.path, items)
        }
    };
    ($(#[$doc:meta])* update $entity:ty, $id:ty, $patch:ident => $updated:ty $(, batch = $batch:literal)?) => {
        $(#[$doc])*
        pub fn update(&self, id: $id) -> crate::entity::Update<$entity> {
            crate::entity::Update::new(
                self.client.clone(),
                format!("{}/{id}", self.path),
                $patch::new(id),
            )
            .gathered(<Self as crate::request::Declared>::TAKES_MANY)
        }
    };
    ($(#[$doc:meta])* update_many $entity:ty, $patch:ty) => {
        $(#[$doc])*
        pub fn update_many(
            &self,
            patches: impl IntoIterator<Item = $patch>,
        ) -> crate::entity::UpdateMany<$entity> {
            crate::entity::UpdateMany::new(self.client.clone(), &*self.path, patches)
        }
    };
    ($(#[$doc:meta])* delete $entity:ty, $id:ty) => {
        $(#[$doc])*
        pub fn delete(&self, id: $id) -> crate::entity::Remove {
            crate::entity::Remove::new(
                self.client.clone(),
                <$entity as crate::entity::Entity>::DELETE,
                format!("{}/{id}", self.path),
            )
        }
    };
}
pub(crate) use resource_method;

macro_rules! resource_trait {
    (list $entity:ty, with = $with:ty, filter = $filter:ty, order = $order:ty $(, limit = $limit:literal)? $(, full = $full:literal)?) => {
        impl crate::entity::Listable for $entity {
            type With = $with;
            type Filter = $filter;
            type Order = $order;
            $(const LIMIT: usize = $limit;)?
            $(const FULL: usize = $full;)?
        }
    };
    (list_whole $($rest:tt)*) => {
        crate::entity::resource_trait!(list $($rest)*);
    };
    (create $entity:ty, $new:ty => $created:ty $(, batch = $batch:literal)?) => {
        impl crate::entity::Creatable for $entity {
            type New = $new;
            type Created = $created;
            $(const BATCH: usize = $batch;)?
        }
    };
    (update $entity:ty, $id:ty, $patch:ty => $updated:ty $(, batch = $batch:literal)?) => {
        impl crate::entity::Updatable for $entity {
            type Patch = $patch;
            type Updated = $updated;
            $(const BATCH: usize = $batch;)?
        }
    };
    ($operation:ident $($rest:tt)*) => {};
}
pub(crate) use resource_trait;

macro_rules! resource_operation {
    (list $entity:ty) => {
        <$entity as crate::entity::Entity>::LIST
    };
    (list_whole $entity:ty) => {
        <$entity as crate::entity::Entity>::LIST
    };
    (get $entity:ty) => {
        <$entity as crate::entity::Entity>::GET
    };
    (create $entity:ty) => {
        <$entity as crate::entity::Entity>::CREATE
    };
    (update $entity:ty) => {
        <$entity as crate::entity::Entity>::UPDATE
    };
    (update_many $entity:ty) => {
        <$entity as crate::entity::Entity>::UPDATE
    };
    (delete $entity:ty) => {
        <$entity as crate::entity::Entity>::DELETE
    };
}
pub(crate) use resource_operation;
