//! Which events a list keeps.

use std::ops::RangeBounds;

use chrono::{DateTime, Utc};

use super::{EntityKind, EventId, EventType};
use crate::entity::{IntoQuery, Pairs};
use crate::id::{CustomFieldId, CustomerStatusId, FieldEnumId, PipelineId, StatusId, UserId};
use crate::links::EntityRef;

/// Most users, and most entities, that one request may name.
///
/// Source: <https://www.amocrm.ru/developers/content/crm_platform/events-and-notes#events-filter>.
const MOST: usize = 10;

/// Which events a list keeps.
///
/// amoCRM takes only some of these together. What it would refuse is
/// [`InvalidInput`](crate::ErrorKind::InvalidInput), and nothing is sent:
///
/// * ids of entities need exactly one type of entity, and are at most ten, as users are;
/// * a condition on values needs the type of event that has them: [`status_after`](Self::status_after) adds it;
/// * the type of one custom field's changes stands alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a filter does nothing until a list takes it"]
pub struct EventFilter {
    rest: Pairs,
    types: Vec<EventType>,
    entities: Vec<EntityKind>,
    entity_ids: Vec<u64>,
    created_by: Vec<UserId>,
    conditions: Vec<Condition>,
    /// A condition without alternatives.
    nothing: bool,
}

/// A condition on the values of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    side: Side,
    on: On,
}

/// Which values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

#[derive(Clone, PartialEq, Eq)]
enum On {
    LeadStatus(PipelineId, StatusId),
    CustomerStatus(CustomerStatusId),
    ResponsibleUsers(Vec<UserId>),
    FieldOptions(Vec<FieldEnumId>),
    Value(String),
}

/// A value may be a name.
impl std::fmt::Debug for On {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.key())
    }
}

impl EventFilter {
    /// A filter that lets everything through.
    pub fn new() -> Self {
        Self::default()
    }

    /// These events.
    pub fn ids(mut self, alternatives: impl IntoIterator<Item = impl Into<EventId>>) -> Self {
        self.rest
            .any("id", alternatives.into_iter().map(Into::<EventId>::into));
        self
    }

    /// Of these types.
    pub fn types(mut self, alternatives: impl IntoIterator<Item = EventType>) -> Self {
        let before = self.types.len();
        self.types.extend(alternatives);
        self.nothing |= self.types.len() == before;
        self
    }

    /// Of one custom field's changes. amoCRM takes no other type beside it.
    pub fn field_changed(self, field: CustomFieldId) -> Self {
        self.types([EventType::field_changed(field)])
    }

    /// Of entities of these types. Messages of talks are found by [`EntityKind::Contact`], whatever their
    /// [`Event::entity_type`](super::Event::entity_type) says.
    pub fn entities(mut self, alternatives: impl IntoIterator<Item = EntityKind>) -> Self {
        let before = self.entities.len();
        self.entities.extend(alternatives);
        self.nothing |= self.entities.len() == before;
        self
    }

    /// Of entities with these ids, at most ten. Needs exactly one type: [`entities`](Self::entities).
    pub fn entity_ids(mut self, alternatives: impl IntoIterator<Item = impl Into<u64>>) -> Self {
        let before = self.entity_ids.len();
        self.entity_ids
            .extend(alternatives.into_iter().map(Into::into));
        self.nothing |= self.entity_ids.len() == before;
        self
    }

    /// Of this lead, contact, company or customer: `EventFilter::new().of(lead_id)`; again for another of the type.
    pub fn of(self, entity: impl Into<EntityRef>) -> Self {
        let EntityRef { entity_type, id } = entity.into();
        let kind = EntityKind::of(&entity_type);
        let filter = if self.entities.contains(&kind) {
            self
        } else {
            self.entities([kind])
        };
        filter.entity_ids([id])
    }

