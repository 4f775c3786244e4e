//! The parts of a run.

use std::collections::BTreeMap;
use std::io::Write;

use amocrm_sdk::LeadId;
use amocrm_sdk::entity::ExportCursor;
use amocrm_sdk::leads::{Lead, LeadFilter};
use chrono::TimeDelta;
use store::{
    Ack, DeliveryState, LeadFilter as RowFilter, LeadOrder, LeadRow, ManagerFollowed, ReportKind,
    Run, StageHeard, StatusOrigin,
};

use super::{Arguments, FIRST_LOOK, HOLD, Progress, Stop, Summary};
use crate::crm::{DealNow, Linked, Mapping, Meaning, read_deal};
use crate::lead::LeadStatus;
use crate::worker::{Job, Worker, lane, meaning};

/// Deals of a page and of a batch: the most that amoCRM gives at once.
const PAGE: usize = 250;
/// Batches of known deals that an ordinary run looks at: ten requests.
const SWEEP_BATCHES: usize = 10;
/// So many missing deals of one batch are believed after a look at each. More are a token that may not see them.
const MAX_MISSING: usize = 50;
/// How long a status may be on its way before it counts as lost: far longer than any retry of a job waits.
const UNSENT_AFTER: TimeDelta = TimeDelta::minutes(10);

