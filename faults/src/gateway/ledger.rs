//! What every subscriber has got, compared with what amoCRM has sent, the moment it arrives.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::Value;

use super::webhooks::Event;
use crate::findings::{Figures, Findings};

/// More of one kind are counted, not written down.
const NOTED: usize = 50;

/// The books of all subscribers.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Where an event stands in the plan.
    events: HashMap<String, usize>,
    marks: Vec<String>,
    /// Ids and hashes of the bodies that events were first delivered with.
    known: HashMap<usize, (String, u64)>,
    books: Vec<Book>,
    wrong: Vec<String>,
    order_violations: usize,
    doubled: usize,
}

/// A subscriber, as far as the books know it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader {
    pub(super) name: &'static str,
    /// What is written for it in gateway.toml.
    pub(super) events: &'static str,
    /// The same, said once more by this program.
    pub(super) wants: fn(&Event) -> bool,
}

/// What one subscriber has got.
#[derive(Debug)]
struct Book {
    name: &'static str,
    /// For each event that it wants: its entity, and its place among the wanted events of that entity.
    places: HashMap<usize, (usize, usize)>,
    entities: Vec<Queue>,
    deliveries: usize,
    duplicates: usize,
}

/// The wanted events of an entity, in the order of their receipt.
#[derive(Debug, Default)]
struct Queue {
    wanted: Vec<usize>,
    /// So many of them were answered with 2xx.
    done: usize,
}

/// A delivery that is being answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    book: usize,
    entity: usize,
    place: usize,
}

/// How far everybody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) name: &'static str,
    pub(super) events: usize,
}

impl Ledger {
    /// Empty books for subscribers that want what their function says.
    pub(super) fn new(events: &[Event], subscribers: &[Reader]) -> Self {
        let books = subscribers
            .iter()
            .map(|reader| Book::new(reader.name, events, reader.wants))
            .collect();
        let marks: Vec<String> = events.iter().map(|event| event.mark.clone()).collect();
        Self {
            events: marks.iter().cloned().zip(0..).collect(),
            marks,
            known: HashMap::new(),
            books,
            wrong: Vec::new(),
            order_violations: 0,
            doubled: 0,
        }
    }

    /// Notes what should not have been.
    pub(super) fn wrong(&mut self, what: String) {
        if self.wrong.len() < NOTED {
            self.wrong.push(what);
        }
    }

    /// A delivery with a good signature. `None`: nobody sent this, or the subscriber did not want it.
    pub(super) fn arrived(&mut self, subscriber: usize, id: &str, body: &[u8]) -> Option<Arrival> {
        let name = self.books[subscriber].name;
        let Some(event) = mark(body).and_then(|mark| self.events.get(&mark).copied()) else {
            self.wrong(format!("{name} got something that nobody has sent"));
            return None;
        };
        let mark = self.marks[event].clone();
        let envelope = hash(body);
        let (known_id, known_envelope) = self
            .known
            .entry(event)
            .or_insert_with(|| (id.to_owned(), envelope));
        if known_id != id {
            self.doubled += 1;
            self.wrong(format!("{mark} has two ids: it became two events"));
        } else if *known_envelope != envelope {
            self.wrong(format!("{mark} was sent with another body the second time"));
        }
        let book = &mut self.books[subscriber];
        let Some(&(entity, place)) = book.places.get(&event) else {
            self.wrong(format!("{name} did not want {mark}"));
            return None;
        };
        book.deliveries += 1;
        let done = book.entities[entity].done;
        if place > done {
            let before = book.entities[entity].wanted[done];
            let before = self.marks[before].clone();
            self.order_violations += 1;
            self.wrong(format!("{name} got {mark} before {before} was answered"));
        }
        Some(Arrival {
            book: subscriber,
            entity,
            place,
        })
    }

    /// It is about to be answered with 2xx.
    pub(super) fn accepted(&mut self, arrival: Arrival) {
        let book = &mut self.books[arrival.book];
        let queue = &mut book.entities[arrival.entity];
        if arrival.place < queue.done {
            book.duplicates += 1;
        } else {
            queue.done = arrival.place + 1;
        }
    }

    /// What has not been answered with 2xx yet.
    pub(super) fn missing(&self) -> Vec<Missing> {
        let missing = self.books.iter().map(|book| Missing {
            name: book.name,
            events: book.entities.iter().map(Queue::left).sum(),
        });
        missing.filter(|it| it.events > 0).collect()
    }

