//! What is done at a student's deal once, after the last lesson: a tag, a task for its manager, a note.
//!
//! It has jobs and hands of its own, so that it never holds up a move. Each step looks whether an earlier attempt has done
//! it, does it, and is written down; an attempt whose outcome nobody knows is looked for before it is repeated.

use std::sync::Arc;
use std::time::Duration;

use amocrm_sdk::leads::{LOST, Lead, WON};
use amocrm_sdk::{LeadId, StatusId};
use connection::{Crm, CrmError, Hands, Linked, Verdict, Work, add_marked_note, add_task_once};
use store::{Ack, Claimed, FinalStep, LESSON_FINAL, LessonEnd, StoreError, Student};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, FinalAction};
use crate::failures;
use crate::sync::MAX_CLAIMS;

/// Final actions that a process is at at once: they are few beside the moves, and those go first.
const HANDS: usize = 4;

/// Does final actions.
#[derive(Debug, Clone)]
pub(crate) struct Finals {
    config: Arc<Config>,
    crm: Arc<Crm>,
    hands: Hands,
}

/// How an attempt ended.
enum Ended {
    /// All is done, or this is why not.
    With(&'static str, Option<String>),
    /// Something failed that may succeed later.
    Later(Verdict, CrmError),
    /// amoCRM refuses something, whatever is tried.
    Refused(String),
    /// Somebody else has the job.
    Stale,
}

impl Finals {
    pub(crate) fn new(config: Arc<Config>, crm: Arc<Crm>) -> Self {
        let pace = config.lessons.pace(&config.delivery).hands(HANDS);
        Self {
            hands: Hands::new(Arc::clone(&crm), &[LESSON_FINAL], pace),
            config,
            crm,
        }
    }

    /// Works until the token is cancelled.
    pub(crate) async fn run(&self, shutdown: CancellationToken, drain: Duration) {
        self.hands.run(self.clone(), shutdown, drain).await;
    }

    async fn act(
        &self,
        linked: &Linked,
        job: &Claimed,
        action: &store::FinalAction,
        student: &Student,
    ) -> Result<Ended, StoreError> {
        let course = self.config.courses.named(&student.course);
        let Some(wanted) = course.and_then(|course| course.final_action.as_ref()) else {
            let error = "the course has no final action any more";
            return Ok(Ended::With("final_dropped", Some(error.to_owned())));
        };
        let deal = LeadId::new(u64::try_from(action.lead_id).unwrap_or_default());
        let lead = match linked.client.leads().get(deal).await {
            Ok(lead) => lead.filter(|lead| !lead.is_deleted),
            Err(error) => return Ok(self.ended(linked, error.into()).await),
        };
        let Some(lead) = lead else {
            let error = format!("deal {deal} was deleted");
            return Ok(Ended::With("final_gone", Some(error)));
        };
        if lead.status_id.is_some_and(is_closed) {
            let error = format!("deal {deal} is closed and left alone");
            return Ok(Ended::With("final_closed", Some(error)));
        }
        let mut refused = Vec::new();
        for step in FinalStep::ALL {
            if action.has_done(step) {
                continue;
            }
            match do_step(linked, &lead, step, wanted, action, student).await {
                Ok(()) => {
                    let lessons = self.crm.store().lessons();
                    if !lessons
                        .end_final_step(student.id, step, job)
                        .await?
                        .is_recorded()
                    {
                        return Ok(Ended::Stale);
                    }
                }
                // The other steps are done all the same.
                Err(error) => match self.ended(linked, error).await {
                    Ended::Refused(reason) => refused.push(reason),
                    ended => return Ok(ended),
                },
            }
        }
        Ok(if refused.is_empty() {
            Ended::With("final", None)
        } else {
            Ended::Refused(refused.join("; "))
        })
    }

