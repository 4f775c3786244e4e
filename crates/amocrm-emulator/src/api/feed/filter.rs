//! `filter[…]` of the feed. Lists come as `[]=a&[]=b` or with commas.

use crate::{
    problem::Problem,
    query::{Query, Range},
    world::feed::{Fact, FeedEvent},
};

/// How many authors or entities one request may ask for.
const MAX_IDS: usize = 10;

/// The filter of a request.
pub(super) struct Filter<'a> {
    ids: Vec<&'a str>,
    kinds: Vec<&'a str>,
    created_at: Option<Range>,
    created_by: Vec<u64>,
    entities: Vec<&'a str>,
    entity_ids: Vec<u64>,
    before: ValueFilter<'a>,
    after: ValueFilter<'a>,
}

impl<'a> Filter<'a> {
    pub(super) fn read(query: &'a Query) -> Result<Self, Problem> {
        let filter = Self {
            ids: query.comma_list(&["filter", "id"]),
            kinds: query.comma_list(&["filter", "type"]),
            created_at: moment(query),
            created_by: numbers(query, &["filter", "created_by"]),
            entities: query.comma_list(&["filter", "entity"]),
            entity_ids: numbers(query, &["filter", "entity_id"]),
            before: ValueFilter::read(query, "value_before"),
            after: ValueFilter::read(query, "value_after"),
        };
        filter.check()?;
        Ok(filter)
    }

    fn check(&self) -> Result<(), Problem> {
        for (name, ids) in [
            ("created_by", &self.created_by),
            ("entity_id", &self.entity_ids),
        ] {
            if ids.len() > MAX_IDS {
                return Err(Problem::bad_request(format!(
                    "filter[{name}]: no more than {MAX_IDS} values are allowed"
                )));
            }
        }
        if !self.entity_ids.is_empty() && self.entities.len() != 1 {
            return Err(Problem::bad_request(
                "filter[entity_id]: exactly one filter[entity] is required",
            ));
        }
        if self.kinds.len() > 1 && self.kinds.iter().any(|kind| is_of_one_field(kind)) {
            return Err(Problem::bad_request(
                "filter[type]: custom_field_{FIELD_ID}_value_changed must be the only type",
            ));
        }
        Ok(())
    }

    pub(super) fn matches(&self, event: &FeedEvent) -> bool {
        let or_any = |is_empty: bool, holds: bool| is_empty || holds;
        or_any(self.ids.is_empty(), self.ids.contains(&event.id.as_str()))
            && or_any(
                self.kinds.is_empty(),
                self.kinds.iter().any(|kind| is_kind(event, kind)),
            )
            && self
                .created_at
                .is_none_or(|range| range.contains(as_float(event.created_at())))
            && or_any(
                self.created_by.is_empty(),
                self.created_by.contains(&event.created_by),
            )
            && self.is_about(event)
            && self.before.matches(&event.before)
            && self.after.matches(&event.after)
    }

    /// A chat message of a lead is found by the contact of its talk, as the vendor documents.
    fn is_about(&self, event: &FeedEvent) -> bool {
        if self.entities.is_empty() {
            return true;
        }
        let has_id = |id: u64| self.entity_ids.is_empty() || self.entity_ids.contains(&id);
        match event.talk_contact_id {
            Some(contact) => self.entities.contains(&"contact") && has_id(contact),
            None => self.entities.contains(&&*event.subject.kind()) && has_id(event.subject.id()),
        }
    }
}

/// `filter[value_before]` or `filter[value_after]`.
struct ValueFilter<'a> {
    lead_statuses: Vec<(Option<u64>, Option<u64>)>,
    customer_statuses: Vec<u64>,
    responsible_users: Vec<u64>,
    options: Vec<u64>,
    value: Option<&'a str>,
}

impl<'a> ValueFilter<'a> {
    fn read(query: &'a Query, name: &'static str) -> Self {
        let number = |path: &[&str]| query.get(path).and_then(|value| value.parse().ok());
        let statuses = |key: &'static str| {
            let places = query.children(&["filter", name, key]);
            places.into_iter().map(move |place| {
                let at = |part| number(&["filter", name, key, place, part]);
                (at("pipeline_id"), at("status_id"))
            })
        };
        Self {
            lead_statuses: statuses("leads_statuses").collect(),
            customer_statuses: statuses("customers_statuses")
                .filter_map(|(_, status)| status)
                .collect(),
            responsible_users: numbers(query, &["filter", name, "responsible_user_id"]),
            options: numbers(query, &["filter", name, "custom_field_values"]),
            value: query.get(&["filter", name, "value"]),
        }
    }

    fn matches(&self, facts: &[Fact]) -> bool {
        let any = |holds: &dyn Fn(&Fact) -> bool| facts.iter().any(holds);
        let lead = |fact: &Fact| {
            let Fact::LeadStatus { id, pipeline_id } = fact else {
                return false;
            };
            self.lead_statuses.iter().any(|(pipeline, status)| {
                pipeline.is_none_or(|wanted| wanted == *pipeline_id)
                    && status.is_none_or(|wanted| wanted == *id)
            })
        };
        let customer = |fact: &Fact| matches!(fact, Fact::CustomerStatus(id) if self.customer_statuses.contains(id));
        let user = |fact: &Fact| matches!(fact, Fact::ResponsibleUser(id) if self.responsible_users.contains(id));
        let option = |fact: &Fact| matches!(fact, Fact::FieldValue { enum_id: Some(id), .. } if self.options.contains(id));
        (self.lead_statuses.is_empty() || any(&lead))
            && (self.customer_statuses.is_empty() || any(&customer))
            && (self.responsible_users.is_empty() || any(&user))
            && (self.options.is_empty() || any(&option))
            && self
                .value
                .is_none_or(|wanted| any(&|fact| fact.value().as_deref() == Some(wanted)))
    }
}

/// Whether an event is asked for by this type: the general words find the special ones, too.
fn is_kind(event: &FeedEvent, wanted: &str) -> bool {
    let kind = &*event.kind;
    kind == wanted
        || match wanted {
            "custom_field_value_changed" => is_of_one_field(kind),
            "entity_linked" => kind.ends_with("_linked"),
            "entity_unlinked" => kind.ends_with("_unlinked"),
            _ => false,
        }
}

fn is_of_one_field(kind: &str) -> bool {
    kind.strip_prefix("custom_field_")
        .and_then(|rest| rest.strip_suffix("_value_changed"))
        .is_some_and(|id| !id.is_empty())
}

/// A bare moment means "since"; two with a comma between, or `[from]` and `[to]`, are a range.
fn moment(query: &Query) -> Option<Range> {
    let path = ["filter", "created_at"];
    match query.get(&path).map(|text| text.split_once(',')) {
        Some(Some((from, to))) => Some(Range {
            from: from.trim().parse().ok(),
            to: to.trim().parse().ok(),
        }),
        _ => query.since(&path),
    }
}

fn numbers(query: &Query, path: &[&str]) -> Vec<u64> {
    let texts = query.comma_list(path).into_iter();
    texts.filter_map(|text| text.parse().ok()).collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "unix seconds are far below 2^53"
)]
fn as_float(value: i64) -> f64 {
    value as f64
}
