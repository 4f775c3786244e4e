//! Leads, contacts, companies and customers: one record shape, and a collection that lists a hundred thousand of them without
//! sorting.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::CustomerState;

/// The entities that have cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EntityType {
    /// Deals.
    Leads,
    /// People.
    Contacts,
    /// Organisations.
    Companies,
    /// Buyers who come back; a feature that can be off.
    Customers,
}

impl EntityType {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [
        Self::Leads,
        Self::Contacts,
        Self::Companies,
        Self::Customers,
    ];

    /// The word in paths and links.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Leads => "leads",
            Self::Contacts => "contacts",
            Self::Companies => "companies",
            Self::Customers => "customers",
        }
    }

    /// The word of events, calls and anything else that speaks of one.
    pub(crate) fn singular(self) -> &'static str {
        match self {
            Self::Leads => "lead",
            Self::Contacts => "contact",
            Self::Companies => "company",
            Self::Customers => "customer",
        }
    }

    /// The number it had in older versions of the API, which webhooks still use.
    pub(crate) fn element_type(self) -> u8 {
        match self {
            Self::Contacts => 1,
            Self::Leads => 2,
            Self::Companies => 3,
            Self::Customers => 12,
        }
    }

    /// The entity type named by a path segment.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|entity| entity.as_str() == word)
    }
}

/// A card, or an element of a list.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its id.
    pub(crate) id: u64,
    /// Display name.
    pub(crate) name: String,
    /// Contacts only.
    pub(crate) first_name: String,
    /// Contacts only.
    pub(crate) last_name: String,
    /// The user who answers for it.
    pub(crate) responsible_user_id: u64,
    /// Group of that user.
    pub(crate) group_id: u64,
    /// 0 is a robot.
    pub(crate) created_by: u64,
    /// 0 is a robot.
    pub(crate) updated_by: u64,
    /// Unix seconds.
    pub(crate) created_at: i64,
    /// Unix seconds.
    pub(crate) updated_at: i64,
    /// Due time of the nearest open task.
    pub(crate) closest_task_at: Option<i64>,
    /// Lies in the trash.
    pub(crate) is_deleted: bool,
    /// Came with an incoming lead that nobody has accepted: lists and searches do not show it.
    #[serde(default)]
    pub(crate) is_unsorted: bool,
    /// Filled custom fields.
    pub(crate) values: BTreeMap<u64, Vec<FieldValue>>,
    /// Tag ids, in the order they were added.
    pub(crate) tags: Vec<u64>,
    /// What only leads have.
    pub(crate) lead: Option<LeadState>,
    /// What only customers have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) customer: Option<CustomerState>,
    /// From this moment on (unix milliseconds) `query` finds it.
    pub(crate) indexed_at_ms: i64,
    /// What `query` looks through; made again after every change.
    #[serde(skip)]
    search: SearchText,
    /// What it looks through until then.
    #[serde(skip)]
    search_before: Option<SearchText>,
}

/// What only leads have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeadState {
    /// Budget.
    pub(crate) price: i64,
    /// Stage; means something only together with the pipeline, because 142 and 143 are in every one.
    pub(crate) status_id: u64,
    /// Pipeline.
    pub(crate) pipeline_id: u64,
    /// Why it was lost.
    pub(crate) loss_reason_id: Option<u64>,
    /// When it entered 142 or 143.
    pub(crate) closed_at: Option<i64>,
}

/// One element of a field's `values`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FieldValue {
    /// The value in the JSON type it is read back in.
    pub(crate) value: Value,
    /// The chosen option, for list-like fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) enum_id: Option<u64>,
}

impl fmt::Debug for FieldValue {
    /// Values hold phones and e-mails, so they are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldValue")
            .field("enum_id", &self.enum_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .field("lead", &self.lead)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Default)]
struct SearchText {
    text: String,
    digits: String,
}

impl SearchText {
    fn matches(&self, needle: &Needle) -> bool {
        self.text.contains(&needle.text)
            || needle
                .digits
                .as_ref()
                .is_some_and(|digits| self.digits.contains(digits))
    }
}

impl Record {
    /// An empty record, to be filled in.
    pub(crate) fn new(id: u64, user_id: u64, now: i64) -> Self {
        Self {
            id,
            name: String::new(),
            first_name: String::new(),
            last_name: String::new(),
            responsible_user_id: user_id,
            group_id: 0,
            created_by: user_id,
            updated_by: user_id,
            created_at: now,
            updated_at: now,
            closest_task_at: None,
            is_deleted: false,
            is_unsorted: false,
            values: BTreeMap::new(),
            tags: Vec::new(),
            lead: None,
            customer: None,
            indexed_at_ms: 0,
            search: SearchText::default(),
            search_before: None,
        }
    }

    /// Whether lists show it.
    pub(crate) fn is_listed(&self) -> bool {
        !self.is_deleted && !self.is_unsorted
    }

    /// Whether a prepared [`Needle`] is found in the name or a value.
    pub(crate) fn matches(&self, needle: &Needle, now_ms: i64) -> bool {
        if self.indexed_at_ms <= now_ms {
            self.search.matches(needle)
        } else {
            self.search_before
                .as_ref()
                .is_some_and(|search| search.matches(needle))
        }
    }

