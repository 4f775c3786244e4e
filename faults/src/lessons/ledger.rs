//! Ledgers compared: what the platform was answered, what the log says, where the deals are, what amoCRM's feed tells of
//! their way.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use store::{LessonLog, LessonLogFilter, Store};

use super::academy::{Academy, LOST, WON};
use super::platform::Receipt;
use super::students::{Closing, Fate, LESSONS, Plan, Student, Telling};
use crate::emulator::Emulator;
use crate::findings::{Figures, Findings};

const PAGE: u32 = 500;
/// Outcomes after which lessons are tried again.
const WAITING: [&str; 3] = ["no_contact", "no_deal", "not_in_pipeline"];

/// The log, and amoCRM, at the end of a run.
pub(super) struct Books {
    /// The rows, the oldest first.
    rows: Vec<LessonLog>,
    /// The stage of each deal.
    deals: BTreeMap<i64, i64>,
    /// Every move of a deal, in any order.
    moves: Vec<Move>,
}

/// A move as the feed tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Move {
    deal: i64,
    from: i64,
    to: i64,
}

impl Books {
    pub(super) async fn read(emulator: &Emulator, store: &Store) -> anyhow::Result<Self> {
        let mut rows: Vec<LessonLog> = Vec::new();
        loop {
            let filter = LessonLogFilter {
                after: rows.last().map(|row| row.id),
                limit: PAGE,
                ..LessonLogFilter::default()
            };
            let page = store.lessons().log(&filter).await?;
            let is_last = page.len() < PAGE as usize;
            rows.extend(page);
            if is_last {
                break;
            }
        }
        rows.reverse();
        let deals = emulator.all("/api/v4/leads", "leads").await?;
        let feed = emulator.feed("lead_status_changed").await?;
        let number = |value: &Value| value.as_i64().unwrap_or_default();
        let stage = |side: &Value| number(&side[0]["lead_status"]["id"]);
        Ok(Self {
            rows,
            deals: deals
                .iter()
                .map(|deal| (number(&deal["id"]), number(&deal["status_id"])))
                .collect(),
            moves: feed
                .iter()
                .map(|event| Move {
                    deal: number(&event["entity_id"]),
                    from: stage(&event["value_before"]),
                    to: stage(&event["value_after"]),
                })
                .collect(),
        })
    }
}

/// All of it together.
pub(super) struct Ledger<'a> {
    pub(super) plan: &'a Plan,
    pub(super) academy: &'a Academy,
    pub(super) receipts: &'a [Receipt],
    pub(super) books: &'a Books,
}

/// What the books say in the end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    completions: usize,
    deals: usize,
    wrong_stage: usize,
    backward: usize,
    unexplained: usize,
    moves: usize,
}

