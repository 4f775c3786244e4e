//! Macros that declare leads, contacts and companies: what they have in common is written once, here.
//!
//! Macros and not a generic type, so that users see `lead.name` and `LeadPatch` and no parameters.

/// Setters of [`CardFields`], for a type with `fn fields_mut(&mut self) -> &mut impl HasCard`.
macro_rules! card_setters {
    () => {
        fn card_mut(&mut self) -> &mut crate::entity::CardFields {
            crate::entity::HasCard::card_mut(self.fields_mut())
        }

        /// Sets the name.
        pub fn name(mut self, name: impl Into<String>) -> Self {
            self.card_mut().name = Some(name.into());
            self
        }

        /// Sets the responsible user.
        pub fn responsible_user_id(mut self, user: crate::UserId) -> Self {
            self.card_mut().responsible_user_id = Some(user);
            self
        }

        /// Sets who created it; `0` is a robot.
        pub fn created_by(mut self, user: crate::UserId) -> Self {
            self.card_mut().created_by = Some(user);
            self
        }

        /// Sets who changed it; `0` is a robot.
        pub fn updated_by(mut self, user: crate::UserId) -> Self {
            self.card_mut().updated_by = Some(user);
            self
        }

        /// Sets when it was created, for imports.
        pub fn created_at(mut self, at: chrono::DateTime<chrono::Utc>) -> Self {
            self.card_mut().created_at = Some(at);
            self
        }

        /// Sets when it was changed, for imports.
        pub fn updated_at(mut self, at: chrono::DateTime<chrono::Utc>) -> Self {
            self.card_mut().updated_at = Some(at);
            self
        }

        /// Sets a custom field. All its values are replaced.
        pub fn field<K: crate::fields::FieldKind>(
            mut self,
            field: &crate::fields::Field<K>,
            value: impl Into<K::Input>,
        ) -> Self {
            self.card_mut().custom_fields_values.set(field, value);
            self
        }

        /// Clears a custom field. Fields that are not mentioned keep their values.
        pub fn clear_field<K: crate::fields::FieldKind>(
            mut self,
            field: &crate::fields::Field<K>,
        ) -> Self {
            self.card_mut().custom_fields_values.clear(field);
            self
        }

        /// Takes over changes to custom fields; where both change a field, the later wins.
        pub fn fields(mut self, changes: crate::fields::FieldChanges) -> Self {
            self.card_mut().custom_fields_values.extend(changes);
            self
        }

        /// Adds a tag, by text or by id.
        pub fn tag(mut self, tag: impl Into<crate::entity::TagRef>) -> Self {
            self.card_mut().add_tags([tag.into()]);
            self
        }

        /// Adds tags, by text or by id.
        pub fn tags<T: Into<crate::entity::TagRef>>(
            mut self,
            tags: impl IntoIterator<Item = T>,
        ) -> Self {
            self.card_mut().add_tags(tags.into_iter().map(Into::into));
            self
        }
    };
}
pub(crate) use card_setters;

/// Setters that only make sense for a card that exists.
macro_rules! card_patch_setters {
    () => {
        /// Removes a tag, by text or by id.
        pub fn remove_tag(mut self, tag: impl Into<crate::entity::TagRef>) -> Self {
            self.card_mut().remove_tag(tag.into());
            self
        }

        /// Sets **all** tags, by text or by id; without any it takes them away.
        ///
        /// Tags that this change has added or removed before are forgotten; those it adds or removes afterwards change
        /// the new set, so that the request has one list and nothing to contradict it. Reports disagree about how amoCRM
        /// reads an empty set: to be sure that tags go, [`remove_tag`](Self::remove_tag) them.
        pub fn replace_tags<T: Into<crate::entity::TagRef>>(
            mut self,
            tags: impl IntoIterator<Item = T>,
        ) -> Self {
            self.card_mut()
                .replace_tags(tags.into_iter().map(Into::into));
            self
        }
    };
}
pub(crate) use card_patch_setters;

