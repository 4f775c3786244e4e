//! Bringing deals up to the highest finished lesson.
//!
//! A student's job looks for the contact by e-mail, for the deal among the contact's, and moves it forward to the
//! lesson's stage. What was moved already, or is further, is left where it is; so is a closed deal. The jobs of a student
//! are a lane, and whoever moves a deal holds its lock, for two students of ours may be one contact there.
//!
//! amoCRM grants 7 requests a second, so what many students need at once travels together: contacts ([`directory`]), reads
//! of deals and moves. Of a student whose deal is known there is one reading and one move.

mod deal;
mod directory;
mod hold;
mod pulse;
mod stages;

use std::sync::Arc;
use std::time::Duration;

use amocrm_sdk::batcher::BatchPolicy;
use amocrm_sdk::{Client, LeadId, StatusId};
use connection::{Crm, CrmError, Hands, Linked, Queue, Verdict, Work};
use store::{
    Ack, Claimed, Completion, CompletionState, LESSON_CALLBACK, LESSON_FINAL, LESSON_SYNC,
    LessonEnd, LessonNext, LessonOutcome, RetryAfter, StoreError, Student,
};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::deal::{Absence, Found, find_deal, is_candidate};
pub(crate) use self::deal::{explain, normalise};
use self::directory::Directory;
use self::hold::Hold;
use self::pulse::Pulse;
use self::stages::is_final;
pub(crate) use self::stages::{Ladder, Ladders, read_pipelines};
use crate::config::Config;
use crate::failures;

/// A job that was claimed so often without an outcome is given up.
pub(crate) const MAX_CLAIMS: u32 = 100;
/// How often expired rows are deleted.
const PRUNE_EVERY: Duration = Duration::from_mins(1);
/// Between two batches of old rows, so that others get the database.
const SWEEP_PAUSE: Duration = Duration::from_millis(200);
/// How long the first of several students waits for company on the way to amoCRM. Nobody waits for the deal, and a permit
/// takes longer than this at 7 requests a second.
const GATHER: Duration = Duration::from_millis(100);
/// Students whose job is at the database at a moment. More would gain nothing, and whoever tells of a lesson would have to
/// wait behind them.
const AT_DATABASE: usize = 8;
/// When somebody else has the deal.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// The jobs of this service.
pub(crate) const QUEUE: Queue = Queue {
    service: "lesson-sync",
    kinds: &[LESSON_SYNC, LESSON_FINAL, LESSON_CALLBACK],
    planned: &[],
};

/// Moves deals.
#[derive(Debug, Clone)]
pub(crate) struct Syncer {
    config: Arc<Config>,
    crm: Arc<Crm>,
    hands: Hands,
    ladders: Arc<Ladders>,
    gathered: Arc<Mutex<Option<Gathered>>>,
    directory: Directory,
    database: Arc<Semaphore>,
}

/// Gathers what all hands read and move into few requests.
#[derive(Debug)]
struct Gathered {
    domain: String,
    batcher: Client,
    pulse: Arc<Pulse>,
}

/// What became of a student's deal.
enum Reached {
    /// It is at this stage now, which was to be reached or is further.
    Stage { lead: u64, stage: u64, moved: bool },
    /// It is closed.
    Closed { lead: u64, stage: u64 },
    /// It may come yet.
    NotThere(&'static str, String),
    /// Somebody else is at it.
    Busy,
}

/// What a look at a deal under its lock came to.
enum Look {
    Reached(Reached),
    /// It is in the trash.
    Gone,
    /// It is in another pipeline.
    Elsewhere,
}

impl Syncer {
    pub(crate) fn new(config: Arc<Config>, crm: Arc<Crm>) -> Self {
        let pace = config.lessons.pace(&config.delivery);
        Self {
            hands: Hands::new(Arc::clone(&crm), &[LESSON_SYNC], pace),
            ladders: Arc::default(),
            gathered: Arc::default(),
            directory: Directory::default(),
            database: Arc::new(Semaphore::new(AT_DATABASE)),
            config,
            crm,
        }
    }

