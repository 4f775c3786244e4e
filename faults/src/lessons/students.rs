//! Who finishes what, and when; and what else happens to their deals.

use std::time::Duration;

use fastrand::Rng;

use crate::plan::{between, chances};

/// Lessons of the course.
pub(super) const LESSONS: u32 = 3;
/// Places of the course's stages: the first is where deals begin, then those of the lessons, then one that only managers
/// use.
pub(super) const LAST_PLACE: usize = LESSONS as usize + 1;
/// Calls of so many lessons at most.
const BATCH: usize = 20;

/// A student, with a deal.
#[derive(Debug, Clone)]
pub(super) struct Student {
    pub(super) number: usize,
    /// In lower case; the second one of some belongs to the same contact.
    pub(super) emails: Vec<String>,
    /// The same as the contact has them.
    pub(super) written: Vec<String>,
    pub(super) fate: Fate,
    pub(super) decoy: Option<Decoy>,
}

/// What happens to a student's deal besides the lessons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Plain,
    /// The contact gets its e-mail only then: the application comes after the lesson.
    Late(Duration),
    /// The deal comes into the course's pipeline only then.
    Elsewhere(Duration),
    /// A manager moves it to this place.
    Ahead(usize),
    /// A manager closes it.
    Closed(Closing),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    Won,
    Lost,
}

/// A deal that is not meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decoy {
    /// An older one of the same contact.
    Older,
    /// A closed one of the same contact.
    Closed,
    /// One of somebody whose e-mail contains the student's.
    Namesake,
}

/// A lesson as the platform tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Telling {
    pub(super) student: usize,
    /// Which of the student's e-mails.
    pub(super) email: usize,
    /// As the platform writes it.
    pub(super) written: String,
    pub(super) lesson: u32,
    /// By what the platform calls it, instead of its number.
    pub(super) by_id: bool,
}

/// A request of the platform.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) at: Duration,
    /// Several travel as a batch.
    pub(super) tellings: Vec<Telling>,
    /// Which process it is sent to first.
    pub(super) slot: usize,
    /// Its `Idempotency-Key`.
    pub(super) key: Option<String>,
}

/// What a manager does between two lessons: when the first ones have ended, the deal is moved; then come the others. A move
/// of a manager's in the same moment as one of ours cannot be told from one that came before it.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) student: usize,
    pub(super) before: Vec<Call>,
    pub(super) after: Vec<Call>,
}

/// The schedule of a run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) students: Vec<Student>,
    pub(super) calls: Vec<Call>,
    pub(super) scripts: Vec<Script>,
    pub(super) length: Duration,
}

impl Plan {
    /// Everything within `length`, with some quiet at its end.
    pub(super) fn draw(seed: u64, count: usize, length: Duration) -> Self {
        let mut chances = chances(seed, "students");
        let until = u64::try_from(length.as_millis()).unwrap_or(u64::MAX) * 6 / 10;
        let mut plan = Self {
            students: Vec::new(),
            calls: Vec::new(),
            scripts: Vec::new(),
            length,
        };
        let mut loose: Vec<(Duration, Telling)> = Vec::new();
        for number in 0..count {
            let student = new_student(&mut chances, seed, number, until);
            let mut tellings = tellings(&mut chances, &student);
            if matches!(student.fate, Fate::Ahead(_) | Fate::Closed(_)) {
                let after = tellings.split_off(chances.usize(0..tellings.len()));
                let at = between(&mut chances, 0, until);
                let mut calls = |tellings: Vec<Telling>| -> Vec<Call> {
                    let calls = tellings.into_iter();
                    calls
                        .map(|telling| call(&mut chances, at, vec![telling]))
                        .collect()
                };
                plan.scripts.push(Script {
                    student: number,
                    before: calls(tellings),
                    after: calls(after),
                });
            } else {
                for telling in tellings {
                    let at = between(&mut chances, 0, until);
                    // Each fifth is told twice, at once or later.
                    if chances.u32(0..5) == 0 {
                        let again = at + between(&mut chances, 0, until / 8);
                        let again = if chances.bool() { at } else { again };
                        loose.push((again, telling.clone()));
                    }
                    loose.push((at, telling));
                }
            }
            plan.students.push(student);
        }
        loose.sort_by_key(|(at, _)| *at);
        plan.calls = gather(&mut chances, loose);
        plan
    }