    /// Done by these users, at most ten; `0` is a robot or the client.
    pub fn created_by(mut self, alternatives: impl IntoIterator<Item = UserId>) -> Self {
        let before = self.created_by.len();
        self.created_by.extend(alternatives);
        self.nothing |= self.created_by.len() == before;
        self
    }

    /// Of this period.
    pub fn created_at(mut self, period: impl RangeBounds<DateTime<Utc>>) -> Self {
        self.rest.period("created_at", &period);
        self
    }

    /// Leads that came to this status; again for an alternative.
    pub fn status_after(self, pipeline: PipelineId, status: StatusId) -> Self {
        self.typed(
            Side::After,
            On::LeadStatus(pipeline, status),
            EventType::LeadStatusChanged,
        )
    }

    /// Leads that left this status; again for an alternative.
    pub fn status_before(self, pipeline: PipelineId, status: StatusId) -> Self {
        self.typed(
            Side::Before,
            On::LeadStatus(pipeline, status),
            EventType::LeadStatusChanged,
        )
    }

    /// Customers that came to this status; again for an alternative.
    pub fn customer_status_after(self, status: CustomerStatusId) -> Self {
        self.typed(
            Side::After,
            On::CustomerStatus(status),
            EventType::CustomerStatusChanged,
        )
    }

    /// Customers that left this status; again for an alternative.
    pub fn customer_status_before(self, status: CustomerStatusId) -> Self {
        self.typed(
            Side::Before,
            On::CustomerStatus(status),
            EventType::CustomerStatusChanged,
        )
    }

    /// What these users became responsible for.
    pub fn responsible_after(self, users: impl IntoIterator<Item = UserId>) -> Self {
        let users = On::ResponsibleUsers(users.into_iter().collect());
        self.typed(Side::After, users, EventType::EntityResponsibleChanged)
    }

    /// What these users were responsible for.
    pub fn responsible_before(self, users: impl IntoIterator<Item = UserId>) -> Self {
        let users = On::ResponsibleUsers(users.into_iter().collect());
        self.typed(Side::Before, users, EventType::EntityResponsibleChanged)
    }

    /// A custom field got one of these options.
    pub fn option_after(
        self,
        field: CustomFieldId,
        options: impl IntoIterator<Item = FieldEnumId>,
    ) -> Self {
        let options = On::FieldOptions(options.into_iter().collect());
        self.typed(Side::After, options, EventType::field_changed(field))
    }

    /// A custom field had one of these options.
    pub fn option_before(
        self,
        field: CustomFieldId,
        options: impl IntoIterator<Item = FieldEnumId>,
    ) -> Self {
        let options = On::FieldOptions(options.into_iter().collect());
        self.typed(Side::Before, options, EventType::field_changed(field))
    }

    /// Exactly this value after a change of a name, budget, sum of purchases, rating or custom field: say of which with
    /// [`types`](Self::types).
    pub fn value_after(mut self, value: impl Into<String>) -> Self {
        let on = On::Value(value.into());
        self.conditions.push(Condition {
            side: Side::After,
            on,
        });
        self
    }

    /// Exactly this value before a change; as [`value_after`](Self::value_after).
    pub fn value_before(mut self, value: impl Into<String>) -> Self {
        let on = On::Value(value.into());
        self.conditions.push(Condition {
            side: Side::Before,
            on,
        });
        self
    }

    fn typed(mut self, side: Side, on: On, event_type: EventType) -> Self {
        self.nothing |= on.is_empty();
        if !self.types.contains(&event_type) {
            self.types.push(event_type);
        }
        self.conditions.push(Condition { side, on });
        self
    }
}

impl On {
    fn is_empty(&self) -> bool {
        match self {
            Self::ResponsibleUsers(users) => users.is_empty(),
            Self::FieldOptions(options) => options.is_empty(),
            _ => false,
        }
    }

