//! Customers: the buyers who come back, in one of two modes, with purchases and bonus points.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Account, Counters, DEFAULT_GROUP, EntityType, FieldGroup, FieldValue, Records};

/// How an account works with customers, as `customers_mode` of the account says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CustomersMode {
    /// The tariff has no customers: switching them on is answered 402.
    Unavailable,
    /// Switched off: every customers request is answered 426.
    #[default]
    Disabled,
    /// Customers are sorted into segments.
    Segments,
    /// Customers move through statuses by the date of their next purchase.
    Periodicity,
}

impl CustomersMode {
    /// The word of the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Disabled => "disabled",
            Self::Segments => "segments",
            Self::Periodicity => "periodicity",
        }
    }

    /// Whether there are customers at all.
    pub(crate) fn is_on(self) -> bool {
        matches!(self, Self::Segments | Self::Periodicity)
    }
}

/// The customers of an account and what belongs to them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Customers {
    /// Whether and how they are used. What is there stays when they are switched off.
    pub(crate) mode: CustomersMode,
    /// Their cards.
    pub(crate) cards: Records,
    /// The statuses of periodicity mode, in order.
    pub(crate) statuses: Vec<CustomerStatus>,
    /// The segments of segments mode.
    pub(crate) segments: BTreeMap<u64, Segment>,
    /// Purchases.
    pub(crate) transactions: BTreeMap<u64, Transaction>,
}

/// What only customers have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CustomerState {
    /// What the next purchase is expected to bring.
    pub(crate) next_price: i64,
    /// When it is expected.
    pub(crate) next_date: Option<i64>,
    /// Periodicity mode only.
    pub(crate) status_id: Option<u64>,
    /// Days between purchases.
    pub(crate) periodicity: i64,
    /// Segments mode only.
    pub(crate) segments: Vec<u64>,
    /// The sum of the purchases.
    pub(crate) ltv: i64,
    /// How many purchases there are.
    pub(crate) purchases_count: i64,
    /// The balance of bonus points.
    pub(crate) bonus_points: i64,
}

impl CustomerState {
    /// The mean purchase, without its fraction.
    pub(crate) fn average_check(&self) -> i64 {
        self.ltv.checked_div(self.purchases_count).unwrap_or(0)
    }
}

/// A status of periodicity mode.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CustomerStatus {
    /// Its id.
    pub(crate) id: u64,
    /// Its name.
    pub(crate) name: String,
    /// Order in the interface.
    pub(crate) sort: i64,
    /// Where new customers go.
    pub(crate) is_default: bool,
    /// `#rrggbb`.
    pub(crate) color: String,
    /// 0 own, 1 purchase expected, 2 not bought, 3 closed, 4 bought recently. All but 0 are amoCRM's own.
    pub(crate) kind: u8,
    /// Which customers it takes; kept as sent.
    pub(crate) conditions: Value,
}

/// A segment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Segment {
    /// Its id.
    pub(crate) id: u64,
    /// Its name.
    pub(crate) name: String,
    /// Hex without `#`.
    pub(crate) color: String,
    /// The price fields its customers may buy at.
    pub(crate) price_types: Vec<u64>,
    /// Filled custom fields.
    pub(crate) values: BTreeMap<u64, Vec<FieldValue>>,
    /// Unix seconds.
    pub(crate) created_at: i64,
    /// Unix seconds.
    pub(crate) updated_at: i64,
}

/// A purchase.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Transaction {
    /// Its id.
    pub(crate) id: u64,
    /// Who bought.
    pub(crate) customer_id: u64,
    /// For how much.
    pub(crate) price: i64,
    /// A person's remark.
    pub(crate) comment: Option<String>,
    /// When it was bought.
    pub(crate) completed_at: i64,
    /// What was bought: elements with quantities.
    pub(crate) elements: Vec<super::ElementLink>,
    /// 0 is a robot.
    pub(crate) created_by: u64,
    /// 0 is a robot.
    pub(crate) updated_by: u64,
    /// Unix seconds.
    pub(crate) created_at: i64,
    /// Unix seconds.
    pub(crate) updated_at: i64,
}

impl fmt::Debug for Transaction {
    /// The comment is private, so it is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("id", &self.id)
            .field("customer_id", &self.customer_id)
            .finish_non_exhaustive()
    }
}

/// The statuses amoCRM keeps itself: name, colour, type, whether new customers go there. The vendor's table and its sample
/// disagree about the type of "expected"; this is the table's.
const SYSTEM_STATUSES: [(&str, &str, u8, bool); 4] = [
    ("Недавно купили", "#ebffb1", 4, true),
    ("Ожидаем покупку", "#fffeb2", 1, false),
    ("Не купили вовремя", "#ffdbdb", 2, false),
    ("Закрыт", "#f2f3f4", 3, false),
];

impl Customers {
    /// The status with this id.
    pub(crate) fn status(&self, id: u64) -> Option<&CustomerStatus> {
        self.statuses.iter().find(|status| status.id == id)
    }

    /// Where customers without a status go.
    pub(crate) fn default_status(&self) -> Option<u64> {
        let default = self.statuses.iter().find(|status| status.is_default);
        default.or(self.statuses.first()).map(|status| status.id)
    }

    /// Makes the sums of a customer follow its purchases.
    pub(crate) fn recount(&mut self, customer_id: u64) {
        let prices = self
            .transactions
            .values()
            .filter(|transaction| transaction.customer_id == customer_id)
            .map(|transaction| transaction.price);
        let (mut ltv, mut count) = (0_i64, 0);
        for price in prices {
            ltv = ltv.saturating_add(price);
            count += 1;
        }
        self.cards.update(customer_id, |record| {
            let state = record.customer.get_or_insert_default();
            state.ltv = ltv;
            state.purchases_count = count;
        });
    }
}

impl Account {
    /// Switches customers on, off or over. What the mode needs is made when it is switched on for the first time.
    pub(crate) fn set_customers_mode(&mut self, mode: CustomersMode) {
        self.customers.mode = mode;
        let groups = self.groups.entry(EntityType::Customers.into()).or_default();
        if groups.is_empty() {
            groups.push(FieldGroup {
                id: DEFAULT_GROUP.to_owned(),
                name: "Основное".to_owned(),
                is_predefined: true,
                sort: 0,
            });
        }
        if mode != CustomersMode::Periodicity || !self.customers.statuses.is_empty() {
            return;
        }
        for (sort, (name, color, kind, is_default)) in (1..).zip(SYSTEM_STATUSES) {
            self.customers.statuses.push(CustomerStatus {
                id: Counters::take(&mut self.counters.customer_status),
                name: name.to_owned(),
                sort: sort * 10,
                is_default,
                color: color.to_owned(),
                kind,
                conditions: Value::Array(Vec::new()),
            });
        }
    }
}
