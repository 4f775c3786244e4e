//! The academy's people in amoCRM: students apply, managers move deals.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use super::students::{Closing, Decoy, Fate, Script, Student};
use crate::emulator::Emulator;

/// The pipeline's stages, in their order.
const STAGES: [&str; 5] = [
    "НОВАЯ ЗАЯВКА",
    "ПРОШЕЛ ПЕРВЫЙ УРОК",
    "ПРОШЕЛ ВТОРОЙ УРОК",
    "ПРОШЕЛ ТРЕТИЙ УРОК",
    "ПРИГЛАШЕН НА ЗАЩИТУ",
];
/// The same in every pipeline.
pub(super) const WON: i64 = 142;
pub(super) const LOST: i64 = 143;
/// Deals that amoCRM makes in one request.
const CHUNK: usize = 50;
/// How often is looked whether the search finds what was made.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The account as the academy has set it up.
#[derive(Debug)]
pub(super) struct Academy {
    pub(super) pipeline: i64,
    /// Its stages, in their order.
    pub(super) stages: Vec<i64>,
    /// Each student's deal, and the contact.
    pub(super) deals: Vec<i64>,
    contacts: Vec<i64>,
    /// Deals that are not meant, and where they stay.
    pub(super) decoys: BTreeMap<i64, i64>,
}

impl Academy {
    /// Makes the pipeline and the students' deals, and waits until the search finds them.
    pub(super) async fn open(emulator: &Emulator, students: &[Student]) -> anyhow::Result<Self> {
        let (pipeline, stages) = make_pipeline(emulator).await?;
        let pipelines = emulator.all("/api/v4/leads/pipelines", "pipelines").await?;
        let main = pipelines
            .iter()
            .find(|other| other["is_main"] == true)
            .context("the account has a main pipeline")?;
        let of_main = main["_embedded"]["statuses"]
            .as_array()
            .into_iter()
            .flatten();
        let elsewhere = of_main
            .filter_map(|stage| stage["id"].as_i64().filter(|id| ![WON, LOST].contains(id)))
            .next_back()
            .context("the main pipeline has a stage")?;
        let main = main["id"].as_i64().context("a pipeline has a number")?;
        let mut academy = Self {
            pipeline,
            stages,
            deals: Vec::new(),
            contacts: Vec::new(),
            decoys: BTreeMap::new(),
        };
        let start = academy.stages[0];
        for chunk in students.chunks(CHUNK) {
            let applications = chunk.iter().map(|student| {
                let (pipeline, stage) = match (student.decoy, student.fate) {
                    (Some(Decoy::Closed), _) => (pipeline, LOST),
                    (_, Fate::Elsewhere(_)) => (main, elsewhere),
                    _ => (pipeline, start),
                };
                let emails = match student.fate {
                    Fate::Late(_) => &[][..],
                    _ => &student.written,
                };
                application(pipeline, stage, emails)
            });
            for (deal, contact) in apply(emulator, applications.collect()).await? {
                academy.deals.push(deal);
                academy.contacts.push(contact);
            }
        }
        academy.set_decoys(emulator, students).await?;
        let found = students
            .iter()
            .rfind(|student| !matches!(student.fate, Fate::Late(_)))
            .map_or("", |student| student.emails[0].as_str());
        let search = format!("/api/v4/contacts?query={found}");
        while emulator.get(&search).await?.is_null() {
            sleep(LOOK_EVERY).await;
        }
        Ok(academy)
    }

    async fn set_decoys(
        &mut self,
        emulator: &Emulator,
        students: &[Student],
    ) -> anyhow::Result<()> {
        let start = self.stages[0];
        let namesakes: Vec<Value> = students
            .iter()
            .filter(|student| student.decoy == Some(Decoy::Namesake))
            .map(|student| {
                let email = format!("not-{}", student.emails[0]);
                application(self.pipeline, start, &[email])
            })
            .collect();
        for chunk in namesakes.chunks(CHUNK) {
            for (deal, _) in apply(emulator, chunk.to_vec()).await? {
                self.decoys.insert(deal, start);
            }
        }
        // What the contact has so far is the decoy; the student's own deal comes after it.
        for student in students {
            let stands_at = match student.decoy {
                Some(Decoy::Older) => start,
                Some(Decoy::Closed) => LOST,
                _ => continue,
            };
            let deal = json!([{
                "name": "Заявка", "pipeline_id": self.pipeline, "status_id": start,
                "_embedded": {"contacts": [{"id": self.contacts[student.number]}]}
            }]);
            let made = emulator
                .insist(Method::POST, "/api/v4/leads", &deal)
                .await?;
            let made = made["_embedded"]["leads"][0]["id"].as_i64();
            let own = made.context("a deal has a number")?;
            let older = std::mem::replace(&mut self.deals[student.number], own);
            self.decoys.insert(older, stands_at);
        }
        Ok(())
    }