impl Ledger<'_> {
    /// Says everything that does not agree.
    pub(super) fn check(&self, findings: &mut Findings) -> Totals {
        let mut totals = Totals {
            deals: self.plan.students.len(),
            moves: self.books.moves.len(),
            ..Totals::default()
        };
        self.check_receipts(findings);
        self.check_stages(&mut totals, findings);
        self.check_moves(&mut totals, findings);
        self.check_log(&mut totals, findings);
        totals
    }

    /// A lesson that was told again is the one that was told before.
    fn check_receipts(&self, findings: &mut Findings) {
        let mut numbers: BTreeMap<(usize, usize, u32), BTreeSet<i64>> = BTreeMap::new();
        for Receipt { telling, id } in self.receipts {
            let key = (telling.student, telling.email, telling.lesson);
            numbers.entry(key).or_default().insert(*id);
        }
        for ((student, _, lesson), ids) in numbers {
            findings.expect(ids.len() == 1, || {
                format!("lesson {lesson} of student {student} has the numbers {ids:?}")
            });
        }
    }

    /// Every deal is at its highest lesson's stage, or where a manager has put it.
    fn check_stages(&self, totals: &mut Totals, findings: &mut Findings) {
        let meant = self
            .plan
            .students
            .iter()
            .map(|student| (self.academy.deals[student.number], self.last_stage(student)));
        let decoys = self
            .academy
            .decoys
            .iter()
            .map(|(deal, stage)| (*deal, *stage));
        for (deal, wanted) in meant.chain(decoys) {
            let stage = self.books.deals.get(&deal).copied();
            let is_right = stage == Some(wanted);
            totals.wrong_stage += usize::from(!is_right);
            findings.expect(is_right, || {
                format!("deal {deal} is at {stage:?} and should be at {wanted}")
            });
        }
    }

    fn last_stage(&self, student: &Student) -> i64 {
        let highest = LESSONS as usize;
        match student.fate {
            Fate::Closed(Closing::Won) => WON,
            Fate::Closed(Closing::Lost) => LOST,
            Fate::Ahead(place) => self.academy.stages[place.max(highest)],
            _ => self.academy.stages[highest],
        }
    }

    /// The feed tells of no deal that went back, or out of being closed.
    fn check_moves(&self, totals: &mut Totals, findings: &mut Findings) {
        for Move { deal, from, to } in &self.books.moves {
            let (before, after) = (self.academy.place(*from), self.academy.place(*to));
            // From another pipeline everything is forward.
            let is_forward = after.is_some() && before < after;
            totals.backward += usize::from(!is_forward);
            findings.expect(is_forward, || {
                format!("deal {deal} was moved back, from {from} to {to}")
            });
        }
    }

    /// Every completion has one row that says how it ended, and that is what happened.
    fn check_log(&self, totals: &mut Totals, findings: &mut Findings) {
        let mut rows: BTreeMap<(&str, u32), Vec<&LessonLog>> = BTreeMap::new();
        for row in &self.books.rows {
            let key = (row.email.as_str(), row.lesson);
            rows.entry(key).or_default().push(row);
        }
        for telling in self.plan.completions() {
            totals.completions += 1;
            let student = &self.plan.students[telling.student];
            let key = (student.emails[telling.email].as_str(), telling.lesson);
            let rows = rows.remove(&key).unwrap_or_default();
            if let Err(why) = self.explains(student, telling, &rows) {
                totals.unexplained += 1;
                findings.wrong(format!(
                    "lesson {} of student {}: {why}",
                    telling.lesson, telling.student
                ));
            }
        }
        findings.expect(rows.is_empty(), || {
            format!(
                "{} rows of the log are of lessons that nobody told",
                rows.len()
            )
        });
    }

    fn explains(
        &self,
        student: &Student,
        telling: &Telling,
        rows: &[&LessonLog],
    ) -> Result<(), String> {
        let comes_later = matches!(student.fate, Fate::Late(_) | Fate::Elsewhere(_));
        let (waited, ended): (Vec<&LessonLog>, Vec<_>) = rows
            .iter()
            .partition(|row| WAITING.contains(&row.outcome.as_str()));
        let [end] = &*ended else {
            let outcomes: Vec<_> = rows.iter().map(|row| row.outcome.as_str()).collect();
            return Err(format!("its rows are {outcomes:?}"));
        };
        if !waited.is_empty() && !comes_later {
            return Err("it waited for a deal that was there".to_owned());
        }
        if end.lead_id != Some(self.academy.deals[student.number]) {
            return Err(format!("it names deal {:?}", end.lead_id));
        }
        // What is told after the manager has closed the deal is left alone.
        let is_before = |telling: &Telling| {
            let script = self.plan.script(telling.student);
            let before = script.map_or(&[][..], |script| &script.before);
            before.iter().any(|call| call.tellings.contains(telling))
        };
        if matches!(student.fate, Fate::Closed(_)) && !is_before(telling) {
            return match end.outcome.as_str() {
                "closed" if !end.success => Ok(()),
                other => Err(format!("the deal is closed, and it says {other}")),
            };
        }
        if !end.success || !matches!(end.outcome.as_str(), "moved" | "ahead") {
            return Err(format!("it ended as {}", end.outcome));
        }
        let reached = end.stage_id.and_then(|stage| self.academy.place(stage));
        if reached.is_none_or(|place| place < telling.lesson as usize) {
            return Err(format!("it names stage {:?}", end.stage_id));
        }
        Ok(())
    }
}

impl Totals {
    /// The figures that have fixed names.
    pub(super) fn count(&self, figures: &mut Figures, kills: usize) {
        figures.count("completions", self.completions);
        figures.count("deals", self.deals);
        figures.count("wrong_stage", self.wrong_stage);
        figures.count("backward", self.backward);
        figures.count("kills", kills);
        figures.count("unexplained", self.unexplained);
        figures.count("moves", self.moves);
    }
}