    /// Works until the token is cancelled.
    pub(crate) async fn run(&self, shutdown: CancellationToken, drain: Duration) {
        tokio::select! {
            () = self.hands.run(self.clone(), shutdown, drain) => {}
            () = self.prune() => {}
            () = self.keep_pulse() => {}
        }
    }

    /// The stages of a course.
    pub(crate) async fn ladder(&self, linked: &Linked, course: &str) -> Result<Ladder, CrmError> {
        self.ladders
            .get(linked, &self.config.courses, course, self.crm.now())
            .await
    }

    async fn prune(&self) {
        loop {
            tokio::time::sleep(PRUNE_EVERY).await;
            if let Err(error) = self.crm.store().prune().await {
                tracing::warn!("expired rows could not be deleted: {error}");
            }
            self.sweep().await;
        }
    }

    /// Deletes what has been kept long enough, a small batch at a time.
    async fn sweep(&self) {
        let plan = self.config.retention.plan();
        loop {
            match self.crm.store().lessons().sweep(plan).await {
                Ok(swept) if swept.is_empty() => return,
                Ok(_) => tokio::time::sleep(SWEEP_PAUSE).await,
                Err(error) => {
                    tracing::warn!("old lessons could not be deleted: {error}");
                    return;
                }
            }
        }
    }

    async fn sync(
        &self,
        linked: &Linked,
        job: &Claimed,
        student: &Student,
        completions: &[Completion],
    ) -> Result<Ack, StoreError> {
        let queued: Vec<_> = completions
            .iter()
            .filter(|completion| completion.state == CompletionState::Queued)
            .collect();
        let Some(highest) = queued.iter().map(|completion| completion.lesson).max() else {
            // The job of a dead letter that came twice, for instance.
            return self.record(job, student, &[], None, LessonNext::Done).await;
        };
        let reached = match self.reach(linked, student, highest).await {
            Ok(reached) => reached,
            Err(error) => return self.failed(linked, job, student, &queued, &error).await,
        };
        self.hands.gate().succeed();
        let (outcome, success, lead, stage, error, next) = match reached {
            Reached::Stage { lead, stage, moved } => {
                let outcome = if moved { "moved" } else { "ahead" };
                (
                    outcome,
                    true,
                    Some(lead),
                    Some(stage),
                    None,
                    LessonNext::Done,
                )
            }
            Reached::Closed { lead, stage } => {
                let error = format!("deal {lead} is closed and left alone");
                (
                    "closed",
                    false,
                    Some(lead),
                    Some(stage),
                    Some(error),
                    LessonNext::Done,
                )
            }
            Reached::NotThere(reason, error) => {
                let since = queued.iter().map(|completion| completion.received_at).min();
                let waited =
                    since.map(|since| (self.crm.now() - since).to_std().unwrap_or_default());
                let next = if waited.is_some_and(|waited| waited >= self.config.lessons.patience())
                {
                    failures::count(self.crm.store(), reason).await;
                    LessonNext::Dead(error.clone())
                } else {
                    let retry = RetryAfter::new(self.config.lessons.recheck(), error.clone());
                    LessonNext::Wait(retry.uncounted(), reason)
                };
                (reason, false, None, None, Some(error), next)
            }
            Reached::Busy => {
                let retry =
                    RetryAfter::new(BUSY_PAUSE, "the deal is being moved for another student");
                let jobs = self.crm.store().jobs();
                return jobs.retry(job, retry.uncounted()).await;
            }
        };
        let ends: Vec<_> = queued
            .iter()
            .map(|completion| LessonEnd {
                completion: completion.id,
                // Of lessons finished together only the highest moves the deal.
                outcome: if outcome == "moved" && completion.lesson < highest {
                    "ahead"
                } else {
                    outcome
                },
                success,
                lead_id: lead.map(raw),
                stage_id: stage.map(raw),
                error: error.clone(),
            })
            .collect();
        self.record(job, student, &ends, lead, next).await
    }

