//! Fields every account has.

use super::Field;
use super::kind::{Checkbox, Multitext, Text, Textarea, TrackingData, Url};

/// Phones of a contact or a company.
pub const PHONE: Field<Multitext> = Field::code("PHONE");
/// E-mails of a contact or a company.
pub const EMAIL: Field<Multitext> = Field::code("EMAIL");
/// Messengers of a contact, in old accounts.
pub const IM: Field<Multitext> = Field::code("IM");
/// Position of a contact.
pub const POSITION: Field<Text> = Field::code("POSITION");
/// A contact's consent to the user agreement.
pub const USER_AGREEMENT: Field<Checkbox> = Field::code("USER_AGREEMENT");
/// Site of a company.
pub const WEB: Field<Url> = Field::code("WEB");
/// Address of a company.
pub const ADDRESS: Field<Textarea> = Field::code("ADDRESS");

macro_rules! tracking {
    ($($(#[$doc:meta])* $name:ident = $code:literal),+ $(,)?) => {
        $(
            $(#[$doc])*
            pub const $name: Field<TrackingData> = Field::code($code);
        )+

        /// Codes of all tracking fields of a lead, in the order amoCRM creates them. Older accounts lack some.
        pub const TRACKING_CODES: &[&str] = &[$($code),+];
    };
}

tracking! {
    /// `utm_content` of the visit.
    UTM_CONTENT = "UTM_CONTENT",
    /// `utm_medium` of the visit.
    UTM_MEDIUM = "UTM_MEDIUM",
    /// `utm_campaign` of the visit.
    UTM_CAMPAIGN = "UTM_CAMPAIGN",
    /// `utm_source` of the visit.
    UTM_SOURCE = "UTM_SOURCE",
    /// `utm_term` of the visit.
    UTM_TERM = "UTM_TERM",
    /// `utm_referrer` of the visit.
    UTM_REFERRER = "UTM_REFERRER",
    /// Visit number of Roistat.
    ROISTAT = "ROISTAT",
    /// Page the visitor came from.
    REFERRER = "REFERRER",
    /// Service mark of Openstat.
    OPENSTAT_SERVICE = "OPENSTAT_SERVICE",
    /// Campaign mark of Openstat.
    OPENSTAT_CAMPAIGN = "OPENSTAT_CAMPAIGN",
    /// Advertisement mark of Openstat.
    OPENSTAT_AD = "OPENSTAT_AD",
    /// Source mark of Openstat.
    OPENSTAT_SOURCE = "OPENSTAT_SOURCE",
    /// `from` mark of the visit.
    FROM = "FROM",
    /// Client id of Google Analytics.
    GCLIENTID = "GCLIENTID",
    /// Visitor id of Yandex Metrica.
    YM_UID = "_YM_UID",
    /// Counter id of Yandex Metrica.
    YM_COUNTER = "_YM_COUNTER",
    /// Click id of Google Ads.
    GCLID = "GCLID",
    /// Click id of Yandex Direct.
    YCLID = "YCLID",
    /// Click id of Facebook.
    FBCLID = "FBCLID",
}
