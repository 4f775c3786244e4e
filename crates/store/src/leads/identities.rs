//! Which contact an e-mail or a phone belongs to, and who may create it.
//!
//! amoCRM finds a new contact only some seconds after it was made, so two leads of one person delivered at the same
//! moment would make two contacts. Here one of them claims the e-mail and the phone; the other is told to wait, and
//! then finds the contact's number in the row.

use std::fmt;
use std::time::Duration;

use super::Leads;
use crate::clock::{duration, micros};
use crate::db::{Operation, Tx};
use crate::error::Result;

/// A busy identity is asked for again after this at the latest: most claims end long before they expire.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// And not before this.
const SHORTEST_WAIT: Duration = Duration::from_millis(50);

/// What people are recognised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentityKind {
    /// An e-mail in lower case.
    Email,
    /// A phone in E.164.
    Phone,
}

impl IdentityKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }
}

/// One e-mail or phone of a person.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// What it is.
    pub kind: IdentityKind,
    /// The normalised value, or a hash of it.
    pub value: String,
}

impl Identity {
    /// An e-mail in lower case.
    pub fn email(value: impl Into<String>) -> Self {
        Self {
            kind: IdentityKind::Email,
            value: value.into(),
        }
    }

    /// A phone in E.164.
    pub fn phone(value: impl Into<String>) -> Self {
        Self {
            kind: IdentityKind::Phone,
            value: value.into(),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The answer to "may I look for, or create, the contact?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactClaim {
    /// Yes, until the claim ends.
    Granted {
        /// The contact that one of the identities is known to belong to; of several the one that comes first in the
        /// caller's order.
        known_contact_id: Option<i64>,
    },
    /// Another lead is at it. Ask again after this long.
    Busy {
        /// How long to wait.
        retry_after: Duration,
    },
}

impl Leads {
    /// Takes the right to find or create the contact of these identities, all of them or none, for `life`.
    ///
    /// Asking again for the same lead renews the claim. Identities whose contact is known are not claimed: leads of a
    /// known person do not wait for each other.
    pub async fn claim_identities(
        &self,
        lead_id: i64,
        account: &str,
        identities: &[Identity],
        life: Duration,
    ) -> Result<ContactClaim> {
        self.inner
            .db
            .write(Claim {
                lead_id,
                account: account.to_owned(),
                identities: identities.to_vec(),
                life: micros(life),
            })
            .await
    }

    /// Ends the claim of a lead by telling the contact. [`set_delivered`](Leads::set_delivered) does it too; call
    /// this earlier, as soon as the contact exists.
    pub async fn resolve_identities(&self, lead_id: i64, contact_id: i64) -> Result<()> {
        self.inner
            .db
            .write(Settle {
                lead_id,
                contact_id: Some(contact_id),
            })
            .await
    }

    /// Ends the claim of a lead without a contact: the next one may try.
    pub async fn release_identities(&self, lead_id: i64) -> Result<()> {
        self.inner
            .db
            .write(Settle {
                lead_id,
                contact_id: None,
            })
            .await
    }

    /// Forgets what belongs to a contact: it was deleted or merged in amoCRM.
    pub async fn forget_contact(&self, account: &str, contact_id: i64) -> Result<()> {
        self.inner
            .db
            .write(ForgetContact {
                account: account.to_owned(),
                contact_id,
            })
            .await
    }
}

struct Claim {
    lead_id: i64,
    account: String,
    identities: Vec<Identity>,
    life: i64,
}

impl Operation for Claim {
    type Output = ContactClaim;

    async fn run(&self, tx: &mut Tx) -> Result<ContactClaim> {
        // In one order for everybody: otherwise two leads could wait for each other's rows.
        let mut in_order: Vec<(usize, &Identity)> = self.identities.iter().enumerate().collect();
        in_order.sort_by_key(|(_, identity)| (identity.kind, &identity.value));
        in_order.dedup_by(|a, b| a.1 == b.1);

        let mut known: Option<(usize, i64)> = None;
        let mut busy_until = None;
        for (position, identity) in in_order {
            tx.query(
                "INSERT INTO identities (account, kind, value) VALUES ($1, $2, $3)
                 ON CONFLICT (account, kind, value) DO NOTHING",
            )
            .bind(&self.account)
            .bind(identity.kind.as_str())
            .bind(&identity.value)
            .execute()
            .await?;
            let now = tx.now().await?;
            // An update even when it changes nothing: on PostgreSQL it locks the row and reads its newest version.
            let row = tx
                .query(
                    "UPDATE identities SET
                         claimed_by = CASE WHEN contact_id IS NULL
                             AND (claimed_by IS NULL OR claimed_by = $4 OR claimed_until <= $5)
                             THEN $4 ELSE claimed_by END,
                         claimed_until = CASE WHEN contact_id IS NULL
                             AND (claimed_by IS NULL OR claimed_by = $4 OR claimed_until <= $5)
                             THEN $6 ELSE claimed_until END
                     WHERE account = $1 AND kind = $2 AND value = $3
                     RETURNING contact_id, claimed_by, claimed_until",
                )
                .bind(&self.account)
                .bind(identity.kind.as_str())
                .bind(&identity.value)
                .bind(self.lead_id)
                .bind(now)
                .bind(now.saturating_add(self.life))
                .fetch_one()
                .await?;
            if let Some(contact) = row.opt_int("contact_id")? {
                if known.is_none_or(|(first, _)| position < first) {
                    known = Some((position, contact));
                }
            } else if row.opt_int("claimed_by")? != Some(self.lead_id) {
                let until = row.opt_int("claimed_until")?.unwrap_or(now);
                busy_until = busy_until.max(Some(until));
            }
        }
        if let Some(until) = busy_until {
            release(tx, self.lead_id).await?;
            let wait = duration(until - tx.now().await?);
            return Ok(ContactClaim::Busy {
                retry_after: wait.clamp(SHORTEST_WAIT, LONGEST_WAIT),
            });
        }
        Ok(ContactClaim::Granted {
            known_contact_id: known.map(|(_, contact)| contact),
        })
    }
}

struct Settle {
    lead_id: i64,
    contact_id: Option<i64>,
}

impl Operation for Settle {
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<()> {
        match self.contact_id {
            Some(contact) => resolve(tx, self.lead_id, contact).await,
            None => release(tx, self.lead_id).await,
        }
    }
}

/// Tells the identities that `lead_id` has claimed their contact.
pub(super) async fn resolve(tx: &mut Tx, lead_id: i64, contact_id: i64) -> Result<()> {
    tx.query(
        "UPDATE identities SET contact_id = $2, claimed_by = NULL, claimed_until = NULL
         WHERE claimed_by = $1",
    )
    .bind(lead_id)
    .bind(contact_id)
    .execute()
    .await?;
    Ok(())
}

/// Lets go of the identities that `lead_id` has claimed.
pub(super) async fn release(tx: &mut Tx, lead_id: i64) -> Result<()> {
    tx.query("UPDATE identities SET claimed_by = NULL, claimed_until = NULL WHERE claimed_by = $1")
        .bind(lead_id)
        .execute()
        .await?;
    Ok(())
}

struct ForgetContact {
    account: String,
    contact_id: i64,
}

impl Operation for ForgetContact {
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<()> {
        tx.query("UPDATE identities SET contact_id = NULL WHERE account = $1 AND contact_id = $2")
            .bind(&self.account)
            .bind(self.contact_id)
            .execute()
            .await?;
        Ok(())
    }
}