    /// Finds the deal and moves it as far as the lesson, if it is not there yet.
    async fn reach(
        &self,
        linked: &Linked,
        student: &Student,
        lesson: u32,
    ) -> Result<Reached, CrmError> {
        let ladder = self.ladder(linked, &student.course).await?;
        let target = ladder.stage(lesson)?;
        let known = student.lead_id.and_then(|id| u64::try_from(id).ok());
        if let Some(known) = known {
            match self
                .look(linked, &ladder, student, LeadId::new(known), target)
                .await?
            {
                // There may be another, open one.
                Look::Reached(Reached::Closed { .. }) | Look::Gone | Look::Elsewhere => {}
                Look::Reached(reached) => return Ok(reached),
            }
        }
        let batcher = self.batcher().await?;
        let contacts = self.directory.contacts(&batcher, &student.email).await?;
        let (deal, is_only) = match find_deal(&batcher, &contacts, &ladder).await? {
            Found::Only(deal) => (deal, true),
            Found::Open(deal) => (deal, false),
            Found::Closed { lead, stage } => return Ok(Reached::Closed { lead, stage }),
            Found::Nowhere(absence) => return Ok(absence.into()),
        };
        match self.look(linked, &ladder, student, deal, target).await? {
            Look::Reached(reached) => Ok(reached),
            Look::Gone if is_only => Ok(Absence::Deal.into()),
            Look::Elsewhere if is_only => Ok(Absence::Pipeline.into()),
            Look::Gone | Look::Elsewhere => Err(CrmError::Missing(format!(
                "deal {deal} was deleted or moved to another pipeline meanwhile"
            ))),
        }
    }

    /// Looks at a deal and moves it forward, while nobody else of ours does.
    async fn look(
        &self,
        linked: &Linked,
        ladder: &Ladder,
        student: &Student,
        deal: LeadId,
        target: StatusId,
    ) -> Result<Look, CrmError> {
        let hold = Hold {
            locks: self.crm.store().locks(),
            name: format!("lesson.deal/{}/{}", linked.account, deal.get()),
            turns: &self.database,
            times: &self.config.delivery,
            settle: self.config.lessons.settle(),
        };
        let work = Box::pin(self.move_forward(ladder, student, deal, target));
        let done = hold.during(work).await?;
        Ok(done.unwrap_or(Look::Reached(Reached::Busy)))
    }

    /// Under the deal's lock: nobody of ours moves it between the reading and the move.
    async fn move_forward(
        &self,
        ladder: &Ladder,
        student: &Student,
        deal: LeadId,
        target: StatusId,
    ) -> Result<Look, CrmError> {
        let batcher = self.batcher().await?;
        let Some(now) = batcher.leads().get(deal).await? else {
            return Ok(Look::Gone);
        };
        if now.is_deleted {
            return Ok(Look::Gone);
        }
        if !is_candidate(&now, ladder) {
            return Ok(Look::Elsewhere);
        }
        let lead = deal.get();
        let stage = now.status_id.map_or(0, StatusId::get);
        if is_final(stage) {
            return Ok(Look::Reached(Reached::Closed { lead, stage }));
        }
        if ladder.reaches(stage, target.get()) {
            return Ok(Look::Reached(Reached::Stage {
                lead,
                stage,
                moved: false,
            }));
        }
        if self.config.two_way.hears() {
            // What amoCRM tells of it has to be known for our own, even before the answer or after a crash.
            let lessons = self.crm.store().lessons();
            lessons
                .begin_move(student.id, raw(lead), raw(target.get()))
                .await?;
        }
        let update = batcher.leads().update(deal);
        update.stage(ladder.pipeline(), target).await?;
        metrics::counter!("deals_moved_total").increment(1);
        tracing::info!(deal.id = lead, stage.id = target.get(), "deal moved");
        Ok(Look::Reached(Reached::Stage {
            lead,
            stage: target.get(),
            moved: true,
        }))
    }

    /// A student's turn at the database. The claims of those who wait are renewed meanwhile.
    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.database.acquire().await.ok()
    }

    /// One for all hands. A batch carries several jobs, so what leaves through it is not guarded by the claim of one: it
    /// leaves while this process has its pulse, which is as long as any claim of ours can be relied on.
    async fn batcher(&self) -> Result<Client, CrmError> {
        let linked = self.crm.linked().await?;
        let mut gathered = self.gathered.lock().await;
        let domain = linked.client.domain();
        if let Some(known) = &*gathered
            && known.domain == domain
            && known.pulse.beats()
        {
            return Ok(known.batcher.clone());
        }
        let pulse = Arc::new(Pulse::new(self.config.delivery.trust()));
        let guard = Arc::clone(&pulse);
        let policy = BatchPolicy::default().window(GATHER);
        let guarded = linked.client.only_while(move || guard.beats());
        let batcher = guarded.batcher_with(policy);
        *gathered = Some(Gathered {
            domain,
            batcher: batcher.clone(),
            pulse,
        });
        Ok(batcher)
    }

