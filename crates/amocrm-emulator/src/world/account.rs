//! One account: its people, integrations, settings and collections.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Catalogs, Customers, Drive, DuplicateControl, EntityType, FieldDefinition, FieldGroup,
    FieldOwner, Followers, Links, Note, Pipeline, Records, Segment, ShortLink, Tag, TaskType,
    Tasks, Unsorted, feed::Feed, records::forget_options, services::Services, standard_task_types,
};

/// An amoCRM account.
#[derive(Serialize, Deserialize)]
pub(crate) struct Account {
    /// The account id, around 31,000,000 in recent years.
    pub(crate) id: u64,
    /// The first label of its host name.
    pub(crate) subdomain: String,
    /// The name a person gave it.
    pub(crate) name: String,
    /// `ru` for `*.amocrm.ru`.
    pub(crate) tld: String,
    /// ISO country code.
    pub(crate) country: String,
    /// ISO currency code.
    pub(crate) currency: String,
    /// Offset of the account's time zone from UTC, seconds. Calendar days of date fields are cut in it.
    pub(crate) utc_offset_seconds: i32,
    /// Whether filters by custom fields work (an alpha feature of amoCRM, switched per account).
    pub(crate) is_api_filter_enabled: bool,
    /// UUID of the account.
    pub(crate) uuid: String,
    /// UUID of the account in the chats service.
    pub(crate) amojo_id: String,
    /// When it was opened.
    pub(crate) created_at: i64,
    /// Its users.
    pub(crate) users: Vec<User>,
    /// Groups of users besides the one that every account has.
    #[serde(default)]
    pub(crate) user_groups: Vec<UserGroup>,
    /// Its integrations.
    pub(crate) integrations: Vec<Integration>,
    /// Its webhook subscriptions.
    pub(crate) webhooks: Vec<WebhookSubscription>,
    /// Its pipelines.
    pub(crate) pipelines: Vec<Pipeline>,
    /// Definitions of custom fields. PHONE and EMAIL have one id in contacts and companies.
    pub(crate) fields: BTreeMap<FieldOwner, BTreeMap<u64, FieldDefinition>>,
    /// Groups (tabs) of custom fields.
    pub(crate) groups: BTreeMap<FieldOwner, Vec<FieldGroup>>,
    /// Leads.
    pub(crate) leads: Records,
    /// Contacts.
    pub(crate) contacts: Records,
    /// Companies.
    pub(crate) companies: Records,
    /// Customers and what belongs to them.
    #[serde(default)]
    pub(crate) customers: Customers,
    /// Lists.
    #[serde(default)]
    pub(crate) catalogs: Catalogs,
    /// Short links by their code.
    #[serde(default)]
    pub(crate) short_links: BTreeMap<String, ShortLink>,
    /// Tags, with ids and names of their own per entity type.
    pub(crate) tags: BTreeMap<EntityType, BTreeMap<u64, Tag>>,
    /// Who is linked to whom.
    pub(crate) links: Links,
    /// Notes by the type of the entity they lie on.
    pub(crate) notes: BTreeMap<EntityType, BTreeMap<u64, Note>>,
    /// Why leads are lost.
    pub(crate) loss_reasons: Vec<LossReason>,
    /// Who follows which card.
    #[serde(default)]
    pub(crate) followers: Followers,
    /// Incoming leads, oldest first.
    #[serde(default)]
    pub(crate) unsorted: Vec<Unsorted>,
    /// Tasks.
    #[serde(default)]
    pub(crate) tasks: Tasks,
    /// Types of tasks.
    #[serde(default = "standard_task_types")]
    pub(crate) task_types: Vec<TaskType>,
    /// What happened, for `/api/v4/events`.
    #[serde(default)]
    pub(crate) feed: Feed,
    /// Files.
    #[serde(default)]
    pub(crate) drive: Drive,
    /// What surrounds the cards.
    #[serde(default)]
    pub(crate) services: Services,
    /// Whether new leads are folded into those that are there.
    #[serde(default)]
    pub(crate) duplicates: DuplicateControl,
    /// The next free ids.
    pub(crate) counters: Counters,
}

impl Account {
    /// The records of one type.
    pub(crate) fn records(&self, entity: EntityType) -> &Records {
        match entity {
            EntityType::Leads => &self.leads,
            EntityType::Contacts => &self.contacts,
            EntityType::Companies => &self.companies,
            EntityType::Customers => &self.customers.cards,
        }
    }

    /// The records of one type, to change.
    pub(crate) fn records_mut(&mut self, entity: EntityType) -> &mut Records {
        match entity {
            EntityType::Leads => &mut self.leads,
            EntityType::Contacts => &mut self.contacts,
            EntityType::Companies => &mut self.companies,
            EntityType::Customers => &mut self.customers.cards,
        }
    }