    /// Lets `query` find the record as it is now until the index has caught up with the change to come.
    pub(crate) fn lag_search(&mut self, now_ms: i64, indexed_at_ms: i64) {
        if self.indexed_at_ms <= now_ms {
            self.search_before = Some(self.search.clone());
        }
        self.indexed_at_ms = indexed_at_ms;
    }

    fn refresh_search(&mut self) {
        let mut search = SearchText {
            text: self.name.to_lowercase(),
            digits: String::new(),
        };
        for value in self.values.values().flatten() {
            append_text(&mut search, &value.value);
        }
        self.search = search;
    }
}

fn append_text(search: &mut SearchText, value: &Value) {
    match value {
        Value::String(text) => {
            search.text.push('\n');
            search.text.push_str(&text.to_lowercase());
            if let Some(digits) = phone_digits(text) {
                search.digits.push('\n');
                search.digits.push_str(&digits);
            }
        }
        Value::Object(map) => map.values().for_each(|value| append_text(search, value)),
        _ => {}
    }
}

/// The digits of a text that is written like a phone.
fn phone_digits(text: &str) -> Option<String> {
    const SHORTEST: usize = 3;
    let looks = text
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | ' ' | '(' | ')' | '.'));
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    (looks && digits.len() >= SHORTEST).then_some(digits)
}

/// A `query`, prepared once for a whole list.
#[derive(Clone)]
pub(crate) struct Needle {
    text: String,
    digits: Option<String>,
}

impl Needle {
    pub(crate) fn new(query: &str) -> Self {
        Self {
            text: query.trim().to_lowercase(),
            digits: phone_digits(query.trim()),
        }
    }
}

/// Takes the options that are not kept out of the values of one field; whether the field was filled.
pub(super) fn forget_options(
    values: &mut BTreeMap<u64, Vec<FieldValue>>,
    field_id: u64,
    keeps: impl Fn(u64) -> bool,
) -> bool {
    let Some(items) = values.get_mut(&field_id) else {
        return false;
    };
    items.retain(|value| value.enum_id.is_none_or(&keeps));
    if items.is_empty() {
        values.remove(&field_id);
    }
    true
}

/// Records of one type, by id and by the time of the last change.
#[derive(Default)]
pub(crate) struct Records {
    by_id: BTreeMap<u64, Record>,
    /// Live records in the default order of lists; kept here because sorting for every page of a long list would make
    /// reading it quadratic.
    by_update: BTreeSet<(i64, u64)>,
}

impl Records {
    /// Any record, the ones in the trash too.
    pub(crate) fn get(&self, id: u64) -> Option<&Record> {
        self.by_id.get(&id)
    }

    /// A record that is not in the trash.
    pub(crate) fn live(&self, id: u64) -> Option<&Record> {
        self.by_id.get(&id).filter(|record| !record.is_deleted)
    }

    /// Puts a record in, replacing the one of the same id.
    pub(crate) fn insert(&mut self, mut record: Record) {
        record.refresh_search();
        if let Some(old) = self.by_id.get(&record.id) {
            self.by_update.remove(&(old.updated_at, old.id));
        }
        if record.is_listed() {
            self.by_update.insert((record.updated_at, record.id));
        }
        self.by_id.insert(record.id, record);
    }

    /// Changes a record in place; does nothing when there is none.
    pub(crate) fn update(&mut self, id: u64, change: impl FnOnce(&mut Record)) {
        let Some(record) = self.by_id.get_mut(&id) else {
            return;
        };
        let before = record.updated_at;
        change(record);
        record.refresh_search();
        self.by_update.remove(&(before, id));
        if record.is_listed() {
            self.by_update.insert((record.updated_at, id));
        }
    }

    /// Takes one field out of every record, as amoCRM does when a definition is deleted.
    pub(crate) fn forget_field(&mut self, field_id: u64) {
        for record in self.by_id.values_mut() {
            if record.values.remove(&field_id).is_some() {
                record.refresh_search();
            }
        }
    }

    /// Takes the options that are not kept out of every record.
    pub(crate) fn forget_options(&mut self, field_id: u64, keeps: impl Fn(u64) -> bool) {
        for record in self.by_id.values_mut() {
            if forget_options(&mut record.values, field_id, &keeps) {
                record.refresh_search();
            }
        }
    }

    /// Live records by id.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.by_id.values().filter(|record| record.is_listed())
    }

    /// Live records, the longest unchanged first: amoCRM's default order.
    pub(crate) fn by_update(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.by_update
            .iter()
            .filter_map(|(_, id)| self.by_id.get(id))
    }

    /// A page of [`Records::by_update`], without looking at the records before it.
    pub(crate) fn page_by_update(
        &self,
        offset: usize,
        count: usize,
    ) -> impl Iterator<Item = &Record> {
        self.by_update
            .iter()
            .skip(offset)
            .take(count)
            .filter_map(|(_, id)| self.by_id.get(id))
    }

    /// What lies in the trash, by id.
    pub(crate) fn trash(&self) -> impl Iterator<Item = &Record> {
        self.by_id.values().filter(|record| record.is_deleted)
    }

    /// How many are not in the trash.
    pub(crate) fn len(&self) -> usize {
        self.by_update.len()
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("live", &self.len())
            .field("all", &self.by_id.len())
            .finish_non_exhaustive()
    }
}

impl Serialize for Records {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.by_id.values())
    }
}

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut records = Self::default();
        for record in Vec::<Record>::deserialize(deserializer)? {
            records.insert(record);
        }
        Ok(records)
    }
}
