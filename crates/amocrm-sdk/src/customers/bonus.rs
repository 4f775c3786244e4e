//! Bonus points of a customer.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/customers-bonus-points-api>.

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::de;
use crate::entity::awaited;
use crate::error::Result;
use crate::request::{Operation, Request, declare};

/// Sent twice it counts twice.
const EARN: Operation = Operation::once("customers.bonus_points.earn");
const REDEEM: Operation = Operation::once("customers.bonus_points.redeem");

/// Bonus points of one customer: [`Customers::bonus_points`](super::Customers::bonus_points).
#[derive(Debug, Clone)]
pub struct BonusPoints {
    client: Client,
    path: String,
}

declare!(BonusPoints: EARN, REDEEM);

impl BonusPoints {
    pub(super) fn new(client: Client, path: String) -> Self {
        Self { client, path }
    }

    /// Gives the customer points.
    pub fn earn(&self, points: u32) -> ChangeBonusPoints {
        self.change(EARN, Change::Earn(points))
    }

    /// Takes points from the customer.
    pub fn redeem(&self, points: u32) -> ChangeBonusPoints {
        self.change(REDEEM, Change::Redeem(points))
    }

    fn change(&self, operation: Operation, change: Change) -> ChangeBonusPoints {
        ChangeBonusPoints {
            client: self.client.clone(),
            path: self.path.clone(),
            operation,
            change,
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Earn(u32),
    Redeem(u32),
}

/// Gives or takes bonus points; awaiting gives the customer's new balance.
///
/// It is not sent again after an unknown outcome: [`Error::delivery`](crate::Error::delivery) tells.
#[derive(Debug, Clone)]
#[must_use = "no points change hands until it is awaited"]
pub struct ChangeBonusPoints {
    client: Client,
    path: String,
    operation: Operation,
    change: Change,
}

impl ChangeBonusPoints {
    /// The request.
    ///
    /// # Errors
    ///
    /// None in practice: the change can always be written.
    pub fn into_request(self) -> Result<Request> {
        Request::post(self.operation, self.path).json(&self.change)
    }

    async fn run(self) -> Result<i64> {
        #[derive(Deserialize)]
        struct Balance {
            #[serde(deserialize_with = "de::number")]
            bonus_points: i64,
        }
        let client = self.client.clone();
        let balance: Balance = client.expect(self.into_request()?).await?;
        Ok(balance.bonus_points)
    }
}

awaited!(ChangeBonusPoints => i64);