    /// The user with this id.
    pub(crate) fn user(&self, id: u64) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// The definition of a custom field.
    pub(crate) fn field(&self, owner: impl Into<FieldOwner>, id: u64) -> Option<&FieldDefinition> {
        self.fields.get(&owner.into())?.get(&id)
    }

    /// The definitions of custom fields, by id.
    pub(crate) fn fields_of(
        &self,
        owner: impl Into<FieldOwner>,
    ) -> impl Iterator<Item = &FieldDefinition> {
        let fields = self.fields.get(&owner.into());
        fields.into_iter().flat_map(BTreeMap::values)
    }

    /// Takes the values of a field out of everything that has it.
    pub(crate) fn forget_field(&mut self, owner: FieldOwner, id: u64) {
        if let Some(records) = self.filled_records(owner) {
            records.forget_field(id);
        }
        for segment in self.filled_segments(owner) {
            segment.values.remove(&id);
        }
    }

    /// Takes the options that are not kept out of everything that has the field.
    pub(crate) fn forget_options(
        &mut self,
        owner: FieldOwner,
        id: u64,
        keeps: impl Fn(u64) -> bool,
    ) {
        if let Some(records) = self.filled_records(owner) {
            records.forget_options(id, &keeps);
        }
        for segment in self.filled_segments(owner) {
            forget_options(&mut segment.values, id, &keeps);
        }
    }

    fn filled_records(&mut self, owner: FieldOwner) -> Option<&mut Records> {
        match owner {
            FieldOwner::Cards(entity) => Some(self.records_mut(entity)),
            FieldOwner::Catalog(id) => self.catalogs.elements_mut(id),
            FieldOwner::Segments => None,
        }
    }

    fn filled_segments(&mut self, owner: FieldOwner) -> impl Iterator<Item = &mut Segment> {
        let segments = (owner == FieldOwner::Segments).then_some(&mut self.customers.segments);
        segments.into_iter().flat_map(BTreeMap::values_mut)
    }

    /// The groups of custom fields.
    pub(crate) fn groups_of(&self, owner: impl Into<FieldOwner>) -> &[FieldGroup] {
        self.groups.get(&owner.into()).map_or(&[], Vec::as_slice)
    }

    /// The definition of a custom field by its symbolic code.
    pub(crate) fn field_by_code(
        &self,
        owner: impl Into<FieldOwner>,
        code: &str,
    ) -> Option<&FieldDefinition> {
        self.fields_of(owner)
            .find(|field| field.code.as_deref() == Some(code))
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("id", &self.id)
            .field("subdomain", &self.subdomain)
            .field("leads", &self.leads)
            .field("contacts", &self.contacts)
            .field("companies", &self.companies)
            .finish_non_exhaustive()
    }
}

/// Where the numbers of groups begin.
const FIRST_USER_GROUP: u64 = 700_000;

/// A person with a login.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct User {
    /// The user id.
    pub(crate) id: u64,
    /// Display name.
    pub(crate) name: String,
    /// Login.
    pub(crate) email: String,
    /// Interface language.
    pub(crate) lang: String,
    /// Group; 0 is the default one.
    pub(crate) group_id: u64,
    /// Administrators may manage fields, pipelines, users and webhooks.
    pub(crate) is_admin: bool,
    /// Whether the user can log in.
    pub(crate) is_active: bool,
    /// Without a paid seat.
    #[serde(default)]
    pub(crate) is_free: bool,
    /// The role that takes the place of own rights.
    #[serde(default)]
    pub(crate) role_id: Option<u64>,
    /// Own rights as they were written; without them those amoCRM proposes.
    #[serde(default)]
    pub(crate) rights: Option<Value>,
}

impl User {
    /// The user's UUID in the chats service.
    pub(crate) fn amojo_id(&self, account_id: u64) -> String {
        format!("{account_id:08x}-a401-4000-8000-{:012x}", self.id)
    }

    /// The user's UUID in the account.
    pub(crate) fn uuid(&self, account_id: u64) -> String {
        format!("{account_id:08x}-a402-4000-8000-{:012x}", self.id)
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("is_admin", &self.is_admin)
            .finish_non_exhaustive()
    }
}

/// A department.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UserGroup {
    /// 0 is the one that every account has.
    pub(crate) id: u64,
    /// Display name.
    pub(crate) name: String,
}

impl UserGroup {
    fn default_one() -> Self {
        Self {
            id: 0,
            name: "Отдел продаж".to_owned(),
        }
    }
}

impl Account {
    /// The groups of users, the one that every account has first.
    pub(crate) fn user_groups(&self) -> impl Iterator<Item = UserGroup> {
        std::iter::once(UserGroup::default_one()).chain(self.user_groups.iter().cloned())
    }