    /// Keeps the pulse as long as the database answers: without it no claim can be renewed.
    async fn keep_pulse(&self) {
        loop {
            tokio::time::sleep(self.config.delivery.renew_every() / 2).await;
            let asked_at = Instant::now();
            if self.crm.store().ping().await.is_ok()
                && let Some(gathered) = &*self.gathered.lock().await
            {
                gathered.pulse.beat(asked_at);
            }
        }
    }

    async fn failed(
        &self,
        linked: &Linked,
        job: &Claimed,
        student: &Student,
        queued: &[&Completion],
        error: &CrmError,
    ) -> Result<Ack, StoreError> {
        failures::count_error(self.crm.store(), error).await;
        let verdict = self.hands.judge(linked, error).await;
        // A stage or a deal that is missing is made by a person, or comes.
        let is_final = verdict == Verdict::Fail;
        if !is_final {
            tracing::warn!(student.id = student.id, "a deal is moved later: {error}");
            let retry = self.hands.retry_after(job, verdict, error);
            return self
                .record(job, student, &[], None, LessonNext::Retry(retry))
                .await;
        }
        tracing::error!(student.id = student.id, "a deal cannot be moved: {error}");
        let ends: Vec<_> = queued
            .iter()
            .map(|completion| LessonEnd {
                completion: completion.id,
                outcome: "failed",
                success: false,
                lead_id: student.lead_id,
                stage_id: None,
                error: Some(error.to_string()),
            })
            .collect();
        let next = LessonNext::Dead(error.to_string());
        self.record(job, student, &ends, None, next).await
    }

    async fn record(
        &self,
        job: &Claimed,
        student: &Student,
        ends: &[LessonEnd],
        lead: Option<u64>,
        next: LessonNext,
    ) -> Result<Ack, StoreError> {
        let is_end = matches!(next, LessonNext::Done | LessonNext::Dead(_));
        let outcome = LessonOutcome {
            student: student.id,
            lead_id: lead.map(raw),
            ends: ends.to_vec(),
            final_lesson: self.config.courses.final_lesson(&student.course),
            next,
        };
        let turn = self.turn().await;
        let ack = self.crm.store().lessons().record(outcome, job).await?;
        drop(turn);
        if ack.is_recorded() && is_end {
            for end in ends {
                metrics::counter!("lessons_ended_total", "outcome" => end.outcome).increment(1);
            }
        }
        Ok(ack)
    }
}

impl Work for Syncer {
    async fn work(&self, linked: &Linked, job: &Claimed) -> Result<Ack, StoreError> {
        let jobs = self.crm.store().jobs();
        let Ok(student) = job.payload::<i64>() else {
            return jobs.bury(job, "unreadable payload", None).await;
        };
        let lessons = self.crm.store().lessons();
        let turn = self.turn().await;
        let Some(student) = lessons.student(student).await? else {
            return jobs.complete(job).await;
        };
        let completions = lessons.completions(student.id).await?;
        drop(turn);
        if job.claims() > MAX_CLAIMS {
            let error = CrmError::Gone(format!(
                "claimed {MAX_CLAIMS} times without an outcome: its workers end before they can report"
            ));
            let queued: Vec<_> = completions
                .iter()
                .filter(|completion| completion.state == CompletionState::Queued)
                .collect();
            return self.failed(linked, job, &student, &queued, &error).await;
        }
        if job.taken_over() {
            return jobs.retry(job, self.hands.until_others_notice()).await;
        }
        Box::pin(self.sync(linked, job, &student, &completions)).await
    }
}

impl From<Absence> for Reached {
    fn from(absence: Absence) -> Self {
        Self::NotThere(absence.word(), absence.to_string())
    }
}

/// Numbers of amoCRM fit: they are below 2^53.
fn raw(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}
