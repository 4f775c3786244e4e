//! Lists of cards: filter, `query`, order, one page.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    filter::Filter,
    render::{render, render_deleted},
};
use crate::{
    api::call::Context,
    hal::{Answer, page},
    query::{Direction, Query},
    world::{EntityType, Needle, Record, Records},
};

/// `GET /{entity}`.
pub(crate) fn list(cx: &mut Context<'_>) -> Answer {
    let entity = cx.entity()?;
    let query = cx.query();
    let records = cx.account.records(entity);
    let filter = Filter::read(cx, entity)?;
    let limit = query.limit();
    let skip = (query.page() - 1).saturating_mul(limit);
    // One more than the page, to know whether there is a next one.
    let take = limit + 1;

    if query.with("only_deleted") {
        let found = records
            .trash()
            .filter(|record| filter.matches(record))
            .skip(skip)
            .take(take);
        let items: Vec<Value> = found
            .map(|record| render_deleted(cx, entity, record))
            .collect();
        return Ok(page(&cx.url(), query, entity.as_str(), items));
    }

    let search = Search::read(cx, entity);
    let matches = |record: &&Record| {
        filter.matches(record) && search.as_ref().is_none_or(|search| search.matches(record))
    };
    let order = Order::read(query, entity);
    let found: Vec<&Record> = if let Some(ids) = &filter.ids {
        let mut found: Vec<&Record> = ids
            .iter()
            .filter_map(|id| records.live(*id))
            .filter(matches)
            .collect();
        order.sort(&mut found);
        found.into_iter().skip(skip).take(take).collect()
    } else if filter.is_empty() && search.is_none() && order == Order::DEFAULT {
        records.page_by_update(skip, take).collect()
    } else {
        order.select(records, matches, skip, take)
    };
    let items: Vec<Value> = found
        .into_iter()
        .map(|record| render(cx, entity, record))
        .collect();
    Ok(page(&cx.url(), query, entity.as_str(), items))
}

/// `query=`: a needle, and for leads the contacts it was found in.
struct Search {
    needle: Needle,
    now_ms: i64,
    leads_of_contacts: BTreeSet<u64>,
}

impl Search {
    fn read(cx: &Context<'_>, entity: EntityType) -> Option<Self> {
        let needle = Needle::new(
            cx.query()
                .get(&["query"])
                .filter(|text| !text.trim().is_empty())?,
        );
        let now_ms = cx.now_ms();
        let mut leads_of_contacts = BTreeSet::new();
        if entity == EntityType::Leads {
            for contact in cx
                .account
                .contacts
                .iter()
                .filter(|contact| contact.matches(&needle, now_ms))
            {
                leads_of_contacts.extend(cx.account.links.linked(
                    EntityType::Contacts,
                    contact.id,
                    EntityType::Leads,
                ));
            }
        }
        Some(Self {
            needle,
            now_ms,
            leads_of_contacts,
        })
    }

    fn matches(&self, record: &Record) -> bool {
        record.matches(&self.needle, self.now_ms)
            || (self.leads_of_contacts.contains(&record.id) && record.indexed_at_ms <= self.now_ms)
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Order {
    field: &'static str,
    direction: Direction,
}

impl Order {
    /// The longest unchanged first.
    const DEFAULT: Self = Self {
        field: "updated_at",
        direction: Direction::Ascending,
    };

    /// Orders as measured on real accounts: leads by time of creation but not by name, contacts the other way round.
    /// Everything else is the default order and no error.
    fn read(query: &Query, entity: EntityType) -> Self {
        // What customers are ordered by is not known; they follow the leads.
        let allowed = match entity {
            EntityType::Leads | EntityType::Customers => ["id", "updated_at", "created_at"],
            EntityType::Contacts | EntityType::Companies => ["id", "updated_at", "name"],
        };
        query
            .order(&allowed)
            .map_or(Self::DEFAULT, |(field, direction)| Self {
                field,
                direction,
            })
    }

    fn sort(self, records: &mut [&Record]) {
        match self.field {
            "id" => records.sort_by_key(|record| record.id),
            "created_at" => records.sort_by_key(|record| (record.created_at, record.id)),
            "name" => records.sort_by_cached_key(|record| (record.name.to_lowercase(), record.id)),
            _ => records.sort_by_key(|record| (record.updated_at, record.id)),
        }
        if self.direction == Direction::Descending {
            records.reverse();
        }
    }

    /// A page of the matching records. Only orders without an index are sorted.
    fn select<'a>(
        self,
        records: &'a Records,
        matches: impl Fn(&&'a Record) -> bool,
        skip: usize,
        take: usize,
    ) -> Vec<&'a Record> {
        match (self.field, self.direction) {
            ("updated_at", Direction::Ascending) => records
                .by_update()
                .filter(matches)
                .skip(skip)
                .take(take)
                .collect(),
            ("updated_at", Direction::Descending) => records
                .by_update()
                .rev()
                .filter(matches)
                .skip(skip)
                .take(take)
                .collect(),
            ("id", Direction::Ascending) => records
                .iter()
                .filter(matches)
                .skip(skip)
                .take(take)
                .collect(),
            ("id", Direction::Descending) => records
                .iter()
                .rev()
                .filter(matches)
                .skip(skip)
                .take(take)
                .collect(),
            _ => {
                let mut found: Vec<&Record> = records.iter().filter(matches).collect();
                self.sort(&mut found);
                found.into_iter().skip(skip).take(take).collect()
            }
        }
    }
}
