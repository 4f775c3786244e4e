//! Segments of customers, in [`CustomersMode::Segments`](super::CustomersMode::Segments).
//!
//! Their custom fields are defined with [`FieldOwner::Segments`](crate::custom_fields::FieldOwner::Segments).
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/segments-api>.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, Serializer};

use crate::client::Client;
use crate::de;
use crate::de::open_enum;
use crate::entity::{Entity, HasId, Never, awaited, input, resource};
use crate::error::Result;
use crate::fields::{CustomFieldValues, FieldChanges};
use crate::id::{AccountId, CustomFieldId, SegmentId, kind};
use crate::request::{Request, declare};

resource! {
    /// Segments of customers: [`Customers::segments`](super::Customers::segments).
    pub struct Segments of Segment: kind::Segment, "customers.segments", key = "segments";
    /// Reads segments. An account has at most 100.
    list(with = Never, filter = Never, order = Never);
    /// Reads one segment.
    get(SegmentId);
    /// Changes a segment. Needs an administrator's token. amoCRM changes one at a time only.
    update(SegmentId, SegmentPatch => Segment);
    /// Removes a segment. Needs an administrator's token.
    delete(SegmentId);
}

impl Segments {
    /// Adds a segment: amoCRM takes one at a time. Needs an administrator's token.
    pub fn create(&self, segment: NewSegment) -> CreateSegment {
        CreateSegment {
            client: self.client.clone(),
            path: self.path.clone().into_owned(),
            segment,
        }
    }
}

/// Adds a segment; awaiting gives it as amoCRM has stored it.
#[derive(Debug, Clone)]
#[must_use = "nothing is created until it is awaited"]
pub struct CreateSegment {
    client: Client,
    path: String,
    segment: NewSegment,
}

declare!(CreateSegment: Segment::CREATE);

impl CreateSegment {
    /// The request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the colour is none of amoCRM's, or a custom field was
    /// given what its kind cannot be.
    pub fn into_request(self) -> Result<Request> {
        Request::post(Segment::CREATE, self.path).json(&self.segment)
    }

    async fn run(self) -> Result<Segment> {
        let client = self.client.clone();
        client.expect(self.into_request()?).await
    }
}

awaited!(CreateSegment => Segment);

/// A segment as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Segment {
    /// Its id.
    pub id: SegmentId,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Its colour.
    #[serde(default)]
    pub color: Option<SegmentColor>,
    /// How many customers are in it.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub customers_count: Option<u64>,
    /// Which price fields of products its customers get.
    #[serde(default, deserialize_with = "de::list")]
    pub available_products_price_types: Vec<CustomFieldId>,
    /// Its custom fields.
    #[serde(default, deserialize_with = "de::or_default")]
    pub custom_fields_values: CustomFieldValues,
    /// When it was created.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub updated_at: Option<DateTime<Utc>>,
    /// Its account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
}

impl AsRef<crate::fields::CustomFieldValues> for Segment {
    fn as_ref(&self) -> &crate::fields::CustomFieldValues {
        &self.custom_fields_values
    }
}

impl HasId for Segment {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

input! {
    /// A segment to be added.
    pub struct NewSegment(name: impl Into<String>);
    /// Changes to a segment: only what is set travels.
    pub struct SegmentPatch(SegmentId) of Segment;
    fields SegmentFields;
    both {
        /// Sets the name.
        text name "name";
        part color "color": Paint;
        /// Adds price fields of products that its customers get.
        list price_types "available_products_price_types": CustomFieldId;
        part custom_fields "custom_fields_values": FieldChanges;
    }
    new {}
    patch {}
    also {
        /// Sets the colour, one of [`SegmentColor::KNOWN`]: with any other the request is not sent. New segments get `10599d`
        /// without it.
        pub fn color(mut self, color: impl Into<SegmentColor>) -> Self {
            self.fields_mut().color = Some(Paint(color.into()));
            self
        }

        crate::entity::input_custom_fields!();
    }
}

/// A colour to be written: amoCRM refuses any of one's own without saying which ones there are.
#[derive(Clone)]
struct Paint(SegmentColor);

impl Serialize for Paint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            SegmentColor::Unknown(_) => Err(serde::ser::Error::custom(
                "color: expected one of the 40 in SegmentColor::KNOWN, six hexadecimal digits without #",
            )),
            known => known.serialize(serializer),
        }
    }
}

open_enum! {
    /// A colour of a segment, six hexadecimal digits without `#`. The names are the digits.
    #[expect(missing_docs, reason = "the names are the colours")]
    pub enum SegmentColor {
        C10599D = "10599d",
        C2176FF = "2176ff",
        C006ACC = "006acc",
        C07A0C3 = "07a0c3",
        C247BA0 = "247ba0",
        C177E89 = "177e89",
        C046E8F = "046e8f",
        C598381 = "598381",
        C0C7C59 = "0c7c59",
        C495F41 = "495f41",
        C00A44B = "00a44b",
        C08605F = "08605f",
        CBF2600 = "bf2600",
        C06D6A0 = "06d6a0",
        CE14945 = "e14945",
        C79B473 = "79b473",
        CAE003F = "ae003f",
        CA2AD59 = "a2ad59",
        CCD0F53 = "cd0f53",
        C8E936D = "8e936d",
        C832161 = "832161",
        C2E5339 = "2e5339",
        CBF126F = "bf126f",
        C6F7C12 = "6f7c12",
        CFF5376 = "ff5376",
        CDD1C1A = "dd1c1a",
        CBB304E = "bb304e",
        C631D76 = "631d76",
        C9D2B32 = "9d2b32",
        C4A001F = "4a001f",
        CB118C8 = "b118c8",
        C6A0F49 = "6a0f49",
        C6610F2 = "6610f2",
        CB38A58 = "b38a58",
        C8963BA = "8963ba",
        C4B3666 = "4b3666",
        C932F6D = "932f6d",
        C6B2D5C = "6b2d5c",
        C6461A0 = "6461a0",
        C4F517D = "4f517d",
    }
}