    async fn ended(&self, linked: &Linked, error: CrmError) -> Ended {
        failures::count_error(self.crm.store(), &error).await;
        match self.hands.judge(linked, &error).await {
            Verdict::Fail => Ended::Refused(error.to_string()),
            verdict => Ended::Later(verdict, error),
        }
    }

    async fn finish(
        &self,
        job: &Claimed,
        action: &store::FinalAction,
        outcome: &'static str,
        error: Option<String>,
    ) -> Result<Ack, StoreError> {
        let is_dead = outcome == "final_failed";
        let end = LessonEnd {
            completion: action.completion,
            outcome,
            success: outcome == "final",
            lead_id: Some(action.lead_id),
            stage_id: None,
            error: error.clone(),
        };
        let dead = error.filter(|_| is_dead);
        let lessons = self.crm.store().lessons();
        let ack = lessons.end_final(action.student, end, dead, job).await?;
        if ack.is_recorded() {
            metrics::counter!("final_actions_total", "outcome" => outcome).increment(1);
        }
        Ok(ack)
    }
}

/// Does a step, unless it is not wanted or an earlier attempt has done it.
async fn do_step(
    linked: &Linked,
    lead: &Lead,
    step: FinalStep,
    wanted: &FinalAction,
    action: &store::FinalAction,
    student: &Student,
) -> Result<(), CrmError> {
    let client = &linked.client;
    match step {
        FinalStep::Tag => {
            let Some(tag) = &wanted.tag else {
                return Ok(());
            };
            let tags = &lead.embedded.tags;
            if !tags.iter().any(|known| known.name == *tag) {
                client.leads().update(lead.id).tag(tag.as_str()).await?;
            }
            Ok(())
        }
        FinalStep::Task => {
            let Some(task) = &wanted.task else {
                return Ok(());
            };
            let due = action.created_at + task.due;
            let manager = lead.responsible_user_id;
            add_task_once(client, lead.id, &task.text, due, manager).await
        }
        FinalStep::Note => {
            let Some(note) = &wanted.note else {
                return Ok(());
            };
            let marker = format!("[lesson-sync {} {}]", student.course, student.id);
            let text = format!("{note}\n\n{marker}");
            add_marked_note(client, lead.id, text, &marker).await
        }
    }
}

impl Work for Finals {
    async fn work(&self, linked: &Linked, job: &Claimed) -> Result<Ack, StoreError> {
        let (jobs, lessons) = (self.crm.store().jobs(), self.crm.store().lessons());
        let Ok(student) = job.payload::<i64>() else {
            return jobs.bury(job, "unreadable payload", None).await;
        };
        let (Some(student), Some(action)) = (
            lessons.student(student).await?,
            lessons.final_action(student).await?,
        ) else {
            return jobs.complete(job).await;
        };
        if job.claims() > MAX_CLAIMS {
            let error = format!("claimed {MAX_CLAIMS} times without an outcome");
            failures::count(self.crm.store(), "killed").await;
            return self.finish(job, &action, "final_failed", Some(error)).await;
        }
        if job.taken_over() {
            return jobs.retry(job, self.hands.until_others_notice()).await;
        }
        match self.act(linked, job, &action, &student).await? {
            Ended::With(outcome, error) => {
                self.hands.gate().succeed();
                tracing::info!(
                    student.id = student.id,
                    deal.id = action.lead_id,
                    outcome,
                    "final action ended"
                );
                self.finish(job, &action, outcome, error).await
            }
            Ended::Later(verdict, error) => {
                tracing::warn!(
                    student.id = student.id,
                    "a final action goes on later: {error}"
                );
                jobs.retry(job, self.hands.retry_after(job, verdict, &error))
                    .await
            }
            Ended::Refused(error) => {
                tracing::error!(
                    student.id = student.id,
                    "a final action is given up: {error}"
                );
                self.finish(job, &action, "final_failed", Some(error)).await
            }
            Ended::Stale => Ok(Ack::Stale),
        }
    }
}

fn is_closed(stage: StatusId) -> bool {
    stage == WON || stage == LOST
}