    /// Every student's every lesson, once: the student, which of the e-mails, the lesson.
    pub(super) fn completions(&self) -> impl Iterator<Item = &Telling> {
        let scripted = self
            .scripts
            .iter()
            .flat_map(|script| script.before.iter().chain(&script.after));
        let all = self.calls.iter().chain(scripted);
        let mut known = std::collections::BTreeSet::new();
        all.flat_map(|call| &call.tellings)
            .filter(move |telling| known.insert((telling.student, telling.lesson)))
    }

    /// The script of a student, if a manager moves their deal.
    pub(super) fn script(&self, student: usize) -> Option<&Script> {
        self.scripts.iter().find(|script| script.student == student)
    }
}

fn new_student(chances: &mut Rng, seed: u64, number: usize, until: u64) -> Student {
    // The seed keeps the students of two runs on one machine apart.
    let address = |name: &str| format!("{name}{number}.{}@academy.example", seed % 10_000);
    let mut emails = vec![address("student")];
    let meanwhile = |chances: &mut Rng| between(chances, until / 4, until);
    let fate = match number % 20 {
        1 | 11 => Fate::Late(meanwhile(chances)),
        3 => Fate::Elsewhere(meanwhile(chances)),
        5 | 15 => Fate::Ahead(chances.usize(2..=LAST_PLACE)),
        7 => Fate::Closed(if chances.bool() {
            Closing::Won
        } else {
            Closing::Lost
        }),
        _ => Fate::Plain,
    };
    let decoy = match number % 20 {
        4 => Some(Decoy::Older),
        6 => Some(Decoy::Closed),
        8 => Some(Decoy::Namesake),
        _ => None,
    };
    if matches!(number % 20, 0 | 2 | 10) {
        emails.push(address("home"));
    }
    Student {
        number,
        written: emails.iter().map(|it| spelt(chances, it)).collect(),
        emails,
        fate,
        decoy,
    }
}

/// A student's lessons in any order. Who has two e-mails uses either.
fn tellings(chances: &mut Rng, student: &Student) -> Vec<Telling> {
    let mut lessons: Vec<u32> = (1..=LESSONS).collect();
    chances.shuffle(&mut lessons);
    let mut one = |lesson| {
        let email = chances.usize(0..student.emails.len());
        Telling {
            student: student.number,
            email,
            written: spelt(chances, &student.emails[email]),
            lesson,
            by_id: chances.bool(),
        }
    };
    lessons.into_iter().map(&mut one).collect()
}

/// Some lessons that come close to each other are told together.
fn gather(chances: &mut Rng, loose: Vec<(Duration, Telling)>) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut loose = loose.into_iter().peekable();
    while let Some((at, telling)) = loose.next() {
        let mut tellings = vec![telling];
        if chances.u32(0..12) == 0 {
            let more = chances.usize(1..BATCH);
            tellings.extend(loose.by_ref().take(more).map(|(_, telling)| telling));
        }
        calls.push(call(chances, at, tellings));
    }
    calls
}

fn call(chances: &mut Rng, at: Duration, tellings: Vec<Telling>) -> Call {
    Call {
        at,
        tellings,
        slot: chances.usize(0..2),
        key: chances.bool().then(|| format!("{:032x}", chances.u128(..))),
    }
}

/// One address, as keyboards write it.
fn spelt(chances: &mut Rng, email: &str) -> String {
    match chances.u32(0..3) {
        0 => email.to_owned(),
        1 => email.to_uppercase(),
        _ => format!("{}{}", email[..1].to_uppercase(), &email[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_is_the_same_plan() {
        let plan = |seed| {
            let plan = Plan::draw(seed, 60, Duration::from_secs(20));
            format!("{plan:?}")
        };
        assert_eq!(plan(3), plan(3));
        assert_ne!(plan(3), plan(4));
    }

    #[test]
    fn every_student_finishes_every_lesson_and_every_fate_comes() {
        let plan = Plan::draw(5, 40, Duration::from_secs(20));
        assert_eq!(plan.completions().count(), 40 * LESSONS as usize);
        assert!(plan.calls.iter().any(|call| call.tellings.len() > 1));
        let has = |wanted: fn(&Fate) -> bool| plan.students.iter().any(|it| wanted(&it.fate));
        assert!(has(|fate| matches!(fate, Fate::Late(_))));
        assert!(has(|fate| matches!(fate, Fate::Elsewhere(_))));
        assert!(has(|fate| matches!(fate, Fate::Ahead(_))));
        assert!(has(|fate| matches!(fate, Fate::Closed(_))));
    }
}
