//! A status that changes on both sides: tables of the rule, and a world that does everything at once.

mod world;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use store::{
    Ack, Claimed, Delivered, HistoryEvent, JobSpec, LeadRow, Moved, ReportKind, Stage, StageHeard,
    StageReport, StatusChange, StatusChanged, StatusOrigin, Store, Turn,
};

use crate::db::on_both;
use crate::leads::accept;

const DEAL: i64 = 40;
const LEASE: Duration = Duration::from_mins(1);

/// A lead whose deal was made at the first stage.
async fn delivered(store: &Store, deal: i64) -> LeadRow {
    let lead = accept(store).await;
    let job = claim(store, "lead.deliver").await.unwrap();
    let made = Delivered {
        contact_id: Some(1),
        lead_id: deal,
        pipeline_id: Some(1),
        status_id: Some(1),
        ..Delivered::default()
    };
    let ack = store.leads().set_delivered(lead.id, made, &job).await;
    assert!(ack.unwrap().is_recorded());
    store.leads().get(lead.id).await.unwrap().unwrap()
}

async fn claim(store: &Store, kind: &str) -> Option<Claimed> {
    let worker = store.jobs().worker("w");
    worker.claim(&[kind], 1, LEASE).await.unwrap().pop()
}

fn stage(status_id: i64) -> Stage {
    Stage {
        pipeline_id: Some(1),
        status_id,
    }
}

fn word(stage: i64) -> String {
    format!("s{stage}")
}

/// amoCRM tells that the deal is at a stage.
fn report(deal: i64, at: DateTime<Utc>, status_id: i64, kind: ReportKind) -> StageReport {
    StageReport {
        account: "acme.amocrm.ru".into(),
        amo_lead_id: deal,
        intake_id: None,
        stage: Some(stage(status_id)),
        status: Some(word(status_id)),
        told_at: Some(at),
        kind,
        by_user: Some(7),
        origin: StatusOrigin::Webhook,
    }
}

fn set(status_id: i64) -> StatusChange {
    StatusChange {
        status: word(status_id),
        origin: StatusOrigin::Api,
    }
}

fn moving(lead: i64, status_id: i64) -> JobSpec {
    JobSpec::new("lead.move", &(lead, status_id))
        .unwrap()
        .lane(lane(lead))
}

fn lane(lead: i64) -> String {
    format!("lead/{lead}")
}

fn look(lead: i64, heard: Option<DateTime<Utc>>) -> store::Result<JobSpec> {
    JobSpec::new("lead.look", &(lead, heard))
}

fn name(heard: &StageHeard) -> &'static str {
    match heard {
        StageHeard::Followed(_) => "followed",
        StageHeard::Known(_) => "known",
        StageHeard::Stale(_) => "stale",
        StageHeard::Looking(_) => "looking",
        StageHeard::NotOurs => "not ours",
    }
}

async fn hear(store: &Store, report: StageReport) -> &'static str {
    name(&store.leads().hear(vec![report], look).await.unwrap()[0])
}

async fn status(store: &Store, lead: i64) -> String {
    store.leads().get(lead).await.unwrap().unwrap().local_status
}

