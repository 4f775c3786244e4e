//! What is in the queue.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use store::{Channel, Claimed, FUNNEL_ENTER, FUNNEL_NOTE, JobSpec, LeadJob, StoreError};

use crate::lead::LeadStatus;

/// Delivers a lead.
pub(crate) const DELIVER: &str = "lead.deliver";
/// Adds what a deal lacks after it was made: a note, a phone of its contact.
pub(crate) const FINISH: &str = "lead.finish";
/// Adds a phone or an e-mail to a contact that lacks it.
pub(crate) const CONTACT: &str = "lead.contact";
/// Moves a deal to the stage of our status.
pub(crate) const MOVE: &str = "lead.move";

/// What the name of a lead's lane begins with.
const LANE: &str = "lead/";
/// Asks amoCRM for a deal's stage.
pub(crate) const LOOK: &str = "lead.look";

/// All kinds that need amoCRM, the most urgent first.
pub(crate) const KINDS: &[&str] = &[DELIVER, MOVE, LOOK, FINISH, CONTACT, FUNNEL_NOTE];

/// Kinds that do without amoCRM: those of funnels. They are planned far ahead, so their age says nothing.
pub(crate) const FUNNEL_KINDS: [&str; 3] =
    [FUNNEL_ENTER, Channel::Email.job(), Channel::Whatsapp.job()];

/// How long after a doubt amoCRM is asked: the second that the doubt is about has to be over.
const LOOK_AFTER: Duration = Duration::from_secs(2);

/// Kinds whose dead letters nobody misses after a while: the deal is in amoCRM, with a note less or at another stage. A
/// lead that was not delivered is kept for ever.
pub(crate) const OPTIONAL_KINDS: &[&str] = &[MOVE, LOOK, FINISH, CONTACT, FUNNEL_NOTE];

/// A job of ours.
#[derive(Debug, Clone)]
pub(crate) enum Job {
    Deliver { lead: i64 },
    Finish(Finish),
    Contact { lead: i64, contact: u64 },
    Move { lead: i64, status: LeadStatus },
    Look(Look),
}

/// A deal to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Look {
    pub(crate) lead: i64,
    /// The second in doubt.
    pub(crate) heard: Option<DateTime<Utc>>,
}

/// The job that looks at a lead's deal.
pub(crate) fn look(lead: i64, heard: Option<DateTime<Utc>>) -> Result<JobSpec, StoreError> {
    Job::Look(Look { lead, heard }).spec()
}

/// The lane of a lead's jobs.
pub(crate) fn lane(lead: i64) -> String {
    format!("{LANE}{lead}")
}

/// What is left to do for a deal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finish {
    pub(crate) lead: i64,
    pub(crate) deal: u64,
    /// The contact may lack the phone or the e-mail: added with the end of the delivery. Releases before 0.5 left it to this
    /// job.
    pub(crate) contact: Option<u64>,
    /// Names and values that found no field; `None` if nobody remembers, and the deal has to be looked at.
    pub(crate) unplaced: Option<Vec<(String, String)>>,
    /// The deal was there before: the lead takes over where it is and whose.
    #[serde(default)]
    pub(crate) is_merged: bool,
}

#[derive(Serialize, Deserialize)]
struct Complete {
    lead: i64,
    contact: u64,
}

#[derive(Serialize, Deserialize)]
struct Move {
    lead: i64,
    status: LeadStatus,
}

impl Job {
    /// The job as it was stored, or what is wrong with it.
    pub(crate) fn read(job: &Claimed) -> Result<Self, String> {
        let read = match job.kind() {
            DELIVER => job.payload().map(|lead| Self::Deliver { lead }),
            FINISH => job.payload().map(Self::Finish),
            CONTACT => job
                .payload()
                .map(|Complete { lead, contact }| Self::Contact { lead, contact }),
            MOVE => job
                .payload()
                .map(|Move { lead, status }| Self::Move { lead, status }),
            LOOK => job.payload().map(Self::Look),
            other => return Err(format!("nobody here works on jobs of the kind {other}")),
        };
        read.map_err(|error| error.to_string())
    }

    /// [`Job::Deliver`] of a lead that has no number yet.
    pub(crate) fn delivery() -> LeadJob {
        LeadJob::new(DELIVER).lane(LANE)
    }

    /// The job as it is stored. The jobs of a lead run one after another, and so do those that change a contact: amoCRM
    /// takes a field's values only together, and of two that append at once one would be lost. Those that
    /// only look wait for nobody.
    pub(crate) fn spec(&self) -> Result<JobSpec, StoreError> {
        let (spec, lead) = match self {
            Self::Deliver { lead } => (JobSpec::new(DELIVER, lead)?, *lead),
            Self::Finish(finish) => (JobSpec::new(FINISH, finish)?, finish.lead),
            Self::Contact { lead, contact } => {
                let payload = Complete {
                    lead: *lead,
                    contact: *contact,
                };
                let spec = JobSpec::new(CONTACT, &payload)?;
                return Ok(spec.lane(format!("contact/{contact}")));
            }
            Self::Move { lead, status } => {
                let payload = Move {
                    lead: *lead,
                    status: *status,
                };
                (JobSpec::new(MOVE, &payload)?, *lead)
            }
            Self::Look(look) => return Ok(JobSpec::new(LOOK, look)?.delay(LOOK_AFTER)),
        };
        Ok(spec.lane(lane(lead)))
    }
}
