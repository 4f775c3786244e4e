//! What amoCRM sends, drawn from a seed: thousands of entities that change, some of it twice, some of it broken.
//!
//! An account's webhooks are many chains, each about a lead, its contact, company and task. Within a chain the next is
//! sent when the one before it was answered, so the order of receipt is known for every entity; chains know nothing of
//! each other.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use form_urlencoded::Serializer;

use crate::plan::chances;

/// The account of every webhook.
pub(super) const ACCOUNT: u64 = 31_000_001;
/// What the entities' names begin with; no name may be in a log.
pub(super) const MARK: &str = "zakaz-";
/// What the people's phones begin with; neither may these.
pub(super) const PHONE: &str = "+7 916 5";
/// So many webhooks make a chain, on average.
const CHAIN: usize = 40;
/// One in so many is of the chain that everybody talks about: a lead with more events than any other.
const HOT: usize = 20;
/// One in so many is sent again, and one in so many is broken.
const REPEATED: usize = 10;
const BROKEN: usize = 100;
/// One in so many tells of two entities at once.
const DOUBLE: usize = 15;
/// One in so many tells an older time of change than the one before it.
const STALE: usize = 8;
/// When the account was last touched before the run: 21 January 2026.
const BEGAN: u64 = 1_769_000_000;

/// A body that is posted, and what it is.
#[derive(Debug, Clone)]
pub(super) struct Webhook {
    pub(super) chain: usize,
    /// When it is due, from the beginning of the run.
    pub(super) at: Duration,
    /// What amoCRM says of itself in `X-Amocrm-Requestid`.
    pub(super) request_id: String,
    pub(super) body: String,
    pub(super) kind: Kind,
}

/// What a webhook is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It brings something new.
    New,
    /// It was sent before; what it tells is no new event.
    Repeated,
    /// Nobody can read it.
    Broken,
}

/// An event that subscribers have to get.
#[derive(Debug, Clone)]
pub(super) struct Event {
    /// Stands in the entity's name, so that it is recognised wherever it arrives.
    pub(super) mark: String,
    /// `leads/40000001`.
    pub(super) entity: String,
    /// `leads.update`.
    pub(super) kind: &'static str,
}

/// Everything that is sent.
#[derive(Debug)]
pub(super) struct Plan {
    /// In the order of each chain.
    pub(super) webhooks: Vec<Webhook>,
    /// In the order of receipt of each entity.
    pub(super) events: Vec<Event>,
}

/// What amoCRM calls the parts of an entity's way through the account.
struct Entity {
    name: &'static str,
    key: &'static str,
    id: u64,
    actions: &'static [&'static str],
    told: usize,
}

/// An entity's row of the webhooks.
const ENTITIES: [(&str, &str, u64, &[&str]); 4] = [
    (
        "leads",
        "leads",
        40_000_000,
        &["update", "status", "responsible"],
    ),
    ("contacts", "contacts", 50_000_000, &["update"]),
    ("companies", "contacts", 60_000_000, &["update"]),
    ("tasks", "task", 80_000_000, &["update"]),
];

impl Plan {
    /// `count` webhooks within `length`.
    pub(super) fn draw(seed: u64, count: usize, length: Duration) -> Self {
        let mut chances = chances(seed, "webhooks");
        let chains = (count / CHAIN).max(4);
        let mut entities: BTreeMap<usize, Vec<Entity>> = BTreeMap::new();
        let mut plan = Self {
            webhooks: Vec::with_capacity(count),
            events: Vec::new(),
        };
        // The last body of each chain: what is repeated may have happened a while ago.
        let mut known: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for number in 0..count {
            let chain = match chances.usize(0..HOT) {
                0 => 0,
                _ => chances.usize(0..chains),
            };
            let at = length * u32::try_from(number).unwrap_or(u32::MAX)
                / u32::try_from(count).unwrap_or(u32::MAX);
            let seen = known.entry(chain).or_default();
            let again = (number % REPEATED == REPEATED / 2)
                .then(|| chances.choice(&*seen).copied())
                .flatten();
            let (body, request_id, kind) = if let Some(before) = again {
                let before = &plan.webhooks[before];
                // Whether the id stays the same is nowhere documented.
                let id = if chances.bool() {
                    before.request_id.clone()
                } else {
                    request_id(&mut chances)
                };
                (before.body.clone(), id, Kind::Repeated)
            } else if number % BROKEN == BROKEN / 2 {
                (broken(number), request_id(&mut chances), Kind::Broken)
            } else {
                let own = entities.entry(chain).or_insert_with(|| of_chain(chain));
                let body = plan.change(&mut chances, own, number);
                seen.push(number);
                (body, request_id(&mut chances), Kind::New)
            };
            plan.webhooks.push(Webhook {
                chain,
                at,
                request_id,
                body,
                kind,
            });
        }
        plan
    }