on_both! {
    async fn what_amocrm_tells_is_ordered_by_its_own_clock(db: TestDb) {
        use ReportKind::{Hint, Moved, Settled};
        let store = db.open().await;
        let lead = delivered(&store, DEAL).await;
        // Its clock is years behind ours.
        let start = DateTime::from_timestamp(1_000_000_000, 0).unwrap();
        // (its second, stage, how it came, what becomes of it, the stage then)
        let story = [
            (10, 2, Moved, "followed", 2),
            (10, 2, Moved, "known", 2),
            (9, 1, Moved, "stale", 2),
            // A later second, whatever came between.
            (14, 4, Moved, "followed", 4),
            (12, 3, Moved, "stale", 4),
            // The very second of the newest: before or after it?
            (14, 5, Moved, "looking", 4),
            // Asked: it was after it.
            (14, 5, Settled, "followed", 5),
            // Now the second is over, and nothing of it is news.
            (14, 4, Moved, "stale", 5),
            (14, 5, Moved, "stale", 5),
            (14, 5, Settled, "known", 5),
            // An edit that repeats the stage, and one that tells another.
            (20, 5, Hint, "known", 5),
            (21, 6, Hint, "looking", 5),
            (21, 6, Settled, "followed", 6),
        ];
        for (second, at, kind, expected, then) in story {
            let told = start + TimeDelta::seconds(second);
            let heard = hear(&store, report(DEAL, told, at, kind)).await;
            assert_eq!(heard, expected, "second {second}: {at}, {kind:?}");
            assert_eq!(status(&store, lead.id).await, word(then), "second {second}");
        }
        // However many reports are in doubt, amoCRM is asked once.
        assert_eq!(store.jobs().stats("lead.look").await.unwrap().depth, 1);
        let unknown = report(DEAL + 1, start, 2, Moved);
        assert_eq!(hear(&store, unknown).await, "not ours");

        let history = store.leads().history(lead.id, None, 10).await.unwrap();
        let lines: Vec<_> = history.iter().map(|it| (it.to.as_str(), it.origin, it.by_user)).collect();
        assert_eq!(lines, ["s6", "s5", "s4", "s2"].map(|to| (to, StatusOrigin::Webhook, Some(7))));
        let older = store.leads().history(lead.id, Some(history[1].id), 1).await.unwrap();
        assert_eq!(older, history[2..3]);
    }

    async fn ours_gives_way_to_later_moves_only_and_never_to_its_own_echo(db: TestDb) {
        use ReportKind::{Moved as MovedThere, Read, Settled};
        let store = db.open().await;
        let leads = store.leads();
        let lead = delivered(&store, DEAL).await;
        db.hands.advance(Duration::from_millis(10_500));
        leads.set_status(lead.id, set(2), Some(moving(lead.id, 2))).await.unwrap();
        let row = leads.get(lead.id).await.unwrap().unwrap();
        assert!(row.is_move_pending);
        let at = |seconds: i64| lead.created_at + TimeDelta::seconds(seconds);
        for (second, stage, kind, expected) in [
            (9, 3, MovedThere, "stale"),
            // In one second, ours stays.
            (10, 4, MovedThere, "stale"),
            // A reading does not tell when it was moved.
            (12, 5, Settled, "stale"),
            (12, 4, Read, "stale"),
        ] {
            assert_eq!(hear(&store, report(DEAL, at(second), stage, kind)).await, expected);
            assert_eq!(status(&store, lead.id).await, "s2");
        }
        // Sent, and nobody knows whether it arrived; meanwhile ours changes again.
        let job = claim(&store, "lead.move").await.unwrap();
        assert!(leads.begin_move(lead.id, "s2", stage(2), &job).await.unwrap().is_some());
        leads.set_status(lead.id, set(6), Some(moving(lead.id, 6))).await.unwrap();
        assert_eq!(hear(&store, report(DEAL, at(13), 2, MovedThere)).await, "known");
        assert_eq!(status(&store, lead.id).await, "s6");
        // The first job is superseded; the second carries it.
        assert!(leads.begin_move(lead.id, "s2", stage(2), &job).await.unwrap().is_none());
        let _ = store.jobs().complete(&job).await.unwrap();
        let job = claim(&store, "lead.move").await.unwrap();
        leads.begin_move(lead.id, "s6", stage(6), &job).await.unwrap().unwrap();
        let moved = Moved { status: word(6), stage: stage(6), told_at: Some(at(15)) };
        assert_eq!(leads.end_move(lead.id, moved.clone(), &job, look).await.unwrap(), Ack::Recorded);
        assert_eq!(leads.end_move(lead.id, moved, &job, look).await.unwrap(), Ack::Stale);
        for (second, stage, expected) in [(15, 6, "known"), (13, 2, "stale"), (10, 4, "stale")] {
            assert_eq!(hear(&store, report(DEAL, at(second), stage, MovedThere)).await, expected);
        }
        // A person moves it there.
        assert_eq!(hear(&store, report(DEAL, at(16), 3, MovedThere)).await, "followed");
        // Ours on its way, and theirs later: theirs, and there is nothing to send any more.
        db.hands.advance(Duration::from_secs(90));
        leads.set_status(lead.id, set(2), Some(moving(lead.id, 2))).await.unwrap();
        assert_eq!(hear(&store, report(DEAL, at(200), 4, MovedThere)).await, "followed");
        let row = leads.get(lead.id).await.unwrap().unwrap();
        assert!(!row.is_move_pending);
    }

    async fn two_moves_of_ours_in_one_second_are_not_undone_by_the_echo_of_the_first(db: TestDb) {
        let store = db.open().await;
        let leads = store.leads();
        let lead = delivered(&store, DEAL).await;
        let at = lead.created_at + TimeDelta::seconds(1);
        db.hands.advance(Duration::from_secs(1));
        for to in [2, 3] {
            leads.set_status(lead.id, set(to), Some(moving(lead.id, to))).await.unwrap();
            let job = claim(&store, "lead.move").await.unwrap();
            leads.begin_move(lead.id, &word(to), stage(to), &job).await.unwrap().unwrap();
            let moved = Moved { status: word(to), stage: stage(to), told_at: Some(at) };
            assert!(leads.end_move(lead.id, moved, &job, look).await.unwrap().is_recorded());
        }
        for echo in [2, 3, 2] {
            hear(&store, report(DEAL, at, echo, ReportKind::Moved)).await;
            assert_eq!(status(&store, lead.id).await, "s3");
        }
        assert_eq!(hear(&store, report(DEAL, at, 3, ReportKind::Settled)).await, "known");
        assert_eq!(hear(&store, report(DEAL, at, 2, ReportKind::Moved)).await, "stale");
        assert_eq!(status(&store, lead.id).await, "s3");
    }

    /// Whoever wants a status again wants it now, though it seems to be there.
    async fn a_status_wanted_again_is_newer_than_a_move_that_nobody_heard_of(db: TestDb) {
        let store = db.open().await;
        let leads = store.leads();
        let lead = delivered(&store, DEAL).await;
        db.hands.advance(Duration::from_secs(10));
        leads.set_status(lead.id, set(2), None).await.unwrap();
        db.hands.advance(Duration::from_secs(10));
        for _ in 0..2 {
            let again = leads.set_status(lead.id, set(2), Some(moving(lead.id, 2))).await.unwrap();
            assert!(matches!(again, StatusChanged::Unchanged(_)), "{again:?}");
        }
        assert_eq!(store.jobs().stats("lead.move").await.unwrap().depth, 1);
        let late = report(DEAL, lead.created_at + TimeDelta::seconds(15), 3, ReportKind::Moved);
        assert_eq!(hear(&store, late).await, "stale");
        assert_eq!(status(&store, lead.id).await, "s2");
        assert_eq!(leads.history(lead.id, None, 10).await.unwrap().len(), 1);
    }

    async fn what_is_told_before_the_delivery_has_ended_is_kept(db: TestDb) {
        let store = db.open().await;
        let lead = accept(&store).await;
        let mut early = report(DEAL, lead.created_at + TimeDelta::seconds(5), 3, ReportKind::Moved);
        early.intake_id = Some(lead.intake_id);
        assert_eq!(hear(&store, early).await, "followed");
        let job = claim(&store, "lead.deliver").await.unwrap();
        let made = Delivered {
            contact_id: Some(1), lead_id: DEAL, pipeline_id: Some(1), status_id: Some(1), ..Delivered::default()
        };
        assert!(store.leads().set_delivered(lead.id, made, &job).await.unwrap().is_recorded());
        let row = store.leads().get(lead.id).await.unwrap().unwrap();
        assert_eq!((row.local_status.as_str(), row.amo_status_id), ("s3", Some(3)));
        // A copy of the deal carries the same intake id, and is another deal.
        let mut copy = report(DEAL + 1, lead.created_at + TimeDelta::seconds(9), 4, ReportKind::Moved);
        copy.intake_id = Some(lead.intake_id);
        assert_eq!(hear(&store, copy).await, "not ours");
    }

    async fn leads_that_share_a_deal_follow_it_together(db: TestDb) {
        let store = db.open().await;
        let first = delivered(&store, DEAL).await;
        let later = first.created_at + TimeDelta::seconds(5);
        // The second is folded into the deal, and a robot moves it before we have noted that.
        let second = accept(&store).await;
        let mut early = report(DEAL, later, 2, ReportKind::Moved);
        early.intake_id = Some(second.intake_id);
        let heard = store.leads().hear(vec![early], look).await.unwrap();
        assert_eq!(heard.iter().map(name).collect::<Vec<_>>(), ["followed", "followed"]);
        let job = claim(&store, "lead.deliver").await.unwrap();
        let made = Delivered {
            account: Some("acme.amocrm.ru".into()), contact_id: Some(1), lead_id: DEAL,
            then: vec![moving(second.id, 9)], ..Delivered::default()
        };
        // What follows is there with the outcome, or not at all.
        let ack = store.leads().set_delivered(second.id, made.clone(), &job).await;
        assert!(ack.unwrap().is_recorded());
        assert_eq!(store.jobs().stats("lead.move").await.unwrap().depth, 1);
        assert_eq!(store.leads().set_delivered(second.id, made, &job).await.unwrap(), Ack::Stale);
        assert_eq!(store.jobs().stats("lead.move").await.unwrap().depth, 1);

        let moved = report(DEAL, later + TimeDelta::seconds(1), 3, ReportKind::Moved);
        let heard = store.leads().hear(vec![moved], look).await.unwrap();
        assert_eq!(heard.len(), 2);
        assert_eq!(status(&store, first.id).await, "s3");
        assert_eq!(status(&store, second.id).await, "s3");
        let both = store.leads().find_by_amo_leads("acme.amocrm.ru", &[DEAL]).await.unwrap();
        assert_eq!(both.iter().map(|lead| lead.id).collect::<Vec<_>>(), [first.id, second.id]);
    }

    async fn a_lead_belongs_to_the_account_that_took_it(db: TestDb) {
        let store = db.open().await;
        let lead = accept(&store).await;
        let job = claim(&store, "lead.deliver").await.unwrap();
        let made = Delivered {
            account: Some("real.amocrm.ru".into()), lead_id: DEAL, ..Delivered::default()
        };
        assert!(store.leads().set_delivered(lead.id, made, &job).await.unwrap().is_recorded());
        let mut moved = report(DEAL, lead.created_at + TimeDelta::seconds(5), 2, ReportKind::Moved);
        assert_eq!(hear(&store, moved.clone()).await, "not ours");
        moved.account = "real.amocrm.ru".into();
        assert_eq!(hear(&store, moved).await, "followed");
    }

    async fn a_deal_that_is_gone_keeps_its_status_and_may_come_back(db: TestDb) {
        let store = db.open().await;
        let leads = store.leads();
        let lead = delivered(&store, DEAL).await;
        leads.set_status(lead.id, set(2), Some(moving(lead.id, 2))).await.unwrap();
        assert!(leads.set_gone(lead.id, StatusOrigin::Reconcile).await.unwrap());
        assert!(!leads.set_gone(lead.id, StatusOrigin::Look).await.unwrap());
        let row = leads.get(lead.id).await.unwrap().unwrap();
        assert!(row.amo_gone_at.is_some() && !row.is_move_pending);
        let refused = leads.set_status(lead.id, set(3), Some(moving(lead.id, 3))).await.unwrap();
        assert!(matches!(refused, StatusChanged::DealGone(_)), "{refused:?}");
        let at = lead.created_at + TimeDelta::seconds(30);
        assert_eq!(hear(&store, report(DEAL, at, 4, ReportKind::Moved)).await, "looking");
        assert_eq!(hear(&store, report(DEAL, at, 4, ReportKind::Settled)).await, "followed");
        assert_eq!(leads.get(lead.id).await.unwrap().unwrap().amo_gone_at, None);
        let events: Vec<_> = leads.history(lead.id, None, 10).await.unwrap().iter().map(|it| it.event).collect();
        let expected = [
            HistoryEvent::Status,
            HistoryEvent::DealBack,
            HistoryEvent::DealGone,
            HistoryEvent::Status,
        ];
        assert_eq!(events, expected);
    }

    async fn a_status_that_lost_its_job_gets_another_unless_it_was_refused(db: TestDb) {
        let store = db.open().await;
        let leads = store.leads();
        let lead = delivered(&store, DEAL).await;
        let refused = delivered(&store, DEAL + 1).await;
        for id in [lead.id, refused.id] {
            leads.set_status(id, set(2), Some(moving(id, 2))).await.unwrap();
        }
        let resend = async || {
            let soon = lead.created_at + TimeDelta::days(1);
            let page = leads.resend(0, soon, lane, |row| Ok(moving(row.id, 2))).await.unwrap();
            assert_eq!(page.next, None);
            page.leads.into_iter().map(|it| (it.id, it.dead_letter)).collect::<Vec<_>>()
        };
        assert_eq!(resend().await, []);
        let job = claim(&store, "lead.move").await.unwrap();
        let _ = store.jobs().complete(&job).await.unwrap();
        let job = claim(&store, "lead.move").await.unwrap();
        let _ = store.jobs().bury(&job, "no", None).await.unwrap();
        assert_eq!(resend().await, [(lead.id, None), (refused.id, Some(job.id()))]);
        assert_eq!(resend().await, [(refused.id, Some(job.id()))]);
        assert_eq!(store.jobs().stats("lead.move").await.unwrap().depth, 1);
        // A person throws it away: then for good, and the deal's own stage is how it is.
        assert!(leads.drop_move(refused.id, job.id()).await.unwrap());
        assert!(!leads.drop_move(refused.id, job.id()).await.unwrap());
        assert_eq!(resend().await, []);
        let at = lead.created_at + TimeDelta::hours(1);
        assert_eq!(hear(&store, report(DEAL + 1, at, 1, ReportKind::Moved)).await, "followed");
    }

    async fn a_newer_move_outlives_the_one_that_was_thrown_away(db: TestDb) {
        let store = db.open().await;
        let leads = store.leads();
        let lead = delivered(&store, DEAL).await;
        leads.set_status(lead.id, set(2), Some(moving(lead.id, 2))).await.unwrap();
        let job = claim(&store, "lead.move").await.unwrap();
        let _ = store.jobs().bury(&job, "no", None).await.unwrap();
        leads.set_status(lead.id, set(3), Some(moving(lead.id, 3))).await.unwrap();
        assert!(leads.drop_move(lead.id, job.id()).await.unwrap());
        assert!(leads.get(lead.id).await.unwrap().unwrap().is_move_pending);
    }

    async fn a_schedule_has_one_holder_and_goes_on_where_it_stopped(db: TestDb) {
        let (one, two) = (db.open().await, db.open().await);
        let hold = Duration::from_mins(5);
        let Turn::Taken(run) = one.schedules().take("s", hold).await.unwrap() else { panic!() };
        assert_eq!(run.progress::<i64>(), None);
        for turn in [two.schedules().take("s", hold).await, two.schedules().take_now("s", hold).await] {
            assert!(matches!(turn.unwrap(), Turn::Busy(rest) if rest == hold));
        }
        assert!(one.schedules().note(&run, &42, hold).await.unwrap().is_recorded());
        // Its process hangs longer than it may.
        db.hands.advance(hold);
        let Turn::Taken(next) = two.schedules().take("s", hold).await.unwrap() else { panic!() };
        assert_eq!(next.progress(), Some(42));
        assert_eq!(one.schedules().note(&run, &43, hold).await.unwrap(), Ack::Stale);
        assert_eq!(one.schedules().end(&run, hold, "late").await.unwrap(), Ack::Stale);
        assert!(two.schedules().end(&next, hold * 12, "done").await.unwrap().is_recorded());
        assert!(matches!(one.schedules().take("s", hold).await.unwrap(), Turn::NotDue(rest) if rest == hold * 12));
        assert!(matches!(one.schedules().take_now("s", hold).await.unwrap(), Turn::Taken(_)));
        // Another schedule is another thing.
        assert!(matches!(one.schedules().take("t", hold).await.unwrap(), Turn::Taken(_)));
    }
}
