//! `filter[…]` of cards. Keys that are not known are ignored, and the whole collection comes back.

use std::collections::BTreeSet;

use http::StatusCode;

use crate::{
    api::{call::Context, values},
    problem::Problem,
    query::{Query, Range},
    world::{Account, EntityType, Record, is_closing},
};

/// One condition; all of a request must hold.
type Condition<'a> = Box<dyn Fn(&Record) -> bool + 'a>;

/// The filter of a request.
pub(super) struct Filter<'a> {
    conditions: Vec<Condition<'a>>,
    /// The ids asked for, when there are any: then nothing else has to be looked at.
    pub(super) ids: Option<BTreeSet<u64>>,
}

impl<'a> Filter<'a> {
    /// Reads the filter of a request.
    pub(super) fn read(cx: &'a Context<'_>, entity: EntityType) -> Result<Self, Problem> {
        let query = cx.query();
        let mut filter = Self {
            conditions: Vec::new(),
            ids: None,
        };
        let ids = query.list(&["filter", "id"]);
        if !ids.is_empty() {
            filter.ids = Some(ids.iter().filter_map(|id| id.parse().ok()).collect());
        }
        filter.common(query);
        if entity == EntityType::Leads {
            filter.leads(query);
        }
        if entity == EntityType::Customers {
            filter.customers(query);
        }
        filter.custom_fields(cx.account, entity, query)?;
        Ok(filter)
    }

    /// Whether the filter lets everything through.
    pub(super) fn is_empty(&self) -> bool {
        self.conditions.is_empty() && self.ids.is_none()
    }

    /// Whether a record passes.
    pub(super) fn matches(&self, record: &Record) -> bool {
        self.ids.as_ref().is_none_or(|ids| ids.contains(&record.id))
            && self.conditions.iter().all(|holds| holds(record))
    }

    fn common(&mut self, query: &'a Query) {
        let names = query.list(&["filter", "name"]);
        if !names.is_empty() {
            self.conditions.push(Box::new(move |record| {
                names.contains(&record.name.as_str())
            }));
        }
        self.one_of(query, "created_by", |record| Some(record.created_by));
        self.one_of(query, "updated_by", |record| Some(record.updated_by));
        self.one_of(query, "responsible_user_id", |record| {
            Some(record.responsible_user_id)
        });
        self.range(query, "created_at", |record| Some(record.created_at));
        self.range(query, "updated_at", |record| Some(record.updated_at));
        self.range(query, "closest_task_at", |record| record.closest_task_at);
    }

    fn leads(&mut self, query: &'a Query) {
        self.one_of(query, "pipeline_id", |record| {
            record.lead.as_ref().map(|lead| lead.pipeline_id)
        });
        self.range(query, "price", |record| {
            record.lead.as_ref().map(|lead| lead.price)
        });
        self.range(query, "closed_at", |record| {
            record.lead.as_ref().and_then(|lead| lead.closed_at)
        });
        let stages = stages(query);
        if !stages.is_empty() {
            self.conditions.push(Box::new(move |record| {
                let Some(lead) = &record.lead else {
                    return false;
                };
                stages.iter().any(|(pipeline, status)| {
                    lead.status_id == *status
                        && pipeline.is_none_or(|pipeline| pipeline == lead.pipeline_id)
                })
            }));
        }
    }

    fn customers(&mut self, query: &'a Query) {
        self.one_of(query, "status_id", |record| {
            record.customer.as_ref().and_then(|it| it.status_id)
        });
        self.range(query, "next_price", |record| {
            record.customer.as_ref().map(|it| it.next_price)
        });
        self.range(query, "next_date", |record| {
            record.customer.as_ref().and_then(|it| it.next_date)
        });
        let segments: Vec<u64> = query
            .list(&["filter", "segments"])
            .iter()
            .filter_map(|id| id.parse().ok())
            .collect();
        if !segments.is_empty() {
            self.conditions.push(Box::new(move |record| {
                let customer = record.customer.as_ref();
                customer.is_some_and(|it| segments.iter().any(|id| it.segments.contains(id)))
            }));
        }
    }

    fn one_of(&mut self, query: &'a Query, key: &str, read: fn(&Record) -> Option<u64>) {
        let wanted = query.list(&["filter", key]);
        if wanted.is_empty() {
            return;
        }
        let wanted: BTreeSet<u64> = wanted.iter().filter_map(|id| id.parse().ok()).collect();
        self.conditions.push(Box::new(move |record| {
            read(record).is_some_and(|id| wanted.contains(&id))
        }));
    }

    fn range(&mut self, query: &'a Query, key: &str, read: fn(&Record) -> Option<i64>) {
        let Some(range) = query.range(&["filter", key]) else {
            return;
        };
        self.conditions.push(Box::new(move |record| {
            read(record).is_some_and(|value| range.contains(as_float(value)))
        }));
    }

    /// Values of fields by id: a list of equal texts, or a range. Codes are not ids, so they are ignored like any unknown
    /// key, and tracking fields cannot be filtered by.
    fn custom_fields(
        &mut self,
        account: &'a Account,
        entity: EntityType,
        query: &'a Query,
    ) -> Result<(), Problem> {
        const KEY: [&str; 2] = ["filter", "custom_fields_values"];
        for key in query.children(&KEY) {
            let field = key
                .parse()
                .ok()
                .and_then(|id| account.field(entity, id))
                .filter(|field| field.kind != "tracking_data");
            let Some(field) = field else { continue };
            if !account.is_api_filter_enabled {
                return Err(Problem::plain(
                    StatusCode::BAD_REQUEST,
                    "Invalid filter for current account",
                ));
            }
            let (path, id) = ([KEY[0], KEY[1], key], field.id);
            let wanted = query.list(&path);
            if !wanted.is_empty() {
                self.conditions.push(Box::new(move |record| {
                    let values = record.values.get(&id).map_or(&[][..], Vec::as_slice);
                    values
                        .iter()
                        .flat_map(values::as_texts)
                        .any(|text| wanted.contains(&text.as_str()))
                }));
            } else if let Some(range) = query.range(&path) {
                self.conditions
                    .push(Box::new(move |record| in_range(record, id, range)));
            }
        }
        Ok(())
    }
}

fn in_range(record: &Record, field_id: u64, range: Range) -> bool {
    let values = record.values.get(&field_id).map_or(&[][..], Vec::as_slice);
    values
        .iter()
        .filter_map(values::as_number)
        .any(|value| range.contains(value))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "times and prices are far below 2^53"
)]
fn as_float(value: i64) -> f64 {
    value as f64
}

/// `filter[statuses][n]`: a pair counts only when both halves are there, except that 142 and 143 may stand alone.
fn stages(query: &Query) -> Vec<(Option<u64>, u64)> {
    let number = |index: &str, key: &str| {
        query
            .get(&["filter", "statuses", index, key])
            .and_then(|v| v.parse().ok())
    };
    let pair = |index: &str| {
        let status: u64 = number(index, "status_id")?;
        let pipeline = number(index, "pipeline_id");
        (pipeline.is_some() || is_closing(status)).then_some((pipeline, status))
    };
    query
        .children(&["filter", "statuses"])
        .into_iter()
        .filter_map(pair)
        .collect()
}