    /// The id of the group of this name, which is made if it is missing.
    pub(crate) fn user_group(&mut self, name: &str) -> u64 {
        if let Some(known) = self.user_groups().find(|group| group.name == name) {
            return known.id;
        }
        let last = self.user_groups.last().map(|group| group.id);
        let id = last.unwrap_or(FIRST_USER_GROUP + self.id * 100) + 1;
        self.user_groups.push(UserGroup {
            id,
            name: name.to_owned(),
        });
        id
    }
}

/// An application registered in the account.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Integration {
    /// UUID of the integration.
    pub(crate) client_id: String,
    /// Its secret.
    pub(crate) client_secret: String,
    /// Where the authorization code is sent.
    pub(crate) redirect_uri: String,
    /// Display name.
    pub(crate) name: String,
    /// Called when access is taken away.
    pub(crate) disabled_hook_url: Option<String>,
}

impl fmt::Debug for Integration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Integration")
            .field("client_id", &self.client_id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A webhook subscription.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WebhookSubscription {
    /// Its id.
    pub(crate) id: u64,
    /// Where deliveries go; unique in the account.
    pub(crate) destination: String,
    /// Event codes such as `add_lead`.
    pub(crate) settings: Vec<String>,
    /// Order in the interface.
    pub(crate) sort: i64,
    /// Switched off after too many failures.
    pub(crate) disabled: bool,
    /// Unix seconds.
    pub(crate) created_at: i64,
    /// Unix seconds.
    pub(crate) updated_at: i64,
    /// The user who subscribed.
    pub(crate) created_by: u64,
}

/// Why a lead was lost.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LossReason {
    /// Its id.
    pub(crate) id: u64,
    /// Its name.
    pub(crate) name: String,
    /// Order in the interface.
    pub(crate) sort: i64,
    /// Unix seconds.
    pub(crate) created_at: i64,
    /// Unix seconds.
    pub(crate) updated_at: i64,
}

/// The next free id of everything that has one. What an older state file does not count yet begins as in the first account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Counters {
    /// Leads.
    pub(crate) lead: u64,
    /// Contacts.
    pub(crate) contact: u64,
    /// Companies.
    pub(crate) company: u64,
    /// Pipelines.
    pub(crate) pipeline: u64,
    /// Statuses of pipelines.
    pub(crate) status: u64,
    /// Custom fields.
    pub(crate) field: u64,
    /// Options of list fields.
    pub(crate) option: u64,
    /// Tags.
    pub(crate) tag: u64,
    /// Notes.
    pub(crate) note: u64,
    /// Tasks.
    pub(crate) task: u64,
    /// Webhook subscriptions.
    pub(crate) webhook: u64,
    /// Loss reasons.
    pub(crate) loss_reason: u64,
    /// Field groups; becomes part of a text id.
    pub(crate) group: u64,
    /// Descriptions of statuses.
    pub(crate) description: u64,
    /// Customers.
    pub(crate) customer: u64,
    /// Statuses of customers.
    pub(crate) customer_status: u64,
    /// Segments of customers.
    pub(crate) segment: u64,
    /// Purchases of customers.
    pub(crate) transaction: u64,
    /// Lists.
    pub(crate) catalog: u64,
    /// Elements of lists.
    pub(crate) element: u64,
}

impl Default for Counters {
    fn default() -> Self {
        Self::of_account(0)
    }
}

impl Counters {
    /// Ranges as a Russian account of recent years has them, apart enough that a mixed-up id is found out: one of another kind as
    /// well as one of another account.
    pub(crate) fn of_account(index: u64) -> Self {
        let shift = index * 1_000_000;
        Self {
            lead: 40_000_001 + shift,
            contact: 50_000_001 + shift,
            company: 50_500_001 + shift,
            pipeline: 7_000_001 + shift,
            status: 60_000_001 + shift,
            field: 500_001 + shift,
            option: 600_001 + shift,
            tag: 71_001 + shift,
            note: 300_000_001 + shift,
            task: 80_000_001 + shift,
            webhook: 770_001 + shift,
            loss_reason: 18_000_001 + shift,
            group: 51_901_754_000_001 + shift,
            description: 900_001 + shift,
            customer: 30_000_001 + shift,
            customer_status: 13_000_001 + shift,
            segment: 4_001 + shift,
            transaction: 134_000_001 + shift,
            catalog: 5_001 + shift,
            element: 20_000_001 + shift,
        }
    }

    /// Hands out an id and moves on.
    pub(crate) fn take(counter: &mut u64) -> u64 {
        let id = *counter;
        *counter += 1;
        id
    }

    /// The next id of a record.
    pub(crate) fn record(&mut self, entity: EntityType) -> u64 {
        Self::take(match entity {
            EntityType::Leads => &mut self.lead,
            EntityType::Contacts => &mut self.contact,
            EntityType::Companies => &mut self.company,
            EntityType::Customers => &mut self.customer,
        })
    }
}