    /// The name on the wire.
    fn key(&self) -> &'static str {
        match self {
            Self::LeadStatus(..) => "leads_statuses",
            Self::CustomerStatus(_) => "customers_statuses",
            Self::ResponsibleUsers(_) => "responsible_user_id",
            Self::FieldOptions(_) => "custom_field_values",
            Self::Value(_) => "value",
        }
    }

    /// Whether events of this type have such values.
    fn is_of(&self, event_type: &EventType) -> bool {
        match self {
            Self::LeadStatus(..) => *event_type == EventType::LeadStatusChanged,
            Self::CustomerStatus(_) => *event_type == EventType::CustomerStatusChanged,
            Self::ResponsibleUsers(_) => *event_type == EventType::EntityResponsibleChanged,
            Self::FieldOptions(_) => event_type.changed_field().is_some(),
            Self::Value(_) => matches!(
                event_type,
                EventType::NpsRateAdded
                    | EventType::SaleFieldChanged
                    | EventType::NameFieldChanged
                    | EventType::LtvFieldChanged
                    | EventType::CustomFieldValueChanged
            ),
        }
    }
}

impl Side {
    fn key(self) -> &'static str {
        match self {
            Self::Before => "value_before",
            Self::After => "value_after",
        }
    }
}

impl IntoQuery for EventFilter {
    fn into_query(self) -> Vec<(String, String)> {
        let mut pairs = self.rest;
        let lists = [
            (
                "type",
                self.types
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>(),
            ),
            (
                "entity",
                self.entities.iter().map(ToString::to_string).collect(),
            ),
            (
                "entity_id",
                self.entity_ids.iter().map(ToString::to_string).collect(),
            ),
            (
                "created_by",
                self.created_by.iter().map(ToString::to_string).collect(),
            ),
        ];
        for (key, values) in lists {
            if !values.is_empty() {
                pairs.any(key, values);
            }
        }
        let comma = |ids: &[u64]| ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        for Condition { side, on } in self.conditions {
            let key = format!("{}][{}", side.key(), on.key());
            let index = pairs.next_index(&key);
            match on {
                On::LeadStatus(pipeline, status) => {
                    pairs.one(&format!("{key}][{index}][pipeline_id"), pipeline);
                    pairs.one(&format!("{key}][{index}][status_id"), status);
                }
                On::CustomerStatus(status) => {
                    pairs.one(&format!("{key}][{index}][status_id"), status);
                }
                On::ResponsibleUsers(users) => {
                    let ids: Vec<u64> = users.into_iter().map(u64::from).collect();
                    pairs.one(&key, comma(&ids));
                }
                On::FieldOptions(options) => {
                    let ids: Vec<u64> = options.into_iter().map(u64::from).collect();
                    pairs.one(&key, comma(&ids));
                }
                On::Value(value) => pairs.one(&key, value),
            }
        }
        pairs.into_query()
    }

    fn matches_nothing(&self) -> bool {
        self.nothing || self.rest.matches_nothing()
    }

    fn refusal(&self) -> Option<String> {
        let too_many = |what: &str, count: usize| {
            (count > MOST).then(|| format!("filter[{what}]: expected at most {MOST}, got {count}"))
        };
        if let Some(why) = too_many("entity_id", self.entity_ids.len())
            .or_else(|| too_many("created_by", self.created_by.len()))
        {
            return Some(why);
        }
        if !self.entity_ids.is_empty() && self.entities.len() != 1 {
            return Some(format!(
                "filter[entity_id]: expected exactly one type of entity in filter[entity], got {}",
                self.entities.len()
            ));
        }
        let of_field = self
            .types
            .iter()
            .find(|kind| kind.changed_field().is_some());
        if let (Some(alone), true) = (of_field, self.types.len() > 1) {
            return Some(format!(
                "filter[type]: expected {alone} alone, without other types"
            ));
        }
        self.conditions.iter().find_map(|Condition { side, on }| {
            let (side, key) = (side.key(), on.key());
            (!self.types.iter().any(|event_type| on.is_of(event_type)))
                .then(|| format!("filter[{side}][{key}]: expected a type of event that has such values in filter[type]"))
        })
    }
}