/// A run under way.
pub(super) struct Pass<'a> {
    worker: &'a Worker,
    linked: &'a Linked,
    run: &'a Run,
    arguments: &'a Arguments,
    out: &'a mut (dyn Write + Send),
    progress: Progress,
    pub(super) summary: Summary,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        worker: &'a Worker,
        linked: &'a Linked,
        run: &'a Run,
        arguments: &'a Arguments,
        out: &'a mut (dyn Write + Send),
    ) -> Self {
        Self {
            worker,
            linked,
            run,
            arguments,
            out,
            progress: run.progress().unwrap_or_default(),
            summary: Summary::default(),
        }
    }

    pub(super) async fn all(&mut self) -> Result<(), Stop> {
        let config = &self.worker.config().intake;
        let mapping = Mapping::current(self.worker.crm(), self.linked, config).await?;
        let is_first = self.progress.export.is_none();
        let mapping = self.changed(mapping).await?;
        self.known(&mapping, self.arguments.full || is_first)
            .await?;
        self.unsent().await
    }

    /// What has changed in amoCRM since the last run.
    async fn changed(&mut self, mut mapping: Mapping) -> Result<Mapping, Stop> {
        let now = self.worker.crm().now();
        let since = self
            .arguments
            .since
            .map(|since| now - TimeDelta::from_std(since).unwrap_or(TimeDelta::MAX));
        let stored = self.progress.export.clone();
        let cursor = match (since, stored) {
            (Some(since), _) => ExportCursor::since(since),
            (None, Some(cursor)) => cursor,
            (None, None) => ExportCursor::since(now - FIRST_LOOK),
        };
        let deals = self.linked.client.leads().list().limit(PAGE);
        let mut changes = deals.updated_since(cursor);
        loop {
            let mut page = Vec::with_capacity(PAGE);
            while page.len() < PAGE {
                match changes.try_next().await? {
                    Some(deal) => page.push(deal),
                    None => break,
                }
            }
            let is_last = page.len() < PAGE;
            mapping = self.compare(mapping, &page).await?;
            self.progress.export = Some(changes.cursor().clone());
            self.note().await?;
            if is_last {
                return Ok(mapping);
            }
        }
    }

    /// Compares deals that were read, and whose second is over, with what we know.
    async fn compare(&mut self, mut mapping: Mapping, deals: &[Lead]) -> Result<Mapping, Stop> {
        let found: BTreeMap<i64, DealNow> = deals
            .iter()
            .filter_map(|deal| Some((i64::try_from(deal.id.get()).ok()?, DealNow::of(deal)?)))
            .collect();
        let ids: Vec<i64> = found.keys().copied().collect();
        let leads = self.worker.store().leads();
        let rows = leads.find_by_amo_leads(&self.linked.account, &ids).await?;
        for row in rows {
            let Some(now) = row.amo_lead_id.and_then(|id| found.get(&id)).copied() else {
                continue;
            };
            mapping = self.hear(mapping, &row, now, ReportKind::Settled).await?;
        }
        Ok(mapping)
    }

    async fn hear(
        &mut self,
        mut mapping: Mapping,
        row: &LeadRow,
        now: DealNow,
        kind: ReportKind,
    ) -> Result<Mapping, Stop> {
        self.summary.checked += 1;
        self.hear_manager(row, now).await?;
        let (worker, crm) = (self.worker, self.worker.crm());
        let is_unknown = meaning(&mapping, now, crm.now()) == Meaning::Unknown;
        if is_unknown && mapping.rests_for(crm.now()).is_none() {
            mapping = Mapping::read(crm, self.linked, &worker.config().intake).await?;
        }
        let mut report = worker.report(self.linked, &mapping, row, now, StatusOrigin::Reconcile);
        report.kind = kind;
        let told = now.stage.map(|stage| (stage.pipeline_id, stage.status_id));
        let known = row.amo_status_id.map(|id| (row.amo_pipeline_id, id));
        let agrees = report
            .status
            .as_deref()
            .is_none_or(|status| status == row.local_status);
        if told == known && agrees && row.amo_gone_at.is_none() {
            return Ok(mapping);
        }
        for heard in worker.hear(vec![report]).await? {
            match heard {
                StageHeard::Followed(after) => {
                    self.summary.followed += 1;
                    // Leads that share a deal follow it together.
                    let before = if after.id == row.id {
                        row.local_status.as_str()
                    } else {
                        "the same deal"
                    };
                    writeln!(
                        self.out,
                        "lead {}: {before} -> {}, as in amoCRM",
                        after.id, after.local_status
                    )?;
                }
                StageHeard::Looking(_) => self.summary.asked += 1,
                StageHeard::Known(after)
                    if after.id == row.id && row.amo_gone_at != after.amo_gone_at =>
                {
                    writeln!(self.out, "lead {}: its deal is back", row.id)?;
                }
                StageHeard::Known(_) | StageHeard::Stale(_) | StageHeard::NotOurs => {}
            }
        }
        Ok(mapping)
    }

    async fn hear_manager(&mut self, row: &LeadRow, now: DealNow) -> Result<(), Stop> {
        // Of a lead without a manager nobody here asked who it belongs to.
        let (Some(known), Some(told), Some(told_at)) =
            (row.responsible_user_id, now.manager, now.changed_at)
        else {
            return Ok(());
        };
        if known == told {
            return Ok(());
        }
        let managers = self.worker.store().managers();
        if managers.follow(row.id, told, told_at, true).await? == ManagerFollowed::Applied {
            self.summary.managers += 1;
            writeln!(
                self.out,
                "lead {}: manager {known} -> {told}, as in amoCRM",
                row.id
            )?;
        }
        Ok(())
    }

    /// Looks at the deals we know, some in every run, or all.
    async fn known(&mut self, mapping: &Mapping, all: bool) -> Result<(), Stop> {
        let started_at = if all { 0 } else { self.progress.swept };
        self.progress.swept = started_at;
        let mut mapping = mapping.clone();
        let mut batches = 0;
        while all || batches < SWEEP_BATCHES {
            let filter = RowFilter::new()
                .delivery(DeliveryState::Delivered)
                .order(LeadOrder::Oldest)
                .after(self.progress.swept)
                .limit(u32::try_from(PAGE).unwrap_or(u32::MAX));
            let rows = self.worker.store().leads().list(filter).await?;
            let Some(last) = rows.last().map(|row| row.id) else {
                // From the beginning next time.
                self.progress.swept = 0;
                self.note().await?;
                return Ok(());
            };
            mapping = self.batch(mapping, &rows).await?;
            self.progress.swept = last;
            self.note().await?;
            batches += 1;
        }
        Ok(())
    }

    async fn batch(&mut self, mut mapping: Mapping, rows: &[LeadRow]) -> Result<Mapping, Stop> {
        let is_ours = |row: &&LeadRow| row.account.is_empty() || row.account == self.linked.account;
        let known: Vec<(u64, &LeadRow)> = rows
            .iter()
            .filter(is_ours)
            .filter_map(|row| Some((u64::try_from(row.amo_lead_id?).ok()?, row)))
            .collect();
        if known.is_empty() {
            return Ok(mapping);
        }
        let ids = known.iter().map(|(id, _)| LeadId::new(*id));
        let mut found = BTreeMap::new();
        let mut deals = self
            .linked
            .client
            .leads()
            .list()
            .filter(LeadFilter::new().ids(ids))
            .limit(PAGE)
            .stream();
        while let Some(deal) = deals.try_next().await? {
            if let Some(now) = DealNow::of(&deal) {
                found.insert(deal.id.get(), now);
            }
        }
        let missing = known
            .iter()
            .filter(|(id, row)| !found.contains_key(id) && row.amo_gone_at.is_none())
            .count();
        if missing > MAX_MISSING {
            tracing::warn!(
                deals.missing = missing,
                "so many deals of ours are not in amoCRM's list that the token may lack the right to see them; nothing is \
                 concluded"
            );
        }
        for (id, row) in known {
            if let Some(now) = found.get(&id) {
                mapping = self.hear(mapping, row, *now, ReportKind::Read).await?;
            } else if row.amo_gone_at.is_none() && missing <= MAX_MISSING {
                self.miss(row, LeadId::new(id)).await?;
            }
        }
        Ok(mapping)
    }

    /// A list may lag; the deal itself does not.
    async fn miss(&mut self, row: &LeadRow, deal: LeadId) -> Result<(), Stop> {
        self.summary.checked += 1;
        if read_deal(&self.linked.client, deal).await?.is_some() {
            return Ok(());
        }
        let leads = self.worker.store().leads();
        if leads.set_gone(row.id, StatusOrigin::Reconcile).await? {
            self.summary.gone += 1;
            writeln!(
                self.out,
                "lead {}: its deal {deal} was deleted in amoCRM, or merged into another",
                row.id
            )?;
        }
        Ok(())
    }

    /// Statuses set here that never reached amoCRM.
    async fn unsent(&mut self) -> Result<(), Stop> {
        let leads = self.worker.store().leads();
        let before = self.worker.crm().now() - UNSENT_AFTER;
        let job = |row: &LeadRow| {
            let status: LeadStatus = row.local_status.parse().unwrap_or(LeadStatus::New);
            Job::Move {
                lead: row.id,
                status,
            }
            .spec()
        };
        let mut after = 0;
        loop {
            let page = leads.resend(after, before, lane, job).await?;
            for lead in page.leads {
                match lead.dead_letter {
                    None => {
                        self.summary.sent += 1;
                        writeln!(
                            self.out,
                            "lead {}: {} had not reached amoCRM, and is sent again",
                            lead.id, lead.status
                        )?;
                    }
                    Some(letter) => {
                        self.summary.stuck += 1;
                        writeln!(
                            self.out,
                            "lead {}: amoCRM refuses {}; see dead letter {letter}",
                            lead.id, lead.status
                        )?;
                    }
                }
            }
            match page.next {
                Some(next) => after = next,
                None => return Ok(()),
            }
        }
    }

    /// Notes how far the run has come, and that it goes on.
    async fn note(&mut self) -> Result<(), Stop> {
        let schedules = self.worker.store().schedules();
        match schedules.note(self.run, &self.progress, HOLD).await? {
            Ack::Recorded => Ok(()),
            Ack::Stale => Err(Stop::Overtaken),
        }
    }
}