    /// Something happens to an entity of the chain, or to two.
    fn change(&mut self, chances: &mut Rng, entities: &mut [Entity], number: usize) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("account[subdomain]", "acme-demo");
        form.append_pair("account[id]", &ACCOUNT.to_string());
        form.append_pair("account[_links][self]", "https://acme-demo.amocrm.ru");
        let first = match chances.usize(0..10) {
            0..=5 => 0,
            6 | 7 => 1,
            8 => 2,
            _ => 3,
        };
        let second = number
            .is_multiple_of(DOUBLE)
            .then_some((first + 1) % entities.len());
        for (item, index) in [Some(first), second].into_iter().flatten().enumerate() {
            let entity = &mut entities[index];
            let action = if entity.told == 0 {
                "add"
            } else {
                chances.choice(entity.actions).copied().unwrap_or("update")
            };
            let mark = format!("{MARK}{number}-{}", entity.name);
            entity.write(&mut form, chances, (action, item), &mark, number);
            entity.told += 1;
            self.events.push(Event {
                mark,
                entity: format!("{}/{}", entity.name, entity.id),
                kind: kind(entity.name, action),
            });
        }
        form.finish()
    }
}

impl Entity {
    fn write(
        &self,
        form: &mut Serializer<'_, String>,
        chances: &mut Rng,
        (action, item): (&str, usize),
        mark: &str,
        number: usize,
    ) {
        let prefix = format!("{}[{action}][{item}]", self.key);
        let mut put = |field: &str, value: &str| {
            form.append_pair(&format!("{prefix}{field}"), value);
        };
        let number = u64::try_from(number).unwrap_or_default();
        let changed = match chances.usize(0..STALE) {
            0 => BEGAN + number.saturating_sub(chances.u64(1..=30)),
            _ => BEGAN + number,
        };
        put("[id]", &self.id.to_string());
        match self.name {
            "tasks" => {
                put("[text]", mark);
                put("[element_id]", &(self.id - 40_000_000).to_string());
                put("[element_type]", "2");
                put("[status]", "0");
            }
            "leads" => {
                put("[name]", mark);
                put("[status_id]", &(60_000_001 + chances.u64(0..6)).to_string());
                if action == "status" {
                    put(
                        "[old_status_id]",
                        &(60_000_001 + chances.u64(0..6)).to_string(),
                    );
                }
                put(
                    "[price]",
                    &chances.u32(1..400).saturating_mul(500).to_string(),
                );
                put("[pipeline_id]", "7000001");
                put("[custom_fields][0][id]", "501");
                put("[custom_fields][0][name]", "Источник");
                put("[custom_fields][0][values][0][value]", "Сайт & лендинг");
            }
            of_people => {
                put("[name]", mark);
                put("[custom_fields][0][id]", "502");
                put("[custom_fields][0][code]", "PHONE");
                put(
                    "[custom_fields][0][values][0][value]",
                    &format!("{PHONE}{:02}-{:04}", number / 10_000 % 100, number % 10_000),
                );
                put("[custom_fields][0][values][0][enum]", "601");
                let one = if of_people == "companies" {
                    "company"
                } else {
                    "contact"
                };
                put("[type]", one);
            }
        }
        put("[responsible_user_id]", "9000001");
        put("[modified_user_id]", "0");
        put("[account_id]", &ACCOUNT.to_string());
        put("[created_at]", &(BEGAN - 3_600).to_string());
        put("[updated_at]", &changed.to_string());
    }
}

fn of_chain(chain: usize) -> Vec<Entity> {
    let chain = u64::try_from(chain).unwrap_or_default();
    ENTITIES
        .into_iter()
        .map(|(name, key, first, actions)| Entity {
            name,
            key,
            id: first + 1 + chain,
            actions,
            told: 0,
        })
        .collect()
}

/// The type of an event between `amocrm.` and the version.
fn kind(entity: &str, action: &str) -> &'static str {
    match (entity, action) {
        ("leads", "add") => "leads.add",
        ("leads", "status") => "leads.status",
        ("leads", "responsible") => "leads.responsible",
        ("leads", _) => "leads.update",
        ("contacts", "add") => "contacts.add",
        ("contacts", _) => "contacts.update",
        ("companies", "add") => "companies.add",
        ("companies", _) => "companies.update",
        (_, "add") => "tasks.add",
        _ => "tasks.update",
    }
}

/// What no parser can read, each of another kind.
fn broken(number: usize) -> String {
    match number / BROKEN % 4 {
        0 => format!("leads[update][0][name]={MARK}{number}"),
        1 => format!("leads={MARK}{number}&leads[update][0][id]=1"),
        2 => format!("contacts[add][0][id]={MARK}{number}&contacts[add][0][type]=contact"),
        _ => format!("leads[status][0][id]=&leads[status][0][name]={MARK}{number}"),
    }
}

fn request_id(chances: &mut Rng) -> String {
    uuid::Builder::from_random_bytes(chances.u128(..).to_be_bytes())
        .into_uuid()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_sends_the_same_bodies_and_every_event_has_a_mark_of_its_own() {
        let plan = Plan::draw(7, 2_000, Duration::from_mins(1));
        let again = Plan::draw(7, 2_000, Duration::from_mins(1));
        let bodies = |plan: &Plan| -> Vec<String> {
            plan.webhooks.iter().map(|it| it.body.clone()).collect()
        };
        assert_eq!(bodies(&plan), bodies(&again));
        let marks: std::collections::BTreeSet<_> = plan.events.iter().map(|it| &it.mark).collect();
        assert_eq!(marks.len(), plan.events.len());
        let count = |kind| plan.webhooks.iter().filter(|it| it.kind == kind).count();
        assert_eq!(count(Kind::Broken), 20);
        assert!((170..=200).contains(&count(Kind::Repeated)));
    }
}
