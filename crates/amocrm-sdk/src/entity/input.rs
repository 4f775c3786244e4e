//! Declares what is written: the new entity, the patch, and the setters of both and of [`Update`](super::Update).

/// Declares what may be written of an entity, once.
///
/// ```text
/// input! {
///     /// A task to be added.
///     pub struct NewTask(text: impl Into<String>, complete_till: DateTime<Utc>);
///     /// Changes to a task: only what is set travels.
///     pub struct TaskPatch(TaskId) of Task;
///     fields TaskFields;
///     both {
///         /// Sets what is to be done.
///         text text "text";
///         /// Sets the deadline.
///         time complete_till "complete_till";
///     }
///     new {}
///     patch {}
///     also {
///         /// Sets what it is about: `.of(lead_id)`.
///         pub fn of(mut self, entity: impl Into<EntityRef>) -> Self { … self.fields_mut() … }
///     }
/// }
/// ```
///
/// `NewTask::new` takes what amoCRM requires and calls the setters of the same names. A line is a kind, the setter's
/// name and the key on the wire:
///
/// * `text name "key"`: a text; `set name "key": T`: anything else; `list name "key": T`: adds to a list;
/// * `time name "key"`: an instant, unix seconds on the wire;
/// * `nullable name clear_name "key": T`: as `set`, and `clear_name` writes null;
/// * `part name "key": T`: no setter; `also`, which may be left out, has methods written by hand over `fields_mut().name`, an
///   `Option<T>`; all the types get them.
///
/// Leave out a struct's line (`new {}` or `patch {}` stays) if the entity cannot be added or changed.
/// `Debug` shows nothing of the content: names, texts and phones are people's data.
macro_rules! input {
    (
        $($(#[$meta:meta])* pub struct $name:ident($($argument:tt)*) $(of $entity:ty)?;)+
        fields $fields:ident;
        both $both:tt
        new $only_new:tt
        patch $only_patch:tt
    ) => {
        crate::entity::input! {
            $($(#[$meta])* pub struct $name($($argument)*) $(of $entity)?;)+
            fields $fields;
            both $both
            new $only_new
            patch $only_patch
            also {}
        }
    };
    (
        $($(#[$meta:meta])* pub struct $name:ident($($argument:tt)*) $(of $entity:ty)?;)+
        fields $fields:ident;
        both $both:tt
        new $only_new:tt
        patch $only_patch:tt
        also $also:tt
    ) => {
        crate::entity::input_fields! { $fields $both $only_new $only_patch }
        $(crate::entity::input_type! {
            [$(#[$meta])*] $name($($argument)*) $(of $entity)?; $fields $both $only_new $only_patch $also
        })+
    };
}
pub(crate) use input;

macro_rules! input_type {
    (
        [$(#[$meta:meta])*] $patch:ident($id:ty) of $entity:ty;
        $fields:ident $both:tt $only_new:tt $only_patch:tt $also:tt
    ) => {
        $(#[$meta])*
        #[derive(Clone, serde::Serialize)]
        #[must_use = "it does nothing until it is sent"]
        pub struct $patch {
            #[serde(skip)]
            id: $id,
            #[serde(flatten)]
            fields: $fields,
        }

        impl $patch {
            /// No changes yet.
            pub fn new(id: $id) -> Self {
                Self {
                    id,
                    fields: $fields::default(),
                }
            }

            crate::entity::input_setters! { $both $only_patch }
            crate::entity::input_also! { $also }

            fn fields_mut(&mut self) -> &mut $fields {
                &mut self.fields
            }
        }

        impl crate::entity::Update<$entity> {
            crate::entity::input_setters! { $both $only_patch }
            crate::entity::input_also! { $also }

            fn fields_mut(&mut self) -> &mut $fields {
                &mut self.patch_mut().fields
            }
        }

        impl crate::entity::HasId for $patch {
            fn raw_id(&self) -> u64 {
                self.id.get()
            }
        }

        crate::entity::quiet_debug!($patch);
    };
    (
        [$(#[$meta:meta])*] $new:ident($($required:ident: $required_type:ty),* $(,)?);
        $fields:ident $both:tt $only_new:tt $only_patch:tt $also:tt
    ) => {
        $(#[$meta])*
        #[derive(Clone, serde::Serialize)]
        #[serde(transparent)]
        #[must_use = "it does nothing until it is sent"]
        pub struct $new($fields);

        impl $new {
            /// With what amoCRM requires.
            pub fn new($($required: $required_type),*) -> Self {
                Self($fields::default())$(.$required($required))*
            }

            crate::entity::input_setters! { $both $only_new }
            crate::entity::input_also! { $also }

            fn fields_mut(&mut self) -> &mut $fields {
                &mut self.0
            }
        }

        crate::entity::quiet_debug!($new);
    };
}
pub(crate) use input_type;

/// The struct under both: every field optional, absent unless set.
macro_rules! input_fields {
    ($fields:ident { $($both:tt)* } { $($new:tt)* } { $($patch:tt)* }) => {
        crate::entity::input_fields! { $fields {} $($both)* $($new)* $($patch)* }
    };
    ($fields:ident { $($done:tt)* }) => {
        #[derive(Clone, Default, serde::Serialize)]
        pub(crate) struct $fields { $($done)* }
    };
    ($fields:ident { $($done:tt)* } $(#[$doc:meta])* text $name:ident $key:literal; $($rest:tt)*) => {
        crate::entity::input_fields! { $fields { $($done)*
            #[serde(rename = $key, skip_serializing_if = "Option::is_none")]
            $name: Option<String>,
        } $($rest)* }
    };
    ($fields:ident { $($done:tt)* } $(#[$doc:meta])* time $name:ident $key:literal; $($rest:tt)*) => {
        crate::entity::input_fields! { $fields { $($done)*
            #[serde(rename = $key, skip_serializing_if = "Option::is_none", with = "crate::de::opt_time")]
            $name: Option<chrono::DateTime<chrono::Utc>>,
        } $($rest)* }
    };
    ($fields:ident { $($done:tt)* } $(#[$doc:meta])* list $name:ident $key:literal: $type:ty; $($rest:tt)*) => {
        crate::entity::input_fields! { $fields { $($done)*
            #[serde(rename = $key, skip_serializing_if = "Vec::is_empty")]
            $name: Vec<$type>,
        } $($rest)* }
    };
    ($fields:ident { $($done:tt)* } $(#[$doc:meta])* nullable $name:ident $clear:ident $key:literal: $type:ty; $($rest:tt)*) => {
        crate::entity::input_fields! { $fields { $($done)*
            #[serde(rename = $key, skip_serializing_if = "Option::is_none")]
            $name: Option<Option<$type>>,
        } $($rest)* }
    };
    // `set` and `part`.
    ($fields:ident { $($done:tt)* } $(#[$doc:meta])* $kind:ident $name:ident $key:literal: $type:ty; $($rest:tt)*) => {
        crate::entity::input_fields! { $fields { $($done)*
            #[serde(rename = $key, skip_serializing_if = "Option::is_none")]
            $name: Option<$type>,
        } $($rest)* }
    };
}
pub(crate) use input_fields;

/// Setters for a type with `fields_mut`.
macro_rules! input_setters {
    () => {};
    ({ $($both:tt)* } { $($own:tt)* }) => {
        crate::entity::input_setters! { $($both)* $($own)* }
    };
    ($(#[$doc:meta])* text $name:ident $key:literal; $($rest:tt)*) => {
        $(#[$doc])*
        pub fn $name(mut self, $name: impl Into<String>) -> Self {
            self.fields_mut().$name = Some($name.into());
            self
        }
        crate::entity::input_setters! { $($rest)* }
    };
    ($(#[$doc:meta])* time $name:ident $key:literal; $($rest:tt)*) => {
        $(#[$doc])*
        pub fn $name(mut self, at: chrono::DateTime<chrono::Utc>) -> Self {
            self.fields_mut().$name = Some(at);
            self
        }
        crate::entity::input_setters! { $($rest)* }
    };
    ($(#[$doc:meta])* list $name:ident $key:literal: $type:ty; $($rest:tt)*) => {
        $(#[$doc])*
        pub fn $name<T: Into<$type>>(mut self, more: impl IntoIterator<Item = T>) -> Self {
            self.fields_mut().$name.extend(more.into_iter().map(Into::into));
            self
        }
        crate::entity::input_setters! { $($rest)* }
    };
    ($(#[$doc:meta])* nullable $name:ident $clear:ident $key:literal: $type:ty; $($rest:tt)*) => {
        $(#[$doc])*
        pub fn $name(mut self, $name: impl Into<$type>) -> Self {
            self.fields_mut().$name = Some(Some($name.into()));
            self
        }
        #[doc = concat!("Clears what [`", stringify!($name), "`](Self::", stringify!($name), ") sets: writes null.")]
        pub fn $clear(mut self) -> Self {
            self.fields_mut().$name = Some(None);
            self
        }
        crate::entity::input_setters! { $($rest)* }
    };
    ($(#[$doc:meta])* part $name:ident $key:literal: $type:ty; $($rest:tt)*) => {
        crate::entity::input_setters! { $($rest)* }
    };
    ($(#[$doc:meta])* set $name:ident $key:literal: $type:ty; $($rest:tt)*) => {
        $(#[$doc])*
        pub fn $name(mut self, $name: $type) -> Self {
            self.fields_mut().$name = Some($name);
            self
        }
        crate::entity::input_setters! { $($rest)* }
    };
}
pub(crate) use input_setters;

/// Methods written by hand.
macro_rules! input_also {
    ({ $($also:tt)* }) => { $($also)* };
}
pub(crate) use input_also;

/// Setters of custom fields, for `also` beside the line `part custom_fields "custom_fields_values": FieldChanges;`.
macro_rules! input_custom_fields {
    () => {
        /// Sets a custom field. All its values are replaced.
        pub fn field<K: crate::fields::FieldKind>(
            mut self,
            field: &crate::fields::Field<K>,
            value: impl Into<K::Input>,
        ) -> Self {
            let changes = self.fields_mut().custom_fields.get_or_insert_default();
            changes.set(field, value);
            self
        }

        /// Clears a custom field. Fields that are not mentioned keep their values.
        pub fn clear_field<K: crate::fields::FieldKind>(
            mut self,
            field: &crate::fields::Field<K>,
        ) -> Self {
            let changes = self.fields_mut().custom_fields.get_or_insert_default();
            changes.clear(field);
            self
        }

        /// Takes over changes to custom fields; where both change a field, the later wins.
        pub fn fields(mut self, changes: crate::fields::FieldChanges) -> Self {
            if !changes.is_empty() {
                let held = self.fields_mut().custom_fields.get_or_insert_default();
                held.extend(changes);
            }
            self
        }
    };
}
pub(crate) use input_custom_fields;