/// Conditions on custom fields, for a filter of cards.
macro_rules! card_conditions {
    ($filter:ident) => {
        impl $filter {
            /// With one of these values in this custom field: texts as they are shown, numbers, flags.
            ///
            /// amoCRM knows fields by id here and ignores codes; it does not filter by tracking fields such as UTM marks.
            /// Accounts without the feature ([`Account::is_api_filter_enabled`](crate::account::Account)) refuse.
            pub fn custom_field<V: std::fmt::Display>(
                mut self,
                field: crate::CustomFieldId,
                alternatives: impl IntoIterator<Item = V>,
            ) -> Self {
                self.0
                    .any(&format!("custom_fields_values][{field}"), alternatives);
                self
            }

            /// With a number in this range in this custom field; of dates, the unix seconds. As
            /// [`custom_field`](Self::custom_field).
            pub fn custom_field_range(
                mut self,
                field: crate::CustomFieldId,
                range: impl std::ops::RangeBounds<i64>,
            ) -> Self {
                self.0
                    .range(&format!("custom_fields_values][{field}"), &range);
                self
            }
        }
    };
}
pub(crate) use card_conditions;

/// Declares a card as amoCRM tells it: what all cards have, then its own parts. `Debug` shows ids, the times and the
/// own parts that are named `shown`: names of contacts are phones and e-mails often enough.
macro_rules! card_model {
    (
        $(#[$meta:meta])*
        pub struct $name:ident($id:ty, $embedded:ty) {
            $($(#[$part_meta:meta])* pub $part:ident: $type:ty,)*
        }
        shown $($shown:ident),+
    ) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Deserialize)]
        #[non_exhaustive]
        pub struct $name {
            /// Its id.
            pub id: $id,
            /// Its name.
            #[serde(default, deserialize_with = "de::text")]
            pub name: String,
            /// The responsible user.
            #[serde(default, deserialize_with = "de::id_or_zero")]
            pub responsible_user_id: Option<crate::UserId>,
            /// Group of that user; `0` is the default one.
            #[serde(default, deserialize_with = "de::id_or_zero")]
            pub group_id: Option<crate::UserGroupId>,
            /// Who created it; `0` is a robot.
            #[serde(default, deserialize_with = "de::id_or_zero")]
            pub created_by: Option<crate::UserId>,
            /// Who changed it last; `0` is a robot.
            #[serde(default, deserialize_with = "de::id_or_zero")]
            pub updated_by: Option<crate::UserId>,
            /// When it was created.
            #[serde(default, deserialize_with = "de::opt_time::deserialize")]
            pub created_at: Option<DateTime<Utc>>,
            /// When it was changed last.
            #[serde(default, deserialize_with = "de::opt_time::deserialize")]
            pub updated_at: Option<DateTime<Utc>>,
            /// When its next task is due.
            #[serde(default, deserialize_with = "de::opt_time::deserialize")]
            pub closest_task_at: Option<DateTime<Utc>>,
            /// Whether it is in the trash. Contacts and companies in lists of the trash say `false` all the same.
            #[serde(default, deserialize_with = "de::flag")]
            pub is_deleted: bool,
            /// Its custom fields.
            #[serde(default, deserialize_with = "de::or_default")]
            pub custom_fields_values: crate::fields::CustomFieldValues,
            /// Its account.
            #[serde(default, deserialize_with = "de::opt_id")]
            pub account_id: Option<crate::AccountId>,
            /// Tags, linked cards, and what the `with` of a request adds.
            #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
            pub embedded: $embedded,
            $($(#[$part_meta])* pub $part: $type,)*
        }

        impl AsRef<crate::fields::CustomFieldValues> for $name {
            fn as_ref(&self) -> &crate::fields::CustomFieldValues {
                &self.custom_fields_values
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("id", &self.id)
                    .field("responsible_user_id", &self.responsible_user_id)
                    .field("created_at", &self.created_at)
                    .field("updated_at", &self.updated_at)
                    .field("is_deleted", &self.is_deleted)
                    $(.field(stringify!($shown), &self.$shown))+
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use card_model;

/// What all cards can do: the handle with its operations, the patch, and the builder of a single change.
///
/// `$setters` are those of `$fields`; the new card is declared by its own file, because what may be embedded differs.
macro_rules! card {
    (
        $(#[$handle_doc:meta])*
        pub struct $handle:ident = $method:ident of $entity:ident: $kind:ty, $id:ty, $name:literal;
        list $with:ty, $filter:ident, $order:ty;
        write $new:ident, $patch:ident, $fields:ty, $setters:ident
    ) => {
        $(#[$handle_doc])*
        #[derive(Debug, Clone)]
        pub struct $handle {
            client: Client,
        }

        impl Client {
            $(#[$handle_doc])*
            pub fn $method(&self) -> $handle {
                $handle {
                    client: self.clone(),
                }
            }
        }

        impl $handle {
            const PATH: &'static str = concat!("/api/v4/", $name);

            #[doc = concat!("Reads ", $name, ", least recently changed first unless ordered otherwise.")]
            pub fn list(&self) -> List<$entity> {
                List::new(self.client.clone(), Self::PATH)
            }

            #[doc = concat!("Reads one of the ", $name, ".")]
            pub fn get(&self, id: $id) -> Get<$entity> {
                Get::new(self.client.clone(), format!("{}/{id}", Self::PATH)).gathered(id.get())
            }

            #[doc = concat!("Adds ", $name, ". amoCRM does not look for duplicates here.")]
            pub fn create(&self, items: impl IntoIterator<Item = $new>) -> Create<$entity> {
                Create::new(self.client.clone(), Self::PATH, items)
            }

            #[doc = concat!("Changes one of the ", $name, ".")]
            pub fn update(&self, id: $id) -> Update<$entity> {
                Update::new(
                    self.client.clone(),
                    format!("{}/{id}", Self::PATH),
                    $patch::new(id),
                )
                .gathered(true)
            }

            #[doc = concat!("Changes many ", $name, ".")]
            pub fn update_many(
                &self,
                patches: impl IntoIterator<Item = $patch>,
            ) -> UpdateMany<$entity> {
                UpdateMany::new(self.client.clone(), Self::PATH, patches)
            }
        }

        #[doc = concat!("Changes to one of the ", $name, ": only what is set travels.")]
        #[derive(Clone, Serialize)]
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
                    fields: <$fields>::default(),
                }
            }

            $setters!();
            crate::entity::card_patch_setters!();

            fn fields_mut(&mut self) -> &mut $fields {
                &mut self.fields
            }
        }

        impl crate::entity::HasId for $patch {
            fn raw_id(&self) -> u64 {
                self.id.get()
            }
        }

        impl Update<$entity> {
            $setters!();
            crate::entity::card_patch_setters!();

            fn fields_mut(&mut self) -> &mut $fields {
                &mut self.patch_mut().fields
            }
        }

        crate::entity::dated!($entity);
        crate::entity::entity!($entity: $kind, $name);

        impl crate::request::Declared for $handle {
            const OPERATIONS: &'static [crate::Operation] = {
                use crate::entity::Entity as Of;
                &[
                    <$entity as Of>::LIST,
                    <$entity as Of>::GET,
                    <$entity as Of>::CREATE,
                    <$entity as Of>::UPDATE,
                ]
            };
        }
        crate::entity::quiet_debug!($new, $patch);
        crate::entity::card_conditions!($filter);

        impl crate::entity::Listable for $entity {
            type With = $with;
            type Filter = $filter;
            type Order = $order;
        }

        impl crate::entity::Creatable for $entity {
            type New = $new;
            type Created = crate::entity::Created<$entity>;
        }

        impl crate::entity::Updatable for $entity {
            type Patch = $patch;
            type Updated = crate::entity::Updated<$entity>;
        }
    };
}
pub(crate) use card;