    /// The application of a student comes, if it comes only now.
    pub(super) async fn arrives(
        &self,
        emulator: &Emulator,
        began: Instant,
        student: &Student,
    ) -> anyhow::Result<()> {
        let (at, path, change) = match student.fate {
            Fate::Late(at) => {
                let contact = self.contacts[student.number];
                let change = json!({"custom_fields_values": emails(&student.written)});
                (at, format!("/api/v4/contacts/{contact}"), change)
            }
            Fate::Elsewhere(at) => {
                let deal = self.deals[student.number];
                let change = json!({"pipeline_id": self.pipeline, "status_id": self.stages[0]});
                (at, format!("/api/v4/leads/{deal}"), change)
            }
            _ => return Ok(()),
        };
        sleep_until(began + at).await;
        emulator.insist(Method::PATCH, &path, &change).await?;
        Ok(())
    }

    /// A manager does what the student's fate wants, unless the lessons have gone further.
    pub(super) async fn manage(
        &self,
        emulator: &Emulator,
        student: &Student,
        script: &Script,
    ) -> anyhow::Result<()> {
        let stage = match student.fate {
            Fate::Ahead(place) if place > highest(script) => self.stages[place],
            Fate::Closed(Closing::Won) => WON,
            Fate::Closed(Closing::Lost) => LOST,
            _ => return Ok(()),
        };
        let deal = self.deals[student.number];
        let change = json!({"pipeline_id": self.pipeline, "status_id": stage});
        let path = format!("/api/v4/leads/{deal}");
        emulator.insist(Method::PATCH, &path, &change).await?;
        Ok(())
    }

    /// The place of a stage; closed deals are beyond all.
    pub(super) fn place(&self, stage: i64) -> Option<usize> {
        if [WON, LOST].contains(&stage) {
            return Some(self.stages.len());
        }
        self.stages.iter().position(|known| *known == stage)
    }
}

/// The highest lesson before the manager comes.
fn highest(script: &Script) -> usize {
    let tellings = script.before.iter().flat_map(|call| &call.tellings);
    let highest = tellings.map(|telling| telling.lesson).max();
    highest.map_or(0, |lesson| lesson as usize)
}

async fn make_pipeline(emulator: &Emulator) -> anyhow::Result<(i64, Vec<i64>)> {
    let statuses: Vec<_> = (1..)
        .zip(STAGES)
        .map(|(place, name)| json!({"name": name, "sort": place * 10, "color": "#fffeb2"}))
        .collect();
    let pipeline = json!([{
        "name": "onAI Academy", "is_main": false, "is_unsorted_on": false, "sort": 500,
        "_embedded": {"statuses": statuses}
    }]);
    let path = "/api/v4/leads/pipelines";
    let made = emulator.insist(Method::POST, path, &pipeline).await?;
    let id = made["_embedded"]["pipelines"][0]["id"].as_i64();
    let id = id.context("a pipeline has a number")?;
    let made = emulator.get(&format!("{path}/{id}")).await?;
    let stages = made["_embedded"]["statuses"].as_array();
    let find = |name: &str| {
        let stage = stages?.iter().find(|stage| stage["name"] == name)?;
        stage["id"].as_i64()
    };
    let stages: Option<Vec<i64>> = STAGES.into_iter().map(find).collect();
    Ok((id, stages.context("the pipeline has its stages")?))
}

fn application(pipeline: i64, stage: i64, addresses: &[String]) -> Value {
    json!({
        "name": "Заявка", "pipeline_id": pipeline, "status_id": stage,
        "_embedded": {"contacts": [{
            "first_name": "Студент", "custom_fields_values": emails(addresses)
        }]}
    })
}

fn emails(addresses: &[String]) -> Value {
    if addresses.is_empty() {
        return json!([]);
    }
    let values: Vec<_> = addresses
        .iter()
        .map(|address| json!({"value": address, "enum_code": "WORK"}))
        .collect();
    json!([{"field_code": "EMAIL", "values": values}])
}

/// Makes deals with contacts: their numbers, in the order given.
async fn apply(emulator: &Emulator, applications: Vec<Value>) -> anyhow::Result<Vec<(i64, i64)>> {
    let count = applications.len();
    let path = "/api/v4/leads/complex";
    let made = emulator
        .insist(Method::POST, path, &Value::Array(applications))
        .await?;
    let made: Option<Vec<_>> = made
        .as_array()
        .into_iter()
        .flatten()
        .map(|made| Some((made["id"].as_i64()?, made["contact_id"].as_i64()?)))
        .collect();
    let made = made.context("a deal and a contact have numbers")?;
    anyhow::ensure!(made.len() == count, "a deal for each application");
    Ok(made)
}