    /// Counts, and tells what was wrong. `sent` and `distinct` begin the line.
    pub(super) fn tell(self, sent: usize, findings: &mut Findings) -> Totals {
        let mut totals = Totals {
            sent,
            distinct: self.marks.len(),
            lost: 0,
            order_violations: self.order_violations,
            duplicates: 0,
            deliveries: 0,
            doubled: self.doubled,
        };
        for what in self.wrong {
            findings.wrong(what);
        }
        let mut never: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for book in &self.books {
            totals.duplicates += book.duplicates;
            totals.deliveries += book.deliveries;
            for queue in &book.entities {
                totals.lost += queue.left();
                let lost = queue.wanted[queue.done..].iter();
                never
                    .entry(book.name)
                    .or_default()
                    .extend(lost.map(|&event| self.marks[event].as_str()));
            }
        }
        for (name, marks) in never {
            findings.expect(marks.is_empty(), || {
                format!(
                    "{name} never got {} events, such as {}",
                    marks.len(),
                    marks[0]
                )
            });
        }
        totals
    }
}

/// What the books say in the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Totals {
    sent: usize,
    distinct: usize,
    lost: usize,
    order_violations: usize,
    pub(super) duplicates: usize,
    deliveries: usize,
    doubled: usize,
}

impl Totals {
    /// The figures that have fixed names.
    pub(super) fn count(&self, figures: &mut Figures, kills: usize) {
        figures.count("sent", self.sent);
        figures.count("distinct", self.distinct);
        figures.count("lost", self.lost);
        figures.count("order_violations", self.order_violations);
        figures.count("duplicates", self.duplicates);
        figures.count("kills", kills);
        figures.count("doubled", self.doubled);
        figures.count("deliveries", self.deliveries);
    }
}

impl Book {
    fn new(name: &'static str, events: &[Event], wants: fn(&Event) -> bool) -> Self {
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let mut entities: Vec<Queue> = Vec::new();
        let mut places = HashMap::new();
        for (index, event) in events.iter().enumerate().filter(|(_, event)| wants(event)) {
            let entity = *numbers.entry(&event.entity).or_insert_with(|| {
                entities.push(Queue::default());
                entities.len() - 1
            });
            places.insert(index, (entity, entities[entity].wanted.len()));
            entities[entity].wanted.push(index);
        }
        Self {
            name,
            places,
            entities,
            deliveries: 0,
            duplicates: 0,
        }
    }
}

impl Queue {
    fn left(&self) -> usize {
        self.wanted.len() - self.done
    }
}

/// What the entity is called, which tells the event.
fn mark(body: &[u8]) -> Option<String> {
    let envelope: Value = serde_json::from_slice(body).ok()?;
    let object = &envelope["data"]["object"];
    let name = object["name"].as_str().or(object["text"].as_str());
    name.map(str::to_owned)
}

fn hash(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        let event = |mark: &str, entity: &str| Event {
            mark: mark.to_owned(),
            entity: entity.to_owned(),
            kind: "leads.update",
        };
        let events = [event("a1", "a"), event("b1", "b"), event("a2", "a")];
        let all = Reader {
            name: "all",
            events: "[]",
            wants: |_| true,
        };
        Ledger::new(&events, &[all])
    }

    fn body(mark: &str) -> Vec<u8> {
        format!(r#"{{"data":{{"object":{{"name":"{mark}"}}}}}}"#).into_bytes()
    }

    fn totals(ledger: Ledger) -> (usize, usize, usize, bool) {
        let mut findings = Findings::default();
        let totals = ledger.tell(3, &mut findings);
        (
            totals.lost,
            totals.order_violations,
            totals.duplicates,
            findings.is_well(),
        )
    }

    #[test]
    fn everything_once_in_order_is_well_and_a_repetition_is_a_duplicate() {
        let mut ledger = ledger();
        for mark in ["b1", "a1", "a1", "a2"] {
            let arrival = ledger
                .arrived(0, &format!("evt_{mark}"), &body(mark))
                .unwrap();
            ledger.accepted(arrival);
        }
        assert!(ledger.missing().is_empty());
        assert_eq!(totals(ledger), (0, 0, 1, true));
    }

    #[test]
    fn an_event_before_the_answer_to_the_one_before_it_breaks_the_order() {
        let mut ledger = ledger();
        ledger.arrived(0, "evt_1", &body("a1")).unwrap();
        ledger.arrived(0, "evt_2", &body("a2")).unwrap();
        assert_eq!(totals(ledger), (3, 1, 0, false));
    }

    #[test]
    fn a_second_id_is_a_second_event() {
        let mut ledger = ledger();
        ledger.arrived(0, "evt_1", &body("a1")).unwrap();
        ledger.arrived(0, "evt_2", &body("a1")).unwrap();
        assert!(ledger.arrived(0, "evt_3", &body("nobody's")).is_none());
        assert_eq!(ledger.doubled, 1);
        assert!(!totals(ledger).3);
    }
}
